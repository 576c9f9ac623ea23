"""Rules of the integer network: each broken on purpose, with the message for the user."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from circuits import replace
from hypothesis import given
from hypothesis import strategies as st

from ipvae_snn.errors import ProgramError
from ipvae_snn.ir.bounds import worst_partial_sum
from ipvae_snn.ir.circuit_steps import forward, held
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.parts import Decoder, Synapses
from ipvae_snn.ir.weights import Dense

Edit = Callable[[IntegerNetwork], dict[str, object]]


def with_weight(connection: Synapses, row: int, column: int, value: int) -> Synapses:
    """Return the connection with one weight changed."""
    matrix = connection.matrix.copy()
    matrix[row, column] = value
    return replace(connection, weights=Dense(matrix))


FAULTS: list[tuple[Edit, str]] = [
    (
        lambda n: {"feedforward": with_weight(n.feedforward, 0, 0, -128)},
        "weights reach -128; a symmetric int8 stops at -127",
    ),
    (
        lambda n: {"lateral": with_weight(n.lateral, 2, 2, 1)},
        "the lateral diagonal must be 0",
    ),
    (
        lambda n: {"lateral": replace(n.lateral, shift=n.lateral.shift * 0)},
        "shifts 0..0 leave 1..40",
    ),
    (
        lambda n: {
            "feedforward": replace(n.feedforward, multiplier=n.feedforward.multiplier + (1 << 15))
        },
        "multipliers .* leave 0..32767",
    ),
    (
        lambda n: {"input": replace(n.input, image_shape=(5, 5))},
        "connection 'feedforward' has 12 sources and 7 targets, but 'image' and 'neurons' have 25 "
        "and 7",
    ),
    (lambda n: {"input": replace(n.input, zero_point=256)}, "zero point 256 is not in 0..255"),
    (lambda n: {"input": replace(n.input, scale=0.0)}, "input scale 0.0 must be finite and above"),
    (
        lambda n: {"neurons": replace(n.neurons, bias=n.neurons.bias[:6])},
        r"self inhibition is int32\(7,\), but K=6",
    ),
    (
        lambda n: {"neurons": replace(n.neurons, bias=n.neurons.bias.astype(np.int64))},
        r"bias is int64\(7,\), but must be int32 of 1 axes",
    ),
    (
        lambda n: {"neurons": replace(n.neurons, state_max=16 << 12)},
        "state limits -45056..65536 leave -49152..61440",
    ),
    (
        lambda n: {"neurons": replace(n.neurons, max_count=0)},
        "largest count 0 is not in 1..32768",
    ),
    (
        lambda n: {
            "neurons": replace(n.neurons, self_inhibition=n.neurons.self_inhibition * 0 - 1)
        },
        "self-inhibition must lie in 0..8388607",
    ),
    (
        lambda n: {"neurons": replace(n.neurons, update_min=0)},
        "update limits 0..20480 leave",
    ),
    (
        lambda n: {"neurons": replace(n.neurons, max_count=30000)},
        "the lateral sum of neuron . can reach .*, beyond the 24-bit accumulator's 8388607",
    ),
    (
        lambda n: {"neurons": replace(n.neurons, bias=n.neurons.bias + (1 << 23))},
        "the input current of neuron . can reach .*, beyond the 24-bit 8388607",
    ),
    (
        lambda n: {"tables": replace(n.tables, coarse=n.tables.coarse + 1)},
        "table 'coarse' differs from the specified one; the file was altered",
    ),
    (
        lambda n: {"neurons": replace(n.neurons, excitation_max=0)},
        "update limits -36864..0 leave",
    ),
    (
        lambda n: {"neurons": replace(n.neurons, excitation_max=1 << 20)},
        "update limits -36864..1048576 leave -1048575..1048575",
    ),
    (
        lambda n: {"lateral": None},
        r"a network has either a lateral connection \(one-layer\) or residual neurons",
    ),
    (
        lambda n: {
            "decoder": Decoder.dense(n.decoder.matrix, n.decoder.scale * np.float32(np.nan))
        },
        "decoder scales must be finite",
    ),
]


@pytest.mark.parametrize(("edit", "message"), FAULTS, ids=[m[:24] for _, m in FAULTS])
def test_broken_rules_are_refused(network: IntegerNetwork, edit: Edit, message: str) -> None:
    """Each rule of docs/ir.md, one at a time."""
    with pytest.raises(ProgramError, match=message):
        replace(network, **edit(network))  # type: ignore[arg-type]  # faults of every type


def with_residual(network: IntegerNetwork, **changes: object) -> dict[str, object]:
    """Return the edit that changes fields of the residual neurons, or of their connection."""
    assert network.residual is not None
    layer = network.residual
    if "limit" in changes:
        return {"residual": replace(layer, **changes)}  # type: ignore[arg-type]  # faults
    return {"residual": replace(layer, prediction=replace(layer.prediction, **changes))}


RESIDUAL_FAULTS: list[tuple[Edit, str]] = [
    (
        lambda n: {"lateral": n.feedforward},
        r"a network has either a lateral connection \(one-layer\) or residual neurons",
    ),
    (lambda n: {"residual": None}, "a network has either a lateral connection"),
    (lambda n: with_residual(n, limit=0), r"the residual's limit is not in 1\.\.8388607"),
    (lambda n: with_residual(n, limit=1 << 23), r"the residual's limit is not in 1\.\.8388607"),
    (
        lambda n: with_residual(n, limit=20000),
        "the feedforward sum of neuron . can reach .*, beyond the 24-bit accumulator's 8388607",
    ),
    (
        lambda n: {"neurons": replace(n.neurons, max_count=30000)},
        "the prediction sum of neuron .* can reach .*, beyond the 24-bit accumulator's 8388607",
    ),
    (
        lambda n: {
            "feedforward": replace(n.feedforward, shift=np.full(7, 9, np.int32)),
        },
        "the input current of neuron . can reach .*, beyond the 24-bit 8388607",
    ),
    (
        lambda n: with_residual(n, weights=Dense(np.full((12, 7), -128, np.int8))),
        "weights reach -128; a symmetric int8 stops at -127",
    ),
    (
        lambda n: with_residual(n, weights=Dense(np.zeros((7, 12), np.int8))),
        "multiplier has 12 values for 7 targets",
    ),
    (
        lambda n: {"residual": replace(n.residual, prediction=n.feedforward)},
        "connection 'prediction' has 12 sources and 7 targets, but 'neurons' and 'residual' have "
        "7 and 12",
    ),
    (
        lambda n: {
            "residual": replace(n.residual, loop_inhibition=np.full(7, (1 << 23) - 1, np.int32)),
            "neurons": replace(n.neurons, self_inhibition=np.ones(7, np.int32)),
        },
        r"self-inhibition, the loop's included, must lie in 0\.\.8388607",
    ),
    (
        lambda n: {"residual": replace(n.residual, loop_inhibition=np.full(7, -1, np.int32))},
        "the loop's inhibition must not be negative",
    ),
    (
        lambda n: with_residual(n, shift=np.zeros(12, np.int32)),
        r"shifts 0\.\.0 leave 1\.\.40",
    ),
    (
        lambda n: with_residual(n, multiplier=np.full(12, 1 << 15, np.int32)),
        r"multipliers 32768\.\.32768 leave 0\.\.32767",
    ),
]


@pytest.mark.parametrize(
    ("edit", "message"), RESIDUAL_FAULTS, ids=[str(i) for i in range(len(RESIDUAL_FAULTS))]
)
def test_broken_rules_of_two_layers_are_refused(
    two_layer: IntegerNetwork, edit: Edit, message: str
) -> None:
    """Each rule that is about the second circuit, one at a time."""
    with pytest.raises(ProgramError, match=f"^{message}"):
        replace(two_layer, **edit(two_layer))  # type: ignore[arg-type]  # faults of every type


def test_circuits_are_named(network: IntegerNetwork, two_layer: IntegerNetwork) -> None:
    """The range of the feed-forward connection is the image's, or the residual's."""
    assert (network.circuit, two_layer.circuit) == ("one-layer", "two-layer")
    assert (network.feedforward_range, two_layer.feedforward_range) == ((-100, 155), (-200, 200))


def test_a_network_cannot_be_changed(network: IntegerNetwork) -> None:
    """It is frozen."""
    with pytest.raises(FrozenInstanceError):
        network.provenance = {}  # type: ignore[misc]  # the point of the test


@given(st.integers(0, 2**32 - 1), st.integers(0, 255))
def test_worst_partial_sum_is_reached_and_never_passed(seed: int, zero_point: int) -> None:
    """The bound is attained by an image, and no random order of random images passes it."""
    rng = np.random.default_rng(seed)
    weights = rng.integers(-127, 128, (3, 6)).astype(np.int8)
    low, high = -zero_point, 255 - zero_point
    bound = worst_partial_sum(Dense(weights), low, high)
    payload = rng.integers(low, high + 1, 6)
    partial = np.abs(np.cumsum(weights.astype(int) * payload, axis=1)).max(axis=1)
    assert (partial <= bound).all()
    for row, limit in zip(weights.astype(int), bound, strict=True):
        best = np.where(row > 0, max(high, 0), min(low, 0)) @ row
        worst = np.where(row > 0, min(low, 0), max(high, 0)) @ row
        assert max(best, -worst) == limit


def test_held_current_stays_within_its_proof(
    network_factory: Callable[..., IntegerNetwork], pixels_factory: Callable[..., np.ndarray]
) -> None:
    """Random and extreme images on several networks."""
    for seed in range(5):
        network = network_factory(seed=seed)
        extreme = np.where(network.feedforward.matrix > 0, 255, 0).astype(np.uint8)
        for pixels in (pixels_factory(network, 50), extreme, 255 - extreme):
            current = np.abs(held(network, pixels)).max(axis=0)
            assert (current <= network.worst_current).all()


def test_a_residuals_current_stays_within_its_proof(
    two_layer_factory: Callable[..., IntegerNetwork],
) -> None:
    """Every sign of residuals at the limit, on several networks."""
    for seed in range(5):
        network = two_layer_factory(seed=seed)
        signs = np.where(network.feedforward.matrix > 0, 200, -200).astype(np.int64)
        for residual in (signs, -signs):
            current = np.abs(forward(network, residual)).max(axis=0)
            assert (current <= network.worst_current).all()
            # The bound is the sum of both parts' magnitudes: that of the current itself is near.
            own = np.abs(np.diagonal(forward(network, residual) - network.neurons.bias))
            bias = np.abs(network.neurons.bias.astype(np.int64))
            assert (own + bias + 2 >= network.worst_current).all()


def test_payload_range_and_scaling_by_hand(network: IntegerNetwork) -> None:
    """Zero point 100: -100..155. (5 * 20000 + 2^14) >> 15 = 3; with -5: -3 (half up)."""
    assert network.input.payload_range == (-100, 155)
    connection = Synapses.dense(
        np.zeros((1, 1), np.int8), np.array([20000], np.int32), np.array([15], np.int32)
    )
    assert connection.scaled(np.array([[5], [-5]])).ravel().tolist() == [3, -3]
