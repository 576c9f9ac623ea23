"""NeuroBench's metrics: by hand, and equal to the neurobench package on one model."""

from collections.abc import Callable

import numpy as np
import pytest
import snntorch
import torch
from circuits import replace
from neurobench.metrics.static import ConnectionSparsity, Footprint
from neurobench.metrics.workload import ActivationSparsity, MembraneUpdates, SynapticOperations
from neurobench.models import TorchModel
from torch import nn

from ipvae_snn.hw.cost.activity import activity
from ipvae_snn.hw.cost.neurobench import NeuroBenchMetrics, Tally, metrics, tally
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.files import to_arrays
from ipvae_snn.ir.fixed_point import round_shift
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.parts import Synapses
from ipvae_snn.ir.trace import RunRequest, Trace
from ipvae_snn.ir.weights import Dense

STEPS = 6
IMAGES = 5


class Synapses(nn.Linear):
    """A connection as NeuroBench reads one: int8 weights, exact sums in float64."""

    def __init__(self, connection: Synapses) -> None:
        super().__init__(*connection.matrix.shape[::-1], bias=False)
        self.weight = nn.Parameter(torch.from_numpy(connection.matrix.copy()), requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(x, self.weight.to(torch.float64))


class PoissonNeuron(snntorch.SpikingNeuron):
    """The network's neuron: `mem` is the potential; it returns the counts drawn at it."""

    def __init__(self, network: IntegerNetwork) -> None:
        super().__init__(init_hidden=True, output=True)
        self.integer, self.mem = network, torch.zeros(0)
        for name in [name for name, _ in self.named_buffers()]:
            delattr(self, name)  # snnTorch's threshold and the like: the network has none
        for name, array in to_arrays(network).items():
            if "weights" not in name or name == "decoder.weights":
                self.register_buffer(name.replace(".", "_"), torch.from_numpy(array.copy()))

    def forward(self, drive: torch.Tensor, counts: torch.Tensor) -> tuple[torch.Tensor]:
        group = self.integer.neurons  # step 3 of docs/ir.md
        high = (group.excitation_max << group.extra_bits) - self.integer.own_inhibition * (
            counts.numpy()
        )
        update = np.clip(
            np.minimum(drive.numpy(), high), group.update_min << group.extra_bits, None
        )
        moved = self.mem.numpy() + round_shift(update, group.extra_bits)
        self.mem = torch.from_numpy(np.clip(moved, group.state_min, group.state_max))
        return (counts,)


class Residual(nn.Module):
    """The residual neurons of a two-layer circuit."""

    def forward(self, error: torch.Tensor) -> torch.Tensor:
        return error


class Layers(nn.Module):
    """The integer network as layers; it draws the reference's counts, given by `trace`."""

    def __init__(self, network: IntegerNetwork) -> None:
        super().__init__()
        self.integer, self.counts = network, torch.zeros(0)
        self.feedforward = Synapses(network.feedforward)
        back = network.lateral or network.residual.prediction
        self.back, self.residual = Synapses(back), Residual()
        self.neuron = PoissonNeuron(network)

    def forward(self, payload: torch.Tensor) -> torch.Tensor:
        start = torch.from_numpy(self.integer.neurons.initial_state.astype(np.int64))
        self.neuron.mem = start.expand(len(payload), -1).clone()
        if self.integer.residual is None:
            total = self.feedforward(payload).numpy().astype(np.int64)
            held = self.integer.feedforward.scaled(total) + self.integer.neurons.bias
        for t in range(self.counts.shape[1]):
            z = self.counts[:, t]
            if self.integer.residual is None:
                total = self.back(z.double()).numpy().astype(np.int64)
                drive = held + self.integer.lateral.scaled(total)
            else:
                total = self.back(z.double()).numpy().astype(np.int64)
                predicted = self.integer.residual.prediction.scaled(total)
                limit = self.integer.residual.limit
                error = np.clip(payload.numpy().astype(np.int64) - predicted, -limit, limit)
                sent = self.residual(torch.from_numpy(error).double())
                total = self.feedforward(sent).numpy().astype(np.int64)
                drive = self.integer.feedforward.scaled(total) + self.integer.neurons.bias
            drive = drive - self.integer.neurons.self_inhibition * z.numpy()
            self.neuron(torch.from_numpy(drive), z)
        return self.neuron.mem


def by_package(
    network: IntegerNetwork, pixels: np.ndarray, trace: Trace, batch: int
) -> tuple[dict[str, float], torch.Tensor]:
    """Return the neurobench package's counts, in batches, and the last potentials."""
    layers = Layers(network)
    model = TorchModel(layers)
    model.add_activation_module(snntorch.SpikingNeuron)
    if network.residual is not None:
        model.add_activation_module(Residual)
    model.register_hooks()
    operations, updates, sparsity = SynapticOperations(), MembraneUpdates(), ActivationSparsity()
    sparse, ends = 0.0, []
    payload = torch.from_numpy(pixels.astype(np.float64) - network.input.zero_point)
    for first in range(0, len(pixels), batch):
        part = slice(first, first + batch)
        layers.counts = torch.from_numpy(trace.counts[part].astype(np.int64))
        with torch.no_grad():
            ends.append(model(payload[part]))
        data = (payload[part], None)
        operations(model, None, data)
        updates(model, None, data)
        sparse += sparsity(model, None, data) * len(payload[part]) / len(pixels)
        model.reset_hooks()
    model.cleanup_hooks()
    counted = operations.compute()
    result = {
        "footprint_bytes": Footprint()(model),
        "connection_sparsity": ConnectionSparsity()(model),
        "activation_sparsity": sparse,
        "dense_operations": counted["Dense"],
        "effective_macs": counted["Effective_MACs"],
        "effective_acs": counted["Effective_ACs"],
        "membrane_updates": updates.compute(),
    }
    return result, torch.cat(ends)


def ours(
    network: IntegerNetwork, pixels: np.ndarray, trace: Trace, batch: int
) -> NeuroBenchMetrics:
    assert trace.counts is not None
    assert trace.states is not None
    return metrics(network, [tally(network, pixels, trace.counts, trace.states, batch)])


def quiet(network: IntegerNetwork) -> IntegerNetwork:
    """Return the network with potentials so low that most counts are 0 or 1."""
    low = replace(network.neurons, initial_state=network.neurons.initial_state - (3 << 12))
    return replace(network, neurons=low)


@pytest.mark.parametrize("batch", [1, 2, IMAGES])
@pytest.mark.parametrize("circuit", ["one-layer", "two-layer"])
@pytest.mark.parametrize("lively", [True, False])
def test_the_package_counts_the_same(
    network: IntegerNetwork,
    two_layer: IntegerNetwork,
    pixels_factory: Callable[..., np.ndarray],
    circuit: str,
    batch: int,
    lively: bool,
) -> None:
    """Every metric, on the same layers; the layers end at the reference's potentials."""
    integer = {"one-layer": network, "two-layer": two_layer}[circuit]
    weights = integer.feedforward.matrix.copy()
    weights[::3, ::2] = 0
    integer = replace(integer, feedforward=replace(integer.feedforward, weights=Dense(weights)))
    integer = integer if lively else quiet(integer)
    pixels = pixels_factory(integer, IMAGES)
    pixels[0, :5] = integer.input.zero_point
    trace = interpreter.run(integer, pixels, RunRequest(STEPS, trace=True))
    wanted, ends = by_package(integer, pixels, trace, batch)
    result = ours(integer, pixels, trace, batch).as_json()
    np.testing.assert_array_equal(ends.numpy(), trace.state)
    assert round(result.pop("connection_sparsity"), 4) == wanted.pop("connection_sparsity")
    assert result == pytest.approx(wanted)
    if not lively and batch == 1 and circuit == "one-layer":
        assert result["effective_acs"] > 0, "some calls have counts of 0 and 1 only"
    assert result["effective_macs"] > 0


def test_effective_operations_are_our_events(
    network: IntegerNetwork, pixels_factory: Callable[..., np.ndarray]
) -> None:
    """MACs and ACs together are the synaptic operations of `activity`, image included."""
    pixels = pixels_factory(network, IMAGES)
    trace = interpreter.run(network, pixels, RunRequest(STEPS, trace=True))
    result = ours(network, pixels, trace, 1)
    counted = activity(network, pixels, trace.counts)
    both = result.effective_macs + result.effective_acs
    assert both == pytest.approx(counted.synaptic_operations)
    assert result.dense_operations == counted.dense_operations


@pytest.fixture
def by_hand(network: IntegerNetwork) -> tuple[IntegerNetwork, np.ndarray]:
    """7 neurons, 12 pixels; each pixel reaches neuron 0 only, each neuron the next one only."""
    forward, lateral = np.zeros((7, 12), np.int8), np.zeros((7, 7), np.int8)
    forward[0] = 1
    for neuron in range(6):
        lateral[neuron + 1, neuron] = -1
    integer = replace(
        network,
        feedforward=replace(network.feedforward, weights=Dense(forward)),
        lateral=replace(network.lateral, weights=Dense(lateral)),
    )
    pixels = np.full((2, 12), integer.input.zero_point, np.uint8)
    pixels[0, :3] += 1
    pixels[1, :4] += 2
    return integer, pixels


def test_counted_by_hand(by_hand: tuple[IntegerNetwork, np.ndarray]) -> None:
    """Image 0: payloads of 1 (3 accumulates), counts 1, 0.. and then 1, 1, 0.. (1 + 2 of them).

    Image 1: payloads of 2 (4 multiply-accumulates); counts 2, 1, 0.. (2, all of the call's), and
    then 1 in the last neuron, which reaches no neuron. In one batch the first call and step 0
    become multiply-accumulates: 3 + 4 + 1 + 2; step 1 stays with accumulates: 2.
    """
    network, pixels = by_hand
    counts = np.zeros((2, 2, 7), np.int32)
    counts[0, 0, 0] = counts[0, 1, 0] = counts[0, 1, 1] = 1
    counts[1, 0, :2] = 2, 1
    counts[1, 1, 6] = 1
    states = np.zeros((2, 2, 7), np.int32)
    states[1, 1, :3] = 5
    alone = tally(network, pixels, counts, states, batch=1)
    # dense: two images of 12 * 7 and two steps of 7 * 7; 28 outputs of which 6 are not 0;
    # 7 first updates per image and 3 changes.
    assert alone == Tally(2, 28, 22, 2 * (84 + 98), 4 + 2, 3 + 1 + 2, 14 + 3)
    together = tally(network, pixels, counts, states, batch=2)
    assert (together.macs, together.acs) == (10, 2)
    result = metrics(network, [alone])
    assert result.connection_sparsity == pytest.approx(1 - (12 + 6) / (84 + 49))
    assert result.activation_sparsity == pytest.approx(22 / 28)
    assert result.dense_operations == 182
    assert (result.effective_macs, result.effective_acs) == (3, 3)
    assert result.membrane_updates == 8.5
    assert result.footprint_bytes == sum(a.nbytes for a in to_arrays(network).values())
