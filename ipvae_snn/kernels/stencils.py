"""Sums of convolutions and transposed ones: each source adds a window of weights to a grid.

The targets lie on a grid with a border, features or channels innermost, so that a window is a few
runs of consecutive places and no edge is looked for. Runs are a multiple of LANES long.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple, cast

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from ipvae_snn.arrays import Array
from ipvae_snn.kernels.compiled import inner, kernel
from ipvae_snn.kernels.vector_ir import LARGEST, SHORT, TOOLS, WORD, number, splat

LANES: Final = 16  # weights of one vector
NARROW: Final = LARGEST // 16  # a payload times weight above this is added in 32 bits at once
_SHORTS = ir.VectorType(SHORT, LANES)


class Stencil(NamedTuple):
    """A convolution as windows.

    windows (kinds, rows, run) int16; highest (kinds,) int64: the largest |weight| of each. Source j
    adds window kind[j] at place origin[j] of a grid of `size` places, whose rows are `stride`
    apart. Target i is at place[i]. All int64 but the windows.
    """

    windows: Array
    highest: Array
    kind: Array
    origin: Array
    place: Array
    stride: int
    size: int


def _window(typing, windows, kind, count, grid, origin, stride):  # type: ignore[no-untyped-def] # Numba's types
    """Add count times a window to grid (size,) int16 at `origin`.

    windows (kinds, rows, run) int16. Exact while no sum leaves 16 bits.
    """

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        given, target = (
            context.make_array(signature.args[i])(context, builder, arguments[i]) for i in (0, 3)
        )
        kind, count, origin, stride = (arguments[i] for i in (1, 2, 4, 5))
        _, rows, run = TOOLS.unpack_tuple(builder, given.shape)
        factor = splat(builder, builder.trunc(count, SHORT), LANES)
        start = builder.mul(kind, builder.mul(rows, run))
        with TOOLS.for_range(builder, rows) as down:
            source = builder.add(start, builder.mul(down.index, run))
            place = builder.add(origin, builder.mul(down.index, stride))
            with TOOLS.for_range_slice(builder, number(0), run, number(LANES), WORD) as (i, _):
                weights, kept = (
                    builder.bitcast(
                        builder.gep(array.data, [builder.add(at, i)]), _SHORTS.as_pointer()
                    )
                    for array, at in ((given, source), (target, place))
                )
                product = builder.mul(factor, builder.load(weights, align=2))
                builder.store(builder.add(builder.load(kept, align=2), product), kept, align=2)
        return context.get_dummy_value()

    arrays = types.int64, types.int64, grid, types.int64, types.int64
    return types.void(windows, *arrays), build


add_window: Final = cast(Callable[..., None], intrinsic(_window))


@kernel
def add_windows(first: int, last: int, payloads: Array, totals: Array, weights: Stencil) -> None:
    """Add the sums of a convolution to totals (N, targets) int32, for rows first .. last - 1.

    payloads (N, sources) int32 of any sign.
    """
    narrow, wide = np.zeros(weights.size, np.int16), np.zeros(weights.size, np.int32)
    for r in range(first, last):
        _add_row(payloads[r], totals[r], weights, narrow, wide)


@inner
def _add_row(payload: Array, total: Array, weights: Stencil, narrow: Array, wide: Array) -> None:
    """Add one row's sums; narrow and wide (size,) are 0 before and after."""
    windows, highest, kind, origin = weights.windows, weights.highest, weights.kind, weights.origin
    used = 0
    for j in range(payload.size):
        count = np.int64(payload[j])
        if count == 0:
            continue
        most = abs(count) * highest[kind[j]]
        if most > NARROW:
            _add_wide(windows[kind[j]], int(count), wide[origin[j] :], weights.stride)
            continue
        if used + most > LARGEST:
            _widen(narrow, wide)
            used = 0
        used += most
        add_window(windows, kind[j], count, narrow, origin[j], weights.stride)
    _widen(narrow, wide)
    place = weights.place
    for i in range(total.size):
        total[i] += wide[place[i]]
    wide[:] = 0


@inner
def _widen(narrow: Array, wide: Array) -> None:
    """Move what is in the narrow grid to the wide one."""
    for i in range(wide.size):
        wide[i] += np.int32(narrow[i])
    narrow[:] = 0


@inner
def _add_wide(window: Array, count: int, grid: Array, stride: int) -> None:
    """Add count times a window (rows, run) to a grid of 32 bits."""
    factor = np.int32(count)
    for row in range(window.shape[0]):
        weights, target = window[row], grid[row * stride :]
        for i in range(weights.size):
            target[i] += np.int32(factor * weights[i])
