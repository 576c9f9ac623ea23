"""Synaptic sums of the integer network as ONNX subgraphs, for payloads of any width.

Sums of weights times payloads are products of unsigned bytes (export/onnx/weights.py). A payload
that may exceed a byte is split into digits in base 256, and the product of a higher digit is
computed only if some payload needs it.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ipvae_snn.export.onnx.graph import FLOAT32, INT32, INT64, UINT8, Graph, Value
from ipvae_snn.export.onnx.weights import LOWER, UPPER, WHOLE, Code, byte_product
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.parts import Decoder, Synapses
from ipvae_snn.ir.weights import Convolution, Transposed, Weights

BYTE: Final = 256
SIGNED_DIGIT: Final = 128  # zero point of the digits -128..127 of signed payloads
LIFT_BITS: Final = 25  # payloads lie within 24 bits, so adding 2**25 makes them positive
WIDE_BITS: Final = 12
WIDE_DIGIT: Final = 1 << WIDE_BITS  # base of the digits of a decoder's large payloads
INT32_MAX: Final = (1 << 31) - 1


def scale_sum(g: Graph, total: Value, connection: Synapses) -> Value:
    """Return (total * multiplier + half) >> shift as int64, for int32 sums (N, targets)."""
    shift = connection.shift.astype(np.int64)
    product = g.op("Mul", g.cast(total, INT64), g.constant(connection.multiplier.astype(np.int64)))
    rounded = g.op("Add", product, g.constant(np.int64(1) << (shift - 1), "half"))
    lifted = g.constant(np.int64(1) << (62 - shift), "lifted")
    return g.floor_shift(rounded, g.constant(shift.astype(np.uint64), "shift"), lifted)


def payload_sum(
    g: Graph, weights: Weights, payload: Value, extent: tuple[int, int], code: Code = WHOLE
) -> Value:
    """Return the sums (N, targets) int32 of int32 payloads (N, sources).

    extent: least and largest payload, of magnitude below 2**24. Every partial sum of weights times
    payloads must fit int32.
    """
    zero = SIGNED_DIGIT if extent[0] < 0 else 0
    product = byte_product(g, weights, code, zero)

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

    return total(g, payload, max(-extent[0], extent[1]))


def scaled_sum(g: Graph, connection: Synapses, payload: Value, extent: tuple[int, int]) -> Value:
    """Return the scaled sums (N, targets) int64 of int32 payloads (N, sources) within `extent`."""
    return scale_sum(g, payload_sum(g, connection.weights, payload, extent), connection)


def payload_of(g: Graph, network: IntegerNetwork, pixels: Value) -> Value:
    """Return pixels (N, M) uint8 less the zero point, int32."""
    return g.op("Sub", g.cast(pixels, INT32), network.input.zero_point)


def image_sum(g: Graph, network: IntegerNetwork, connection: Synapses, pixels: Value) -> Value:
    """Return the scaled sums (N, targets) int64 of pixels (N, M) uint8."""
    product = byte_product(g, connection.weights, WHOLE, network.input.zero_point)
    return scale_sum(g, product(g, pixels), connection)


def decoded(
    g: Graph, decoder: Decoder, payload: Value, largest: int, divisor: Value | None = None
) -> Value:
    """Return the reconstruction (N, M) float32 of a payload int32 (N, K) in 0..largest.

    An exact integer sum, divided by `divisor` (a float32 scalar, of one spike's payload; None for
    1) and scaled.
    """
    total = g.cast(_decoder_sum(g, decoder.weights, payload, largest), FLOAT32)
    if divisor is not None:
        total = g.op("Div", total, divisor)
    return g.op("Mul", total, g.constant(decoder.scale, "decoder_scale"))


def _decoder_sum(g: Graph, weights: Weights, payload: Value, largest: int) -> Value:
    """Return the exact sums (N, M) of weights of 16 bits: int32 where they fit, else int64."""
    shared = weights.kind in (Convolution.kind, Transposed.kind)
    most = INT32_MAX // (255 * int(weights.fan_in().max() or 1)) if shared else 0
    if most >= WIDE_DIGIT - 1 and largest > most:
        rest = _decoder_sum(g, weights, g.shift_right(payload, WIDE_BITS), largest >> WIDE_BITS)
        digit = g.op("BitwiseAnd", payload, WIDE_DIGIT - 1)
        low = g.cast(_decoder_sum(g, weights, digit, WIDE_DIGIT - 1), INT64)
        return g.op("Add", g.op("Mul", g.cast(rest, INT64), WIDE_DIGIT), low)
    if largest <= most:
        upper = payload_sum(g, weights, payload, (0, largest), UPPER)
        lower = payload_sum(g, weights, payload, (0, largest), LOWER)
        high = g.op("Mul", g.cast(upper, INT64), BYTE)
        return g.op("Add", high, g.cast(lower, INT64))
    matrix = weights.dense().astype(np.int64).T
    narrow = int(np.abs(matrix).sum(axis=0).max()) * largest <= INT32_MAX
    stored = g.constant(matrix.astype(np.int32 if narrow else np.int64), "decoder")
    return g.op("MatMul", g.cast(payload, INT32 if narrow else INT64), stored)
