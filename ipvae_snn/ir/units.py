"""Units of an integer network: its tensors as real numbers of the float network.

Rates of change are in drive units, those of Phi^T (x - Phi z) / sigma^2, potentials in nats.
"""

from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np

from ipvae_snn.arrays import Bool, Float64, Int64
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.parts import Synapses
from ipvae_snn.ir.shapes import Images

LN2: Final = float(np.log(2.0))


@dataclass(frozen=True)
class RealNetwork:
    """An integer network in real numbers, for the step size of its float network.

    M pixels, K neurons. feed_forward: drive that a pixel, or a residual neuron, of value 1 causes.
    lateral: inhibition of
    column k by a spike of row j; diagonal 0; None in a two-layer circuit. prediction: pixel value
    that a spike predicts; None in a one-layer circuit. self_inhibition, bias: in drive units.
    initial_state: nats.
    state_unit, drive_unit: one unit of the state in nats, of the input current in drive units.
    kept: pixels with a weight that is not 0. start: nats that a pixel of value 1 adds to a first
    potential; None where there is no start.
    """

    feed_forward: Annotated[Float64, "M K"]
    lateral: Annotated[Float64, "K K"] | None
    prediction: Annotated[Float64, "M K"] | None
    self_inhibition: Annotated[Float64, "K"]
    bias: Annotated[Float64, "K"]
    initial_state: Annotated[Float64, "K"]
    decoder: Annotated[Float64, "M K"]
    state_unit: float
    drive_unit: float
    kept: Annotated[Bool, "M"]
    start: Annotated[Float64, "M K"] | None = None


def real_network(network: IntegerNetwork, step_size: float) -> RealNetwork:
    """Return `network` in real numbers, for a float network's step size."""
    group = network.neurons
    state_unit = LN2 / (1 << group.fraction_bits)
    drive_unit = state_unit / (1 << group.extra_bits) / step_size
    scale = network.input.scale
    lateral = None if network.lateral is None else -drive_unit * real(network.lateral).T
    start = None if network.start is None else real(network.start.synapses).T * state_unit / scale
    prediction = None if network.residual is None else scale * real(network.residual.prediction)
    return RealNetwork(
        feed_forward=np.ascontiguousarray(real(network.feedforward).T) * (drive_unit / scale),
        lateral=None if lateral is None else np.ascontiguousarray(lateral),
        prediction=prediction,
        self_inhibition=group.self_inhibition.astype(np.float64) * drive_unit,
        bias=group.bias.astype(np.float64) * -drive_unit,
        initial_state=group.initial_state.astype(np.float64) * state_unit,
        decoder=network.decoder.matrix * network.decoder.scale.astype(np.float64)[:, None],
        state_unit=state_unit,
        drive_unit=drive_unit,
        kept=_seen(network),
        start=start,
    )


def _seen(network: IntegerNetwork) -> Annotated[Bool, "M"]:
    """Return which pixels have a weight that is not 0, of the feed-forward ones or of a start."""
    seen = network.feedforward.weights.fan_out() > 0
    return seen if network.start is None else seen | (network.start.synapses.weights.fan_out() > 0)


def real(synapses: Synapses) -> Annotated[Float64, "targets sources"]:
    """Return weights in units of their target: weights * multiplier * 2**-shift."""
    scale = synapses.multiplier * np.exp2(-synapses.shift.astype(np.float64))
    return np.asarray(synapses.matrix * scale[:, None])


def pixel_values(network: IntegerNetwork, pixels: Images) -> Annotated[Float64, "N M"]:
    """Return the pixel values that 8-bit images stand for."""
    payload: Int64 = pixels.astype(np.int64) - network.input.zero_point
    return np.asarray(payload * network.input.scale)
