"""Compiled keyed uniforms of a row of neurons: Threefry-2x32-20 (docs/ir.md, Uniforms)."""

from typing import Final

import numpy as np

from ipvae_snn.arrays import Array
from ipvae_snn.ir.prng import PARITY, PART_SHIFT, UNIFORM_BITS
from ipvae_snn.kernels.compiled import inner, scalar

_PARITY: Final = np.uint32(PARITY)
_DOWN: Final = np.uint32(32 - UNIFORM_BITS)
_PART_SHIFT: Final = np.uint32(PART_SHIFT)


@scalar
def _turn(first: np.uint32, second: np.uint32, rotation: int) -> tuple[np.uint32, np.uint32]:
    """Return the words after one round; intermediates stay at 32 bits for narrow vector code."""
    added = np.uint32(first + second)
    high = np.uint32(second << np.uint32(rotation))
    low = np.uint32(second >> np.uint32(32 - rotation))
    return added, np.uint32(np.uint32(high | low) ^ added)


@scalar
def threefry(
    seed: np.uint32, image: np.uint32, low: np.uint32, block: np.uint32
) -> tuple[np.uint32, np.uint32]:
    """Return both words under the key (seed, image) at the counter (low, block)."""
    third = np.uint32(np.uint32(seed ^ image) ^ _PARITY)
    a, b = np.uint32(low + seed), np.uint32(block + image)
    a, b = _turn(a, b, 13)
    a, b = _turn(a, b, 15)
    a, b = _turn(a, b, 26)
    a, b = _turn(a, b, 6)
    a, b = np.uint32(a + image), np.uint32(b + np.uint32(third + np.uint32(1)))
    a, b = _turn(a, b, 17)
    a, b = _turn(a, b, 29)
    a, b = _turn(a, b, 16)
    a, b = _turn(a, b, 24)
    a, b = np.uint32(a + third), np.uint32(b + np.uint32(seed + np.uint32(2)))
    a, b = _turn(a, b, 13)
    a, b = _turn(a, b, 15)
    a, b = _turn(a, b, 26)
    a, b = _turn(a, b, 6)
    a, b = np.uint32(a + seed), np.uint32(b + np.uint32(image + np.uint32(3)))
    a, b = _turn(a, b, 17)
    a, b = _turn(a, b, 29)
    a, b = _turn(a, b, 16)
    a, b = _turn(a, b, 24)
    a, b = np.uint32(a + image), np.uint32(b + np.uint32(third + np.uint32(4)))
    a, b = _turn(a, b, 13)
    a, b = _turn(a, b, 15)
    a, b = _turn(a, b, 26)
    a, b = _turn(a, b, 6)
    return np.uint32(a + third), np.uint32(b + np.uint32(seed + np.uint32(5)))


@inner
def first_uniforms(
    seed: np.uint32, image: np.uint32, step: np.uint32, even: Array, odd: Array
) -> None:
    """Set even, odd (ceil(K / 2),) int32 to part 0's uniforms of the even and odd neurons."""
    for block in range(even.size):
        a, b = threefry(seed, image, step, np.uint32(block))
        even[block] = a >> _DOWN
        odd[block] = b >> _DOWN


@scalar
def part_uniform(
    seed: np.uint32, image: np.uint32, step: np.uint32, part: int, neuron: int
) -> np.uint32:
    """Return the uniform of one part of one neuron's step."""
    low = np.uint32(step + np.uint32(np.uint32(part) << _PART_SHIFT))
    a, b = threefry(seed, image, low, np.uint32(neuron >> 1))
    chosen: np.uint32 = (b if neuron & 1 else a) >> _DOWN
    return chosen


@inner
def uniforms_at(
    seed: np.uint32, image: np.uint32, low: Array, block: Array, even: Array, odd: Array
) -> None:
    """Set even, odd (n,) int32 to the uniforms at the counters (low, block), (n,) uint32."""
    for i in range(low.size):
        a, b = threefry(seed, image, low[i], block[i])
        even[i] = a >> _DOWN
        odd[i] = b >> _DOWN
