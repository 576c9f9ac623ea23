"""What one spike of each neuron adds to a reconstruction, for pictures."""

from collections.abc import Callable
from typing import NamedTuple, cast

import torch

from ipvae_snn.arrays import Array, Float32
from ipvae_snn.image_shape import ImageShape
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.models.latent_module import inferring
from ipvae_snn.models.latent_network import LatentNetwork


class Elements(NamedTuple):
    """Elements (m, E) of a shape, and the sum of values (..., K) over the neurons of each.

    title: what they are, for a picture.
    """

    title: str
    values: Float32
    shape: ImageShape
    by_element: Callable[[Array], Array]


def elements_of(network: FloatNetwork | LatentNetwork) -> Elements:
    """Return the columns of phi, or the kernels; of a nonlinear decoder f, f(1 of k) - f(0)."""
    linear = network.dictionary
    if linear is not None:
        values, shape = linear.elements(network.image_shape)
        return Elements("Dictionary", values, shape, linear.by_element)
    # Only these may have no linear decoder.
    decoder = inferring(cast(LatentNetwork, network)).dictionary
    with torch.no_grad():
        one_each = torch.eye(network.n_neurons)
        added = decoder.decode(one_each) - decoder.decode(torch.zeros_like(one_each[:1]))
    title = "What one spike of each neuron adds"
    return Elements(title, added.T.numpy(), network.image_shape, lambda values: values)
