"""Watch a float network on real images: pixels, spike counts, potentials, what neurons receive.

Conversion spends its bits where calibration saw signal. Pixels that are the same in every
calibration image are left out: their noise is learnt to be almost 0, so their rows of
Phi / sigma**2 are the largest of all, exactly where there is nothing to see.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from ipvae_snn.arrays import Bool, Float32, Float64
from ipvae_snn.errors import DataError
from ipvae_snn.inference.reference import advance, dynamics, reconstruct, start
from ipvae_snn.kernels.threads import n_threads
from ipvae_snn.models.float_network import FloatNetwork

CHUNK: Final = 128
MIN_IMAGES: Final = 8
# Residuals cost M x K each: those of the onset, where they are largest, and of every eighth step.
RESIDUAL_ONSET: Final = 8
RESIDUAL_STRIDE: Final = 8


@dataclass(frozen=True)
class Calibration:
    """What was seen on N images over T steps, each of one update.

    pixels (N, M) float32: the images. active (M,) bool: pixels that differ between images.
    mean_counts (N, K): each image's mean spike counts. count_within (K, K): covariance of the
    counts of one image over its steps, mean over images. log_rate_max (K,): largest membrane
    potential in nats. excitation_max: the most that a neuron received in a step apart from its
    own inhibition, in nats. largest_residual: largest |x - Phi z|, of active pixels. clamped:
    share of (image, step, neuron) within 0.5 nats of the upper clip. data: the images' name.
    updates_per_step: of the network, which takes so many of these steps for one of its own.
    """

    pixels: Float32
    active: Bool
    mean_counts: Float64
    count_within: Float64
    log_rate_max: Float64
    excitation_max: float
    largest_residual: float
    clamped: float
    steps: int
    data: str
    updates_per_step: int = 1

    @property
    def images(self) -> int:
        """Number of images N."""
        return len(self.pixels)

    @property
    def largest_pixel(self) -> float:
        """Largest magnitude of a pixel."""
        return float(np.abs(self.pixels).max())

    @property
    def count_mean(self) -> Float64:
        """Mean spike counts (K,) a step."""
        mean: Float64 = self.mean_counts.mean(axis=0)
        return mean

    @property
    def count_power(self) -> Float64:
        """Mean squares (K,) of the spike counts of a step."""
        between: Float64 = (self.mean_counts**2).mean(axis=0)
        return between + np.diagonal(self.count_within)


def calibrate(
    network: FloatNetwork, pixels: Float32, data: str, steps: int, seed: int = 0
) -> Calibration:
    """Run `pixels` (N, M) through the float network for `steps` updates and summarise.

    Raises DataError for fewer than 8 images or images that are all the same, ConversionError for
    a network whose updates an integer network cannot take one by one.
    """
    updates_per_step, network = network.updates_per_step, network.with_single_updates()
    if len(pixels) < MIN_IMAGES:
        raise DataError(
            f"{data}: {len(pixels)} calibration images are too few; give {MIN_IMAGES} or more"
        )
    active = np.ptp(pixels, axis=0) > 0
    if not active.any():
        raise DataError(f"{data}: all calibration images are the same; give real ones")
    d = dynamics(network, active)
    k, own = network.n_neurons, d.step_size * np.diagonal(d.G)
    means, power = np.zeros((len(pixels), k)), np.zeros((k, k))
    largest = network.u0.astype(np.float64)
    excitation, residual, clamped = 0.0, 0.0, 0
    for first in range(0, len(pixels), CHUNK):
        part = pixels[first : first + CHUNK]
        run = advance(d, start(d, part, seed, first), steps, n_threads(), trace=True)
        counts, states = run.trace_counts, run.trace_states
        means[first : first + len(part)] = counts.mean(axis=1)
        flat = counts.reshape(-1, k).astype(np.float32)
        power += flat.T @ flat
        largest = np.maximum(largest, states.max(axis=(0, 1)))
        before = np.concatenate([np.broadcast_to(d.u0, (len(part), 1, k)), states[:, :-1]], axis=1)
        excitation = max(excitation, float((states - before + own * counts).max()))
        for t in {*range(min(RESIDUAL_ONSET, steps)), *range(0, steps, RESIDUAL_STRIDE)}:
            error = (part - reconstruct(network, counts[:, t]))[:, active]
            residual = max(residual, float(np.abs(error).max()))
        clamped += int((states > network.clip - 0.5).sum())
    seen = len(pixels) * steps
    return Calibration(
        pixels=pixels,
        active=active,
        mean_counts=means,
        count_within=power / seen - means.T @ means / len(pixels),
        log_rate_max=largest,
        excitation_max=excitation,
        largest_residual=residual,
        clamped=clamped / (seen * k),
        steps=steps,
        data=data,
        updates_per_step=updates_per_step,
    )
