"""Kinds of neurons as torch modules: a class per kind, equal to those of `ipvae_snn.ir.neurons`."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from ipvae_snn.arrays import AnyArray
from ipvae_snn.backends.torch_sampler import Keys, Tables, spike_counts, spike_rates
from ipvae_snn.errors import BackendError
from ipvae_snn.ir.fixed_point import STATE_BITS, signed_limit
from ipvae_snn.ir.neurons import Accumulators, LcaNeurons, Neurons, PoissonNeurons, ResidualNeurons
from ipvae_snn.ir.sampler import SamplerTables

# How many neurons of each image saturated, (N,), by a name of trace.SATURATIONS.
Hits = dict[str, Tensor]


class NeuronsTorch(nn.Module):
    """Constants of a population's neurons on one device, as buffers that no state dict holds."""

    def _hold(self, name: str, array: AnyArray) -> None:
        self.register_buffer(name, torch.tensor(array), persistent=False)


class StatefulTorch(NeuronsTorch, ABC):
    """Neurons that keep a state (N, size) int64."""

    # What is added to the sums in every step, (size,) int64; None where nothing is.
    bias: Tensor | None

    @abstractmethod
    def initial(self, n_rows: int) -> Tensor:
        """Return the states (n_rows, size) int64 when an image appears."""

    @abstractmethod
    def send(self, state: Tensor, keys: Keys) -> Tensor:
        """Return the payloads (N, size) int64 that leave the states."""

    @abstractmethod
    def integrate(self, state: Tensor, total: Tensor, sent: Tensor) -> tuple[Tensor, Hits]:
        """Return the states after a step, and what saturated.

        total: scaled sums and bias, a tensor that may be written to.
        """


class RelayTorch(NeuronsTorch, ABC):
    """Neurons without a state, one for each pixel."""

    @abstractmethod
    def relay(self, payload: Tensor, total: Tensor) -> tuple[Tensor, Hits]:
        """Return the payloads (N, M) for the image's payload and the scaled sums, both (N, M)."""


class PoissonTorch(StatefulTorch):
    """Poisson neurons; first: index of their first uniform."""

    bias: Tensor
    self_inhibition: Tensor
    own_inhibition: Tensor
    initial_state: Tensor
    coarse: Tensor
    fine: Tensor

    def __init__(self, neurons: PoissonNeurons, first: int) -> None:
        super().__init__()
        self.constants, self.first = neurons, first
        tables = SamplerTables()
        self.reciprocal = tuple(int(r) for r in tables.reciprocal)
        for name, array in (
            ("bias", neurons.bias.astype(np.int64)),
            ("self_inhibition", neurons.self_inhibition.astype(np.int64)),
            ("own_inhibition", neurons.own_inhibition),
            ("initial_state", neurons.initial_state.astype(np.int64)),
            ("coarse", tables.coarse),
            ("fine", tables.fine),
        ):
            self._hold(name, array)

    def initial(self, n_rows: int) -> Tensor:
        """Return the membrane potentials at which an image appears."""
        return self.initial_state.repeat(n_rows, 1)

    def send(self, state: Tensor, keys: Keys) -> Tensor:
        """Return the spike counts drawn at membrane potentials `state`."""
        group = self.constants
        tables = Tables(self.coarse, self.fine, self.reciprocal)
        return spike_counts(state, keys, group.fraction_bits, group.max_count, tables, self.first)

    def rates(self, state: Tensor) -> Tensor:
        """Return the rates (N, size) int64 at potentials `state`, in 2**-12 spikes per step."""
        group, tables = self.constants, Tables(self.coarse, self.fine, self.reciprocal)
        return spike_rates(state, group.fraction_bits, group.max_count, tables)

    def drive(self, total: Tensor, sent: Tensor) -> Tensor:
        """Return the change of the potentials before any clamp."""
        return total.sub_(self.self_inhibition * sent)

    def integrate(self, state: Tensor, total: Tensor, sent: Tensor) -> tuple[Tensor, Hits]:
        """Return the potentials after the counts of this step have competed."""
        group = self.constants
        extra = group.extra_bits
        total = self.drive(total, sent)
        highest = (group.excitation_max << extra) - self.own_inhibition * sent
        bounded = torch.minimum(total, highest)
        lowest = group.update_min << extra
        moved = bounded.clamp(min=lowest)
        if extra:
            moved.add_(1 << (extra - 1)).bitwise_right_shift_(extra)
        moved.add_(state)
        hits = {
            "count": (sent >= group.max_count).sum(dim=1),
            "excitation": (total > highest).sum(dim=1),
            "inhibition": (bounded < lowest).sum(dim=1),
            "potential": (moved > group.state_max).sum(dim=1),
        }
        return moved.clamp_(group.state_min, group.state_max), hits


