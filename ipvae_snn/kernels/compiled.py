"""Numba's decorators with the types of the functions that they compile, one for each use.

All divide as IEEE does: Numba's default, an exception at division by 0, is a branch that keeps a
loop from becoming vector code. Compiled code is kept on disk beside the file it comes from, or in
the user's cache folder where that is read-only, or nowhere. It is made anew when that file
changes, but not when one that it imports from does: touch the others after work on vector_math.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def scalar(function: Function) -> Function:
    """Compile a function of numbers into those that call it; may fuse multiply and add."""
    return cast(Function, njit(error_model="numpy", fastmath={"contract"})(function))


def kernel(function: Function) -> Function:
    """Compile a function of arrays that lets other threads run meanwhile."""
    return _cached(function, nogil=True, error_model="numpy")


def summing(function: Function) -> Function:
    """Compile the same, free to add up in any order, which vector code for a sum needs."""
    fastmath = {"reassoc", "nsz", "contract"}
    return _cached(function, nogil=True, error_model="numpy", fastmath=fastmath)


def _cached(function: Function, **options: Any) -> Function:
    """Compile with what is kept on disk, or without where no folder can be written."""
    try:
        return cast(Function, njit(cache=True, **options)(function))
    except RuntimeError:  # "no locator available": a read-only installation and home
        return cast(Function, njit(**options)(function))
