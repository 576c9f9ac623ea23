"""Compiled passes of what sending costs in training: messages, spikes, and their gradient.

A neuron at log rate u sends with the chance 1 - exp(-e^u), the smooth count of graded messages, and
e^u spikes on average.
"""

import numpy as np

from ipvae_snn.arrays import Array
from ipvae_snn.kernels.compiled import kernel
from ipvae_snn.kernels.vector_math import exp_of


@kernel
def sent_rows(first: int, last: int, u: Array, messages: Array, spikes: Array) -> None:
    """Set messages and spikes (B,) to what rows first .. last - 1 of u (B, K) send on average."""
    rate, chance = np.empty_like(u[0]), np.empty_like(u[0])
    for r in range(first, last):
        row = u[r]
        for k in range(rate.size):
            rate[k] = exp_of(row[k])
        for k in range(rate.size):
            chance[k] = exp_of(-rate[k])
        spikes[r] = rate.sum()
        messages[r] = rate.size - chance.sum()


@kernel
def price_rows(
    first: int, last: int, message_price: float, spike_price: float, u: Array, to_u: Array
) -> None:
    """Add the gradient of the prices to rows first .. last - 1 of to_u (B, K)."""
    rate = np.empty_like(u[0])
    for r in range(first, last):
        row, gradient = u[r], to_u[r]
        for k in range(rate.size):
            rate[k] = exp_of(row[k])
        for k in range(rate.size):
            gradient[k] += rate[k] * (message_price * exp_of(-rate[k]) + spike_price)
