"""Products of counts with G, for a range of rows; rows are divided among threads."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import lru_cache
from itertools import pairwise
from typing import Final

import torch

from ipvae_snn.arrays import Array
from ipvae_snn.kernels import spike_products as products

# Threads get multiples of so many rows: a dense product of few rows rounds differently.
GRAIN: Final = 16


def for_rows(function: Callable[[int, int], None], n_rows: int, threads: int) -> None:
    """Call function(first, last) for all rows, divided among `threads`, one of them the caller's.

    torch itself should then use one thread (`models.cpu_threads`): its idle threads keep processors
    busy for a while, and two concurrent products would use twice the threads.
    """
    inner = [n_rows * i // threads // GRAIN * GRAIN for i in range(1, threads)]
    edges = [0, *inner, n_rows]
    shares = [
        _pool(threads - 1).submit(copy_context().run, function, first, last)  # with the watcher
        for first, last in pairwise(edges[1:])
    ]
    function(0, edges[1])
    for share in shares:
        share.result()


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    """Return the pool of threads that share the rows; it is kept between steps."""
    return ThreadPoolExecutor(threads, thread_name_prefix="ipvae-snn-rows")


def mostly_zero(z: Array) -> bool:
    """Return whether counts z (B, K) are so sparse that products skip their zeros."""
    return bool(products.nonzero(z.reshape(-1)) <= products.DENSE_SHARE * z.size)


def dense_product(values: Array, G: Array, out: Array, first: int, last: int) -> None:
    """Set rows first .. last - 1 of out = values G."""
    rows, product = torch.from_numpy(values[first:last]), torch.from_numpy(out[first:last])
    torch.mm(rows, torch.from_numpy(G), out=product)
