"""The network as an snnTorch neuron: the reference's counts, snnTorch's conventions, learning."""

import copy
import subprocess
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import snntorch as snn
import torch
from circuits import replace
from snntorch import functional, spikegen, utils

from ipvae_snn.errors import DataError
from ipvae_snn.frameworks.snntorch_neuron import IterativePoisson
from ipvae_snn.ir import circuit_steps, interpreter
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.parts import InputCode
from ipvae_snn.ir.trace import RunRequest

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "classify_snntorch.py"
Networks = Callable[..., IntegerNetwork]
Pixels = Callable[..., np.ndarray]


@pytest.fixture
def unit_network(network_factory: Networks) -> IntegerNetwork:
    """A network of pixels in [0, 1], to which spike trains of 0 and 1 are black and white."""
    network = network_factory(zero_point=0)
    return replace(network, input=InputCode((4, 3), "unit", 1.0 / 255.0, 0))


@pytest.mark.parametrize("shape", [(12,), (1, 4, 3)])
def test_explicit_state_gives_the_interpreters_counts_and_potentials(
    network: IntegerNetwork, pixels_factory: Pixels, shape: tuple[int, ...]
) -> None:
    pixels = pixels_factory(network, 5)
    expected = interpreter.run(network, pixels, RunRequest(20, 3, first_image=7, trace=True))
    assert expected.counts is not None
    assert expected.states is not None
    neuron = IterativePoisson(network, seed=3, first_image=7)
    images = torch.tensor(pixels).reshape(5, *shape)
    mem, key = neuron.init_iterative_poisson()
    for step in range(20):
        spk, mem, key = neuron(images, mem, key)
        assert spk.dtype is torch.float32
        assert spk.tolist() == expected.counts[:, step].tolist()
        potential = mem + torch.tensor(network.neurons.initial_state)
        assert potential.tolist() == expected.states[:, step].tolist()
        assert key.tolist() == [[3, 7 + row, step + 1] for row in range(5)]


def test_float_pixels_give_the_same_counts(network: IntegerNetwork, pixels_factory: Pixels) -> None:
    levels = torch.tensor(pixels_factory(network, 5))
    values = (levels.float() - network.input.zero_point) * network.input.scale
    one, other = IterativePoisson(network), IterativePoisson(network)
    for _ in range(5):
        assert torch.equal(one(levels)[0], other(values)[0])


def test_batches_of_any_rows_give_the_counts_of_the_whole(
    network: IntegerNetwork, pixels_factory: Pixels
) -> None:
    pixels = torch.tensor(pixels_factory(network, 6))
    whole, part = IterativePoisson(network, seed=1), IterativePoisson(network, seed=1)
    rows = torch.tensor([4, 0, 5])
    mem, key = torch.zeros(3, network.n_neurons), part.keys(rows)
    for _ in range(8):
        spk, _, _ = whole(pixels)
        some, mem, key = part(pixels[rows], mem, key)
        assert torch.equal(some, spk[rows])


def test_hidden_state_in_a_sequential_is_reset_by_utils(
    network: IntegerNetwork, pixels_factory: Pixels
) -> None:
    pixels = pixels_factory(network, 4)
    expected = interpreter.run(network, pixels, RunRequest(6, 2))
    net = torch.nn.Sequential(
        torch.nn.Flatten(),
        IterativePoisson(network, seed=2, init_hidden=True),
        torch.nn.Linear(network.n_neurons, 3),
        snn.Leaky(beta=0.9, init_hidden=True, output=True),
    )
    for _ in range(2):
        utils.reset(net)
        for _ in range(6):
            spk, mem = net(torch.tensor(pixels))
        assert spk.shape == mem.shape == (4, 3)
        result = net[1].mem + torch.tensor(network.neurons.initial_state)
        assert result.tolist() == expected.state.tolist()
    other = utils.reset(net) or copy.deepcopy(net)
    assert torch.equal(other(torch.tensor(pixels))[1], net(torch.tensor(pixels))[1])


def test_output_returns_the_membrane_too(network: IntegerNetwork) -> None:
    neuron = IterativePoisson(network, init_hidden=True, output=True)
    spk, mem = neuron(torch.zeros(2, 12))
    assert spk.shape == mem.shape == (2, 7)
    assert mem is neuron.mem
    neuron.reset_mem()
    assert neuron.mem.numel() == 0
    with pytest.raises(TypeError, match="should not be passed while `init_hidden=True`"):
        neuron(torch.zeros(2, 12), mem)


