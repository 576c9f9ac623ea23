"""Layers of both frameworks: inputs, integer steps, float dynamics, gradients."""

import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from circuits import replace

from ipvae_snn import data
from ipvae_snn.errors import ConfigError, DataError
from ipvae_snn.frameworks.float_dynamics import FromCheckpoint, FromInteger, draw
from ipvae_snn.frameworks.inputs import flat, to_levels, to_values
from ipvae_snn.frameworks.layers import FloatLayer, IntegerLayer, Layer, first_keys, make_layer
from ipvae_snn.inference import reference
from ipvae_snn.ir import circuit_steps
from ipvae_snn.ir.circuits import Residual
from ipvae_snn.ir.encode import encode
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.parts import InputCode, Synapses
from ipvae_snn.models.float_network import FloatNetwork, load_float_network
from ipvae_snn.pretrained import network_path

Networks = Callable[..., IntegerNetwork]
Pixels = Callable[..., np.ndarray]

UNIT = InputCode((2, 3), "unit", 1.0 / 255.0, 0)
KEYS = first_keys(torch.arange(4), seed=3)


@pytest.fixture(scope="module")
def checkpoint() -> FloatNetwork:
    """The network of 8x8 digits that comes with the package."""
    return load_float_network(network_path("digits"))


def layer_of(network: IntegerNetwork | FloatNetwork, learn: bool = False) -> Layer:
    return make_layer(network, "float", learn, "relaxed", 0.1)


def test_float_pixels_become_the_levels_of_encode() -> None:
    pixels = np.linspace(0, 1, 6 * 500, dtype=np.float32).reshape(500, 6)
    wanted, _ = encode(UNIT, pixels, "unit", "a ramp")
    assert to_levels(UNIT, torch.tensor(pixels)).tolist() == wanted.tolist()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64, torch.bool])
def test_spikes_are_black_and_white_of_a_unit_network(dtype: torch.dtype) -> None:
    train = torch.tensor([[0, 1, 1, 0, 0, 1]], dtype=dtype)
    assert to_levels(UNIT, train).tolist() == [[0, 255, 255, 0, 0, 255]]


def test_a_spike_is_one_standard_deviation_of_a_standardised_network() -> None:
    code = InputCode((1, 2), "standardised", 0.05, 100)
    assert to_levels(code, torch.tensor([[0.0, 1.0]])).tolist() == [[100, 120]]


