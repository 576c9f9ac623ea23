"""The decoder of a real dictionary, in 16 bits."""

from typing import Final

import numpy as np

from ipvae_snn.arrays import Float64
from ipvae_snn.ir.fixed_point import signed_limit
from ipvae_snn.ir.parts import Decoder

DECODER_LEVELS: Final = signed_limit(16)


def dense_decoder(phi: Float64) -> Decoder:
    """Return the decoder of phi (M, K), with a scale for each pixel."""
    scale = np.abs(phi).max(axis=1) / DECODER_LEVELS
    rounded = np.rint(phi / np.where(scale > 0, scale, 1.0)[:, None])
    return Decoder.dense(rounded.astype(np.int16), scale.astype(np.float32))
