"""Energy proxies of a processor: arithmetic and memory of several implementations."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Final, Literal

from ipvae_snn.hw.chips.profile import ChipProfile, Figure
from ipvae_snn.hw.cost.activity import Activity
from ipvae_snn.hw.cost.energy import Estimate, Item, Kind

Format = Literal["fp32", "int8"]
WORD_BYTES: Final = 8  # Horowitz gives energies per 64 bits
WEIGHT_BYTES: Final[Mapping[Format, int]] = MappingProxyType({"fp32": 4, "int8": 1})
STATE_BYTES: Final = 4  # a membrane potential, read and written per update
# One multiply-add: an int8 product is added to an int32 sum.
MULTIPLY_ADD: Final[Mapping[Format, tuple[str, str]]] = MappingProxyType(
    {"fp32": ("fp32_multiply", "fp32_add"), "int8": ("int8_multiply", "int32_add")}
)
# One neuron's step, counted line by line in docs/ir.md for one part: half of a Threefry-2x32 block
# (32 rounds' and injections' operations and a shift), two exponentials (3 multiplications each),
# the first Poisson probability (1), the scaled sum and self-inhibition (2), adds and comparisons.
# Shifts, rotations, comparisons and logic cost as much as an addition.
GENERATOR_ADDS: Final = 40
UPDATE_ADDS: Final = 32
UPDATE_MULTIPLIES: Final = 9
# Each spike takes one more iteration of the Poisson loop.
SPIKE_ADDS: Final = 5
SPIKE_MULTIPLIES: Final = 2
CACHES: Final = ((8 << 10, "word_8_kib"), (32 << 10, "word_32_kib"), (1 << 20, "word_1_mib"))


@dataclass(frozen=True)
class Work:
    """Operations and memory traffic of one image on a processor; means.

    multiply_adds: of synapses or layers. updates, spikes: of neurons that draw Poisson counts.
    moved_bytes: weights read; nothing is cached from one step or image to the next.
    held_bytes: all weights; they decide the memory level. state_bytes: all potentials.
    """

    what: str
    number_format: Format
    multiply_adds: float
    updates: float
    spikes: float
    moved_bytes: float
    held_bytes: float
    state_bytes: float = 0.0


def is_processor(profile: ChipProfile) -> bool:
    """Return True if a profile gives a processor's arithmetic instead of a chip's events."""
    return "int32_add" in profile.energy


def iterative_float(neurons: int, pixels: int, activity: Activity) -> Work:
    """Predict and compare with the image at every step: 2 M K multiply-adds, fp32."""
    operations = 2.0 * pixels * neurons * activity.steps
    # The dictionary is one matrix, read for the prediction and again for the drive.
    return _dense("iterative float", "fp32", operations, pixels * neurons, neurons, activity)


def gram_float(neurons: int, pixels: int, activity: Activity) -> Work:
    """Form the drive once (M K) and compete at every step (K K), fp32."""
    held = (pixels + neurons) * neurons
    return _dense("Gram float", "fp32", _gram(neurons, pixels, activity), held, neurons, activity)


def gram_int8(neurons: int, pixels: int, activity: Activity) -> Work:
    """Gram form with dense int8 weights, zeros and silent neurons included."""
    held = (pixels + neurons) * neurons
    return _dense("Gram int8", "int8", _gram(neurons, pixels, activity), held, neurons, activity)


def event_driven(neurons: int, activity: Activity) -> Work:
    """The integer network, weights of active sources only: the back end `compiled`.

    Of connections with few weights that are not 0 it reads these alone (`weight_memory`).
    """
    return Work(
        "event-driven int8",
        "int8",
        activity.synaptic_operations,
        activity.updates,
        activity.spikes,
        activity.read_bytes,
        activity.held_bytes,
        float(STATE_BYTES * neurons),
    )


def feed_forward(what: str, number_format: Format, sizes: tuple[int, ...]) -> Work:
    """One forward pass through dense layers of these sizes, such as an amortised encoder."""
    weights = float(sum(a * b for a, b in pairwise(sizes)))
    width = WEIGHT_BYTES[number_format]
    return Work(what, number_format, weights, 0.0, 0.0, weights * width, weights * width)


def processor_energy(profile: ChipProfile, work: Work) -> Estimate:
    """Return the proxies per image: arithmetic of synapses, arithmetic of neurons, and memory.

    Memory is charged at the smallest of Horowitz's caches that holds all weights. Where none
    does, the range is from the largest cache's figure (a larger one costs more) to DRAM's.
    """
    multiply, add = MULTIPLY_ADD[work.number_format]
    items = [
        Item("multiplications", "synapses", work.multiply_adds, profile.energy[multiply]),
        Item("additions", "synapses", work.multiply_adds, profile.energy[add]),
    ]
    if work.updates:
        items += _neurons(profile, work)
    figure, where = memory_of(profile, work.held_bytes)
    words = work.moved_bytes / WORD_BYTES
    items.append(Item("64-bit words of weights", "memory", words, figure, where))
    if work.updates:
        figure, where = memory_of(profile, work.state_bytes)
        words = 2 * STATE_BYTES * work.updates / WORD_BYTES
        items.append(Item("64-bit words of states", "memory", words, figure, where))
    items += [Item("leakage", "static", None, figure) for figure in profile.static.values()]
    return Estimate(work.what, profile, tuple(items))


def memory_of(profile: ChipProfile, held_bytes: float) -> tuple[Figure, str]:
    """Return the energy per 64-bit word of `held_bytes` of weights, and the memory they lie in."""
    for size, key in CACHES:
        if held_bytes <= size:
            return profile.energy[key], f"from a cache of {size >> 10:,} KiB"
    size, key = CACHES[-1]
    near, far = profile.energy[key], profile.energy["word_dram"]
    source = near.source if near.source == far.source else f"{near.source}; {far.source}"
    return (
        Figure(near.low, far.high, near.unit, source, near.confidence),
        f"more than {size >> 10:,} KiB: from that cache's price to DRAM's",
    )


def _gram(neurons: int, pixels: int, activity: Activity) -> float:
    return float(pixels * neurons + neurons * neurons * activity.steps)


def _dense(
    what: str, number_format: Format, operations: float, held: int, neurons: int, activity: Activity
) -> Work:
    """Return the work of a dense implementation: all weights read, all neurons updated."""
    width = WEIGHT_BYTES[number_format]
    return Work(
        what,
        number_format,
        operations,
        neurons * activity.steps,
        activity.spikes,
        operations * width,
        float(held * width),
        float(STATE_BYTES * neurons),
    )


def _neurons(profile: ChipProfile, work: Work) -> list[Item]:
    """Return the arithmetic of the neurons; the generator is always integer arithmetic."""
    family = "fp32" if work.number_format == "fp32" else "int32"
    adds = UPDATE_ADDS * work.updates + SPIKE_ADDS * work.spikes
    multiplies = UPDATE_MULTIPLIES * work.updates + SPIKE_MULTIPLIES * work.spikes
    kind: Kind = "neurons"
    generator = GENERATOR_ADDS * work.updates
    return [
        Item("neurons' multiplications", kind, multiplies, profile.energy[f"{family}_multiply"]),
        Item("neurons' additions", kind, adds, profile.energy[f"{family}_add"]),
        Item("generator's operations", kind, generator, profile.energy["int32_add"]),
    ]
