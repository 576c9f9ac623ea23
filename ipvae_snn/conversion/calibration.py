"""Calibration: measure pixels, spike counts, potentials and drives of a float network on images.

Conversion spends its bits where calibration saw signal. Pixels that are the same in every
calibration image are left out: training makes their noise sigma almost 0, so their rows of
Phi / sigma**2 are the largest of all, although they carry no signal.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from ipvae_snn.arrays import Bool, Float32, Float64
from ipvae_snn.errors import DataError
from ipvae_snn.inference.gram_form import GramForm, gram_form
from ipvae_snn.inference.reference import engine_of, reconstruct
from ipvae_snn.kernels import rows
from ipvae_snn.kernels.rows import Progress
from ipvae_snn.kernels.threads import n_threads
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.storage import memory
from ipvae_snn.watcher import current_watcher

CHUNK: Final = 128
CHUNK_BYTES: Final = 1 << 30
RUN_BYTES: Final = 40  # of an image, step and neuron
MIN_IMAGES: Final = 8
# A residual costs M x K, so only some steps have one: the first, where they are largest, and every
# eighth.
RESIDUAL_ONSET: Final = 8
RESIDUAL_STRIDE: Final = 8


@dataclass(frozen=True)
class Calibration:
    """Statistics of a float run: N images, T steps, each of one update.

    pixels (N, M) float32: the images. active (M,) bool: pixels that differ between images.
    mean_counts (N, K): mean spike counts per image. count_within (K, K): covariance of one image's
    counts over its steps, mean over images; of convolutional networks their variance
    (K,). log_rate_max (K,): largest membrane potential in nats.
    excitation_max: largest input of a neuron in a step, without its own inhibition, in nats.
    largest_residual: largest |x - Phi z| of active pixels. clamped: share of (image, step, neuron)
    within 0.5 nats of the upper clip. data: name of the images. updates_per_step: of the float
    network, which takes that many updates in one of its own steps.
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
        """Mean spike counts (K,) per step."""
        mean: Float64 = self.mean_counts.mean(axis=0)
        return mean

    @property
    def count_power(self) -> Float64:
        """Mean squared spike counts (K,) per step."""
        between: Float64 = (self.mean_counts**2).mean(axis=0)
        return between + self.count_variance

    @property
    def count_variance(self) -> Float64:
        """Variance (K,) of one image's counts over its steps, mean over images."""
        within = self.count_within
        return np.diagonal(within) if within.ndim == 2 else within


class Shown(NamedTuple):
    """A frame of some sequences: pixels (n, M), and the potentials (n, K) before it.

    first: the first sequence. frame: from 0 up.
    """

    first: int
    frame: int
    pixels: Float32
    state: Float64


def _runs(
    network: FloatNetwork, frames: Float32, run: tuple[int, int, int], form: GramForm
) -> Iterator[tuple[Shown, Progress]]:
    """Yield each frame of each part of frames (N, F, M), and the traced run that it was shown in.

    run: steps per frame, sequences at a time, and seed.
    """
    steps, size, seed = run
    engine = engine_of(network, form)
    for first in range(0, len(frames), size):
        part = frames[first : first + size]
        done: Progress | None = None
        for frame in range(frames.shape[1]):
            drive = form.drive(part[:, frame].astype(np.float64))
            started = form.begin(part[:, frame]) if done is None else None
            before = rows.start(engine, drive, seed, first, started) if done is None else done
            shown = rows.show(before, drive)
            done = rows.advance(engine, shown, steps, n_threads(), trace=True)
            yield Shown(first, frame, part[:, frame], shown.rows.state), done


def _is_shared(network: FloatNetwork) -> bool:
    return network.dictionary.kind == "convolutional"


def _strengths(network: FloatNetwork, form: GramForm) -> Float64:
    """Return what a spike of each neuron takes from its own drive, (K,)."""
    if form.shared is None:
        return np.diagonal(form.G)
    return network.dictionary.strengths(np.exp(-2.0 * network.log_sigma.astype(np.float64)))


