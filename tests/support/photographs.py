"""Small photographs with the spectrum of natural images, and folders of them."""

from pathlib import Path

import numpy as np
from PIL import Image


def photograph(seed: int, height: int = 70, width: int = 76):
    """Return grey levels (height, width) uint8 with an amplitude spectrum of about 1/f."""
    noise = np.random.default_rng(seed).standard_normal((height, width))
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None, :])
    frequency[0, 0] = 1
    light = np.fft.ifft2(np.fft.fft2(noise) / frequency).real
    low, high = light.min(), light.max()
    return np.rint(255 * (light - low) / (high - low)).astype(np.uint8)


def folder_of(path: Path, count: int, **size: int) -> Path:
    """Save photographs as PNG files, and return their folder."""
    path.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        Image.fromarray(photograph(index, **size)).save(path / f"{index:02d}.png")
    return path
