"""What a conversion did: scales, clipping, bits used, proved bounds, stability; plain data."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh

from ipvae_snn.calibrate import Calibration
from ipvae_snn.fixed_point import ACCUMULATOR_BITS, STATE_BITS, signed_limit
from ipvae_snn.ir import IntegerNetwork, payload_range, worst_current, worst_partial_sum
from ipvae_snn.quantise import QuantisedRows

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ConnectionReport:
    """One connection: scales (drive units a weight unit), clipping, bits and rounding error."""

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
    """A proved bound: the worst value that any input can cause, and the limit it stays within."""

    name: str
    worst: int
    limit: int
    neuron: int

    @property
    def bits(self) -> float:
        """Signed bits that the worst value needs."""
        return float(np.log2(max(self.worst, 1)) + 1)


@dataclass(frozen=True)
class ConversionReport:
    """All that a user should know of a conversion; `as_json` gives plain data.

    smallest_eigenvalue: of the symmetric part of the integer competition, in drive units, self
    inhibition included; float_eigenvalue: of Phi^T diag(1/sigma^2) Phi. loop_gain: largest
    eigenvalue of step * sqrt(r) G sqrt(r) at the calibrated mean rates r, of the integer
    competition; the linearised update v -> v - step G (rate) is stable below 2 where the
    competition is positive semi-definite.
    """

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
    smallest_eigenvalue: float
    float_eigenvalue: float
    loop_gain: float
    float_loop_gain: float
    calibration: str

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON-ready data."""
        return asdict(self)


def build_report(
    program: IntegerNetwork, calibration: Calibration, competition: Float64, step: float,
    feedforward: QuantisedRows, lateral: QuantisedRows,
) -> ConversionReport:  # fmt: skip
    """Return the report of `program`; `competition` (K, K) is the float one, `step` exp(log_lr)."""
    group = program.neurons
    octave = 1 << group.fraction_bits
    unit = step * np.log2(np.e) * octave * (1 << group.extra_bits)
    integer = competition_of(program, lateral.scale) / unit
    symmetric = (integer + integer.T) / 2
    root = np.sqrt(calibration.count_mean)
    low, high = payload_range(program.input)
    sums = worst_partial_sum(program.feedforward.weights, low, high)
    lateral_sums = worst_partial_sum(program.lateral.weights, 0, group.max_count)
    return ConversionReport(
        pixels_left_out=int((~calibration.active).sum()),
        pixels=program.n_pixels,
        neurons=program.n_neurons,
        fraction_bits=group.fraction_bits,
        extra_bits=group.extra_bits,
        max_count=group.max_count,
        state_max_octaves=group.state_max / octave,
        calibrated_max_octaves=float(calibration.log_rate_max.max() * np.log2(np.e)),
        clamped_share=calibration.clamped,
        connections=(
            _connection("feedforward", feedforward, unit * program.input.scale),
            _connection("lateral", lateral, unit),
        ),
        bounds=(
            _bound("feedforward sum", sums, ACCUMULATOR_BITS),
            _bound("lateral sum", lateral_sums, ACCUMULATOR_BITS),
            _bound("held current", worst_current(program), STATE_BITS),
        ),
        smallest_eigenvalue=_extreme(symmetric, 0),
        float_eigenvalue=_extreme(competition, 0),
        loop_gain=step * _extreme(root[:, None] * symmetric * root, len(root) - 1),
        float_loop_gain=step * _extreme(root[:, None] * competition * root, len(root) - 1),
        calibration=f"{calibration.images} images of {calibration.data}, {calibration.steps} steps",
    )


def competition_of(program: IntegerNetwork, lateral_scale: Float64) -> Float64:
    """Return the competition (K, K) that the integers express, in units of the held current."""
    off_diagonal = -program.lateral.weights * lateral_scale[:, None]
    return off_diagonal + np.diag(program.neurons.self_inhibition.astype(np.float64))


def _extreme(matrix: Float64, index: int) -> float:
    return float(eigh(matrix, eigvals_only=True, subset_by_index=[index, index])[0])


def _bound(name: str, worst: npt.NDArray[np.int64], bits: int) -> Bound:
    neuron = int(worst.argmax())
    return Bound(name, int(worst[neuron]), signed_limit(bits), neuron)


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
        zero_share=float((rows.connection.weights == 0).mean()),
        relative_error_median=float(np.median(rows.error)),
        relative_error_max=float(rows.error.max()),
    )
