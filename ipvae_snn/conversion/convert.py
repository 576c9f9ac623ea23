"""Convert a float network to an integer network, with a report of costs and proofs."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy.stats import poisson

from ipvae_snn import __version__
from ipvae_snn.arrays import Float64, Int32
from ipvae_snn.backends.compiled import prepare, start
from ipvae_snn.conversion.calibration import Calibration
from ipvae_snn.conversion.circuits import (
    LOG2E,
    RoundedCircuit,
    Rounding,
    Target,
    one_layer,
    target_of,
    two_layer,
)
from ipvae_snn.conversion.figures import ConversionReport, build_report
from ipvae_snn.conversion.quantise import finer
from ipvae_snn.conversion.second_moments import second_moments
from ipvae_snn.conversion.stability import (
    EXEMPT,
    LARGEST_GAIN,
    Limits,
    RequiredInhibition,
    least_own_inhibition,
    loop_gain,
)
from ipvae_snn.errors import ConversionError, ProgramError
from ipvae_snn.ir.bounds import worst_partial_sum
from ipvae_snn.ir.circuits import Circuit, Parts, Residual
from ipvae_snn.ir.encode import input_code, levels
from ipvae_snn.ir.fixed_point import STATE_BITS, signed_limit
from ipvae_snn.ir.network import IntegerNetwork, circuit_network
from ipvae_snn.ir.parts import (
    MAX_COUNT_LIMIT,
    MAX_EXTRA_BITS,
    MAX_FRACTION_BITS,
    MIN_FRACTION_BITS,
    MIN_OCTAVES,
    Decoder,
    InputCode,
    NeuronGroup,
)
from ipvae_snn.ir.sampler import MAX_PARTS_LOG2, SPLIT_OCTAVES
from ipvae_snn.kernels import rows
from ipvae_snn.kernels.threads import n_threads
from ipvae_snn.models.float_network import PREPARATION, TRAINED_FRAMES, FloatNetwork
from ipvae_snn.progress import Begin, ignore_part
from ipvae_snn.watcher import current_watcher

MIN_WEIGHT_BITS: Final = 2
MAX_WEIGHT_BITS: Final = 8
DECODER_LEVELS: Final = signed_limit(16)
HEADROOM_OCTAVES: Final = 1  # least distance of state_max above the calibrated potentials
MORE_OCTAVES: Final = 3  # largest addition to it, where self-inhibition is weak
WEAK_SHARE: Final = 0.01  # share of neurons that may be strengthened instead
RARE: Final = 1e-4  # probability that a count saturates at the cap; less would cost weight bits
DECODER_RIDGE: Final = 0.02  # of the mean square of the counts


@dataclass(frozen=True)
class ConversionSettings:
    """Settings of a conversion.

    feedforward_bits, lateral_bits: weight bits (2..8) of the feed-forward connection, and of the
    lateral (two-layer circuit: prediction) connection. fraction_bits: of the potential (4..16).
    sparsity: share of lateral weights set to zero, in [0, 1).
    """

    feedforward_bits: int = 8
    lateral_bits: int = 8
    fraction_bits: int = 12
    circuit: Circuit = "one-layer"
    sparsity: float = 0.0

    def __post_init__(self) -> None:
        """Raise ConversionError for settings that an integer network cannot have."""
        for name, bits in (
            ("feedforward", self.feedforward_bits),
            ("lateral", self.lateral_bits),
        ):
            if not MIN_WEIGHT_BITS <= bits <= MAX_WEIGHT_BITS:
                raise ConversionError(
                    f"{name} weights of {bits} bits are not possible; an integer network holds "
                    f"signed weights of {MIN_WEIGHT_BITS} to {MAX_WEIGHT_BITS} bits"
                )
        if not MIN_FRACTION_BITS <= self.fraction_bits <= MAX_FRACTION_BITS:
            raise ConversionError(
                f"{self.fraction_bits} fraction bits are not possible; "
                f"give {MIN_FRACTION_BITS} to {MAX_FRACTION_BITS}"
            )
        if not 0.0 <= self.sparsity < 1.0:
            raise ConversionError(
                f"a sparsity of {self.sparsity} is not possible; give a share from 0 to below 1"
            )
        if self.sparsity and self.circuit == "two-layer":
            raise ConversionError(
                "a two-layer circuit has no lateral weights to set to zero; leave --sparsity out, "
                "or convert with --circuit one-layer"
            )


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
    target = target_of(network, calibration.active, settings.fraction_bits)
    code = input_code(network.input_kind, network.image_shape, calibration.largest_pixel)
    limits, required = _limits(network, calibration, target, settings.fraction_bits)
    build = one_layer if settings.circuit == "one-layer" else two_layer
    rounding = Rounding(
        settings.feedforward_bits, settings.lateral_bits, settings.sparsity, limits.max_count
    )
    begin("rounding the weights")
    circuit = build(target, calibration, second_moments(calibration), code, rounding, required)
    gain = loop_gain(circuit.competition / target.unit, calibration.count_mean)
    if gain >= LARGEST_GAIN:
        raise ConversionError(
            f"competition overshoots: the loop gain at the calibrated rates is {gain:.2f}, and "
            f"potentials oscillate from {LARGEST_GAIN:.0f} on; train with a smaller step size, or "
            "calibrate on typical images"
        )
    extra = _extra_bits(circuit, limits, code, network, target)
    integer = _assemble(network, calibration, settings, target, code, limits, circuit, extra)
    begin("fitting the read-out")
    integer = _fit_decoder(integer, network, calibration)
    begin("proving the bounds")
    return integer, build_report(integer, calibration, target, circuit)


def _limits(
    network: FloatNetwork, calibration: Calibration, target: Target, fraction_bits: int
) -> tuple[Limits, RequiredInhibition]:
    """Return the clamps, and the self-inhibition that a neuron needs for the rate bound.

    The rate cap is the lowest one, in octaves above calibration, below which nearly all neurons
    stay by their own inhibition alone. The rate bound depends on the update's unit through one
    rounding only, so the coarsest unit, extra_bits 0, is safe.
    """
    own = np.diagonal(target.competition) + target.soft
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
    circuit: RoundedCircuit, limits: Limits, code: InputCode, network: FloatNetwork, target: Target
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
    target: Target,
    code: InputCode,
    limits: Limits,
    circuit: RoundedCircuit,
    extra: int,
) -> IntegerNetwork:
    """Return the integer network with `extra` bits of current."""
    fine = float(1 << extra)
    two_layers = circuit.residual_limit > 0
    back = circuit.back.connection if two_layers else finer(circuit.back, extra).connection
    lowest = round(network.floor * target.unit)
    initial = np.rint(network.u0.astype(np.float64) * target.unit)

    def whole(values: Float64) -> Int32:
        return np.asarray(np.rint(values * fine), dtype=np.int32)

    group = NeuronGroup(
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
            ),
            decoder=_decoder(network.phi.astype(np.float64)),
            provenance=_provenance(network, calibration, settings),
        )
    except ProgramError as error:
        raise ConversionError(f"{error}; convert with fewer fraction bits") from error


def _fit_decoder(
    integer: IntegerNetwork, network: FloatNetwork, calibration: Calibration
) -> IntegerNetwork:
    """Return the network with a decoder that is fitted to its own counts.

    The dictionary changes as little as possible (ridge regression). Applied to the integer
    network's mean counts, it gives what Phi gives for the float network's, for each calibration
    image.
    """
    prepared = prepare(integer)
    first = start(prepared, levels(integer.input, calibration.pixels))
    report = current_watcher().progress
    steps = calibration.steps
    counts = rows.advance(prepared.engine, first, steps, n_threads(), report=report).counts_sum
    mean = counts / calibration.steps
    phi = network.phi.astype(np.float64)
    missed = (calibration.mean_counts - mean) @ phi.T
    power = mean.T @ mean / len(mean)
    ridge = DECODER_RIDGE * np.trace(power) / len(power) + 1e-12
    moved = np.linalg.solve(power + ridge * np.eye(len(power)), mean.T @ missed / len(mean))
    return replace(integer, decoder=_decoder(phi + moved.T))


def _decoder(phi: Float64) -> Decoder:
    scale = np.abs(phi).max(axis=1) / DECODER_LEVELS
    rounded = np.rint(phi / np.where(scale > 0, scale, 1.0)[:, None])
    return Decoder(rounded.astype(np.int16), scale.astype(np.float32))


def _rate(limits: Limits) -> float:
    return float(2.0 ** (limits.state_max / (1 << limits.fraction_bits)))


def _state_max(
    network: FloatNetwork, calibration: Calibration, fraction_bits: int, headroom: int
) -> int:
    """Return the upper clamp, `headroom` octaves above calibrated potentials, within the clip."""
    seen = float(calibration.log_rate_max.max()) * LOG2E
    octaves = max(float(np.ceil(seen)) + headroom, float(SPLIT_OCTAVES))
    octaves = min(octaves, network.clip * LOG2E, float(SPLIT_OCTAVES + MAX_PARTS_LOG2))
    return int(octaves * (1 << fraction_bits))


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
