"""What inference costs on a chip, counted while a float network is validated.

Every neuron that sends, and every pixel that is not 0, costs an operation for each weight that is
not 0 in its row (docs/energy.md, synaptic operations by events). A neuron's own inhibition is no
synapse.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from ipvae_snn.models.protocol import Dictionary


class FanOuts(NamedTuple):
    """Synapses of each source: of pixels (M,), and of neurons (K,)."""

    pixels: Tensor
    neurons: Tensor


@torch.no_grad()
def fan_outs(dictionary: Dictionary, n_pixels: int) -> FanOuts | None:
    """Return the synapses of each source; None where neurons share their weights."""
    own = dictionary.own
    if own is not None:
        lateral = own.competition.clone()
        lateral.fill_diagonal_(0.0)
        return FanOuts((own.feedforward != 0).sum(0).float(), (lateral != 0).sum(1).float())
    if dictionary.grid != (1, 1) or not dictionary.in_gram_form:
        return None
    like = dictionary.log_normaliser()
    # Without the Gram matrix, which would be formed anew at every validation.
    k = dictionary.project(like.new_zeros(1, n_pixels)).shape[-1]
    return FanOuts(like.new_full((n_pixels,), k), like.new_full((k,), k - 1))


class Costs:
    """Messages and synaptic operations, summed over all images that are shown.

    operations is None where neurons share their weights.
    """

    def __init__(self, dictionary: Dictionary, n_pixels: int) -> None:
        self._fan_outs = fan_outs(dictionary, n_pixels)
        self.messages = 0.0
        self.operations = None if self._fan_outs is None else 0.0

    def show(self, x: Tensor) -> None:
        """Count images x (N, M) that appear."""
        if self._fan_outs is not None and self.operations is not None:
            self.operations += _sent(x, self._fan_outs.pixels)

    def send(self, z: Tensor) -> None:
        """Count counts z (N, K) of an update."""
        self.messages += float((z != 0).sum())
        if self._fan_outs is not None and self.operations is not None:
            self.operations += _sent(z, self._fan_outs.neurons)


def _sent(payloads: Tensor, targets: Tensor) -> float:
    return float(((payloads != 0).to(targets) @ targets).double().sum())
