"""Paired runs of a float and an integer network on the same images and uniforms, in blocks."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from ipvae_snn.arrays import Float32, Float64, Int32, Integers, UInt8
from ipvae_snn.backends import compiled
from ipvae_snn.comparison.one_step import one_step
from ipvae_snn.errors import DataError
from ipvae_snn.inference import reference
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest, check_request
from ipvae_snn.models.float_network import FloatNetwork

IMAGES: Final = 64  # rows of a block
ENTRIES: Final = 1 << 19  # (image, step, neuron) triples of a block: some 60 MB with all arrays
LN2: Final = float(np.log(2.0))
ALL: Final = slice(None)
MEAN_STEPS: Final = 4  # of the mean that is decoded, where the integer network has no other


@dataclass(frozen=True)
class Pair:
    """A float network, its integer network `integer`, and N images or sequences for both.

    images (N, M) float32 for the float network; pixels (N, M) uint8 for the integer one. Sequences
    of F frames are (N, F, M): potentials carry over from frame to frame. A step of the integer
    network is one update, so `network` is stored with one update per step.
    """

    network: FloatNetwork
    integer: IntegerNetwork
    images: Float32
    pixels: UInt8

    def __post_init__(self) -> None:
        """Raise DataError unless sizes and numbers of images agree.

        Raises ConversionError for a network that no integer network expresses, as `convert` does.
        """
        network, integer = self.network.with_single_updates(), self.integer
        object.__setattr__(self, "network", network)
        if (network.n_pixels, network.n_neurons) != (integer.n_pixels, integer.n_neurons):
            raise DataError(
                f"the float network has {network.n_pixels} pixels and {network.n_neurons} neurons, "
                f"the integer one {integer.n_pixels} and {integer.n_neurons}; give the two that "
                "belong together"
            )
        if self.images.shape != self.pixels.shape:
            raise DataError(
                f"float images {self.images.shape} and 8-bit images {self.pixels.shape} differ in "
                "shape; encode the same ones"
            )

    @property
    def frames(self) -> int:
        """Number of frames F, 1 for still images."""
        return self.images.shape[1] if self.images.ndim == 3 else 1

    def shown(self, frame: int, rows: slice = ALL) -> tuple[Float32, UInt8]:
        """Return a frame (n, M) of the images `rows`, as floats and in 8 bits."""
        if self.images.ndim == 2:
            return self.images[rows], self.pixels[rows]
        return self.images[rows, frame], self.pixels[rows, frame]

    @property
    def mean_steps(self) -> int:
        """Number of last steps whose mean is decoded: the integer network's own, or MEAN_STEPS."""
        decoding = self.integer.decoder.decoding
        return decoding.steps if decoding.kind == "mean" else MEAN_STEPS

    @property
    def unit(self) -> float:
        """One unit of the integer network's membrane potential in nats."""
        return LN2 / (1 << self.integer.neurons.fraction_bits)

    def nats(self, states: Integers) -> Float64:
        """Return the integer network's membrane potentials in nats."""
        return np.asarray(states.astype(np.float64) * self.unit)

    def rounded(self, states: Float64) -> Int32:
        """Return potentials in nats, rounded to states of the integer network."""
        group = self.integer.neurons
        units = np.clip(np.rint(states / self.unit), group.state_min, group.state_max)
        return units.astype(np.int32)

    def check(self, steps: int, seeds: tuple[int, ...]) -> None:
        """Raise DataError for steps, of each frame, or seeds out of range."""
        for seed in seeds:
            check_request(self.integer, self.pixels, RunRequest(steps, seed))


@dataclass(frozen=True)
class Side:
    """Counts (n, T, K) and potentials in nats of one run, float or integer.

    before, after (n, T, K): potentials when the counts are drawn, and after the update. earlier
    (n, K): potentials one update before the first of `before`; equal to it at step 0.
    """

    counts: Int32
    before: Float64
    after: Float64
    earlier: Float64

    def previous(self, index: int) -> Float64:
        """Return the potentials (n, K) one update before before[:, index]."""
        return self.before[:, index - 1] if index else self.earlier


@dataclass(frozen=True)
class Block:
    """Images rows.start .. rows.stop - 1 in steps first .. first + T - 1, in both runs.

    frame: the one that is shown in all of them; steps count on from frame to frame. drawn
    (n, T, K): counts that the integer network draws at the rounded float potentials. stepped
    (n, T, K): its potentials after one step from there with the float counts, in nats. saturated
    (n, T, 5): see trace.SATURATIONS.
    """

    rows: slice
    frame: int
    first: int
    floats: Side
    integers: Side
    drawn: Int32
    stepped: Float64
    saturated: Int32


def blocks(pair: Pair, steps: int, seed: int, threads: int = 1) -> Iterator[Block]:
    """Yield all images and steps, `steps` of each frame, block by block; memory holds one block.

    The result does not depend on the size of blocks or on `threads`.
    """
    d = reference.dynamics(pair.network)
    prepared = compiled.prepare(pair.integer)
    for first_row in range(0, len(pair.images), IMAGES):
        rows = slice(first_row, min(first_row + IMAGES, len(pair.images)))
        images, pixels = pair.shown(0, rows)
        f = reference.start(d, images, seed, first_row)
        start = i = compiled.start(prepared, pixels, seed, first_row)
        earlier = f.state, pair.nats(i.state)
        many = max(1, ENTRIES // f.state.size)
        for frame, first, n in _parts(pair.frames, steps, many):
            if frame and first == frame * steps:
                images, pixels = pair.shown(frame, rows)
                f = reference.show(d, f, images)
                start = i = compiled.show(prepared, i, pixels)
            before = f.state, i.state
            f = reference.advance(d, f, n, threads, trace=True)
            i = compiled.advance(prepared, i, n, threads, trace=True)
            floats = _side(f.trace_counts, before[0], f.trace_states, earlier[0])
            after = pair.nats(i.trace_states)
            integers = _side(i.trace_counts, pair.nats(before[1]), after, earlier[1])
            states = pair.rounded(floats.before)
            drawn, stepped = one_step(prepared, start, states, floats.counts, first, threads)
            after = pair.nats(stepped)
            yield Block(rows, frame, first, floats, integers, drawn, after, i.saturated)
            earlier = floats.before[:, -1], integers.before[:, -1]


def _parts(frames: int, steps: int, many: int) -> Iterator[tuple[int, int, int]]:
    """Yield (frame, first step, number of steps) of parts of at most `many` steps of a frame."""
    for frame in range(frames):
        for first in range(0, steps, many):
            yield frame, frame * steps + first, min(many, steps - first)


def _side(counts: Int32, before: Float64, after: Float64, earlier: Float64) -> Side:
    """Return a side; `before` (n, K) is that of the first step, later ones follow from `after`."""
    shifted = np.concatenate([before[:, None], after[:, :-1]], axis=1)
    return Side(counts, shifted, after, earlier)
