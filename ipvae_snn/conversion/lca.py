"""An integer LCA network of any dictionary: deterministic sparse coding in fixed point."""

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from ipvae_snn.arrays import Float32, Float64, Int32
from ipvae_snn.conversion.decoders import dense_decoder
from ipvae_snn.conversion.quantise import QuantisedRows, quantise_rows
from ipvae_snn.errors import ConversionError
from ipvae_snn.inference.lca import Lca
from ipvae_snn.ir.bounds import worst_partial_sum
from ipvae_snn.ir.circuits import FEEDFORWARD, LATERAL
from ipvae_snn.ir.fixed_point import ACCUMULATOR_BITS, STATE_BITS, signed_limit
from ipvae_snn.ir.graph import IMAGE, Connection, Population
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.neurons import LcaNeurons
from ipvae_snn.ir.neurons.lca import MAX_PAYLOAD, MAX_PAYLOAD_SHIFT
from ipvae_snn.ir.parts import NEURONS, InputCode

FINE: Final = "feedforward_fine"
HEADROOM: Final = 1.5  # of states and codes beyond those seen in calibration


@dataclass(frozen=True)
class LcaReport:
    """Units of an integer LCA network, and its largest values.

    state_unit: value of one unit of the state, code_unit of the payload. leak_shift: a step is
    2**-leak_shift of the way. payload_bits, worst_sum_share: of the widest payload, and of the
    accumulator that the worst lateral sum takes.
    """

    neurons: int
    penalty: float
    leak_shift: int
    state_unit: float
    code_unit: float
    payload_bits: int
    worst_sum_share: float
    calibration: str

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def lca_network(
    lca: Lca,
    pixels: Float32,
    code: InputCode,
    steps: int,
    bits: int = 8,
    name: str = "",
    fine: bool = True,
) -> tuple[IntegerNetwork, LcaReport]:
    """Return the integer network of LCA dynamics, calibrated on images (N, M) for `steps` steps.

    name: of the images. fine: a second feed-forward connection holds what the first loses by its
    rounding, so that the drive, which acts once per image, has about twice the bits. Raises
    ConversionError where the penalty silences every neuron.
    """
    codes, states = lca.run(pixels, steps)
    largest = float(codes.max())
    if largest <= 0:
        raise ConversionError(
            f"a penalty of {lca.penalty:g} silences every neuron on these images; lower it"
        )
    unit = _state_unit(lca, states, code)
    low, high = code.payload_range
    drive = lca.phi.T * (code.scale / unit)
    moments = np.cov(pixels.T.astype(np.float64)) / code.scale**2
    feedforward = quantise_rows(drive, moments, bits, low, high, FEEDFORWARD)
    once = [Connection(FEEDFORWARD, IMAGE, NEURONS, feedforward.connection)]
    if fine:
        rest = quantise_rows(drive - feedforward.real, moments, bits, low, high, FINE)
        once.append(Connection(FINE, IMAGE, NEURONS, rest.connection))
    shift, most = _payload(lca.competition, largest, unit)
    code_unit = unit * 2.0**shift
    together = codes.T @ codes / len(codes) / code_unit**2
    lateral = quantise_rows(-lca.competition * (code_unit / unit), together, bits, 0, most, LATERAL)
    neurons = LcaNeurons(
        threshold=_whole(np.full(lca.phi.shape[1], lca.penalty / unit)),
        leak_shift=lca.leak_shift,
        payload_shift=shift,
        max_payload=most,
        state_max=signed_limit(STATE_BITS),
    )
    network = IntegerNetwork(
        input=code,
        populations=(Population(NEURONS, neurons),),
        connections=(*once, Connection(LATERAL, NEURONS, NEURONS, lateral.connection)),
        decoder=dense_decoder(lca.phi * code_unit),
        provenance={"neurons": LcaNeurons.kind, "penalty": repr(lca.penalty)},
    )
    report = LcaReport(
        neurons=lca.phi.shape[1],
        penalty=lca.penalty,
        leak_shift=lca.leak_shift,
        state_unit=unit,
        code_unit=code_unit,
        payload_bits=most.bit_length(),
        worst_sum_share=_worst_share(lateral, most),
        calibration=f"{len(pixels)} images of {name}, {steps} steps",
    )
    return network, report


def _state_unit(lca: Lca, states: Float64, code: InputCode) -> float:
    """Return the value of a unit with which states, and the worst image's current, fit 24 bits."""
    low, high = code.payload_range
    worst = np.abs(lca.phi).sum(axis=0).max() * max(-low, high) * code.scale
    reach = max(HEADROOM * float(np.abs(states).max()), HEADROOM * float(worst))
    return reach / signed_limit(STATE_BITS)


def _payload(competition: Float64, largest: float, unit: float) -> tuple[int, int]:
    """Return the payload's shift and its largest value, for which lateral sums fit 24 bits."""
    peak = np.abs(competition).max(axis=1)
    rows = np.abs(competition).sum(axis=1) / np.where(peak > 0, peak, 1.0)
    levels = signed_limit(8) * max(float(rows.max()), 1.0)
    most = min(MAX_PAYLOAD, int(signed_limit(ACCUMULATOR_BITS) / levels))
    needed = HEADROOM * largest / unit
    shift = max(0, int(np.ceil(np.log2(max(needed / most, 1.0)))))
    if shift > MAX_PAYLOAD_SHIFT:
        raise ConversionError(
            f"codes reach {largest:.3g}, 2^{shift} units of the state more than a payload holds; "
            "use a dictionary of fewer elements"
        )
    return shift, max(1, min(most, int(np.ceil(needed / 2.0**shift))))


def _worst_share(rows: QuantisedRows, most: int) -> float:
    worst = worst_partial_sum(rows.connection.weights, 0, most).max()
    return float(worst / signed_limit(ACCUMULATOR_BITS))


def _whole(values: Float64) -> Int32:
    return np.rint(values).astype(np.int32)
