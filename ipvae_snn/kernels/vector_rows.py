"""Sums of int8 rows in 16 bits, by vector instructions that Numba does not find by itself.

Two rows are added at a time: their weights interleave, and one instruction multiplies both with
their counts and adds the products (AVX2's vpmaddubsw). Elsewhere the compiler gets the same sums
as widened products. Either way they are exact, see `add_block`.
"""

from collections.abc import Callable
from typing import Any, Final, cast

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from ipvae_snn.kernels.vector_ir import BYTE, SHORT, TOOLS, WORD, number, shuffle, splat

BLOCK: Final = 128  # targets whose sums stay in registers
LANES: Final = 32  # targets of one vector of weights
HIGHEST: Final = 255  # count of a row
_BYTES, _SHORTS = ir.VectorType(BYTE, LANES), ir.VectorType(SHORT, LANES // 2)
_HALF: Final = LANES // 2
# Interleaving as vpunpcklbw and vpunpckhbw do it: within each half of a vector.
_LOW: Final = [lane + row * LANES for lane in (*range(8), *range(16, 24)) for row in (0, 1)]
_HIGH: Final = [lane + row * LANES for lane in (*range(8, 16), *range(24, 32)) for row in (0, 1)]


class _Avx2:
    """Products by vpmaddubsw; the two sums hold targets 0-7, 16-23 and 8-15, 24-31."""

    @staticmethod
    def counts(builder: Any, first: Any, second: Any) -> Any:
        """Return the counts of two rows (int64, at most HIGHEST) as `products` takes them."""
        shifted = builder.shl(second, number(8))
        pair = builder.trunc(builder.or_(first, shifted), SHORT)
        return builder.bitcast(splat(builder, pair, _HALF), _BYTES)

    @staticmethod
    def products(builder: Any, counts: Any, first: Any, second: Any) -> tuple[Any, Any]:
        """Return the counts times LANES weights of either row, added."""
        signature = ir.FunctionType(_SHORTS, [_BYTES, _BYTES])
        name = "llvm.x86.avx2.pmadd.ub.sw"
        multiply = TOOLS.get_or_insert_function(builder.module, signature, name)
        low = builder.call(multiply, [counts, shuffle(builder, first, second, _LOW)])
        high = builder.call(multiply, [counts, shuffle(builder, first, second, _HIGH)])
        return low, high

    @staticmethod
    def other_order(builder: Any, low: Any, high: Any) -> tuple[Any, Any]:
        """Return the sums of targets 0-15 and 16-31; of these, the two sums again."""
        one = shuffle(builder, low, high, [*range(8), *range(16, 24)])
        other = shuffle(builder, low, high, [*range(8, 16), *range(24, 32)])
        return one, other


class _Widened:
    """Products of weights widened to 16 bits, for any processor; sums are in order."""

    @staticmethod
    def counts(builder: Any, first: Any, second: Any) -> Any:
        """Return the counts of two rows (int64, at most HIGHEST) as `products` takes them."""
        return [splat(builder, builder.trunc(one, SHORT), _HALF) for one in (first, second)]

    @staticmethod
    def products(builder: Any, counts: Any, first: Any, second: Any) -> tuple[Any, Any]:
        """Return the counts times LANES weights of either row, added."""
        sums = []
        for lanes in (range(_HALF), range(_HALF, LANES)):
            terms = [
                builder.mul(count, builder.sext(shuffle(builder, row, row, lanes), _SHORTS))
                for count, row in zip(counts, (first, second), strict=True)
            ]
            sums.append(builder.add(*terms))
        return sums[0], sums[1]

    @staticmethod
    def other_order(builder: Any, low: Any, high: Any) -> tuple[Any, Any]:
        """Return the sums of targets 0-15 and 16-31, as they are."""
        return low, high


def _adder(targets: int) -> Callable[..., Any]:
    """Return an intrinsic that adds rows of `targets` weights, a multiple of LANES."""
    vectors = targets // LANES

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        way = _Avx2 if "+avx2" in context.codegen().magic_tuple()[2] else _Widened
        columns, index, counts, narrow = (
            context.make_array(kind)(context, builder, value)
            for kind, value in zip(signature.args[:4], arguments[:4], strict=True)
        )
        target, first, last = arguments[4:]
        length = TOOLS.unpack_tuple(builder, columns.shape)[1]
        places = [builder.add(target, number(v * LANES)) for v in range(vectors)]
        sums = []
        for place in places:
            before = [builder.load(at, align=2) for at in _halves(builder, narrow.data, place)]
            sums += [
                TOOLS.alloca_once_value(builder, one) for one in way.other_order(builder, *before)
            ]
        with TOOLS.for_range_slice(builder, first, last, number(2), WORD) as (i, _):
            rows, held = [], []
            for place in (i, builder.add(i, number(1))):
                row = builder.load(builder.gep(index.data, [place]))
                rows.append(builder.add(builder.mul(row, length), target))
                held.append(builder.sext(builder.load(builder.gep(counts.data, [place])), WORD))
            factors = way.counts(builder, *held)
            for v in range(vectors):
                weights = [_weights(builder, columns.data, row, v * LANES) for row in rows]
                products = way.products(builder, factors, *weights)
                for total, product in zip(sums[2 * v : 2 * v + 2], products, strict=True):
                    builder.store(builder.add(builder.load(total), product), total)
        for v, place in enumerate(places):
            after = way.other_order(
                builder, *(builder.load(one) for one in sums[2 * v : 2 * v + 2])
            )
            for value, at in zip(after, _halves(builder, narrow.data, place), strict=True):
                builder.store(value, at, align=2)
        return context.get_dummy_value()

    def typed(_: Any, columns: Any, index: Any, counts: Any, narrow: Any, *numbers: Any) -> Any:
        arrays = (columns, index, counts, narrow)
        return types.void(*arrays, *(types.int64 for _ in numbers)), build

    return typed


def _halves(builder: Any, narrow: Any, place: Any) -> list[Any]:
    """Return pointers to the sums of LANES targets, half of them each."""
    places = (place, builder.add(place, number(_HALF)))
    return [builder.bitcast(builder.gep(narrow, [at]), _SHORTS.as_pointer()) for at in places]


def _weights(builder: Any, data: Any, row: Any, offset: int) -> Any:
    """Return LANES weights from `row` + `offset` on, which need no alignment."""
    start = builder.bitcast(data, BYTE.as_pointer())
    place = builder.gep(start, [builder.add(row, number(offset))])
    return builder.load(builder.bitcast(place, _BYTES.as_pointer()), align=1)


def _block(typing, columns, index, counts, narrow, target, first, last):  # type: ignore[no-untyped-def] # Numba's types
    """Add counts times weights to BLOCK places of narrow (targets,) int16 from `target` on.

    columns (sources, targets) int8; index (n,) int64, counts (n,) int32 up to HIGHEST. Rows
    index[first:last] are added, an even number of them. Exact if no sum of |count * weight| of a
    target, what is in `narrow` included, exceeds 2**15 - 1: then none of its partial sums does.
    """
    return _adder(BLOCK)(typing, columns, index, counts, narrow, target, first, last)


def _lanes(typing, columns, index, counts, narrow, target, first, last):  # type: ignore[no-untyped-def] # Numba's types
    """Do what `add_block` does, for LANES targets."""
    return _adder(LANES)(typing, columns, index, counts, narrow, target, first, last)


# Callers pass what follows `typing`, which Numba adds.
add_block: Final = cast(Callable[..., None], intrinsic(_block))
add_lanes: Final = cast(Callable[..., None], intrinsic(_lanes))
