"""The words of state that a neuron of either population must hold, and their widths."""

from dataclasses import dataclass

from ipvae_snn.ir.fixed_point import ACCUMULATOR_BITS, MULTIPLIER_BITS, STATE_BITS
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.parts import MAX_SHIFT

SIGN = 1


@dataclass(frozen=True)
class StateWord:
    """One word that a neuron holds, in bits; `changes` tells state from a constant of its own."""

    name: str
    bits: int
    changes: bool

    @property
    def bytes(self) -> int:
        """Whole bytes that it takes; how a chip packs words is not public."""
        return -(-self.bits // 8)


def signed_bits(low: int, high: int) -> int:
    """Return the bits of a two's-complement number that reaches from low to high."""
    return SIGN + max((-low - 1).bit_length() if low < 0 else 0, max(high, 0).bit_length())


def neuron_state(network: IntegerNetwork, input_as: str) -> tuple[StateWord, ...]:
    """Return what each of the K neurons holds.

    What all neurons share (limits, tables, seed, image, step) is not counted: it is held once a
    core. With input_as "bias" the host writes the held current, bias included.
    """
    words = [
        StateWord("membrane potential", STATE_BITS, True),
        StateWord("spike count last sent", network.neurons.max_count.bit_length(), True),
        StateWord("initial potential", STATE_BITS, False),
        StateWord("self-inhibition", STATE_BITS, False),
    ]
    if network.residual is None:
        words += [StateWord("held current", STATE_BITS, True), *_scale("lateral")]
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
    """Return what each of the M residual neurons holds: the payload shown, and its scale."""
    payload = StateWord("payload shown", signed_bits(*network.input.payload_range), True)
    return payload, *_scale("prediction")


def _scale(name: str) -> tuple[StateWord, StateWord]:
    return (
        StateWord(f"{name} multiplier", MULTIPLIER_BITS, False),
        StateWord(f"{name} shift", MAX_SHIFT.bit_length(), False),
    )


def accumulator_bits() -> int:
    """Return the width in which the program's sums are proved to stay."""
    return ACCUMULATOR_BITS
