"""What sending costs, in the compiled objective: sums over updates, and their gradient."""

from collections.abc import Sequence

import numpy as np

from ipvae_snn.arrays import Array
from ipvae_snn.kernels.prices import price_rows, sent_rows
from ipvae_snn.training.row_products import for_rows
from ipvae_snn.training.unrolling import Unrolling


def sent_by(u: Array, unrolling: Unrolling) -> tuple[float, float]:
    """Return messages and spikes that log rates u (N, B, K) send on average, summed over N and B.

    (0, 0) if the loss charges for neither.
    """
    if not unrolling.priced:
        return 0.0, 0.0
    messages, spikes = (np.empty(u.shape[:2], u.dtype) for _ in range(2))

    def rows(first: int, last: int) -> None:
        for sends, update_messages, update_spikes in zip(u, messages, spikes, strict=True):
            sent_rows(first, last, sends, update_messages, update_spikes)

    for_rows(rows, u.shape[1], unrolling.threads)
    return float(messages.sum(dtype=np.float64)), float(spikes.sum(dtype=np.float64))


def charge(prices: Sequence[float], u: Array, to_u: Array, unrolling: Unrolling) -> None:
    """Add to to_u (B, K) the gradient of the prices of a message and a spike at log rates u."""
    if not unrolling.priced:
        return
    message_price, spike_price = (u.dtype.type(price) for price in prices)

    def rows(first: int, last: int) -> None:
        price_rows(first, last, message_price, spike_price, u, to_u)

    for_rows(rows, len(u), unrolling.threads)
