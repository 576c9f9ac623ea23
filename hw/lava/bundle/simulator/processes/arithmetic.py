"""The neuron's arithmetic in NumPy: a second, independent implementation of docs/ir.md.

It shares no code with the interpreter, so equal results are evidence that both are right. It runs
one image at a time, draws the uniforms of many steps at once, and the rare further parts of a step
in blocks. Arrays are int64 unless stated otherwise; every product stays below 2**63.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]
UInt32 = npt.NDArray[np.uint32]
# (first part, parts of each neuron (n,), neuron (n,)) -> uniforms (P, n) of parts from the first
Draw = Callable[[int, Int64, Int64], UInt32]

MAX_PART_COUNT = 28
LOG2E = 1549082005  # round(2**30 log2 e)
LN2 = 744261118  # round(2**30 ln 2)
MASK32 = (1 << 32) - 1
NEVER = 1 << 31  # above every uniform


def threefry(seed: int, image: int, first: UInt32, second: UInt32) -> tuple[UInt32, UInt32]:
    """Return the two words of Threefry-2x32-20 under the key (seed, image).

    first and second are the counter's words, uint32 arrays of one shape.
    """
    keys = (seed, image, (seed ^ image ^ 0x1BD11BDA) & MASK32)
    a, b = first + np.uint32(keys[0]), second + np.uint32(keys[1])
    for group in range(5):
        for turn in ((13, 15, 26, 6), (17, 29, 16, 24))[group % 2]:
            a += b
            high = b << np.uint32(turn)
            b >>= np.uint32(32 - turn)
            b |= high
            b ^= a
        a += np.uint32(keys[(group + 1) % 3])
        b += np.uint32((keys[(group + 2) % 3] + group + 1) & MASK32)
    return a, b


def block_uniforms(
    seed: int, image: int, first_step: int, n_steps: int, n: int, part: int = 0
) -> UInt32:
    """Return one part's uniforms (n_steps, n) of the steps from `first_step`, in [0, 2**31)."""
    steps = np.arange(first_step, first_step + n_steps, dtype=np.uint32) + np.uint32(part << 20)
    pairs = np.arange((n + 1) // 2, dtype=np.uint32)
    counter = np.meshgrid(steps, pairs, indexing="ij")
    words = np.empty((n_steps, len(pairs), 2), dtype=np.uint32)
    words[..., 0], words[..., 1] = threefry(seed, image, counter[0], counter[1])
    return words.reshape(n_steps, -1)[:, :n] >> np.uint32(1)


def part_uniforms(seed: int, image: int, step: Int64, part: Int64, neuron: Int64) -> UInt32:
    """Return the uniforms of (step, part, neuron), broadcast against each other."""
    shape = np.broadcast_shapes(step.shape, part.shape, neuron.shape)
    low = np.broadcast_to(step + (part << 20), shape).astype(np.uint32)
    even, odd = threefry(seed, image, low, np.broadcast_to(neuron >> 1, shape).astype(np.uint32))
    uniform: UInt32 = np.where(neuron & 1, odd, even) >> np.uint32(1)
    return uniform


def power_of_two(exponent: Int64, coarse: Int64, fine: Int64) -> Int64:
    """Return 2**-(exponent / 2**28) in units of 2**-31; 0 <= exponent < 2**32."""
    below = exponent & ((1 << 28) - 1)
    tail = (1 << 31) - (((below & 4095) * LN2) >> 27)
    head = (coarse[below >> 20] * fine[(below >> 12) & 255]) >> 31
    return np.asarray(((head * tail) >> 31) >> (exponent >> 28))


def thresholds(lowest: int, fraction_bits: int, tables: tuple[Int64, Int64, Int64]) -> UInt32:
    """Return the cumulative probabilities (potentials, 28) of one part's counts, in 2**-31.

    One row per potential from `lowest` to 3 octaves, where the rate is 8. A neuron's count is the
    number of entries in its row that its uniform reaches; where the next probability is 0, the
    remaining entries are out of reach. tables: coarse, fine, reciprocal. 7 MB with 12 fraction
    bits, computed once: a sum over a row takes a tenth of the time of the inversion's loop.
    """
    coarse, fine, reciprocal = tables
    octave = 1 << fraction_bits
    potential = np.arange(lowest, 3 * octave + 1, dtype=np.int64)
    rate = power_of_two((3 * octave - potential) << (28 - fraction_bits), coarse, fine)
    chance = power_of_two((rate * LOG2E) >> 30, coarse, fine)
    table = np.empty((len(potential), MAX_PART_COUNT), dtype=np.uint32)
    cumulative = chance.copy()
    for k in range(1, MAX_PART_COUNT + 1):
        chance = (((chance * rate) >> 28) * reciprocal[k]) >> 30
        table[:, k - 1] = np.where(chance > 0, np.minimum(cumulative, NEVER), NEVER)
        cumulative += chance
    return table


def spiking(potential: Int64, uniform: UInt32, silent: UInt32, lowest: int) -> Int64:
    """Return the indices of the neurons that may spike; all others have count 0.

    Most neurons are silent in most steps, and one look-up finds them. silent: the first column of
    `thresholds`.
    """
    row = potential - lowest
    quiet = uniform < silent[np.minimum(row, len(silent) - 1)]
    return np.flatnonzero(~quiet | (row >= len(silent)))


def sample(
    potential: Int64,
    uniform: UInt32,
    neuron: Int64,
    draw: Draw,
    fraction_bits: int,
    table: UInt32,
    lowest: int,
) -> Int64:
    """Return the spike counts (n,) of the neurons `neuron` (n,) at membrane potentials (n,).

    uniform (n,): those of part 0. `draw` returns those of further parts, for neurons with a rate
    above 8, any number of parts at once. table, lowest: of `thresholds`; lowest is at most 2
    octaves.
    """
    row = potential - lowest
    high = np.flatnonzero(row >= len(table))
    if high.size:
        octave = 1 << fraction_bits
        halvings = (row[high] - len(table) + octave) >> fraction_bits
        row[high] -= halvings << fraction_bits
    reached = table[row] <= uniform[:, np.newaxis]
    count: Int64 = reached.sum(axis=1)
    if high.size:
        parts = np.int64(1) << halvings
        last, start = int(parts.max()), 1
        while start < last:
            many = parts > start
            at = high[many]
            drawn = draw(start, parts[many], neuron[at])
            part = np.arange(start, start + len(drawn), dtype=np.int64)[:, np.newaxis]
            more = (table[row[at]] <= drawn[..., np.newaxis]).sum(axis=2)
            count[at] += np.where(part < parts[many], more, 0).sum(axis=0)
            start += len(drawn)
    return count


def scale(total: Int64, multiplier: Int64, shift: Int64) -> Int64:
    """Return total x multiplier / 2**shift, rounded half up."""
    return np.asarray((total * multiplier + (np.int64(1) << (shift - 1))) >> shift)


def integrate(
    potential: Int64,
    received: Int64,
    own: Int64,
    extra_bits: int,
    least: int,
    most: int | Int64,
    state_limits: tuple[int, int],
) -> tuple[Int64, tuple[int, int, int]]:
    """Return the membrane potentials (n,) after one step, and the counts of the three clamps.

    received (n,): current and synaptic sum, clipped from above at `most`. own (n,): the neuron's
    self-inhibition, subtracted after that clip, so that a neuron is inhibited by it however much
    the others excite it. The difference is clipped at `least`, the potential at both
    state_limits, of which the upper is counted. least and most are in the finer units of the
    current, `extra_bits` below the potential's.
    """
    bounded = np.minimum(received, most) - own
    update = np.maximum(bounded, least)
    if extra_bits:
        update = (update + (1 << (extra_bits - 1))) >> extra_bits
    free = potential + update
    held = (
        int(np.count_nonzero(received > most)),
        int(np.count_nonzero(bounded < least)),
        int(np.count_nonzero(free > state_limits[1])),
    )
    return np.minimum(np.maximum(free, state_limits[0]), state_limits[1]), held