def _chunk(network: FloatNetwork, steps: int) -> int:
    """Return the number of images that run at a time, fewer where there are many neurons."""
    if not _is_shared(network):
        return CHUNK
    return max(1, min(CHUNK, CHUNK_BYTES // (RUN_BYTES * steps * network.n_neurons)))


def _require_memory(images: int, steps: int, network: FloatNetwork) -> None:
    """Raise MemoryLimitError if calibration and the rounding that follows would not fit.

    A chunk's run has counts, states and what is computed from them; rounding has second moments of
    pixels and counts, and their factors.
    """
    m, k = network.n_pixels, network.n_neurons
    run = RUN_BYTES * min(images, _chunk(network, steps)) * steps * k
    # The moments of shared kernels are those of what a position sees, of a size that is chosen.
    rounding = 1 << 30 if _is_shared(network) else 8 * (8 * k * k + 6 * m * m + 6 * m * k)
    memory.require(
        run + rounding + 8 * images * (k + m),
        f"converting {k} neurons and {m} pixels with {images} images and {steps} steps",
        "give fewer calibration steps (--steps) or images (--limit)",
    )


def calibrate(
    network: FloatNetwork, pixels: Float32, data: str, steps: int, seed: int = 0
) -> Calibration:
    """Run `pixels` (N, M) through the float network for `steps` updates and return statistics.

    Of moving images, (N, F, M), each frame is shown for `steps` updates and potentials carry over;
    every frame counts as an image.

    Raises DataError for fewer than 8 images or for images that are all the same, ConversionError
    for a network whose updates an integer network cannot take one by one, MemoryLimitError if it
    would not fit into memory.
    """
    updates_per_step, network = network.updates_per_step, network.with_single_updates()
    frames = pixels[:, None] if pixels.ndim == 2 else pixels
    pixels = frames.reshape(-1, frames.shape[2])
    if len(pixels) < MIN_IMAGES:
        raise DataError(
            f"{data}: {len(pixels)} calibration images are too few; give {MIN_IMAGES} or more"
        )
    active = np.ptp(pixels, axis=0) > 0
    if not active.any():
        raise DataError(f"{data}: all calibration images are the same; give real ones")
    shared = _is_shared(network)
    if shared:  # every position has the same weights, so that no pixel can be left out
        active = np.ones_like(active)
    _require_memory(len(pixels), steps, network)
    form = gram_form(network, None if shared else active)
    u0 = network.u0.astype(np.float64)
    k, own = network.n_neurons, float(np.exp(network.log_lr)) * _strengths(network, form)
    means, power = np.zeros((len(pixels), k)), np.zeros(k if shared else (k, k))
    largest, size = u0, _chunk(network, steps)
    excitation, residual, clamped = 0.0, 0.0, 0
    report = current_watcher().progress
    for (first, frame, part, earlier), run in _runs(network, frames, (steps, size, seed), form):
        counts, states = run.trace_counts, run.trace_states
        means[first * frames.shape[1] + frame :: frames.shape[1]][: len(part)] = counts.mean(axis=1)
        flat = counts.reshape(-1, k).astype(np.float32)
        power += np.square(flat).sum(axis=0, dtype=np.float64) if shared else flat.T @ flat
        largest = np.maximum(largest, np.maximum(states.max(axis=(0, 1)), earlier.max(axis=0)))
        before = np.concatenate([earlier[:, None], states[:, :-1]], axis=1)
        excitation = max(excitation, float((states - before + own * counts).max()))
        for t in {*range(min(RESIDUAL_ONSET, steps)), *range(0, steps, RESIDUAL_STRIDE)}:
            error = (part - reconstruct(network, counts[:, t]))[:, active]
            residual = max(residual, float(np.abs(error).max()))
        clamped += int((states > network.clip - 0.5).sum())
        report(first * frames.shape[1] + (frame + 1) * len(part), len(pixels))
    seen = len(pixels) * steps
    between = np.square(means).sum(axis=0) if shared else means.T @ means
    return Calibration(
        pixels=pixels,
        active=active,
        mean_counts=means,
        count_within=power / seen - between / len(pixels),
        log_rate_max=largest,
        excitation_max=excitation,
        largest_residual=residual,
        clamped=clamped / (seen * k),
        steps=steps,
        data=data,
        updates_per_step=updates_per_step,
    )
