"""Typed decorators of Numba, one for each use.

All divide by IEEE rules: Numba's default, an exception at division by 0, is a branch that prevents
vector code. Compiled code is kept on disk (kernels/cache.py, kernels/checked_cache.py) if a folder
can be written.
"""

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, Final, TypeVar, cast

from numba import njit

from ipvae_snn.kernels.cache import NUMBA, cache_folder
from ipvae_snn.kernels.checked_cache import CheckedCache, NoCache

Function = TypeVar("Function", bound=Callable[..., Any])
_CONFIG: Final = Lock()


def scalar(function: Function) -> Function:
    """Compile a function of numbers, to be inlined by its callers; may fuse multiply and add."""
    return cast(Function, njit(error_model="numpy", fastmath={"contract"})(function))


def plain(function: Function) -> Function:
    """Compile a function of numbers, to be inlined, by IEEE operations alone: none are fused."""
    return cast(Function, njit(error_model="numpy")(function))


def kernel(function: Function) -> Function:
    """Compile a function of arrays that releases the interpreter lock."""
    return _cached(function, nogil=True, error_model="numpy")


def inner(function: Function) -> Function:
    """Compile as `kernel` a function that allocates nothing, without counting references to arrays.

    Its callers hold them. Counting, which Numba does at every array taken from a tuple, takes a
    quarter of the time of short loops.
    """
    return _cached(function, nogil=True, error_model="numpy", _nrt=False)


def fused(function: Function) -> Function:
    """Compile as `inner`, where multiplications and additions may be fused."""
    fastmath = {"contract"}
    return _cached(function, nogil=True, error_model="numpy", fastmath=fastmath, _nrt=False)


def summing(function: Function) -> Function:
    """Compile as `kernel`, with sums in any order, which vector code for a sum needs."""
    fastmath = {"reassoc", "nsz", "contract"}
    return _cached(function, nogil=True, error_model="numpy", fastmath=fastmath)


def _cached(function: Function, **options: Any) -> Function:
    """Compile with the cache on disk, or without it if no folder can be written.

    Numba takes the folder from its configuration when a function is decorated.
    """
    dispatcher: Any = njit(**options)(function)
    dispatcher._cache = NoCache()
    folder = cache_folder()
    if folder is not None:
        with _CONFIG:
            users, NUMBA.CACHE_DIR = NUMBA.CACHE_DIR, str(folder)
            try:
                cache = CheckedCache(function)
                # Where the folder is gone, numba takes another, which knows no state of sources.
                if Path(cache.cache_path).is_relative_to(folder):
                    # As numba's enable_caching does, with our class in place of its own.
                    dispatcher._cache = cache
            except (RuntimeError, OSError):  # "no locator available": no longer writable
                pass
            finally:
                NUMBA.CACHE_DIR = users
    return cast(Function, dispatcher)
