"""Convert a float network to an integer network, with a report of costs and proofs."""

from typing import Final

import numpy as np
from scipy.stats import poisson

from ipvae_snn import __version__
from ipvae_snn.arrays import Float64, Int32
from ipvae_snn.conversion.calibration import Calibration
from ipvae_snn.conversion.circuits import AnyTarget, RoundedCircuit, Rounding
from ipvae_snn.conversion.figures import ConversionReport, build_report
from ipvae_snn.conversion.quantise import finer
from ipvae_snn.conversion.settings import ConversionSettings
from ipvae_snn.conversion.stability import (
    EXEMPT,
    LARGEST_GAIN,
    LOG2E,
    Limits,
    RequiredInhibition,
    clip_units,
    least_own_inhibition,
)
from ipvae_snn.conversion.ways import way_of
from ipvae_snn.errors import ConversionError, ProgramError
from ipvae_snn.ir.bounds import worst_partial_sum
from ipvae_snn.ir.circuits import Parts, Residual
from ipvae_snn.ir.encode import input_code
from ipvae_snn.ir.fixed_point import STATE_BITS, signed_limit
from ipvae_snn.ir.graph import IMAGE, Connection
from ipvae_snn.ir.network import IntegerNetwork, circuit_network
from ipvae_snn.ir.neurons import PoissonNeurons
from ipvae_snn.ir.neurons.poisson import (
    MAX_COUNT_LIMIT,
    MAX_EXTRA_BITS,
    MIN_OCTAVES,
)
from ipvae_snn.ir.parts import NEURONS, Decoder, InputCode
from ipvae_snn.ir.sampler import MAX_PARTS_LOG2, SPLIT_OCTAVES
from ipvae_snn.ir.start import START
from ipvae_snn.models.float_network import PREPARATION, TRAINED_FRAMES, FloatNetwork
from ipvae_snn.progress import Begin, ignore_part

HEADROOM_OCTAVES: Final = 1  # least distance of state_max above the calibrated potentials
MORE_OCTAVES: Final = 3  # largest addition to it, where self-inhibition is weak
WEAK_SHARE: Final = 0.01  # share of neurons that may be strengthened instead
RARE: Final = 1e-4  # probability that a count saturates at the cap; less would cost weight bits


def convert(
    network: FloatNetwork,
    calibration: Calibration,
    settings: ConversionSettings,
    begin: Begin = ignore_part,
) -> tuple[IntegerNetwork, ConversionReport]:
    """Return the integer network and its report; `begin` receives each part of the work.

    A step of the integer network is one update. If the float network takes n updates per step
    without a leak, n steps of the integer network are one of its steps. Raises ConversionError
    where a leak couples updates, where no integer network within the limits expresses the float
    network, or where its competition could run away.
    """
    network = network.with_single_updates()
    way = way_of(network, settings)
    target = way.target(network, calibration, settings.fraction_bits)
    code = input_code(network.input_kind, network.image_shape, calibration.largest_pixel)
    limits, required = _limits(network, calibration, target, settings.fraction_bits)
    rounding = Rounding(
        settings.feedforward_bits, settings.lateral_bits, settings.sparsity, limits.max_count
    )
    begin("rounding the weights")
    circuit = way.build(target, calibration, code, rounding, required)
    gain = circuit.competition.scaled(1 / target.unit).loop_gain(calibration.count_mean)
    if gain >= LARGEST_GAIN:
        raise ConversionError(
            f"competition overshoots: the loop gain at the calibrated rates is {gain:.2f}, and "
            f"potentials oscillate from {LARGEST_GAIN:.0f} on; train with a smaller step size, or "
            "calibrate on typical images"
        )
    extra = _extra_bits(circuit, limits, code, network, target)
    integer = _assemble(
        network, calibration, settings, target, code, limits, circuit, extra, way.decoder(network)
    )
    begin("fitting the read-out")
    integer = way.fit(integer, network, calibration).with_decoding(settings.decoding)
    begin("proving the bounds")
    return integer, build_report(integer, calibration, target, circuit)


