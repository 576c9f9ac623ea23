"""Reconstructions of both runs of a pair by every decoding, after any step of a block."""

from typing import NamedTuple

import numpy as np

from ipvae_snn.arrays import Float32, Int32, Int64
from ipvae_snn.comparison.paired_runs import Block, Pair
from ipvae_snn.inference.reference import reconstruct
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.decoding import MAP, Decoding
from ipvae_snn.ir.interpreter import Read


class Decoded(NamedTuple):
    """Reconstructions (n, M) after a step.

    sample: of its counts. mean: of those of the last steps of the frame. rates: of the potentials
    after it.
    """

    sample: Float32
    mean: Float32
    rates: Float32


class Decoders:
    """Decoders of a pair; `take` keeps the counts that a mean needs from one block to the next."""

    def __init__(self, pair: Pair) -> None:
        self.pair, self.steps = pair, pair.mean_steps
        self.mean = pair.integer.with_decoding(Decoding("mean", self.steps))
        self.rates = pair.integer.with_decoding(MAP)

    def take(self, block: Block, begins: bool) -> None:
        """Go on to a block; begins: whether a frame, or other images, begin with it."""
        sides = block.floats.counts, block.integers.counts
        kept = [counts[:, :0] for counts in sides] if begins else self._last()
        self.block = block
        self.counts = [np.concatenate(pair, axis=1) for pair in zip(kept, sides, strict=True)]
        self.before = kept[0].shape[1]

    def floats(self, index: int) -> Decoded:
        """Return what the float run's step `index` of the block decodes to."""
        network, side = self.pair.network, self.block.floats
        added, steps = self._added(0, index)
        return Decoded(
            reconstruct(network, side.counts[:, index]),
            reconstruct(network, added / np.float64(steps)),
            reconstruct(network, np.exp(side.after[:, index])),
        )

    def integers(self, index: int) -> Decoded:
        """Return what the integer run's step `index` of the block decodes to."""
        side = self.block.integers
        added, steps = self._added(1, index)
        state = self.pair.rounded(side.after[:, index])  # they are whole units already
        return Decoded(
            interpreter.decode(self.pair.integer, side.counts[:, index]),
            interpreter.reconstruct(self.mean, Read(added, state, steps)),
            interpreter.reconstruct(self.rates, Read(added, state, 0)),
        )

    def _last(self) -> list[Int32]:
        """Return the counts of both runs in the steps that a later mean may reach back to."""
        return [counts[:, max(0, counts.shape[1] - self.steps + 1) :] for counts in self.counts]

    def _added(self, side: int, index: int) -> tuple[Int64, int]:
        """Return the counts (n, K) of the last steps up to `index`, added up, and their number."""
        stop = self.before + index + 1
        start = max(0, stop - self.steps)
        return self.counts[side][:, start:stop].sum(axis=1, dtype=np.int64), stop - start
