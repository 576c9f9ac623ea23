"""Threefry uniforms and Poisson counts as ONNX subgraphs, for integer and float models.

ONNX Runtime 1.20 adds and compares signed integers only and shifts unsigned ones only. So a 32-bit
word is an int32 here (additions wrap) and is cast to uint32 for rotations. Work that few neurons
need uses lists: the first part of a step is drawn on the full (N, K) grid, where nearly every count
is certainly 0. The remaining entries, and the further parts of fast neurons, are gathered, inverted
together, and scattered back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

import numpy as np

from ipvae_snn.export.onnx.graph import INT32, INT64, UINT32, Graph, Value
from ipvae_snn.ir.prng import PARITY, PART_SHIFT, ROTATIONS, ROUNDS, UNIFORM_BITS

PARTS_AT_ONCE: Final = 16  # further parts drawn together; bounds the memory of fast neurons
PARTS_AT_ONCE_LOG2: Final = 4


class Sampling(Protocol):
    """Arithmetic of the Poisson sampler; lists are (n,), grids (N, K)."""

    @property
    def max_part_count(self) -> int:
        """The largest count of one part."""

    @property
    def one_part_limit(self) -> int | float:
        """The largest state with a single part."""

    @property
    def splits(self) -> bool:
        """True if a state can exceed that limit."""

    def may_spike(self, g: Graph, state: Value, uniform: Value) -> Value:
        """Return bool (N, K): false only where the first part's count is certainly 0."""

    def parts(self, g: Graph, state: Value) -> Value:
        """Return the number of parts of each state of a list, int64."""

    def begin(self, g: Graph, state: Value, uniform: Value) -> tuple[Value, Value, Value]:
        """Return (threshold, rate of a part, probability of count 0) for lists."""

    def advance(self, g: Graph, probability: Value, rate: Value, k: Value) -> Value:
        """Return the probability of count k (int64 scalar >= 1) from that of k - 1."""


@dataclass(frozen=True)
class Keys:
    """Threefry's key (seed, image) as int32 words, and the words of its five injections."""

    seed: Value
    image: Value
    first: tuple[Value, ...]
    second: tuple[Value, ...]


