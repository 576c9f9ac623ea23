"""The network as a Norse cell: the reference's counts, Norse's conventions, learning."""

import copy
import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from circuits import replace

from ipvae_snn.frameworks.norse_cell import (
    IterativePoissonCell,
    IterativePoissonState,
    iterative_poisson_step,
)
from ipvae_snn.ir import circuit_steps, interpreter
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.parts import InputCode
from ipvae_snn.ir.trace import RunRequest

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "classify_norse.py"
Networks = Callable[..., IntegerNetwork]
Pixels = Callable[..., np.ndarray]


@pytest.fixture
def norse() -> Any:
    """Norse, which warns when it is imported; norse_cell has done that above, quietly."""
    return importlib.import_module("norse.torch")


@pytest.fixture
def unit_network(network_factory: Networks) -> IntegerNetwork:
    """A network of pixels in [0, 1], to which spike trains of 0 and 1 are black and white."""
    network = network_factory(zero_point=0)
    return replace(network, input=InputCode((4, 3), "unit", 1.0 / 255.0, 0))


@pytest.mark.parametrize("shape", [(12,), (1, 4, 3)])
def test_a_lifted_cell_gives_the_interpreters_counts_and_potentials(
    norse: Any, network: IntegerNetwork, pixels_factory: Pixels, shape: tuple[int, ...]
) -> None:
    pixels = pixels_factory(network, 5)
    expected = interpreter.run(network, pixels, RunRequest(20, 3, first_image=7, trace=True))
    assert expected.counts is not None
    cell = IterativePoissonCell(network, seed=3, first_image=7)
    images = torch.tensor(pixels).reshape(5, *shape)
    counts, state = norse.Lift(cell)(images.expand(20, *images.shape))
    assert counts.dtype is torch.float32
    assert counts.transpose(0, 1).tolist() == expected.counts.tolist()
    assert isinstance(state, IterativePoissonState)
    assert state.v.tolist() == expected.state.tolist()
    assert state.image.tolist() == [7, 8, 9, 10, 11]
    assert state.step.tolist() == [20] * 5
    assert state.seed.tolist() == [3] * 5


def test_a_run_goes_on_from_its_state(network: IntegerNetwork, pixels_factory: Pixels) -> None:
    pixels = torch.tensor(pixels_factory(network, 3))
    cell = IterativePoissonCell(network)
    state, counts = None, []
    for _ in range(9):
        z, state = cell(pixels, state)
        counts.append(z)
    _, early = IterativePoissonCell(network)(pixels)
    for step in range(1, 9):
        z, early = iterative_poisson_step(pixels, early, cell.p)
        assert torch.equal(z, counts[step])


def test_chosen_images_give_the_counts_of_the_whole(
    network: IntegerNetwork, pixels_factory: Pixels
) -> None:
    pixels = torch.tensor(pixels_factory(network, 6))
    cell = IterativePoissonCell(network, seed=1)
    rows = torch.tensor([4, 0, 5])
    whole, part = None, cell.state_of(rows)
    for _ in range(8):
        z, whole = cell(pixels, whole)
        some, part = cell(pixels[rows], part)
        assert torch.equal(some, z[rows])


def test_it_works_in_a_sequential_state(
    norse: Any, network: IntegerNetwork, pixels_factory: Pixels
) -> None:
    pixels = pixels_factory(network, 4)
    expected = interpreter.run(network, pixels, RunRequest(6, 2))
    model = norse.SequentialState(
        torch.nn.Flatten(),
        IterativePoissonCell(network, seed=2),
        torch.nn.Linear(network.n_neurons, 3),
        norse.LICell(),
    )
    seen = []
    model.register_forward_state_hooks(lambda module, _, out: seen.append(out[1]))
    for _ in range(2):
        state = None
        for _ in range(6):
            voltage, state = model(torch.tensor(pixels), state)
        assert voltage.shape == (4, 3)
        assert state[1].v.tolist() == expected.state.tolist()
    assert sum(isinstance(s, IterativePoissonState) for s in seen) == 12
    model.remove_forward_state_hooks()
    other, _ = copy.deepcopy(model)(torch.tensor(pixels))
    assert torch.equal(other, model(torch.tensor(pixels))[0])


def test_encoders_set_the_current_of_their_step(norse: Any, unit_network: IntegerNetwork) -> None:
    torch.manual_seed(0)
    images = torch.rand(5, 12)
    for encoder in (
        norse.ConstantCurrentLIFEncoder(12, dt=0.01),
        norse.PoissonEncoder(12, f_max=500),
        norse.SpikeLatencyLIFEncoder(12, dt=0.01),
    ):
        train = encoder(2.0 * images)
        assert set(train.unique().tolist()) == {0.0, 1.0}
        cell = IterativePoissonCell(unit_network, seed=4)
        result, last = norse.Lift(cell)(train)
        state = np.tile(unit_network.neurons.initial_state.astype(np.int64), (5, 1))
        for step, spikes in enumerate(train):
            shown = circuit_steps.held(
                unit_network, spikes.numpy().astype(np.uint8) * np.uint8(255)
            )
            counts = circuit_steps.sample(unit_network, state, 4, np.arange(5), step)
            state, _ = circuit_steps.integrate(unit_network, state, shown, counts)
            assert result[step].tolist() == counts.tolist()
        assert last.v.tolist() == state.tolist()


def test_float_mode_learns_through_the_cell(norse: Any, unit_network: IntegerNetwork) -> None:
    torch.manual_seed(0)
    model = norse.Lift(
        norse.SequentialState(
            IterativePoissonCell(unit_network, "float", learn_dictionary=True),
            torch.nn.Linear(unit_network.n_neurons, 1),
        )
    )
    images, wanted = torch.rand(16, 12), torch.rand(16, 1) * 3
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
    losses = []
    for _ in range(25):
        out, _ = model(images.expand(6, 16, 12))
        loss = ((out.mean(0) - wanted) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().sum() > 0, name
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-3:]) < 0.7 * np.mean(losses[:3])


def test_it_says_what_it_is(network: IntegerNetwork) -> None:
    wanted = "IterativePoissonCell(12, 7, mode='integer', bits=8, circuit='one-layer')"
    assert repr(IterativePoissonCell(network)) == wanted
    learnt = IterativePoissonCell(network, "float", learn_dictionary=True, gradient="relaxed")
    assert repr(learnt) == (
        "IterativePoissonCell(12, 7, mode='float', gradient='relaxed', learn_dictionary=True)"
    )


def test_the_example_reaches_95_percent() -> None:
    """Its read-out is trained on counts of the pretrained network; a guess has 10 %."""
    command = [sys.executable, str(EXAMPLE)]
    done = subprocess.run(command, check=True, capture_output=True, encoding="utf-8", timeout=200)
    words = done.stdout.split()
    assert words[:1] + words[2:] == ["accuracy", "on", "355", "held-out", "digits"]
    assert float(words[1]) >= 0.95
