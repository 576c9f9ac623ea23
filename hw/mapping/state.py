"""Words of state of a neuron of either population, and their widths."""

from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType
from typing import Final, cast

from ipvae_snn.ir.fixed_point import ACCUMULATOR_BITS, MULTIPLIER_BITS, STATE_BITS
from ipvae_snn.ir.graph import Population
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.neurons import Accumulators, LcaNeurons, PoissonNeurons, ResidualNeurons
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


def population_state(
    network: IntegerNetwork, population: Population, input_as: str
) -> tuple[StateWord, ...]:
    """Return the words of state of each neuron of a population.

    Data common to all neurons (limits, tables, seed, image, step) are not counted: they are stored
    once per core. With input_as "bias" the host writes what the image sends: the Poisson neurons'
    input current, bias included, or the residual neurons' payload.
    """
    return WORDS[population.neurons.kind](network, population.name, input_as)


def _poisson(network: IntegerNetwork, name: str, input_as: str) -> tuple[StateWord, ...]:
    group = cast(PoissonNeurons, network.population(name).neurons)
    words = [
        StateWord("membrane potential", STATE_BITS, True),
        StateWord("spike count last sent", group.max_count.bit_length(), True),
        StateWord("initial potential", STATE_BITS, False),
        StateWord("self-inhibition", STATE_BITS, False),
    ]
    if group.loop_inhibition is not None:
        words.append(StateWord("own inhibition, the loop's included", STATE_BITS, False))
    into = [one for one in network.connections if one.target == name]
    kept = any(network.once(one) for one in into)
    if kept:
        words.append(StateWord("input current", STATE_BITS, True))
    scales = [_scale(one.name) for one in into if not network.once(one)]
    once = [_scale(one.name) for one in into if network.once(one)]
    if network.start is not None and network.start.target == name:
        once.append(_scale(network.start.name))
    bias = (StateWord("bias", STATE_BITS, False),)
    if not kept:
        return (*words, *bias, *chain(*scales, *(once if input_as == "spikes" else ())))
    return (*words, *chain(*scales), *(chain(bias, *once) if input_as == "spikes" else ()))


def _residual(network: IntegerNetwork, name: str, _input_as: str) -> tuple[StateWord, ...]:
    payload = StateWord("payload shown", signed_bits(*network.input.payload_range), True)
    into = [one for one in network.connections if one.target == name]
    return payload, *chain(*(_scale(one.name) for one in into))


def _lca(network: IntegerNetwork, name: str, _input_as: str) -> tuple[StateWord, ...]:
    words = (
        StateWord("state", STATE_BITS, True),
        StateWord("threshold", STATE_BITS, False),
    )
    return *words, *_currents(network, name)


def _accumulator(network: IntegerNetwork, name: str, _input_as: str) -> tuple[StateWord, ...]:
    words = (StateWord("score", STATE_BITS, True), StateWord("bias", STATE_BITS, False))
    return *words, *_currents(network, name)


def _currents(network: IntegerNetwork, name: str) -> tuple[StateWord, ...]:
    """Return the word that holds the image's sums, where there are any, and all scales."""
    into = network.into(name)
    held = (StateWord("input current", STATE_BITS, True),)
    kept = held if any(network.once(one) for one in into) else ()
    return *kept, *chain(*(_scale(one.name) for one in into))


# The words of each kind of neurons.
WORDS: Final = MappingProxyType(
    {
        PoissonNeurons.kind: _poisson,
        ResidualNeurons.kind: _residual,
        LcaNeurons.kind: _lca,
        Accumulators.kind: _accumulator,
    }
)


def _scale(name: str) -> tuple[StateWord, StateWord]:
    return (
        StateWord(f"{name} multiplier", MULTIPLIER_BITS, False),
        StateWord(f"{name} shift", MAX_SHIFT.bit_length(), False),
    )


def accumulator_bits() -> int:
    """Return the width of the network's sums, as proved at conversion."""
    return ACCUMULATOR_BITS
