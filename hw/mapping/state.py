"""Words of state of a neuron of either population, and their widths."""

from dataclasses import dataclass

from ipvae_snn.ir.fixed_point import ACCUMULATOR_BITS, MULTIPLIER_BITS, STATE_BITS
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.parts import MAX_SHIFT

SIGN = 1


@dataclass(frozen=True)
class StateWord:
    """One word of a neuron, in bits; `changes` is false for a constant of the neuron."""

    name: str
    bits: int
    changes: bool

    @property
    def bytes(self) -> int:
        """Whole bytes that it takes; the packing of words on a chip is not public."""
        return -(-self.bits // 8)


def signed_bits(low: int, high: int) -> int:
    """Return the bits of a two's-complement number from low to high."""
    return SIGN + max((-low - 1).bit_length() if low < 0 else 0, max(high, 0).bit_length())


def neuron_state(network: IntegerNetwork, input_as: str) -> tuple[StateWord, ...]:
    """Return the words of state of each of the K neurons.

    Data common to all neurons (limits, tables, seed, image, step) are not counted: they are stored
    once per core. With input_as "bias" the host writes the input current, bias included.
    """
    words = [
        StateWord("membrane potential", STATE_BITS, True),
        StateWord("spike count last sent", network.neurons.max_count.bit_length(), True),
        StateWord("initial potential", STATE_BITS, False),
        StateWord("self-inhibition", STATE_BITS, False),
    ]
    if network.residual is None:
        words += [StateWord("input current", STATE_BITS, True), *_scale("lateral")]
        if input_as == "spikes":
            words += [StateWord("bias", STATE_BITS, False), *_scale("feedforward")]
        return tuple(words)
    return (
        *words,
        StateWord("own inhibition, the loop's included", STATE_BITS, False),
        StateWord("bias", STATE_BITS, False),
        *_scale("feedforward"),
    )


def residual_state(network: IntegerNetwork) -> tuple[StateWord, ...]:
    """Return the words of state of each of the M residual neurons: the payload, and its scale."""
    payload = StateWord("payload shown", signed_bits(*network.input.payload_range), True)
    return payload, *_scale("prediction")


def _scale(name: str) -> tuple[StateWord, StateWord]:
    return (
        StateWord(f"{name} multiplier", MULTIPLIER_BITS, False),
        StateWord(f"{name} shift", MAX_SHIFT.bit_length(), False),
    )


def accumulator_bits() -> int:
    """Return the width of the network's sums, as proved at conversion."""
    return ACCUMULATOR_BITS
