"""Float network + calibration -> integer program, with a report of costs and proofs."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from ipvae_snn import __version__
from ipvae_snn.calibrate import Calibration
from ipvae_snn.conversion_report import ConversionReport, build_report
from ipvae_snn.encode import input_code
from ipvae_snn.errors import ConversionError
from ipvae_snn.fixed_point import STATE_BITS, signed_limit
from ipvae_snn.float_network import FloatNetwork
from ipvae_snn.ir import (
    MAX_COUNT_LIMIT,
    MAX_EXTRA_BITS,
    MAX_FRACTION_BITS,
    MIN_FRACTION_BITS,
    MIN_OCTAVES,
    Decoder,
    InputCode,
    IntegerNetwork,
    NeuronGroup,
    payload_range,
    worst_partial_sum,
)
from ipvae_snn.quantise import QuantisedRows, quantise_rows
from ipvae_snn.sampler import MAX_PARTS_LOG2, SPLIT_OCTAVES

LOG2E: Final = float(np.log2(np.e))
MIN_WEIGHT_BITS: Final = 2
MAX_WEIGHT_BITS: Final = 8
DECODER_LEVELS: Final = signed_limit(16)
HEADROOM_OCTAVES: Final = 1  # state_max lies this far above the largest potential in calibration
Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ConversionSettings:
    """Choices of a conversion: weight bits (2..8) of either connection, fraction bits (4..16)."""

    feedforward_bits: int = 8
    lateral_bits: int = 8
    fraction_bits: int = 12

    def __post_init__(self) -> None:
        """Raise ConversionError for bits that the program cannot hold."""
        for name, bits in (
            ("feedforward", self.feedforward_bits),
            ("lateral", self.lateral_bits),
        ):
            if not MIN_WEIGHT_BITS <= bits <= MAX_WEIGHT_BITS:
                raise ConversionError(
                    f"{name} weights of {bits} bits are not possible; the program holds signed "
                    f"weights of {MIN_WEIGHT_BITS} to {MAX_WEIGHT_BITS} bits"
                )
        if not MIN_FRACTION_BITS <= self.fraction_bits <= MAX_FRACTION_BITS:
            raise ConversionError(
                f"{self.fraction_bits} fraction bits are not possible; "
                f"give {MIN_FRACTION_BITS} to {MAX_FRACTION_BITS}"
            )


@dataclass(frozen=True)
class Gains:
    """The real-valued network in drive units: what the integers have to express.

    feedforward (K, M): Phi^T / sigma^2 of the active pixels. competition (K, K):
    Phi^T diag(1 / sigma^2) Phi over the active pixels. step: exp(log_lr).
    """

    feedforward: Float64
    competition: Float64
    step: float


def gains(network: FloatNetwork, active: npt.NDArray[np.bool_]) -> Gains:
    """Return the drive's matrices in float64, with inactive pixels left out."""
    phi = network.phi.astype(np.float64)
    precision = np.exp(-2.0 * network.log_sigma.astype(np.float64)) * active
    feedforward = phi.T * precision
    return Gains(feedforward, feedforward @ phi, float(np.exp(network.log_lr)))


def convert(
    network: FloatNetwork, calibration: Calibration, settings: ConversionSettings
) -> tuple[IntegerNetwork, ConversionReport]:
    """Return the integer program and its report.

    Raises ConversionError where no program within the limits expresses the network.
    """
    gain = gains(network, calibration.active)
    code = input_code(network.input_kind, network.image_shape, calibration.largest_pixel)
    state_max = _state_max(network, calibration, settings.fraction_bits)
    max_count = _max_count(state_max, settings.fraction_bits)
    reason = ConversionError("no extra fraction bits were tried")
    # The finest current that fits: every bit of it is worth one of rounding noise a step.
    for extra in range(MAX_EXTRA_BITS, -1, -1):
        try:
            program, feedforward, lateral = _build(
                network, calibration, settings, gain, code, state_max, max_count, extra
            )
        except ConversionError as error:
            reason = error
            continue
        report = build_report(
            program, calibration, gain.competition, gain.step, feedforward, lateral
        )
        return program, report
    raise reason


