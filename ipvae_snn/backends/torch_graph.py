"""Any integer network as a torch module: a step of all its populations, equal to the reference."""

from collections.abc import Mapping
from functools import reduce
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from ipvae_snn.backends.torch_neurons import (
    Hits,
    PoissonTorch,
    RelayTorch,
    StatefulTorch,
    neurons_torch,
)
from ipvae_snn.backends.torch_sampler import Keys
from ipvae_snn.backends.torch_weights import SynapsesTorch, weights_torch
from ipvae_snn.errors import DataError
from ipvae_snn.ir.graph import IMAGE, Population
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.sampler import SPIKE_BITS
from ipvae_snn.ir.trace import SATURATIONS

# Of populations by name: their states, or the payloads that they send; (N, size) int64.
Values = Mapping[str, Tensor]


class Shown(NamedTuple):
    """What the network keeps of images while they are shown.

    payload: (N, M) int64. currents: of each population, what image and bias add to its sums in
    every step, (N, size) or (size,); populations without either are absent.
    """

    payload: Tensor
    currents: Values


class Stepped(NamedTuple):
    """A step: payloads sent, states after it, and saturated neurons (N, 5) by SATURATIONS."""

    sent: Values
    states: Values
    saturated: Tensor


class GraphTorch(nn.Module):
    """Populations and connections of a network on one device; nothing is kept between calls.

    It has no parameters. `place` creates its buffers from `network`.
    """

    decoder_scale: Tensor

    def __init__(self, network: IntegerNetwork) -> None:
        super().__init__()
        self.network = network
        self.place(torch.device("cpu"))

    @property
    def device(self) -> torch.device:
        """The device of all buffers."""
        return self.decoder_scale.device

    def place(self, device: torch.device) -> None:
        """Create every buffer from the network on `device`."""
        network, first = self.network, self.network.drawn()
        scale = torch.tensor(network.decoder.scale, device=device)
        self.register_buffer("decoder_scale", scale, persistent=False)
        self.decoder_weights = weights_torch(network.decoder.weights).to(device)
        # Lists, since names of populations may be those of a module's own attributes.
        self.synapses = nn.ModuleList(
            SynapsesTorch(one.synapses).to(device) for one in network.connections
        )
        self.neurons = nn.ModuleList(
            neurons_torch(one.neurons, first.get(one.name, 0)).to(device)
            for one in network.populations
        )
        self._decoded_columns = network.slices(network.computing)[network.decoder.source]
        # Plain values, so that a step asks nothing of the network and torch.compile can follow it.
        self._circuit = network.is_circuit
        self._two_layer = self._circuit and bool(network.relays)
        self._sizes = {one.name: one.size for one in network.populations}
        self._numbers = {one.name: i for i, one in enumerate(network.populations)}
        self._relays = [one.name for one in network.relays]
        self._with_state = [name for name in self._numbers if name not in self._relays]
        self._into: dict[str, list[tuple[int, str]]] = {name: [] for name in self._numbers}
        for i, one in enumerate(network.connections):
            self._into[one.target].append((i, one.source))

    def show(self, pixels: Tensor) -> Shown:
        """Return what the network keeps of pixels (N, M) uint8 while they are shown.

        Raises DataError for pixels of another type or size.
        """
        if pixels.dtype != torch.uint8 or pixels.shape[1:] != (self.network.n_pixels,):
            raise DataError(
                f"the network takes uint8 pixels (N, {self.network.n_pixels}), not "
                f"{pixels.dtype}{tuple(pixels.shape)}"
            )
        payload = pixels.long() - self.network.input.zero_point
        currents = {}
        for name, into in self._into.items():
            parts = [self._scaled(i, payload) for i, source in into if _once(source)]
            parts += self._bias_of(name)
            if parts:
                currents[name] = reduce(torch.add, parts)
        return Shown(payload, currents)

    def initial_states(self, n_rows: int) -> Values:
        """Return the states of all populations with a state when images appear."""
        return {name: self._stateful(name).initial(n_rows) for name in self._with_state}

    def keys(self, seed: int, images: Tensor, step: int) -> Keys:
        """Return the keys of rows that draw under `seed`, image indices (N,) and `step`."""
        return Keys(torch.full_like(images, seed), images, torch.full_like(images, step))

    def send(self, states: Values, keys: Keys) -> Values:
        """Return the payloads that the populations with a state send in a step."""
        return {name: self._stateful(name).send(states[name], keys) for name in self._with_state}

    def advance(self, states: Values, shown: Shown, keys: Keys) -> Stepped:
        """Return one step of all populations."""
        sent = self.send(states, keys)
        payloads, hits = self.relay(shown, sent)
        after = {}
        for name in self._with_state:
            neurons, total = self._stateful(name), self.total(name, shown, payloads)
            after[name], saturated = neurons.integrate(states[name], total, sent[name])
            hits.append(saturated)
        return Stepped(sent, after, saturations(hits))

    def relay(self, shown: Shown, sent: Values) -> tuple[dict[str, Tensor], list[Hits]]:
        """Return the payloads of all populations, and what saturated among those without state.

        sent: payloads of the populations with a state.
        """
        result, hits = dict(sent), []
        for name in self._relays:
            neurons = cast(RelayTorch, self.neurons[self._numbers[name]])
            result[name], saturated = neurons.relay(shown.payload, self.total(name, shown, result))
            hits.append(saturated)
        return result, hits

    def total(self, name: str, shown: Shown, payloads: Values) -> Tensor:
        """Return the scaled sums and the bias that reach a population, as a new tensor."""
        always = shown.currents.get(name)
        sums = (self._scaled(i, payloads[s]) for i, s in self._into[name] if not _once(s))
        total = next(sums, None)
        if total is None:
            some = next(iter(payloads.values()))
            total = some.new_zeros(len(some), self._sizes[name])
        for one in sums:
            total.add_(one)
        return total if always is None else total.add_(always)

    def side_by_side(self, populations: tuple[Population, ...], values: Values) -> Tensor:
        """Return the values of some populations as one tensor (N, sizes added)."""
        parts = [values[one.name] for one in populations]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def decode(self, counts: Tensor) -> Tensor:
        """Return what counts (N, K) of all computing neurons decode to, (N, M) float32.

        They are those of one step, in any network.
        """
        return self._decoded(counts[:, self._decoded_columns], 1)

    def reconstruct(self, added: Tensor, state: Tensor, steps: int) -> Tensor:
        """Return the reconstruction (N, M) float32 as the network's decoder has it.

        added (N, K): counts of the last `steps` steps of all computing neurons, added up, as the
        decoding has them; state (N, K): their states after the last one.
        """
        if self.network.decoder.decoding.kind != "map":
            return self._decoded(added[:, self._decoded_columns], steps)
        neurons = cast(PoissonTorch, self._stateful(self.network.decoder.source))
        return self._decoded(neurons.rates(state[:, self._decoded_columns]), 1 << SPIKE_BITS)

    def _decoded(self, payload: Tensor, divisor: int) -> Tensor:
        total = self.decoder_weights.sums(payload).to(torch.float32)
        # A tensor: by a number, a CUDA device would multiply with its rounded reciprocal.
        return total / torch.full_like(self.decoder_scale, divisor) * self.decoder_scale

    def _stateful(self, name: str) -> StatefulTorch:
        return cast(StatefulTorch, self.neurons[self._numbers[name]])

    def _scaled(self, number: int, payload: Tensor) -> Tensor:
        return cast(SynapsesTorch, self.synapses[number]).scaled(payload)

    def _bias_of(self, name: str) -> list[Tensor]:
        bias = None if name in self._relays else self._stateful(name).bias
        return [] if bias is None else [bias]


def saturations(hits: list[Hits]) -> Tensor:
    """Return what saturated in all populations together, (N, 5), by trace.SATURATIONS."""
    some = next(iter(hits[0].values()))
    columns = [[each[name] for each in hits if name in each] for name in SATURATIONS]
    none = torch.zeros_like(some)
    return torch.stack([reduce(torch.add, parts or [none]) for parts in columns], dim=1)


def _once(source: str) -> bool:
    return source == IMAGE
