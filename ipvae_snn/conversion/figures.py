"""Figures of a conversion: scales, clipping, bits used, bounds, certificate, sampler."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ipvae_snn.arrays import Int64
from ipvae_snn.conversion.calibration import Calibration
from ipvae_snn.conversion.circuits import AnyTarget, RoundedCircuit, energy_rates
from ipvae_snn.conversion.quantise import QuantisedRows
from ipvae_snn.conversion.sampler_law import law_bounds, tail_mass
from ipvae_snn.conversion.stability import (
    ENERGY_RANGE,
    EXEMPT,
    RATE_BOUND,
    Limits,
    clip_units,
    rate_bound,
)
from ipvae_snn.ir.bounds import worst_partial_sum
from ipvae_snn.ir.circuits import LATERAL, PREDICTION, Circuit
from ipvae_snn.ir.fixed_point import ACCUMULATOR_BITS, STATE_BITS, signed_limit
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.start import START
from ipvae_snn.ir.weights import Weights


@dataclass(frozen=True)
class ConnectionReport:
    """One connection: scales (drive units per weight unit), clipping, bits and rounding error.

    Scales of a start are in nats per weight unit and pixel value.
    """

    name: str
    scale_min: float
    scale_median: float
    scale_max: float
    clipped_share: float
    bits_used_min: int
    bits_used_median: float
    zero_share: float
    relative_error_median: float
    relative_error_max: float


@dataclass(frozen=True)
class Bound:
    """A proved bound: the worst value that any input can cause, and its limit."""

    name: str
    worst: int
    limit: int
    neuron: int

    @property
    def bits(self) -> float:
        """Signed bits that the worst value needs."""
        return float(np.log2(max(self.worst, 1)) + 1)


@dataclass(frozen=True)
class Certificate:
    """Proved and measured stability of the competition (docs/numerics.md, Stability).

    rate_cap: spikes per step. excitation: largest input of a neuron in a step, without its own
    inhibition, nats. rate_bound: on P(a neuron passes the rate cap in a step), for every image and
    every activity of the other neurons; rate_bound_limit: its largest allowed value.
    strengthened: number of neurons strengthened for it. exempt: number of exempt neurons.
    smallest_eigenvalue: of the symmetrised integer competition, nats per spike, self-inhibition
    included; float_eigenvalue: of the float competition. energy_margin: see
    `stability.energy_margin`; not negative if the energy statement holds up to energy_rate (median
    over neurons) spikes per step. shift: self-inhibition added to every neuron for it;
    own_inhibition: median self-inhibition, for comparison; nats per spike. loop_gain: at calibrated
    mean rates, stable below 2.
    """

    rate_cap: float
    excitation: float
    rate_bound: float
    rate_bound_limit: float
    strengthened: int
    exempt: int
    smallest_eigenvalue: float
    float_eigenvalue: float
    energy_margin: float
    energy_rate: float
    energy_range: float
    shift: float
    own_inhibition: float
    loop_gain: float
    float_loop_gain: float


@dataclass(frozen=True)
class SamplerReport:
    """Distance of the sampler's law to Poisson, over every potential up to the rate cap.

    total_variation_16, mean_16, zero_16: worst values up to rate 16, the latter two relative.
    total_variation: worst value up to the rate cap. count_tail: P(count > max_count) at the cap.
    """

    total_variation_16: float
    mean_16: float
    zero_16: float
    total_variation: float
    count_tail: float


@dataclass(frozen=True)
class ConversionReport:
    """All figures of a conversion; `as_json` returns them as plain data."""

    circuit: Circuit
    pixels_left_out: int
    pixels: int
    neurons: int
    fraction_bits: int
    extra_bits: int
    max_count: int
    state_max_octaves: float
    calibrated_max_octaves: float
    clamped_share: float
    connections: tuple[ConnectionReport, ...]
    bounds: tuple[Bound, ...]
    certificate: Certificate
    sampler: SamplerReport
    calibration: str

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON-ready data."""
        return asdict(self)


