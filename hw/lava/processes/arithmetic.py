"""The neuron's arithmetic in NumPy: docs/ir.md written down a second time, on purpose.

It shares no line with the interpreter, so that equal results say something. It runs one image at
a time, draws the uniforms of many steps at once, and the rare further parts of a step in blocks.
All arrays are int64 unless said otherwise; every product stays below 2**63.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]
UInt32 = npt.NDArray[np.uint32]
Draw = Callable[[Int64, Int64], Int64]  # (part (P, 1), neuron (n,)) -> uniforms (P, n)

ACCUMULATOR_MAX = (1 << 23) - 1  # 24 bits, signed
PARTS_AT_ONCE = 16  # bounds the memory of a step with high rates
MAX_PART_COUNT = 28
LOG2E = 1549082005  # round(2**30 log2 e)
LN2 = 744261118  # round(2**30 ln 2)
MASK32 = (1 << 32) - 1


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


def first_uniforms(seed: int, image: int, first_step: int, n_steps: int, n: int) -> Int64:
    """Return part 0's uniforms (n_steps, n) of the steps from `first_step`, in [0, 2**31)."""
    steps = np.arange(first_step, first_step + n_steps, dtype=np.uint32)
    pairs = np.arange((n + 1) // 2, dtype=np.uint32)
    counter = np.meshgrid(steps, pairs, indexing="ij")
    words = np.empty((n_steps, len(pairs), 2), dtype=np.int64)
    words[..., 0], words[..., 1] = threefry(seed, image, counter[0], counter[1])
    return words.reshape(n_steps, -1)[:, :n] >> 1


def part_uniforms(seed: int, image: int, step: int, part: Int64, neuron: Int64) -> Int64:
    """Return the uniforms (P, n) of parts (P, 1) and neurons (n,) in one step."""
    shape = np.broadcast_shapes(part.shape, neuron.shape)
    low = np.broadcast_to(step + (part << 20), shape).astype(np.uint32)
    even, odd = threefry(seed, image, low, np.broadcast_to(neuron >> 1, shape).astype(np.uint32))
    return np.where(neuron & 1, odd, even).astype(np.int64) >> 1


def power_of_two(exponent: Int64, coarse: Int64, fine: Int64) -> Int64:
    """Return 2**-(exponent / 2**28) in units of 2**-31; 0 <= exponent < 2**32."""
    below = exponent & ((1 << 28) - 1)
    tail = (1 << 31) - (((below & 4095) * LN2) >> 27)
    head = (coarse[below >> 20] * fine[(below >> 12) & 255]) >> 31
    return np.asarray(((head * tail) >> 31) >> (exponent >> 28))


def invert(rate: Int64, uniform: Int64, tables: tuple[Int64, Int64, Int64]) -> Int64:
    """Return the Poisson counts of one part: rate in 2**-28 (at most 8), uniform in [0, 2**31)."""
    coarse, fine, reciprocal = tables
    chance = power_of_two((rate * LOG2E) >> 30, coarse, fine)
    cumulative = chance.copy()
    count = np.zeros(np.broadcast_shapes(rate.shape, uniform.shape), dtype=np.int64)
    for k in range(1, MAX_PART_COUNT + 1):
        beyond = cumulative <= uniform
        if not beyond.any():
            return count
        chance = (((chance * rate) >> 28) * reciprocal[k]) >> 30
        count += beyond & (chance > 0)
        cumulative = cumulative + chance
    return count


def sample(
    potential: Int64,
    uniform: Int64,
    draw: Draw,
    fraction_bits: int,
    max_count: int,
    tables: tuple[Int64, Int64, Int64],
) -> Int64:
    """Return the spike counts (n,) at membrane potentials (n,).

    uniform (n,) are those of part 0; `draw` gives those of further parts, for the neurons whose
    rate is above 8. tables: coarse, fine, reciprocal.
    """
    octave = 1 << fraction_bits
    halvings = np.maximum(0, (potential - 3 * octave + octave - 1) >> fraction_bits)
    below_eight = 3 * octave + (halvings << fraction_bits) - potential
    rate = power_of_two(below_eight << (28 - fraction_bits), *tables[:2])
    count = invert(rate, uniform, tables)
    parts = np.int64(1) << halvings
    last = int(parts.max())
    for start in range(1, last, PARTS_AT_ONCE):
        neuron = np.flatnonzero(parts > start)
        part = np.arange(start, min(start + PARTS_AT_ONCE, last), dtype=np.int64)[:, np.newaxis]
        more = invert(rate[neuron], draw(part, neuron), tables)
        count[neuron] += np.where(part < parts[neuron], more, 0).sum(axis=0)
    return np.minimum(count, max_count)


def check_sum(total: npt.NDArray[np.integer], name: str) -> Int64:
    """Return the synaptic sums (n,) as int64; OverflowError if one leaves 24 bits."""
    wide = total.astype(np.int64)
    worst = int(np.abs(wide).argmax())
    if abs(wide[worst]) > ACCUMULATOR_MAX:
        raise OverflowError(
            f"the {name} sum of neuron {worst} is {wide[worst]}, beyond the 24-bit accumulator's "
            f"{ACCUMULATOR_MAX}; the program was altered, or its proof is wrong"
        )
    return wide


def scale(total: Int64, multiplier: Int64, shift: Int64) -> Int64:
    """Return total x multiplier / 2**shift, rounded half up."""
    return np.asarray((total * multiplier + (np.int64(1) << (shift - 1))) >> shift)


def integrate(
    potential: Int64,
    received: Int64,
    own: Int64,
    extra_bits: int,
    update_limits: tuple[int, int],
    state_limits: tuple[int, int],
) -> Int64:
    """Return the membrane potentials (n,) after one step, clamped three times.

    received (n,): held current and lateral sum, bounded from above by update_limits[1]. own (n,):
    the neuron's self-inhibition, taken from what that leaves and never from the bound, so that a
    neuron falls by it however much the others excite it. Their difference stops at
    update_limits[0]; the potential at either of state_limits.
    """
    least, most = update_limits
    update = np.maximum(np.minimum(received, most << extra_bits) - own, least << extra_bits)
    if extra_bits:
        update = (update + (1 << (extra_bits - 1))) >> extra_bits
    moved: Int64 = np.clip(potential + update, *state_limits)
    return moved