def test_it_is_a_neuron_of_snntorch(network: IntegerNetwork) -> None:
    neuron = IterativePoisson(network)
    assert isinstance(neuron, snn.SpikingNeuron)
    assert utils._final_layer_check(torch.nn.Sequential(neuron)) == 2
    assert not any(name.startswith(("_mem", "_key")) for name in neuron.state_dict())
    wanted = "IterativePoisson(12, 7, mode='integer', bits=8, circuit='one-layer')"
    assert repr(neuron) == wanted
    assert repr(torch.nn.Sequential(neuron)).splitlines()[1] == f"  (0): {wanted}"


def test_a_membrane_that_cannot_hold_the_potentials_is_refused(network: IntegerNetwork) -> None:
    neuron = IterativePoisson(network)
    with pytest.raises(DataError, match=r"^mem is torch.float16, which cannot hold 24-bit"):
        neuron(torch.zeros(2, 12), torch.zeros(2, 7, dtype=torch.float16))


def test_spike_trains_set_the_current_of_their_step(unit_network: IntegerNetwork) -> None:
    """Rate and latency encoders, against the interpreter's own steps."""
    torch.manual_seed(0)
    images = torch.rand(5, 12)
    for train in (
        spikegen.rate(images, num_steps=9),
        spikegen.latency(images, num_steps=9, normalize=True, linear=True),
    ):
        assert set(train.unique().tolist()) == {0.0, 1.0}
        neuron = IterativePoisson(unit_network, seed=4)
        state = np.tile(unit_network.neurons.initial_state.astype(np.int64), (5, 1))
        for step, spikes in enumerate(train):
            spk, mem, _ = neuron(spikes)
            shown = circuit_steps.held(
                unit_network, spikes.numpy().astype(np.uint8) * np.uint8(255)
            )
            counts = circuit_steps.sample(unit_network, state, 4, np.arange(5), step)
            state, _ = circuit_steps.integrate(unit_network, state, shown, counts)
            assert spk.tolist() == counts.tolist()
            assert (mem.numpy() + unit_network.neurons.initial_state).tolist() == state.tolist()


def test_backprop_of_snntorch_trains_a_read_out_on_it(unit_network: IntegerNetwork) -> None:
    with warnings.catch_warnings():
        # snnTorch announces that the module will go; it is still the test of a neuron in it
        warnings.simplefilter("ignore", DeprecationWarning)
        from snntorch import backprop
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        IterativePoisson(unit_network, init_hidden=True),
        torch.nn.Linear(unit_network.n_neurons, 2),
        snn.Leaky(beta=0.9, init_hidden=True, output=True),
    )
    images, labels = torch.rand(40, 12), torch.arange(40) % 2
    images[labels == 1, :6] = 0.0
    loader = [(images[start : start + 20], labels[start : start + 20]) for start in (0, 20)]
    optimiser = torch.optim.Adam(net.parameters(), lr=0.02)
    learn = partial(backprop.BPTT, net, loader, optimiser, functional.ce_rate_loss())
    losses = [learn(num_steps=8, time_var=False).item() for _ in range(12)]
    assert losses[-1] < 0.9 * losses[0]


def test_float_mode_learns_through_the_neuron(unit_network: IntegerNetwork) -> None:
    torch.manual_seed(0)
    neuron = IterativePoisson(unit_network, "float", learn_dictionary=True, init_hidden=True)
    net = torch.nn.Sequential(neuron, torch.nn.Linear(unit_network.n_neurons, 1))
    images, wanted = torch.rand(16, 12), torch.rand(16, 1) * 3
    optimiser = torch.optim.Adam(net.parameters(), lr=5e-3)
    losses = []
    for _ in range(25):
        utils.reset(net)
        out = torch.stack([net(images) for _ in range(6)]).mean(0)
        loss = ((out - wanted) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        for name, parameter in net.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().sum() > 0, name
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-3:]) < 0.7 * np.mean(losses[:3])


def test_the_example_reaches_95_percent() -> None:
    """Its read-out is trained on counts of the pretrained network; a guess has 10 %."""
    command = [sys.executable, str(EXAMPLE)]
    done = subprocess.run(command, check=True, capture_output=True, encoding="utf-8", timeout=200)
    words = done.stdout.split()
    assert words[:1] + words[2:] == ["accuracy", "on", "355", "held-out", "digits"]
    assert float(words[1]) >= 0.95
