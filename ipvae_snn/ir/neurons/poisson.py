"""Poisson neurons: spike counts drawn at membrane potentials that are log rates."""

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from ipvae_snn.arrays import AnyArray, Int32, Int64
from ipvae_snn.ir.fixed_point import STATE_BITS, round_shift, signed_limit
from ipvae_snn.ir.neurons.protocol import Draw, OfPopulation, Role
from ipvae_snn.ir.rules import require, require_type
from ipvae_snn.ir.sampler import (
    MAX_PARTS_LOG2,
    SPLIT_OCTAVES,
    SamplerTables,
    spike_counts,
    spike_rates,
)
from ipvae_snn.ir.shapes import Saturated

MIN_FRACTION_BITS: Final = 4
MAX_FRACTION_BITS: Final = 16
MIN_OCTAVES: Final = 15  # potentials lie above -15 + SPLIT_OCTAVES octaves (exponent below 16)
MAX_EXTRA_BITS: Final = 8
MAX_COUNT_LIMIT: Final = 1 << 15

# Constants of each neuron, as they are stored; loop_inhibition beside them where it is.
PER_NEURON: Final = ("bias", "self_inhibition", "initial_state")


@dataclass(frozen=True, repr=False)
class PoissonNeurons:
    """Poisson neurons: constants (K,) int32 of each, and the limits that all share.

    bias is in units of the input current, 2**-(fraction_bits + extra_bits) octaves; so is
    self_inhibition, per spike. initial_state, state_min, state_max, update_min and excitation_max
    are in units of the membrane potential, 2**-fraction_bits octaves. Counts saturate at max_count.
    excitation_max bounds what a neuron receives apart from its own self-inhibition. Then no
    activity of the others can lift it above the level at which its own spikes hold it
    (docs/numerics.md). loop_inhibition: what a spike of the neuron takes from its own total through
    residual neurons, in the unit of self_inhibition; None where there are none. It serves only to
    bound excitation.
    """

    kind: ClassVar[str] = "poisson"
    role: ClassVar[Role] = "computes"
    draws: ClassVar[bool] = True

    bias: Int32
    self_inhibition: Int32
    initial_state: Int32
    fraction_bits: int
    extra_bits: int
    state_min: int
    state_max: int
    update_min: int
    excitation_max: int
    max_count: int
    loop_inhibition: Int32 | None = None

    def __post_init__(self) -> None:
        """Check the rules of a neuron group."""
        for name in PER_NEURON:
            array = getattr(self, name)
            require_type(name.replace("_", " "), array, np.int32, 1)
            require(
                array.shape == self.bias.shape,
                f"{name.replace('_', ' ')} is {array.dtype}{array.shape}, but K={len(self.bias)}",
            )
        bits, extra, limit = self.fraction_bits, self.extra_bits, signed_limit(STATE_BITS)
        require(
            MIN_FRACTION_BITS <= bits <= MAX_FRACTION_BITS,
            f"fraction bits {bits} are not in {MIN_FRACTION_BITS}..{MAX_FRACTION_BITS}",
        )
        require(0 <= extra <= MAX_EXTRA_BITS, f"extra bits {extra} are not in 0..{MAX_EXTRA_BITS}")
        self._require_limits()
        require(
            1 <= self.max_count <= MAX_COUNT_LIMIT,
            f"largest count {self.max_count} is not in 1..{MAX_COUNT_LIMIT}",
        )
        lowest, highest = self.initial_state.min(), self.initial_state.max()
        require(
            lowest >= self.state_min and highest <= self.state_max,
            f"initial states leave {self.state_min}..{self.state_max}",
        )
        require(
            self.self_inhibition.min() >= 0 and self.self_inhibition.max() <= limit,
            f"self-inhibition must lie in 0..{limit}",
        )
        if self.loop_inhibition is not None:
            require_type("loop inhibition", self.loop_inhibition, np.int32, 1)
            require(
                self.loop_inhibition.shape == self.bias.shape,
                f"loop inhibition is int32{self.loop_inhibition.shape}, but K={len(self.bias)}",
            )
            require(self.loop_inhibition.min() >= 0, "the loop's inhibition must not be negative")
        require(
            self.own_inhibition.max() <= limit,
            f"self-inhibition, the loop's included, must lie in 0..{limit}",
        )

    def __repr__(self) -> str:
        """Return size and limits, in octaves."""
        unit = 2.0**-self.fraction_bits
        return (
            f"PoissonNeurons({len(self.bias)} neurons, potential {self.state_min * unit:g} to "
            f"{self.state_max * unit:g} octaves in 2^-{self.fraction_bits}, counts to "
            f"{self.max_count})"
        )

    @property
    def size(self) -> int:
        """Number of neurons K."""
        return len(self.bias)

    @property
    def sends(self) -> tuple[int, int]:
        """Least and largest spike count."""
        return 0, self.max_count

    @property
    def n_bytes(self) -> int:
        """Bytes of the constants of the single neurons."""
        return sum(array.nbytes for array in self.per_neuron().values())

    @property
    def own_inhibition(self) -> Int64:
        """Self-inhibition per spike (K,), the residual loop included."""
        own = self.self_inhibition.astype(np.int64)
        return own if self.loop_inhibition is None else own + self.loop_inhibition

    def shared(self) -> dict[str, int]:
        """Return the constants that all neurons share, by name, in the order of the fields."""
        own = {*PER_NEURON, "loop_inhibition"}
        return {name: int(value) for name, value in vars(self).items() if name not in own}

    def per_neuron(self) -> dict[str, AnyArray]:
        """Return the constants (K,) of the single neurons, by name."""
        loop = self.loop_inhibition
        own: dict[str, AnyArray] = {name: getattr(self, name) for name in PER_NEURON}
        return own if loop is None else {**own, "loop_inhibition": loop}

    def initial(self, n_images: int) -> OfPopulation:
        """Return the states when an image appears."""
        return np.tile(self.initial_state.astype(np.int64), (n_images, 1))

    def begin(self, moved: OfPopulation) -> OfPopulation:
        """Return the states when images appear whose start moves them (docs/ir.md, A start)."""
        started = self.initial_state.astype(np.int64) + moved
        return np.asarray(np.clip(started, self.state_min, self.state_max), np.int64)

    def send(self, state: OfPopulation, draw: Draw) -> OfPopulation:
        """Return the spike counts drawn at the membrane potentials `state`."""
        return spike_counts(state, draw, self.fraction_bits, self.max_count, SamplerTables())

    def rates(self, state: OfPopulation) -> OfPopulation:
        """Return the rates at potentials `state`, in 2**-12 spikes per step."""
        return spike_rates(state, self.fraction_bits, self.max_count, SamplerTables())

    def integrate(
        self, state: OfPopulation, total: OfPopulation, sent: OfPopulation
    ) -> tuple[OfPopulation, Saturated]:
        """Return the potentials after the counts of this step have competed."""
        extra = self.extra_bits
        total = total + self.bias - self.self_inhibition * sent
        highest = (self.excitation_max << extra) - self.own_inhibition * sent
        bounded = np.minimum(total, highest)
        update = np.maximum(bounded, self.update_min << extra)
        moved = state + (round_shift(update, extra) if extra else update)
        saturated = (
            (sent >= self.max_count).sum(axis=1),
            (total > highest).sum(axis=1),
            (bounded < self.update_min << extra).sum(axis=1),
            (moved > self.state_max).sum(axis=1),
            np.zeros(len(sent), np.int64),
        )
        return np.clip(moved, self.state_min, self.state_max), np.stack(saturated, axis=1)

    def worst_current(self, once: Int64) -> Int64:
        """Return the largest magnitude of the input current."""
        return np.abs(self.bias.astype(np.int64)) + once

    def _require_limits(self) -> None:
        """Check the limits of the state and of its update against their formats."""
        limit = signed_limit(STATE_BITS)
        lowest = (SPLIT_OCTAVES - MIN_OCTAVES) << self.fraction_bits
        highest = min((SPLIT_OCTAVES + MAX_PARTS_LOG2) << self.fraction_bits, limit)
        require(
            lowest <= self.state_min < self.state_max <= highest,
            f"state limits {self.state_min}..{self.state_max} leave {lowest}..{highest}",
        )
        widest = limit >> self.extra_bits
        require(
            -widest <= self.update_min < 0 < self.excitation_max <= widest,
            f"update limits {self.update_min}..{self.excitation_max} leave -{widest}..{widest}, "
            "or 0 is not between them",
        )