def _limits(
    network: FloatNetwork, calibration: Calibration, target: AnyTarget, fraction_bits: int
) -> tuple[Limits, RequiredInhibition]:
    """Return the clamps, and the self-inhibition that a neuron needs for the rate bound.

    The rate cap is the lowest one, in octaves above calibration, below which nearly all neurons
    stay by their own inhibition alone, or the clip of training where that is lower. The rate bound
    depends on the update's unit through one
    rounding only, so the coarsest unit, extra_bits 0, is safe.
    """
    own = target.own + target.soft
    excitation = min(calibration.excitation_max, network.clip)
    result: list[tuple[float, Limits, RequiredInhibition]] = []
    for more in range(MORE_OCTAVES + 1):
        state_max = _state_max(network, calibration, fraction_bits, HEADROOM_OCTAVES + more)
        limits = Limits(
            fraction_bits=fraction_bits,
            extra_bits=0,
            state_max=state_max,
            excitation_max=max(1, round(excitation * target.unit)),
            max_count=_max_count(state_max, fraction_bits),
        )
        if state_max >= clip_units(network.clip, fraction_bits):
            # The cap is the clip that the network was trained with, and its potentials reach it
            # there too: nothing is to be kept below.
            result.append((0.0, limits, RequiredInhibition(0.0, np.inf)))
            break
        least = least_own_inhibition(limits, signed_limit(STATE_BITS))
        required = RequiredInhibition(float(least), EXEMPT * target.unit / _rate(limits))
        share = float((required.strengthened(own) > own).mean())
        if least <= signed_limit(STATE_BITS):
            result.append((share, limits, required))
        if result and result[-1][0] <= WEAK_SHARE:
            break
    if not result:
        raise ConversionError(
            f"no self-inhibition within {STATE_BITS} bits keeps a neuron that receives "
            f"{excitation:.2f} nats per step below the rate cap of {_rate(limits):.0f} spikes; "
            "calibrate on typical images, or train with a smaller step size"
        )
    _, limits, required = min(result, key=lambda one: one[0])
    return limits, required


def _extra_bits(
    circuit: RoundedCircuit,
    limits: Limits,
    code: InputCode,
    network: FloatNetwork,
    target: AnyTarget,
) -> int:
    """Return the largest number of extra bits of the current that fits.

    Each bit halves the rounding noise per step. Raises ConversionError where none fits.
    """
    low, high = -code.zero_point, 255 - code.zero_point
    if circuit.residual_limit:
        low, high = -circuit.residual_limit, circuit.residual_limit
    sums = worst_partial_sum(circuit.feedforward.connection.weights, low, high)
    own = circuit.self_inhibition + circuit.loop_inhibition
    worst = {
        "current": float((sums * circuit.feedforward.scale + np.abs(circuit.bias)).max()) + 2,
        "self-inhibition": float(own.max()) + 1,
        "largest update": float(max(limits.excitation_max, round(-network.floor * target.unit))),
    }
    name = max(worst, key=lambda key: worst[key])
    limit = signed_limit(STATE_BITS)
    if worst[name] > limit:
        raise ConversionError(
            f"the {name} can reach {worst[name]:.3g}, which is too large for {STATE_BITS} bits; "
            "convert with fewer fraction bits, or train with a smaller step size"
        )
    # Prediction sums are in levels of the input, not in units of the current.
    moved = [circuit.feedforward] + ([] if circuit.residual_limit else [circuit.back])
    shift = min(int(rows.connection.shift.min()) for rows in moved) - 1
    return min(MAX_EXTRA_BITS, shift, int(np.log2(limit / worst[name])))


