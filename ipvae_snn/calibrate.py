"""Watch a float network on real images: which pixels ever fire, which rates and counts occur.

Conversion spends its bits where calibration saw signal. Pixels that are the same in every
calibration image are left out: their noise is learnt to be almost 0, so their rows of
Phi / sigma**2 are the largest of all, exactly where there is nothing to see.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from ipvae_snn.errors import DataError
from ipvae_snn.float_inference import run_float
from ipvae_snn.float_network import FloatNetwork
from ipvae_snn.trace import RunRequest

CHUNK: Final = 64
MIN_IMAGES: Final = 8
Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """What was seen on N images over T steps.

    active (M,) bool: pixels that differ between images. largest_pixel: largest magnitude.
    pixel_mean, pixel_power (M,): mean and mean square of the pixels. count_mean, count_power
    (K,): the same of the spike counts. log_rate_max (K,): largest membrane potential in nats.
    clamped: share of (image, step, neuron) within 0.5 nats of the upper clip.
    images, steps, data: what it was measured on.
    """

    active: npt.NDArray[np.bool_]
    largest_pixel: float
    pixel_mean: Float64
    pixel_power: Float64
    count_mean: Float64
    count_power: Float64
    log_rate_max: Float64
    clamped: float
    images: int
    steps: int
    data: str


def calibrate(
    network: FloatNetwork, pixels: npt.NDArray[np.float32], data: str, steps: int, seed: int = 0
) -> Calibration:
    """Run `pixels` (N, M) through the float network for `steps` steps and summarise.

    Raises DataError for fewer than 8 images or images that are all the same.
    """
    if len(pixels) < MIN_IMAGES:
        raise DataError(
            f"{data}: {len(pixels)} calibration images are too few; give {MIN_IMAGES} or more"
        )
    active = np.ptp(pixels, axis=0) > 0
    if not active.any():
        raise DataError(f"{data}: all calibration images are the same; give real ones")
    k = network.n_neurons
    total, power = np.zeros(k), np.zeros(k)
    largest = network.u0.astype(np.float64)
    clamped = 0
    for start in range(0, len(pixels), CHUNK):
        part = pixels[start : start + CHUNK]
        request = RunRequest(steps, seed, first_image=start, trace=True)
        trace = run_float(network, part, request, pixel_mask=active)
        if trace.counts is None or trace.states is None:
            raise DataError(f"{data}: the float run kept no trace")
        counts = trace.counts.astype(np.float64)
        total += counts.sum(axis=(0, 1))
        power += (counts**2).sum(axis=(0, 1))
        largest = np.maximum(largest, trace.states.max(axis=(0, 1)))
        clamped += int((trace.states > network.clip - 0.5).sum())
    seen = len(pixels) * steps
    wide = pixels.astype(np.float64)
    return Calibration(
        active=active,
        largest_pixel=float(np.abs(wide).max()),
        pixel_mean=wide.mean(axis=0),
        pixel_power=(wide**2).mean(axis=0),
        count_mean=total / seen,
        count_power=power / seen,
        log_rate_max=largest,
        clamped=clamped / (seen * k),
        images=len(pixels),
        steps=steps,
        data=data,
    )
