"""Weights removed in blocks, and neurons ordered so that blocks hold neurons that belong together.

A block is the weights of one source to a group of consecutive neurons. A source with no weight in a
block sends no message to the core that holds the group, and what remains is read in one piece. So
the groups should hold neurons that compete with the same others.
"""

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor

# The dimensions of an untied model's parameters that count neurons, from the last one.
_NEURONS: Final[Mapping[str, tuple[int, ...]]] = {
    "phi": (-1,),
    "psi": (-2,),
    "lateral": (-2, -1),
    "u0": (-1,),
    "log_bias": (-1,),
    "start": (-2,),
}


def least(saliency: Tensor, removed: int, block: int) -> Tensor:
    """Return True (K, sources) for at most `removed` weights in the blocks of least saliency.

    saliency (K, sources); a block's is its root mean square. The last group of neurons may be
    smaller than `block`.
    """
    n_targets, n_sources = saliency.shape
    group = torch.arange(n_targets, device=saliency.device) // block
    sizes = torch.bincount(group)
    power = saliency.new_zeros(len(sizes), n_sources).index_add_(0, group, saliency.square())
    order = (power / sizes.unsqueeze(1)).reshape(-1).argsort(stable=True)
    gone = order[sizes[order // n_sources].cumsum(0) <= removed]
    mask = torch.zeros_like(power, dtype=torch.bool)
    mask.view(-1)[gone] = True
    return mask[group]


def grouped(lateral: Tensor, block: int) -> Tensor:
    """Return an order (K,) of neurons in which groups of `block` hold those that compete most.

    lateral (K, K). Each group starts with the neuron left that competes most, and takes in turn
    the one left that competes most with its members.
    """
    strength = lateral.abs() + lateral.abs().T
    strength.fill_diagonal_(0.0)
    left = torch.ones(len(strength), dtype=torch.bool)
    order: list[int] = []
    while len(order) < len(strength):
        members = order[len(order) - len(order) % block :]
        others = torch.tensor(members) if members else left.nonzero()[:, 0]
        chosen = int(strength[:, others].sum(1).masked_fill(~left, -1.0).argmax())
        left[chosen] = False
        order.append(chosen)
    return torch.tensor(order)


def ordered(parameters: Mapping[str, Tensor], block: int) -> dict[str, Tensor]:
    """Return an untied model's initial parameters with neurons grouped for blocks.

    A network whose lateral weights are sparse already keeps its order, and so its blocks.
    """
    lateral = parameters["lateral"]
    if block == 1 or bool((lateral == 0).any()):
        return dict(parameters)
    order = grouped(lateral, block)
    result = dict(parameters)
    for name, dimensions in _NEURONS.items():
        for dimension in dimensions:
            if name in result:  # a network without a start has none
                result[name] = result[name].index_select(dimension, order)
    return result
