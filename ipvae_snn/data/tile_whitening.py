"""Whitening of single tiles, as the public code of Vafaii, Galor and Yates does it.

Their set vH16-wht holds tiles of 24x24 pixels that were whitened one by one and cut to 16x16. What
their code shows and what is assumed here is in docs/training.md.
"""

from typing import Final

import numpy as np
from scipy import fft, ndimage

from ipvae_snn.arrays import Float32, Float64, Floats

MARGIN: Final = 4  # pixels at each side that are cut off after whitening (their crop_size)
CUTOFF: Final = 0.5  # f0 of the filter f exp(-(f / f0)^4), cycles per pixel
WINDOW: Final = 13  # pixels at a side of the window of the local contrast
SPREAD: Final = 0.5  # the window is exp(-r^2 / SPREAD), with coordinates from -1 to 1
MOST_MEAN: Final = 0.3  # largest share of a patch's squared mean in its variance
CHUNK: Final = 4096  # tiles at a time; their complex spectra take 38 MB at 24x24


def whiten_tiles(tiles: Floats) -> Float32:
    """Return whitened patches (..., S - 2 MARGIN, S - 2 MARGIN) of tiles (..., S, S).

    In this order, of each tile alone: the filter, local contrast, mean 0 and deviation 1, and
    MARGIN pixels cut off at each side. tiles: light of any scale, which has no effect. A tile of
    equal light gives a patch of zeros, and so does one whose patch has a mean above
    sqrt(MOST_MEAN) of its deviation: hardly anything but the mean is left of it.
    """
    side = tiles.shape[-1]
    stack = tiles.reshape(-1, side, side)
    inner = slice(MARGIN, side - MARGIN)
    patches = np.empty((len(stack), side - 2 * MARGIN, side - 2 * MARGIN), np.float32)
    for first in range(0, len(stack), CHUNK):
        part = stack[first : first + CHUNK].astype(np.float64)
        white = standardise(divide_by_contrast(filter_tiles(part)))[:, inner, inner]
        # The filter and the edges leave a pattern in light that is the same everywhere.
        equal = np.ptp(part, axis=(-2, -1)) == 0
        axes = -2, -1
        offset = white.mean(axes) ** 2 >= MOST_MEAN * white.var(axes)
        white[equal | offset] = 0
        patches[first : first + CHUNK] = white
    return patches.reshape(*tiles.shape[:-2], *patches.shape[1:])


def filter_tiles(tiles: Float64) -> Float64:
    """Return tiles (N, S, S) under the filter f exp(-(f / f0)^4) as their code applies it.

    They lay f out from -1/2 to 1/2 and multiply a Fourier transform that begins with frequency 0,
    so that the filter is shifted by half of its length: a component of frequency (a, b) gets the
    gain of about (1/2 - a, 1/2 - b). The result is still a high pass along both axes, but passes
    oblique frequencies around (1/4, 1/4) most. Of the transform back they keep the real part.
    """
    ramp = np.linspace(-0.5, 0.5, tiles.shape[-1])
    frequency = np.hypot(ramp[:, None], ramp[None, :])
    gain = frequency * np.exp(-((frequency / CUTOFF) ** 4))
    return np.asarray(fft.ifft2(fft.fft2(tiles) * gain).real, np.float64)


def divide_by_contrast(tiles: Float64, window: int = WINDOW) -> Float64:
    """Return tiles (N, S, S) less their local mean, divided by their local deviation.

    Both are weighted by a Gaussian window, and pixels outside a tile count as 0 (Jarrett et al.
    2009). A local deviation below the tile's mean of it is replaced by that mean. window: odd.
    """
    weights = np.exp(-(np.linspace(-1.0, 1.0, window) ** 2) / SPREAD)
    weights /= weights.sum()

    def blurred(values: Float64) -> Float64:
        along = ndimage.correlate1d(values, weights, axis=-1, mode="constant")
        return np.asarray(ndimage.correlate1d(along, weights, axis=-2, mode="constant"))

    centred = tiles - blurred(tiles)
    deviation = np.sqrt(blurred(centred * centred))
    floor = deviation.mean(axis=(-2, -1), keepdims=True)
    divisor = np.maximum(deviation, floor)
    result: Float64 = np.divide(centred, divisor, out=np.zeros_like(centred), where=divisor > 0)
    return result


def standardise(tiles: Float64) -> Float64:
    """Return tiles (N, S, S) of mean 0 and (unbiased) deviation 1 each; zeros for flat ones."""
    centred = tiles - tiles.mean(axis=(-2, -1), keepdims=True)
    deviation = centred.std(axis=(-2, -1), keepdims=True, ddof=1)
    result: Float64 = np.divide(centred, deviation, out=np.zeros_like(centred), where=deviation > 0)
    return result
