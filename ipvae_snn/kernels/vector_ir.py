"""Pieces of LLVM's language for kernels that name vector instructions (vector_rows, stencils)."""

from collections.abc import Sequence
from typing import Any, Final

from llvmlite import ir
from numba.core import cgutils

TOOLS: Final[Any] = cgutils  # has no types
LARGEST: Final = 2**15 - 1  # of a sum in 16 bits
BYTE, SHORT, WORD = ir.IntType(8), ir.IntType(16), ir.IntType(64)
_LANE = ir.IntType(32)


def number(value: int) -> Any:
    """Return a constant of 64 bits."""
    return ir.Constant(WORD, value)


def shuffle(builder: Any, first: Any, second: Any, lanes: Sequence[int]) -> Any:
    """Return a vector of the given lanes of two, counted on from the first to the second."""
    mask = ir.Constant(ir.VectorType(_LANE, len(lanes)), list(lanes))
    return builder.shuffle_vector(first, second, mask)


def splat(builder: Any, value: Any, lanes: int) -> Any:
    """Return a vector whose lanes all are `value`."""
    single = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
    filled = builder.insert_element(single, value, ir.Constant(_LANE, 0))
    return shuffle(builder, filled, single, [0] * lanes)
