"""Small convolutional networks, drawn by hypothesis or fixed."""

from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st

import small
from ipvae_snn.arrays import Float32
from ipvae_snn.image_shape import ImageShape
from ipvae_snn.models.convolutional import SharedParameters
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.models.kernel_positions import KernelPositions
from ipvae_snn.models.shared_kernels import SharedKernels


@st.composite
def positions(draw: st.DrawFn) -> KernelPositions:
    """Kernels with any sides and stride that fit, in grey or with 1 to 3 channels."""
    stride = draw(st.integers(1, 3))
    kernel = draw(st.integers(stride, 5)), draw(st.integers(stride, 5))
    rows, columns = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    height, width = (
        side + stride * (count - 1) for side, count in zip(kernel, (rows, columns), strict=True)
    )
    channels = draw(st.integers(0, 3))
    shape: ImageShape = (height, width, channels) if channels else (height, width)
    return KernelPositions(shape, draw(st.integers(1, 4)), kernel, stride)


def shared_parameters(
    p: KernelPositions, seed: int = 0, dtype: torch.dtype = torch.float64
) -> SharedParameters:
    """Random parameters of plausible size, all of which need a gradient."""
    rng = np.random.default_rng(seed)

    def leaf(*shape: int, mean: float = 0.0, spread: float = 0.2) -> torch.Tensor:
        values = torch.tensor(rng.normal(mean, spread, shape), dtype=dtype)
        return values.requires_grad_()

    return SharedParameters(
        kernels=leaf(p.features, *p.kernel, p.channels),
        log_sigma=leaf(1, p.channels),
        feature_u0=leaf(1, p.features, mean=-1.5),
        feature_log_bias=leaf(1, p.features, mean=-2.0),
        log_lr=leaf(mean=-1.5),
        positions=p,
    )


def stored_network(p: KernelPositions, seed: int = 0, **given: Any) -> FloatNetwork:
    """A float network of standardised pixels with random kernels; `given` changes its fields."""
    rng = np.random.default_rng(seed)
    shape = (p.features, *p.kernel, p.channels)
    dictionary = SharedKernels(rng.normal(0, 0.2, shape).astype(np.float32), p)

    def each_neuron(low: float, high: float) -> Float32:
        return dictionary.each_neuron(rng.uniform(low, high, p.features).astype(np.float32))

    fields = small.NETWORK | {
        "log_sigma": dictionary.each_pixel(rng.normal(0, 0.2, p.channels).astype(np.float32)),
        "u0": each_neuron(-3, -1),
        "log_bias": each_neuron(-3, -1),
        "image_shape": p.image_shape,
    }
    return FloatNetwork(dictionary=dictionary, **fields | given)