def build_report(
    network: IntegerNetwork, calibration: Calibration, target: AnyTarget, circuit: RoundedCircuit
) -> ConversionReport:
    """Return the report of `network`, the integers of `circuit`, which approximates `target`."""
    group = network.neurons
    octave = 1 << group.fraction_bits
    bounds = []
    for one in network.weighted:
        worst = worst_partial_sum(one.synapses.weights, *network.payloads(one))
        bounds.append(_bound(f"{one.name} sum", worst, ACCUMULATOR_BITS))
    bounds.append(_bound("current", network.worst_current, STATE_BITS))
    seen = target.unit * network.input.scale
    starts = () if circuit.start is None else (_connection(START, circuit.start, seen),)
    name = PREDICTION if network.residual else LATERAL
    back_unit = 1.0 / network.input.scale if network.residual else target.unit
    return ConversionReport(
        circuit=network.circuit,
        pixels_left_out=int((~calibration.active).sum()),
        pixels=network.n_pixels,
        neurons=network.n_neurons,
        fraction_bits=group.fraction_bits,
        extra_bits=group.extra_bits,
        max_count=group.max_count,
        state_max_octaves=group.state_max / octave,
        calibrated_max_octaves=float(calibration.log_rate_max.max() * np.log2(np.e)),
        clamped_share=calibration.clamped,
        connections=(
            _connection("feedforward", circuit.feedforward, seen),
            _connection(name, circuit.back, back_unit),
            *starts,
        ),
        bounds=tuple(bounds),
        certificate=_certificate(network, calibration, target, circuit),
        sampler=_sampler(network),
        calibration=_calibration_text(calibration),
    )


def _calibration_text(calibration: Calibration) -> str:
    text = f"{calibration.images} images of {calibration.data}, {calibration.steps} steps"
    if calibration.updates_per_step > 1:
        text += f"; one step of the float network is {calibration.updates_per_step} steps here"
    return text


def _certificate(
    network: IntegerNetwork, calibration: Calibration, target: AnyTarget, circuit: RoundedCircuit
) -> Certificate:
    group = network.neurons
    limits = Limits(
        group.fraction_bits,
        group.extra_bits,
        group.state_max,
        group.excitation_max,
        group.max_count,
    )
    competition = circuit.competition.scaled(1 / target.unit)
    floats = target.law.scaled(1 / target.unit)
    rates = energy_rates(calibration)
    cap = 2.0 ** (group.state_max / (1 << group.fraction_bits))
    passes = rate_bound(network.own_inhibition, limits)
    per_nat = target.unit * (1 << group.extra_bits)
    exempt = (network.own_inhibition - 1) * cap < EXEMPT * per_nat
    clip = -float(np.log(target.soft / target.unit))
    exempt |= group.state_max >= clip_units(clip, group.fraction_bits)
    own = circuit.self_inhibition + circuit.loop_inhibition
    return Certificate(
        rate_cap=float(cap),
        excitation=group.excitation_max / target.unit,
        rate_bound=float(passes[~exempt].max(initial=0.0)),
        exempt=int(exempt.sum()),
        rate_bound_limit=RATE_BOUND,
        strengthened=circuit.strengthened,
        smallest_eigenvalue=competition.smallest_eigenvalue(),
        float_eigenvalue=floats.smallest_eigenvalue(),
        energy_margin=competition.energy_margin(target.threshold / target.unit, rates),
        energy_rate=float(np.median(rates)),
        energy_range=ENERGY_RANGE,
        shift=circuit.shift / target.unit,
        own_inhibition=float(np.median(own)) / target.unit,
        loop_gain=competition.loop_gain(calibration.count_mean),
        float_loop_gain=floats.loop_gain(calibration.count_mean),
    )


def _sampler(network: IntegerNetwork) -> SamplerReport:
    group = network.neurons
    law = law_bounds(group.fraction_bits, group.state_min, group.state_max)
    usual = law.up_to(4)
    cap = 2.0 ** (group.state_max / (1 << group.fraction_bits))
    return SamplerReport(
        total_variation_16=usual.total_variation,
        mean_16=usual.mean,
        zero_16=usual.zero,
        total_variation=law.up_to(law.octaves[-1].top).total_variation,
        count_tail=tail_mass(cap, group.max_count),
    )


def _bound(name: str, worst: Int64, bits: int) -> Bound:
    neuron = int(worst.argmax())
    return Bound(name, int(worst[neuron]), signed_limit(bits), neuron)


def _zero_share(weights: Weights) -> float:
    """Return the share of the stored weights that are 0."""
    arrays = weights.arrays()
    stored = arrays["kernel"] if "kernel" in arrays else arrays["weights"]
    return float(np.mean(stored == 0))


def _connection(name: str, rows: QuantisedRows, unit: float) -> ConnectionReport:
    scale = rows.scale / unit
    live = rows.bits_used > 0
    used = rows.bits_used[live] if live.any() else rows.bits_used
    return ConnectionReport(
        name=name,
        scale_min=float(scale.min()),
        scale_median=float(np.median(scale)),
        scale_max=float(scale.max()),
        clipped_share=rows.clipped,
        bits_used_min=int(used.min()),
        bits_used_median=float(np.median(used)),
        zero_share=_zero_share(rows.connection.weights),
        relative_error_median=float(np.median(rows.error)),
        relative_error_max=float(rows.error.max()),
    )
