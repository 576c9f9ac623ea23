"""One-pass codes in 8 bits, counted by events: what is 0 costs nothing.

Symmetric post-training quantisation as in Jacob et al. 2018 (arXiv 1712.05877): a scale for each
row of weights, whole zeros, biases and sums in int32.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from ipvae_snn.arrays import Float64, Floats, Int64
from ipvae_snn.hw.cost.activity import Activity

BITS: Final = 8
TINY: Final = 1e-30  # weights and outputs below it are 0 in 8 bits
WHITE: Final = 255  # the level of a pixel of 1


class Layer(NamedTuple):
    """A dense layer: weights (outputs, inputs), bias (outputs,), and whether negatives become 0."""

    weights: Float64
    bias: Float64
    rectified: bool


@dataclass(frozen=True)
class IntegerLayer:
    """A layer in 8 bits: out = clip(rint((weights @ in + bias) * multiplier)).

    weights (outputs, inputs) int8 values; bias (outputs,) in units of the sum; multiplier
    (outputs,): from the unit of the sum to the output's; unit (outputs,) or (1,): of the output.
    low, high: its limits.
    """

    weights: Int64
    bias: Int64
    multiplier: Float64
    unit: Float64
    low: int
    high: int

    def run(self, given: Int64) -> Int64:
        """Return the outputs (N, outputs) of inputs (N, inputs)."""
        # Sums of 8-bit products are exact in float64, which multiplies fast.
        total = given.astype(np.float64) @ self.weights.T.astype(np.float64) + self.bias
        scaled = np.rint(total * self.multiplier)
        return np.clip(scaled, self.low, self.high).astype(np.int64)


@dataclass(frozen=True)
class Pass:
    """Layers one after another, in 8 bits."""

    layers: tuple[IntegerLayer, ...]

    def values(self, pixels: Floats) -> list[Int64]:
        """Return what is sent on images (N, M) in [0, 1]: pixels, and each layer's outputs."""
        sent = [np.rint(pixels.astype(np.float64) * WHITE).astype(np.int64)]
        for layer in self.layers:
            sent.append(layer.run(sent[-1]))
        return sent

    def code(self, pixels: Floats) -> Float64:
        """Return the codes (N, K) of images (N, M), in the units of the floats."""
        return np.asarray(self.values(pixels)[-1] * self.layers[-1].unit)

    @property
    def synapses(self) -> int:
        """Number of nonzero weights."""
        return sum(int(np.count_nonzero(layer.weights)) for layer in self.layers)

    def activity(self, sent: Sequence[Int64]) -> Activity:
        """Return the counts of `values`, means per image, as `hw/cost/activity.py` defines them.

        Spikes and messages are those of units, the code's included, which a decoder reads. By
        payload a value of 3 counts as three spikes; a pixel counts once, as there. One layer
        follows the other, so a chip with binary spikes takes the largest value of each in steps.
        """
        n = len(sent[0])
        events = [np.count_nonzero(values, axis=0) for values in sent]
        sizes = [np.abs(values) for values in sent[1:]]
        payloads = [events[0], *(size.sum(axis=0) for size in sizes)]
        fans = [np.count_nonzero(layer.weights, axis=0) for layer in self.layers]
        by_event = [float(e @ fan) for e, fan in zip(events, fans, strict=False)]
        by_payload = [float(p @ fan) for p, fan in zip(payloads, fans, strict=False)]
        rows = [
            float(e @ (fan > 0)) * len(layer.weights)
            for e, fan, layer in zip(events, fans, self.layers, strict=False)
        ]
        active = float(sum(e.sum() for e in events[1:]))
        units = sum(len(layer.weights) for layer in self.layers)
        spikes = float(sum(p.sum() for p in payloads[1:]))
        return Activity(
            spikes=spikes / n,
            messages=active / n,
            synaptic_operations=sum(by_event) / n,
            synaptic_operations_by_payload=sum(by_payload) / n,
            input_operations=by_event[0] / n,
            updates_active=active / n,
            updates_inactive=units - active / n,
            dense_operations=float(sum(layer.weights.size for layer in self.layers)),
            binary_messages=spikes / n,
            row_weights=sum(rows) / n,
            read_bytes=sum(rows) / n,
            held_bytes=float(sum(layer.weights.size for layer in self.layers)),
            steps=1.0,
            binary_steps=float(sum(np.maximum(1, one.max(axis=1)).mean() for one in sizes)),
        )


def quantised(layers: Sequence[Layer], calibration: Floats) -> Pass:
    """Round layers to 8 bits; calibration: images (N, M) in [0, 1] whose largest outputs fit.

    Rectified outputs take 0..255 in one unit, since the next layer adds them up; the code's take
    a unit of their own each, since its decoder multiplies them anyway.
    """
    x = calibration.astype(np.float64)
    unit, result = np.array([1.0 / WHITE]), []
    for index, layer in enumerate(layers):
        last = index == len(layers) - 1
        real = x @ layer.weights.T + layer.bias
        x = np.maximum(real, 0.0) if layer.rectified else real
        low, high = (0, (1 << BITS) - 1) if layer.rectified else (-127, 127)
        largest = np.abs(x).max(axis=0) if last else np.array([np.abs(x).max()])
        out_unit = np.where(largest > TINY, largest, 1.0) / high
        # The largest weight of a row is 127; a row of zeros has any unit.
        most = np.abs(layer.weights).max(axis=1)
        weight_unit = np.where(most > TINY, most, 1.0) / 127
        sum_unit = weight_unit * unit
        result.append(
            IntegerLayer(
                np.rint(layer.weights / weight_unit[:, None]).astype(np.int64),
                np.rint(layer.bias / sum_unit).astype(np.int64),
                sum_unit / out_unit,
                out_unit,
                low,
                high,
            )
        )
        unit = out_unit
    return Pass(tuple(result))