class LcaTorch(StatefulTorch):
    """LCA neurons: leaky integrators with a soft threshold."""

    threshold: Tensor

    def __init__(self, neurons: LcaNeurons, first: int) -> None:
        super().__init__()
        self.constants, self.bias = neurons, None
        self._hold("threshold", neurons.threshold.astype(np.int64))

    def initial(self, n_rows: int) -> Tensor:
        """Return the states when an image appears: 0."""
        return self.threshold.new_zeros(n_rows, len(self.threshold))

    def send(self, state: Tensor, keys: Keys) -> Tensor:
        """Return the payloads that leave the states; nothing is drawn."""
        above = (state - self.threshold).clamp_(min=0)
        above.bitwise_right_shift_(self.constants.payload_shift)
        return above.clamp_(max=self.constants.max_payload)

    def integrate(self, state: Tensor, total: Tensor, sent: Tensor) -> tuple[Tensor, Hits]:
        """Return the states a step nearer to the sums."""
        group = self.constants
        shift = group.leak_shift
        moved = total.sub_(state).add_(1 << (shift - 1)).bitwise_right_shift_(shift).add_(state)
        hits = {
            "count": (sent >= group.max_payload).sum(dim=1),
            "potential": (moved > group.state_max).sum(dim=1),
        }
        return moved.clamp_(-group.state_max, group.state_max), hits


class AccumulatorTorch(StatefulTorch):
    """Accumulators: the scores of classes."""

    bias: Tensor

    def __init__(self, neurons: Accumulators, first: int) -> None:
        super().__init__()
        self._hold("bias", neurons.bias.astype(np.int64))

    def initial(self, n_rows: int) -> Tensor:
        """Return the states when an image appears: 0."""
        return self.bias.new_zeros(n_rows, len(self.bias))

    def send(self, state: Tensor, keys: Keys) -> Tensor:
        """Return 0: they send nothing."""
        return torch.zeros_like(state)

    def integrate(self, state: Tensor, total: Tensor, sent: Tensor) -> tuple[Tensor, Hits]:
        """Return the states after the sums of a step; a state beyond 24 bits saturates."""
        limit = signed_limit(STATE_BITS)
        moved = total.add_(state)
        beyond = (moved.abs() > limit).sum(dim=1)
        return moved.clamp_(-limit, limit), {"potential": beyond}


class ResidualTorch(RelayTorch):
    """Residual neurons: the difference between a pixel and its prediction."""

    def __init__(self, neurons: ResidualNeurons, first: int) -> None:
        super().__init__()
        self.limit = neurons.limit

    def relay(self, payload: Tensor, total: Tensor) -> tuple[Tensor, Hits]:
        """Return the differences, and how many saturated."""
        error = payload - total
        clipped = error.clamp(-self.limit, self.limit)
        return clipped, {"residual": (clipped != error).sum(dim=1)}


# Each kind takes the neurons of its own kind, and the index of their first uniform.
KINDS: Final[Mapping[str, Callable[[Any, int], NeuronsTorch]]] = {
    PoissonNeurons.kind: PoissonTorch,
    LcaNeurons.kind: LcaTorch,
    Accumulators.kind: AccumulatorTorch,
    ResidualNeurons.kind: ResidualTorch,
}


def neurons_torch(neurons: Neurons, first: int) -> NeuronsTorch:
    """Return neurons as a torch module; BackendError for a kind that torch does not run.

    first: index of the first uniform that they draw.
    """
    if neurons.kind not in KINDS:
        raise BackendError(
            f"torch: neurons of kind {neurons.kind!r} are not among {', '.join(KINDS)}; use the "
            "back end reference"
        )
    return KINDS[neurons.kind](neurons, first)
