"""Keyed counter-based generator: one 31-bit uniform for each (seed, image, step, part, neuron).

Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as
1, 2, 3; SC 2011). It needs additions, rotations and exclusive-ors on 32-bit words only, and there
are published known-answer vectors. It keeps no state: a back end can compute any draw by itself,
in any order. The key is (seed, image) and the counter is (step + 2**20 * part, neuron // 2). Word
neuron % 2 of the output belongs to the neuron. Its upper 31 bits are the uniform, which is as fine
as the sampler's probabilities and never negative in a signed 32-bit register.
"""

from typing import Annotated, Final

import numpy as np
import numpy.typing as npt

from ipvae_snn.arrays import UInt32

UNIFORM_BITS: Final = 31
PART_SHIFT: Final = 20
MAX_STEPS: Final = 1 << PART_SHIFT
MAX_SEED: Final = (1 << 32) - 1
ROTATIONS: Final = (13, 15, 26, 6, 17, 29, 16, 24)
PARITY: Final = 0x1BD11BDA
ROUNDS: Final = 20


def threefry2x32(
    key: tuple[UInt32, UInt32], counter: tuple[UInt32, UInt32]
) -> tuple[UInt32, UInt32]:
    """Return the two 32-bit words of Threefry-2x32-20 for `key` and `counter`.

    All four arrays are uint32 and broadcast against each other; so do the results.
    """
    schedule = (key[0], key[1], key[0] ^ key[1] ^ np.uint32(PARITY))
    first = counter[0] + schedule[0]
    second = counter[1] + schedule[1]
    for round_ in range(ROUNDS):
        rotation = ROTATIONS[round_ % 8]
        first = first + second
        second = (second << np.uint32(rotation)) | (second >> np.uint32(32 - rotation))
        second = second ^ first
        if round_ % 4 == 3:
            block = round_ // 4 + 1
            first = first + schedule[block % 3]
            second = second + (schedule[(block + 1) % 3] + np.uint32(block))
    return first, second


def uniforms(
    seed: int, images: npt.ArrayLike, step: int, n_neurons: int, part: int = 0
) -> Annotated[UInt32, "N {n_neurons}"]:
    """Return the uniforms of one step, in [0, 2**31).

    `images` (N,) are the images' indices within the data set, each in [0, 2**32); `seed` is in
    [0, 2**32), `step` in [0, 2**20), `part` in [0, 2**12). See the module text for the keying.
    """
    index = np.asarray(images, dtype=np.uint32).reshape(-1, 1)
    blocks = np.arange((n_neurons + 1) // 2, dtype=np.uint32).reshape(1, -1)
    seeds = np.full_like(index, seed)
    counter = np.full_like(blocks, step + (part << PART_SHIFT))
    words = np.stack(threefry2x32((seeds, index), (counter, blocks)), axis=-1)
    return words.reshape(len(index), -1)[:, :n_neurons] >> np.uint32(32 - UNIFORM_BITS)
