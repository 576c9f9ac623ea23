"""Uniforms of one image, drawn in blocks of steps; equal to drawing each one alone.

One call of the generator costs a hundred small NumPy operations, however few numbers it draws. So
the uniforms of part 0 are drawn in blocks of steps. So are those of further parts once a neuron
needs them, because a neuron with a high rate keeps it for a while.
"""

from typing import Final

import numpy as np

from .arithmetic import Int64, UInt32, block_uniforms, part_uniforms

STEPS: Final = 64  # drawn together; bounds the memory, changes no number
DRAWN_PARTS: Final = 4  # parts below this are drawn for all neurons: rates up to 32
KEPT_PARTS: Final = 16  # below this, for those that need them, and kept: rates up to 128


class Draws:
    """Uniforms of `n` neurons under `seed`, in [0, 2**31), of one image and step at a time.

    first: index of the first of them among all neurons that draw.
    """

    def __init__(self, seed: int, n: int, first: int = 0) -> None:
        self.seed, self.image, self.step, self.first = seed, -1, -1, first
        self.drawn: UInt32 = np.empty((STEPS, KEPT_PARTS, n), np.uint32)
        self.known = np.zeros(n, np.int64)  # number of parts drawn per neuron

    def turn(self, image: int, step: int) -> None:
        """Move to a step of an image; draw its block of steps if that is new."""
        new = (image, step // STEPS) != (self.image, self.step // STEPS)
        self.image, self.step = image, step
        if new:
            n = self.known.size
            for part in range(DRAWN_PARTS):
                begin = step - step % STEPS
                block = block_uniforms(self.seed, image, begin, STEPS, self.first + n, part)
                self.drawn[:, part] = block[:, self.first :]
            self.known[:] = DRAWN_PARTS

    def of_first(self) -> UInt32:
        """Return part 0's uniforms (n,)."""
        return np.asarray(self.drawn[self.step % STEPS, 0])

    def of_parts(self, first: int, parts: Int64, neuron: Int64) -> UInt32:
        """Return the uniforms (P, n) of parts first .. first + P - 1 of neurons (n,).

        parts (n,): number of parts of each neuron; entries beyond it must not be used.
        """
        last = int(parts.max())
        if first >= KEPT_PARTS:
            part = np.arange(first, last, dtype=np.int64)[:, np.newaxis]
            return self._of(np.array(self.step), part, neuron)
        wanted = np.minimum(parts, KEPT_PARTS)
        missing = wanted > self.known[neuron]
        if missing.any():
            self._draw(neuron[missing], wanted[missing])
        kept = self.drawn[self.step % STEPS, first : min(last, KEPT_PARTS)]
        uniforms: UInt32 = kept.take(neuron, axis=1)
        return uniforms

    def _draw(self, neuron: Int64, parts: Int64) -> None:
        """Draw the missing first parts (n,) of neurons (n,), for this block of steps."""
        steps = self.step - self.step % STEPS + np.arange(STEPS, dtype=np.int64)[:, np.newaxis]
        every = np.arange(KEPT_PARTS)[:, np.newaxis]
        part, column = np.nonzero((every >= self.known[neuron]) & (every < parts))
        rows = neuron[column]
        self.drawn[:, part, rows] = self._of(steps, part, rows)
        self.known[neuron] = parts

    def _of(self, step: Int64, part: Int64, neuron: Int64) -> UInt32:
        return part_uniforms(self.seed, self.image, step, part, self.first + neuron)
