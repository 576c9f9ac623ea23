"""Short run that checks an export of an integer network: a few images, a few steps."""

from typing import Final

import numpy as np

from ipvae_snn.arrays import UInt8
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest

IMAGES: Final = 3
REQUEST: Final = RunRequest(steps=12, seed=1, trace=True)


def check_pixels(network: IntegerNetwork) -> UInt8:
    """Return images (3, M): noise, black and white; they reach every limit."""
    noise = np.random.default_rng(0).integers(0, 256, (IMAGES, network.n_pixels))
    noise[0], noise[-1] = network.input.zero_point, 255
    return noise.astype(np.uint8)
