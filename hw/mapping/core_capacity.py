"""Model of a core: its capacity, and the memory that an axon takes."""

from dataclasses import dataclass

import numpy as np

from ipvae_snn.arrays import Int64, Integers
from ipvae_snn.hw.chips.profile import ChipProfile


@dataclass(frozen=True)
class Room:
    """Capacity of one core. None where a limit is not public; it is then not enforced.

    words: synapse words, the smaller of the profile's number and what fits the synapse memory.
    An axon with t targets on the core takes words_per_axon + ceil(t / synapses_per_word) words.
    known_words: whether that rule is public. If not, words_per_axon is 0 and synapses_per_word 1,
    so that words are synapses, without a limit. shares_weights: equal lists of synapses, of axons
    of one projection, are stored once.
    """

    neurons: int | None
    axons_in: int | None
    axons_out: int | None
    words: int | None
    memory_bytes: int | None
    word_bytes: float | None
    synapses_per_word: int
    words_per_axon: int
    known_words: bool
    shares_weights: bool = False

    def axon_words(self, targets: Integers) -> Int64:
        """Return the words of axons with these numbers of targets on one core; 0 for none."""
        wide = np.asarray(targets, np.int64)
        return np.where(wide > 0, self.words_per_axon - (-wide // self.synapses_per_word), 0)

    def added_words(self, targets: Integers) -> Int64:
        """Return the additional words of one more target, given the present numbers."""
        more = np.asarray(targets) % self.synapses_per_word == 0
        return np.where(np.asarray(targets) == 0, self.words_per_axon + 1, more).astype(np.int64)

    def max_neurons(self, state_bytes: int) -> int | None:
        """Return the number of neurons that fit, synapses not counted."""
        limits = [self.neurons]
        if self.memory_bytes is not None and state_bytes:
            limits.append(self.memory_bytes // state_bytes)
        known = [limit for limit in limits if limit is not None]
        return min(known) if known else None

    def bytes_used(self, words: int, neurons: int, state_bytes: int) -> float:
        """Return the bytes of synapses and state; of state alone if the word size is not public."""
        return words * (self.word_bytes or 0.0) + neurons * state_bytes


def limit(profile: ChipProfile, key: str) -> int | None:
    """Return a limit of a profile, None where it is not public."""
    figure = profile.limits.get(key)
    return None if figure is None or figure.value is None else int(figure.value)


def room_of(profile: ChipProfile) -> Room:
    """Return the capacity of a core of this chip."""
    per_word, per_axon = limit(profile, "synapses_per_word"), limit(profile, "words_per_axon")
    bits = limit(profile, "synapse_word_bits")
    known = per_word is not None and per_axon is not None
    words = [limit(profile, "synapse_words_per_core")]
    memory = limit(profile, "synapse_memory_bytes")
    if memory is not None and bits is not None:
        words.append(8 * memory // bits)
    public = [value for value in words if value is not None]
    return Room(
        neurons=limit(profile, "neurons_per_core"),
        axons_in=limit(profile, "axons_in_per_core"),
        axons_out=limit(profile, "axons_out_per_core"),
        words=min(public) if public and known else None,
        memory_bytes=limit(profile, "core_memory_bytes"),
        word_bytes=bits / 8 if bits is not None and known else None,
        synapses_per_word=per_word if known and per_word is not None else 1,
        words_per_axon=per_axon if known and per_axon is not None else 0,
        known_words=known,
        shares_weights=profile.shares_weights,
    )
