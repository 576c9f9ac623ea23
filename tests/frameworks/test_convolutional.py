"""Layers of a convolutional checkpoint: they compute as inference does, and keep what is shared."""

import numpy as np
import torch
from convolutions import stored_network

from ipvae_snn.frameworks.float_dynamics import FromCheckpoint
from ipvae_snn.frameworks.layers import FloatLayer, make_layer
from ipvae_snn.inference import reference
from ipvae_snn.models.kernel_positions import KernelPositions

POSITIONS = KernelPositions((7, 9, 2), 4, (3, 3), 2)


def test_dynamics_are_those_of_float_inference() -> None:
    network, rng = stored_network(POSITIONS), np.random.default_rng(0)
    d = reference.dynamics(network)
    x, u = rng.normal(size=(5, network.n_pixels)), rng.normal(-1, 1, (5, network.n_neurons))
    z = rng.poisson(0.5, u.shape).astype(np.int32)
    layer = FromCheckpoint(network, False).double()
    result = layer.update(torch.tensor(u), torch.tensor(x), torch.tensor(z).double())
    wanted = reference.step(d, u, x @ d.feed_forward, z)
    np.testing.assert_allclose(result.numpy(), wanted, rtol=1e-6, atol=1e-6)


def test_learnt_kernels_stay_shared_and_are_saved() -> None:
    network = stored_network(POSITIONS)
    layer = make_layer(network, "float", True, "relaxed", 0.1)
    assert isinstance(layer, FloatLayer)
    kernels = layer.get_parameter("dynamics.kernels")
    torch.manual_seed(0)
    _, v = layer.advance(torch.rand(3, network.n_pixels), layer.initial(3), None)  # type: ignore[arg-type]  # floats need no keys
    (slope,) = torch.autograd.grad(v.sum(), kernels)
    assert slope.shape == (4, 3, 3, 2)
    assert (slope != 0).any()
    other = make_layer(stored_network(POSITIONS, 1), "float", True, "relaxed", 0.1)
    other.load_state_dict(layer.state_dict())
    assert torch.equal(other.get_parameter("dynamics.kernels"), kernels)