def make_keys(g: Graph, seed: Value, image: Value) -> Keys:
    """Return the key schedule of int32 words `seed` (1,) and `image` (any shape)."""
    parity = g.op("BitwiseXor", g.op("BitwiseXor", image, seed), PARITY)
    schedule = (seed, image, parity)
    blocks = range(1, ROUNDS // 4 + 1)
    second = tuple(g.op("Add", schedule[(b + 1) % 3], b) for b in blocks)
    return Keys(seed, image, tuple(schedule[b % 3] for b in blocks), second)


def threefry(
    g: Graph,
    keys: Keys,
    counter: Value,
    block: Value | np.ndarray[tuple[int, ...], np.dtype[np.int32]],
) -> tuple[Value, Value]:
    """Return the two words (int32) of Threefry-2x32-20 for key and (counter, block): ir/prng.py."""
    start = block if isinstance(block, Value) else g.constant(block, "blocks")
    first = g.op("Add", counter, keys.seed)
    second = g.op("Add", start, keys.image)
    for round_ in range(ROUNDS):
        rotation = ROTATIONS[round_ % 8]
        first = g.op("Add", first, second)
        word = g.cast(second, UINT32)
        left = g.op("BitShift", word, rotation, direction="LEFT")
        right = g.op("BitShift", word, 32 - rotation, direction="RIGHT")
        second = g.op("BitwiseXor", g.cast(g.op("BitwiseOr", left, right), INT32), first)
        if round_ % 4 == 3:
            first = g.op("Add", first, keys.first[round_ // 4])
            second = g.op("Add", second, keys.second[round_ // 4])
    return first, second


def uniform_grid(g: Graph, keys: Keys, step: Value, n_neurons: int, start: int = 0) -> Value:
    """Return the uniforms (N, K) of part 0, int32 in [0, 2**31); keys.image is (N, 1).

    start: neuron index of the first.
    """
    first = start // 2
    n_blocks = (start + n_neurons + 1) // 2 - first
    blocks = np.arange(first, first + n_blocks, dtype=np.int32).reshape(1, -1)
    counter = g.reshape(g.cast(step, INT32), 1)
    words = [g.unsqueeze(word, 0) for word in threefry(g, keys, counter, blocks)]
    stacked = g.op("Transpose", g.op("Concat", *words, axis=0), perm=[1, 2, 0])
    grid = g.reshape(stacked, -1, 2 * n_blocks)
    if n_neurons < 2 * n_blocks:
        grid = g.columns(grid, start % 2, n_neurons)
    return g.shift_right(grid, 32 - UNIFORM_BITS)


def uniform_list(
    g: Graph, keys: Keys, step: Value, row: Value, neuron: Value, part: Value
) -> Value:
    """Return the uniform of each (row, neuron, part) of three int64 lists, int32."""
    image = g.gather(g.reshape(keys.image, -1), row)
    counter = g.cast(g.op("Add", g.op("Mul", part, 1 << PART_SHIFT), step), INT32)
    block = g.cast(g.shift_right(neuron, 1), INT32)
    first, second = threefry(g, make_keys(g, keys.seed, image), counter, block)
    odd = g.compare("Equal", g.op("BitwiseAnd", neuron, 1), 1)
    return g.shift_right(g.where(odd, second, first), 32 - UNIFORM_BITS)


def invert(g: Graph, sampling: Sampling, state: Value, uniform: Value) -> Value:
    """Return the counts (int32) of one part for lists of states and uniforms.

    Sequential inversion: the loop ends when no threshold exceeds its cumulative probability. A
    count stays where the next one's probability has reached 0 (docs/ir.md).
    """
    threshold, rate, probability = sampling.begin(g, state, uniform)

    def above(h: Graph, cumulative: Value) -> tuple[Value, Value]:
        one = h.cast(h.compare("LessOrEqual", cumulative, threshold), INT32)
        return one, h.compare("Greater", h.reduce("ReduceSum", one), 0)

    def body(h: Graph, i: Value, carried: list[Value]) -> tuple[Value, list[Value], list[Value]]:
        probability, cumulative, count, one = carried
        probability = sampling.advance(h, probability, rate, h.op("Add", i, 1))
        possible = h.cast(h.compare("Greater", probability, 0), INT32)
        count = h.op("Add", count, h.op("Mul", one, possible))
        cumulative = h.op("Add", cumulative, probability)
        one, go_on = above(h, cumulative)
        return go_on, [probability, cumulative, count, one], []

    one, start = above(g, probability)
    zeros = g.full(g.shape(uniform), 0, np.int32)
    trips = g.scalar(sampling.max_part_count, INT64)
    return g.loop(trips, [probability, probability, zeros, one], body, condition=start)[2]


class Draw(NamedTuple):
    """What the uniforms of a step are keyed by; start: neuron index of the first of the neurons."""

    keys: Keys
    step: Value
    start: int = 0


def spike_counts(g: Graph, sampling: Sampling, draw: Draw, state: Value, n_neurons: int) -> Value:
    """Return the spike counts (N, K) int32 of one step, drawn at `state` (N, K); not saturated."""
    uniform = uniform_grid(g, draw.keys, draw.step, n_neurons, draw.start)
    mask = g.reshape(sampling.may_spike(g, state, uniform), -1)
    where = g.reshape(g.nonzero(mask), -1)
    states = g.reshape(state, -1)
    drawn = invert(g, sampling, g.gather(states, where), g.gather(g.reshape(uniform, -1), where))
    zeros = g.full(g.shape(states), 0, np.int32)
    counts = g.raw("ScatterElements", [zeros, where, drawn], [INT32])[0]
    if sampling.splits:
        counts = _further_parts(g, sampling, draw, states, n_neurons, counts)
    return g.reshape(counts, -1, n_neurons)


def _further_parts(
    g: Graph, sampling: Sampling, draw: Draw, states: Value, n_neurons: int, counts: Value
) -> Value:
    """Return `counts` (N K,) plus the parts 1, 2, ... of neurons above one part's rate."""
    largest = g.reshape(g.reduce("ReduceMax", states), 1)
    most = g.reshape(sampling.parts(g, largest))
    trips = g.shift_right(g.op("Add", most, PARTS_AT_ONCE - 2), PARTS_AT_ONCE_LOG2)
    numbers = np.arange(1, PARTS_AT_ONCE + 1, dtype=np.int64)

    def body(h: Graph, i: Value, carried: list[Value]) -> tuple[None, list[Value], list[Value]]:
        fast = h.compare("Greater", states, sampling.one_part_limit)
        elements = h.reshape(h.nonzero(fast), -1)
        parts = sampling.parts(h, h.gather(states, elements))
        part = h.op("Add", h.constant(numbers), h.op("Mul", i, PARTS_AT_ONCE))
        pairs = h.nonzero(h.compare("Less", h.unsqueeze(part, 0), h.unsqueeze(parts, 1)))
        element = h.gather(elements, h.gather(pairs, h.scalar(0, INT64)))
        number = h.gather(part, h.gather(pairs, h.scalar(1, INT64)))
        row = h.op("Div", element, n_neurons)
        neuron = h.op("Sub", element, h.op("Mul", row, n_neurons))
        if draw.start:
            neuron = h.op("Add", neuron, draw.start)
        uniform = uniform_list(h, draw.keys, draw.step, row, neuron, number)
        drawn = invert(h, sampling, h.gather(states, element), uniform)
        added = h.raw("ScatterElements", [carried[0], element, drawn], [INT32], reduction="add")
        return None, added, []

    return g.loop(trips, [counts], body)[0]