def test_few_values_outside_the_range_saturate_and_many_are_refused() -> None:
    image = torch.zeros(1, 600)
    image[0, :6] = torch.tensor([-0.1, 1.1, 9.0, 1.0, 0.5, 0.25])
    assert to_levels(UNIT, image)[0, :6].tolist() == [0, 255, 255, 255, 128, 64]
    message = (
        "50.0 % of the values lie outside the network's input range [0, 1]; scale them as the "
        "training data were"
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        to_levels(UNIT, torch.tensor([[0.0, 1.5]]))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_one_value_that_is_not_finite_is_refused(value: float) -> None:
    image = torch.zeros(2, 600)
    image[1, 3] = value
    message = "^an input value is not finite; check the layers before the network$"
    with pytest.raises(DataError, match=message):
        to_levels(UNIT, image)


def test_images_come_in_any_shape_of_their_size() -> None:
    images = torch.arange(12.0).reshape(2, 1, 2, 3)
    assert flat(images, 6).tolist() == images.reshape(2, 6).tolist()
    message = (
        "the network takes N images of 6 values at a step, as (N, 6) or in any shape of that "
        "size, not (7, 2, 6); give one step of a spike train at a time"
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        flat(torch.zeros(7, 2, 6), 6)
    with pytest.raises(DataError, match=r"not \(6,\);"):
        flat(torch.zeros(6), 6)


def test_levels_become_float_pixels_only_where_their_meaning_is_known() -> None:
    levels = torch.tensor([[0, 255, 51]], dtype=torch.uint8)
    torch.testing.assert_close(to_values(UNIT, levels), torch.tensor([[0.0, 1.0, 0.2]]))
    assert to_values(None, torch.tensor([[True]])).dtype == torch.float32
    with pytest.raises(DataError, match=r"^a checkpoint does not say what uint8 levels stand for;"):
        to_values(None, levels)


def test_an_image_written_over_in_place_is_noticed(
    network: IntegerNetwork, pixels_factory: Pixels
) -> None:
    layer = IntegerLayer(network)
    first, second = pixels_factory(network, 4, 1), pixels_factory(network, 4, 2)
    shown = torch.tensor(first)
    layer.advance(shown, layer.initial(4), KEYS)
    shown.copy_(torch.tensor(second))
    counts, after = layer.advance(shown, layer.initial(4), KEYS)
    state = layer.initial(4).numpy()
    wanted, saturated = circuit_steps.integrate(
        network, state, circuit_steps.held(network, second), counts.long().numpy()
    )
    assert after.tolist() == wanted.tolist()
    assert layer.saturated is not None
    assert layer.saturated.tolist() == saturated.tolist()


def test_checkpoint_dynamics_are_those_of_float_inference(checkpoint: FloatNetwork) -> None:
    d = reference.dynamics(checkpoint)
    rng = np.random.default_rng(0)
    x = rng.random((5, checkpoint.n_pixels))
    u = rng.normal(-1.0, 2.0, (5, checkpoint.n_neurons))
    z = rng.poisson(0.5, u.shape).astype(np.int32)
    wanted = reference.step(d, u, x @ d.feed_forward, z)
    layer = FromCheckpoint(checkpoint, False).double()
    result = layer.update(torch.tensor(u), torch.tensor(x), torch.tensor(z).double())
    np.testing.assert_allclose(result.numpy(), wanted, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(layer.u0.numpy()[0], d.u0, rtol=1e-6)


def test_a_checkpoints_layer_takes_its_updates_and_its_leak(checkpoint: FloatNetwork) -> None:
    """Against NumPy, with the counts that torch's generator drew."""
    tied = replace(checkpoint, updates_per_step=3, leak=0.7)
    layer = layer_of(tied).eval().double()
    d = reference.dynamics(tied)
    x = np.random.default_rng(0).random((5, tied.n_pixels))
    u = np.random.default_rng(1).normal(-1.0, 1.0, (5, tied.n_neurons))
    torch.manual_seed(3)
    counts, after = layer.advance(torch.tensor(x), torch.tensor(u), KEYS)
    torch.manual_seed(3)
    v = u
    for _ in range(3):
        z = torch.poisson(torch.exp(torch.tensor(v))).numpy()
        du = d.step_size * (x @ d.feed_forward - z @ d.G - d.bias - 0.7 * (v - u))
        soft = reference.soft_clip(du, d.clip, d.floor)
        v = reference.soft_clip(v + soft, d.clip, d.floor)
    assert counts.tolist() == z.tolist()
    np.testing.assert_allclose(after.numpy(), v, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("circuit", ["one-layer", "two-layer"])
def test_program_dynamics_follow_the_integers(
    network_factory: Networks, pixels_factory: Pixels, circuit: str
) -> None:
    """Given the same counts they differ by the rounding of one step: a few units of the potential.

    The lateral sum, the input current and the update are each rounded once: 1.5 units at the
    most, in a two-layer circuit also each residual by half a level of the input.
    """
    network = network_factory(extra_bits=0)
    tolerance = 1.6
    if circuit == "two-layer":
        rng = np.random.default_rng(1)
        m, k = network.n_pixels, network.n_neurons
        prediction = Synapses.dense(
            rng.integers(0, 128, (m, k)).astype(np.int8),
            np.full(m, 1 << 14, np.int32),
            np.full(m, 18, np.int32),
        )
        loop = network.neurons.self_inhibition
        network = replace(network, lateral=None, residual=Residual(prediction, 150, loop))
        weights = np.abs(network.feedforward.matrix.astype(np.int64)).sum(axis=1)
        gain = weights * network.feedforward.multiplier / 2.0**network.feedforward.shift
        tolerance += 0.5 * float(gain.max())
    pixels = pixels_factory(network, 6)
    group = network.neurons
    unit = np.log(2.0) / (1 << group.fraction_bits)
    layer = FromInteger(network, False).double()
    x = (torch.tensor(pixels).double() - network.input.zero_point) * network.input.scale
    held = circuit_steps.held(network, pixels)
    state = np.tile(group.initial_state.astype(np.int64), (6, 1))
    worst, clamped = 0.0, 0
    for step in range(20):
        counts = circuit_steps.sample(network, state, 1, np.arange(6), step)
        after, saturated = circuit_steps.integrate(network, state, held, counts)
        result = layer.update(torch.tensor(state * unit), x, torch.tensor(counts).double())
        worst = max(worst, np.abs(result.numpy() / unit - after).max())
        state, clamped = after, clamped + int(saturated[:, 1:].sum())
    assert worst < tolerance
    assert clamped > 0
    assert torch.allclose(layer.u0[0], torch.tensor(group.initial_state * unit), rtol=1e-6)


def test_counts_have_the_mean_of_their_law_however_they_are_drawn() -> None:
    torch.manual_seed(0)
    u = torch.log(torch.tensor([0.2, 1.5, 6.0])).repeat(20_000, 1)
    for gradient in ("relaxed", "straight-through", "none"):
        z = draw(u, gradient, 0.01)  # type: ignore[arg-type]  # a plain str here
        # three standard errors: 3 sqrt(rate / 20,000) = 0.052 at rate 6
        torch.testing.assert_close(z.mean(0), torch.exp(u[0]), atol=0.06, rtol=0.02)
        assert (z == z.round()).all() or gradient == "relaxed"


def test_straight_through_counts_have_the_gradient_of_the_rate() -> None:
    u = torch.tensor([[-1.0, 0.0, 1.0]], requires_grad=True)
    z = draw(u, "straight-through", 0.1)
    torch.testing.assert_close(z, z.round())
    z.sum().backward()
    torch.testing.assert_close(u.grad, torch.exp(u.detach()))


@pytest.mark.parametrize("source", ["checkpoint", "program"])
@pytest.mark.parametrize("gradient", ["relaxed", "straight-through"])
def test_gradients_reach_dictionary_and_input_through_time(
    checkpoint: FloatNetwork, network: IntegerNetwork, source: str, gradient: str
) -> None:
    torch.manual_seed(1)
    chosen = {"checkpoint": checkpoint, "program": network}[source]
    layer = make_layer(chosen, "float", True, gradient, 0.1)  # type: ignore[arg-type]  # likewise
    x = torch.rand(4, chosen.n_pixels, requires_grad=True)
    v = layer.initial(4)
    for _ in range(5):
        z, v = layer.advance(x, v, KEYS)
    z.sum().backward()
    learnt = dict(layer.named_parameters())
    assert (
        sorted(learnt)
        == {
            "checkpoint": ["dynamics.phi"],
            "program": ["dynamics.competition", "dynamics.feedforward"],
        }[source]
    )
    for tensor in (x, *learnt.values()):
        assert tensor.grad is not None
        assert tensor.grad.isfinite().all()
        assert tensor.grad.abs().sum() > 0


def test_the_gradient_of_the_dictionary_is_the_finite_difference(checkpoint: FloatNetwork) -> None:
    """With the noise repeated, so that the relaxed counts are a smooth function of phi."""
    layer = layer_of(checkpoint, learn=True).double()
    x = torch.rand(3, checkpoint.n_pixels, dtype=torch.float64)

    def energy() -> torch.Tensor:
        torch.manual_seed(5)
        v = layer.initial(3)
        for _ in range(3):
            z, v = layer.advance(x, v, KEYS)
        return (z * z).sum()

    phi = layer.get_parameter("dynamics.phi")
    (slope,) = torch.autograd.grad(energy(), phi)
    direction = torch.randn(phi.shape, dtype=phi.dtype, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        phi += 1e-7 * direction
        above = energy()
        phi -= 2e-7 * direction
        below = energy()
    wanted = (above - below) / 2e-7
    torch.testing.assert_close((slope * direction).sum(), wanted, rtol=2e-2, atol=0)


def test_a_few_steps_of_learning_the_dictionary_reduce_a_loss(checkpoint: FloatNetwork) -> None:
    """Reconstruction of images that the network did not see in training: mirrored digits."""
    torch.manual_seed(2)
    layer = layer_of(checkpoint, learn=True)
    phi = layer.get_parameter("dynamics.phi")
    x = torch.tensor(data.load("digits", "test", limit=64).pixels)
    x = x.reshape(-1, 8, 8).flip(2).reshape(-1, 64)
    optimiser = torch.optim.Adam([phi], lr=2e-3)
    losses = []
    for _ in range(15):
        v = layer.initial(len(x))
        for _ in range(8):
            z, v = layer.advance(x, v, KEYS)
        loss = ((x - z @ phi.T) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])


def test_evaluation_mode_draws_whole_counts(network: IntegerNetwork) -> None:
    layer = layer_of(network).eval()
    assert isinstance(layer, FloatLayer)
    z, _ = layer.advance(torch.rand(4, network.n_pixels), layer.initial(4) + 2.0, KEYS)
    assert z.sum() > 0
    assert (z == z.round()).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("spikes", False, "relaxed", 0.1), "mode 'spikes' is not known; choose integer or float"),
        (
            ("float", False, "atan", 0.1),
            "gradient 'atan' is not known; choose relaxed or straight-through",
        ),
        (("float", False, "relaxed", 0.0), "temperature 0.0 must be above 0; 0.1 is usual"),
        (
            ("integer", True, "relaxed", 0.1),
            'integers have no gradient: learn the dictionary with mode="float"',
        ),
    ],
)
def test_options_that_do_not_fit_are_refused(
    network: IntegerNetwork, options: tuple[str, bool, str, float], message: str
) -> None:
    with pytest.raises(ConfigError, match=f"^{message}$"):
        make_layer(network, *options)  # type: ignore[arg-type]  # faults


def test_a_checkpoint_has_no_integers(checkpoint: FloatNetwork) -> None:
    message = (
        "a checkpoint is float: convert it by from_pretrained or `ipvae-snn convert`, or choose "
        'mode="float"'
    )
    with pytest.raises(ConfigError, match=f"^{message}$"):
        make_layer(checkpoint, "integer", False, "relaxed", 0.1)


def test_keys_outside_their_range_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"^seed -1 is not in 0\.\.4294967295$"):
        first_keys(torch.arange(2), -1)
    with pytest.raises(ConfigError, match=r"^image indices -3\.\.1 are not in 0\.\.4294967295$"):
        first_keys(torch.tensor([1, -3]), 0)


def test_torchs_order_of_colours_is_refused() -> None:
    """It has as many values as the network's rows, in another order."""
    images = torch.rand(2, 3, 4, 5)
    with pytest.raises(DataError, match=r"second axis.*give images\.permute\(0, 2, 3, 1\)"):
        flat(images, 60)
    rows = flat(images.permute(0, 2, 3, 1), 60)
    torch.testing.assert_close(rows[1].reshape(4, 5, 3)[2, 1], images[1, :, 2, 1])
