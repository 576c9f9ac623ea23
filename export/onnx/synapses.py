"""Synaptic sums of the integer network as ONNX subgraphs: exact products of unsigned bytes.

Sums of weights times payloads are MatMulInteger of unsigned bytes (weights stored plus 128, with
zero point 128). For unsigned operands every known kernel is exact; unsigned times signed may
saturate at 16 bits on processors without VNNI. A payload that may exceed a byte is split into
digits in base 256, and the product of a higher digit is computed only if some payload needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from ipvae_snn.errors import BackendError
from ipvae_snn.export.onnx.graph import INT32, INT64, UINT8, Graph, Value
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.parts import Synapses

BYTE: Final = 256
SIGNED_DIGIT: Final = 128  # zero point of the digits -128..127 of signed payloads
LIFT_BITS: Final = 25  # payloads lie within 24 bits, so adding 2**25 makes them positive
Product = Callable[[Graph, Value], Value]


def scale_sum(g: Graph, total: Value, connection: Synapses) -> Value:
    """Return (total * multiplier + half) >> shift as int64, for int32 sums (N, targets)."""
    shift = connection.shift.astype(np.int64)
    product = g.op("Mul", g.cast(total, INT64), g.constant(connection.multiplier.astype(np.int64)))
    rounded = g.op("Add", product, g.constant(np.int64(1) << (shift - 1), "half"))
    lifted = g.constant(np.int64(1) << (62 - shift), "lifted")
    return g.floor_shift(rounded, g.constant(shift.astype(np.uint64), "shift"), lifted)


def byte_product(g: Graph, connection: Synapses, zero_point: int) -> Product:
    """Return the function bytes uint8 (N, sources) -> sums int32 (N, targets) of weight times
    (byte - zero_point); it may be used in subgraphs of `g` too.
    """
    stored = (connection.matrix.astype(np.int16).T + 128).astype(np.uint8)
    weights, middle = g.constant(stored, "weights"), g.scalar(128, UINT8)
    zero = g.scalar(zero_point, UINT8)
    return lambda h, byte: h.raw("MatMulInteger", [byte, weights, zero, middle], [INT32])[0]


def payload_sum(
    g: Graph, connection: Synapses, payload: Value, largest: int, signed: bool
) -> Value:
    """Return the sums (N, targets) int32 of int32 payloads (N, sources) up to `largest`.

    Payloads are in 0..largest, or in -largest..largest if `signed`; largest is below 2**24.
    """
    zero = SIGNED_DIGIT if signed else 0
    product = byte_product(g, connection, zero)

    def total(h: Graph, payload: Value, largest: int) -> Value:
        lifted = h.op("Add", payload, zero) if zero else payload
        low = product(h, h.cast(lifted, UINT8))  # the cast keeps the lowest eight bits
        if largest < BYTE - zero:
            return low

        def wide(b: Graph) -> Value:
            positive = b.op("Add", lifted, 1 << LIFT_BITS)
            rest = b.op("Sub", b.shift_right(positive, 8), 1 << (LIFT_BITS - 8))
            high = total(b, rest, (largest + zero) >> 8)
            return b.op("Add", b.op("Mul", high, BYTE), low)

        most = h.reduce("ReduceMax", h.op("Abs", payload) if zero else payload)
        # Not a signed digit's full range (-128): one more product changes no sum.
        return h.branch(h.compare("Greater", most, BYTE - 1 - zero), wide, lambda _: low)

    return total(g, payload, largest)


def payload_of(g: Graph, network: IntegerNetwork, pixels: Value) -> Value:
    """Return pixels (N, M) uint8 less the zero point, int32."""
    return g.op("Sub", g.cast(pixels, INT32), network.input.zero_point)


def image_current(g: Graph, network: IntegerNetwork, pixels: Value) -> Value:
    """Return the input current (N, K) int32 of pixels (N, M) uint8, in a one-layer circuit."""
    total = byte_product(g, network.feedforward, network.input.zero_point)(g, pixels)
    return g.cast(_with_bias(g, network, total), INT32)


def residual(
    g: Graph, network: IntegerNetwork, payload: Value, counts: Value
) -> tuple[Value, Value]:
    """Return the graded spikes (N, M) int32 of the residual neurons, and where they saturate."""
    layer = network.residual
    if layer is None:
        raise BackendError("onnx: a one-layer circuit has no residual neurons")
    total = payload_sum(g, layer.prediction, counts, network.neurons.max_count, signed=False)
    error = g.op("Sub", g.cast(payload, INT64), scale_sum(g, total, layer.prediction))
    clipped = g.op("Clip", error, -layer.limit, layer.limit)
    return g.cast(clipped, INT32), g.compare("Greater", g.op("Abs", error), layer.limit)


def residual_current(g: Graph, network: IntegerNetwork, error: Value) -> Value:
    """Return the current (N, K) int64 of the residual neurons' spikes (N, M) int32."""
    _, limit = network.feedforward_range
    total = payload_sum(g, network.feedforward, error, limit, signed=True)
    return _with_bias(g, network, total)


def lateral_current(g: Graph, network: IntegerNetwork, lateral: Synapses, counts: Value) -> Value:
    """Return the scaled lateral sums (N, K) int64 of counts (N, K) int32."""
    total = payload_sum(g, lateral, counts, network.neurons.max_count, signed=False)
    return scale_sum(g, total, lateral)


def _with_bias(g: Graph, network: IntegerNetwork, total: Value) -> Value:
    bias = g.constant(network.neurons.bias.astype(np.int64), "bias")
    return g.op("Add", scale_sum(g, total, network.feedforward), bias)