def _assemble(
    network: FloatNetwork,
    calibration: Calibration,
    settings: ConversionSettings,
    target: AnyTarget,
    code: InputCode,
    limits: Limits,
    circuit: RoundedCircuit,
    extra: int,
    decoder: Decoder,
) -> IntegerNetwork:
    """Return the integer network with `extra` bits of current."""
    fine = float(1 << extra)
    two_layers = circuit.residual_limit > 0
    back = circuit.back.connection if two_layers else finer(circuit.back, extra).connection
    lowest = round(network.floor * target.unit)
    initial = np.rint(network.u0.astype(np.float64) * target.unit + circuit.start_mean)
    started = circuit.start

    def whole(values: Float64) -> Int32:
        return np.asarray(np.rint(values * fine), dtype=np.int32)

    group = PoissonNeurons(
        bias=whole(circuit.bias),
        # Rounded up: the rate bound needs at least this much.
        self_inhibition=np.ceil(np.maximum(circuit.self_inhibition, 0.0) * fine).astype(np.int32),
        initial_state=np.clip(initial, lowest, limits.state_max).astype(np.int32),
        fraction_bits=settings.fraction_bits,
        extra_bits=extra,
        state_min=max(lowest, (SPLIT_OCTAVES - MIN_OCTAVES) << settings.fraction_bits),
        state_max=limits.state_max,
        update_min=lowest,
        excitation_max=limits.excitation_max,
        max_count=limits.max_count,
    )
    try:
        loop = Residual(back, circuit.residual_limit, whole(circuit.loop_inhibition))
        return circuit_network(
            input=code,
            parts=Parts(
                neurons=group,
                feedforward=finer(circuit.feedforward, extra).connection,
                lateral=None if two_layers else back,
                residual=loop if two_layers else None,
                grid=_grid(network),
            ),
            decoder=decoder,
            provenance=_provenance(network, calibration, settings),
            start=None
            if started is None
            else Connection(START, IMAGE, NEURONS, started.connection),
        )
    except ProgramError as error:
        raise ConversionError(f"{error}; convert with fewer fraction bits") from error


def _grid(network: FloatNetwork) -> tuple[int, ...]:
    """Return features, rows and columns of convolutional neurons; empty for others."""
    shape = network.dictionary.population
    return shape if len(shape) == 3 else ()


def _rate(limits: Limits) -> float:
    return float(2.0 ** (limits.state_max / (1 << limits.fraction_bits)))


def _state_max(
    network: FloatNetwork, calibration: Calibration, fraction_bits: int, headroom: int
) -> int:
    """Return the upper clamp, `headroom` octaves above calibrated potentials, within the clip."""
    seen = float(calibration.log_rate_max.max()) * LOG2E
    octaves = max(float(np.ceil(seen)) + headroom, float(SPLIT_OCTAVES))
    octaves = min(octaves, float(SPLIT_OCTAVES + MAX_PARTS_LOG2))
    return min(int(octaves * (1 << fraction_bits)), clip_units(network.clip, fraction_bits))


def _max_count(state_max: int, fraction_bits: int) -> int:
    """Return the count that a neuron at the rate cap exceeds with probability RARE."""
    cap = 2.0 ** (state_max / (1 << fraction_bits))
    return int(min(poisson.isf(RARE, cap) + 1, MAX_COUNT_LIMIT))


def _provenance(
    network: FloatNetwork, calibration: Calibration, settings: ConversionSettings
) -> dict[str, str]:
    updates, prepared = calibration.updates_per_step, network.preparation
    return {
        "ipvae_snn": __version__,
        "checkpoint_sha256": network.source,
        "trained_on": network.trained_on,
        **{f"imported_{name}": value for name, value in network.imported.items()},
        "calibration_data": calibration.data,
        "calibration_images": str(calibration.images),
        "calibration_steps": str(calibration.steps),
        "feedforward_bits": str(settings.feedforward_bits),
        "lateral_bits": str(settings.lateral_bits),
        "sparsity": str(settings.sparsity),
        **({"updates_per_step": str(updates)} if updates > 1 else {}),
        **({} if prepared is None else {PREPARATION: prepared.as_text()}),
        **(
            {TRAINED_FRAMES: f"{network.trained_frames} {network.trained_motion}"}
            if network.trained_frames > 1
            else {}
        ),
    }
