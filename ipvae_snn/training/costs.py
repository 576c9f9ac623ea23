"""What inference costs on a chip, counted while a float network is validated.

Every neuron that sends, and every pixel that is not 0, costs an operation for each weight that is
not 0 in its row (docs/energy.md, synaptic operations by events). A neuron's own inhibition is no
synapse.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from ipvae_snn.models.protocol import Decoder


class FanOuts(NamedTuple):
    """Synapses of each source: of pixels (M,), of neurons (K,), and of pixels to a start (M,)."""

    pixels: Tensor
    neurons: Tensor
    start: Tensor | None = None


@torch.no_grad()
def fan_outs(decoder: Decoder, n_pixels: int) -> FanOuts | None:
    """Return the synapses of each source; None where neurons share their weights.

    None too where the decoder is not linear: competition then has no weights.
    """
    dictionary = decoder.linear
    if dictionary is None:
        return None
    own = dictionary.own
    if own is not None:
        lateral = own.competition.clone()
        lateral.fill_diagonal_(0.0)
        started = None if own.start is None else (own.start != 0).sum(0).float()
        of_pixels = (own.feedforward != 0).sum(0).float()
        return FanOuts(of_pixels, (lateral != 0).sum(1).float(), started)
    if dictionary.grid != (1, 1) or not dictionary.in_gram_form:
        return None
    like = dictionary.log_normaliser()
    # Without the Gram matrix, which would be formed anew at every validation.
    k = dictionary.project(like.new_zeros(1, n_pixels)).shape[-1]
    return FanOuts(like.new_full((n_pixels,), k), like.new_full((k,), k - 1))


class Costs:
    """Messages and synaptic operations, summed over all images that are shown.

    operations is None where neurons share their weights, or compete without weights.
    """

    def __init__(self, decoder: Decoder, n_pixels: int) -> None:
        self._fan_outs = fan_outs(decoder, n_pixels)
        self.messages = 0.0
        self.operations = None if self._fan_outs is None else 0.0

    def begin(self, x: Tensor) -> None:
        """Count what a start costs, if any, of images x (N, M): of moving ones, frame 0."""
        found = self._fan_outs
        if found is not None and found.start is not None and self.operations is not None:
            self.operations += _sent(x, found.start)

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