def _build(
    network: FloatNetwork, calibration: Calibration, settings: ConversionSettings, gain: Gains,
    code: InputCode, state_max: int, max_count: int, extra: int,
) -> tuple[IntegerNetwork, QuantisedRows, QuantisedRows]:  # fmt: skip
    """Return the program with `extra` bits of current; ConversionError where it does not fit."""
    limit = signed_limit(STATE_BITS)
    octave = float(1 << settings.fraction_bits)
    unit = gain.step * LOG2E * octave * (1 << extra)  # drive -> units of the held current
    low, high = payload_range(code)
    pixel_gain = gain.feedforward * (unit * code.scale)
    competition = -gain.competition * unit
    self_inhibition = np.rint(-np.diagonal(competition))
    excitation_max = round(network.clip * LOG2E * octave)
    update_min = round(network.floor * LOG2E * octave)
    if self_inhibition.max() > limit or max(excitation_max, -update_min) << extra > limit:
        raise _too_large("self-inhibition or largest update", extra)
    np.fill_diagonal(competition, 0.0)
    pixel_power = calibration.pixel_power / code.scale**2
    pixel_mean = calibration.pixel_mean / code.scale
    feedforward = quantise_rows(
        pixel_gain, pixel_power, settings.feedforward_bits, low, high, "feedforward"
    )
    lateral = quantise_rows(
        competition, calibration.count_power, settings.lateral_bits, 0, max_count, "lateral"
    )
    # What rounding changes on average is known from calibration, and is given back in the bias.
    lost = (pixel_gain - _real(feedforward)) @ pixel_mean
    lost += (competition - _real(lateral)) @ calibration.count_mean
    bias = np.rint(lost - unit * np.exp(network.log_bias.astype(np.float64)))
    sums = worst_partial_sum(feedforward.connection.weights, low, high)
    if (sums * feedforward.scale + np.abs(bias) + 2).max() > limit:
        raise _too_large("held current", extra)
    state_min = round(network.floor * LOG2E * octave)
    initial = np.rint(network.u0.astype(np.float64) * LOG2E * octave)
    decoder_scale = np.abs(network.phi).max(axis=1).astype(np.float64) / DECODER_LEVELS
    levels = np.rint(network.phi / np.where(decoder_scale > 0, decoder_scale, 1.0)[:, None])
    program = IntegerNetwork(
        input=code,
        feedforward=feedforward.connection,
        lateral=lateral.connection,
        neurons=NeuronGroup(
            bias=bias.astype(np.int32),
            self_inhibition=self_inhibition.astype(np.int32),
            initial_state=np.clip(initial, state_min, state_max).astype(np.int32),
            fraction_bits=settings.fraction_bits,
            extra_bits=extra,
            state_min=max(state_min, (SPLIT_OCTAVES - MIN_OCTAVES) << settings.fraction_bits),
            state_max=state_max,
            update_min=update_min,
            excitation_max=excitation_max,
            max_count=max_count,
        ),
        decoder=Decoder(levels.astype(np.int16), decoder_scale.astype(np.float32)),
        provenance=_provenance(network, calibration, settings),
    )
    return program, feedforward, lateral


def _too_large(what: str, extra: int) -> ConversionError:
    return ConversionError(
        f"the {what} is too large for {STATE_BITS} bits, even with {extra} extra fraction bits; "
        "convert with fewer fraction bits, or train with a smaller step size"
    )


def _real(rows: QuantisedRows) -> Float64:
    return rows.connection.weights * rows.scale[:, None]


def _state_max(network: FloatNetwork, calibration: Calibration, fraction_bits: int) -> int:
    """Return the upper clamp: a whole octave above all that calibration saw, within the clip."""
    seen = float(calibration.log_rate_max.max()) * LOG2E
    octaves = max(float(np.ceil(seen)) + HEADROOM_OCTAVES, float(SPLIT_OCTAVES))
    octaves = min(octaves, network.clip * LOG2E, float(SPLIT_OCTAVES + MAX_PARTS_LOG2))
    return int(octaves * (1 << fraction_bits))


def _max_count(state_max: int, fraction_bits: int) -> int:
    """Return a count that a Poisson variable at the largest rate exceeds once in 1e15 draws."""
    rate = 2.0 ** (state_max / (1 << fraction_bits))
    return int(min(np.ceil(rate + 8.0 * np.sqrt(rate) + 12.0), MAX_COUNT_LIMIT))


def _provenance(
    network: FloatNetwork, calibration: Calibration, settings: ConversionSettings
) -> dict[str, str]:
    return {
        "ipvae_snn": __version__,
        "checkpoint_sha256": network.source,
        "trained_on": network.trained_on,
        "calibration_data": calibration.data,
        "calibration_images": str(calibration.images),
        "calibration_steps": str(calibration.steps),
        "feedforward_bits": str(settings.feedforward_bits),
        "lateral_bits": str(settings.lateral_bits),
    }
