"""Moving inputs of training: sequences of frames, or still images."""

import numpy as np

from ipvae_snn.arrays import Float32
from ipvae_snn.config.settings import DataConfig
from ipvae_snn.data.base import ImageSet
from ipvae_snn.data.sequences import consecutive, drifting


def in_frames(images: ImageSet, settings: DataConfig) -> Float32:
    """Return the input of a network: (N, M) still images, or (N', F, M) sequences of F frames.

    With motion "video", every F consecutive images are one sequence (N' = N / F, rounded down).
    With "drift", every image moves (`data.sequences.drifting`).
    """
    if settings.frames == 1:
        return np.ascontiguousarray(images.pixels)
    sequence = drifting if settings.motion == "drift" else consecutive
    return np.ascontiguousarray(sequence(images, settings.frames).pixels)
