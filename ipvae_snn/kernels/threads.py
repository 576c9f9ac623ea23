"""Number of threads of compiled code and ONNX Runtime: one, unless the user sets another."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from itertools import pairwise
from typing import Any, Final

import numpy as np

from ipvae_snn.errors import ConfigError
from ipvae_snn.watcher import current_watcher

THREADS_VARIABLE: Final = "IPVAE_SNN_THREADS"
BLOCK: Final = 32  # rows per thread between two reports of progress


def n_threads(asked: int | None = None) -> int:
    """Return the number of threads: as asked, else the watcher's, else $IPVAE_SNN_THREADS, else 1.

    One is the default because a second thread costs much on a busy machine. Raises ConfigError
    unless it is a whole number above 0.
    """
    wanted = asked if asked is not None else current_watcher().threads
    text = str(wanted) if wanted is not None else os.environ.get(THREADS_VARIABLE, "1")
    if not text.isdecimal() or int(text) < 1:
        raise ConfigError(
            f"number of threads {text!r} is not a whole number from 1 up; "
            f"correct it, or unset {THREADS_VARIABLE}"
        )
    return int(text)


def in_blocks(
    part: Callable[[int, int], Any], n: int, threads: int, report: Callable[[int, int], None]
) -> None:
    """Call part(first, last) as `in_threads` does, a block of rows at a time.

    report: receives the rows done and n after each block.
    """
    for start in range(0, n, BLOCK * threads):
        rows = min(BLOCK * threads, n - start)

        def shifted(first: int, last: int, start: int = start) -> None:
            part(start + first, start + last)

        in_threads(shifted, rows, threads)
        report(start + rows, n)


def in_threads(part: Callable[[int, int], Any], n: int, threads: int) -> None:
    """Call part(first, last) concurrently for `threads` shares of n rows."""
    if threads == 1:
        part(0, n)
        return
    bounds = np.linspace(0, n, threads + 1).astype(int).tolist()
    with ThreadPoolExecutor(threads) as pool:
        # In this thread's context, of which the watcher is a part; one context runs in one thread.
        shares = [
            pool.submit(copy_context().run, part, first, last) for first, last in pairwise(bounds)
        ]
        for share in shares:
            share.result()
