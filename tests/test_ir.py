"""The program's rules: each broken on purpose, with the message that a user would read."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipvae_snn.errors import ProgramError
from ipvae_snn.interpreter import held_current
from ipvae_snn.ir import (
    Connection,
    Decoder,
    IntegerNetwork,
    payload_range,
    scale_sum,
    worst_current,
    worst_partial_sum,
)

Edit = Callable[[IntegerNetwork], dict[str, object]]


def with_weight(connection: Connection, row: int, column: int, value: int) -> Connection:
    """Return the connection with one weight changed."""
    weights = connection.weights.copy()
    weights[row, column] = value
    return replace(connection, weights=weights)


FAULTS: list[tuple[Edit, str]] = [
    (lambda n: {"version": 3}, "program version 3 is not 2"),
    (
        lambda n: {"feedforward": with_weight(n.feedforward, 0, 0, -128)},
        "feedforward weights reach -128; a symmetric int8 stops at -127",
    ),
    (
        lambda n: {"lateral": with_weight(n.lateral, 2, 2, 1)},
        "the lateral diagonal must be 0",
    ),
    (
        lambda n: {"lateral": replace(n.lateral, shift=n.lateral.shift * 0)},
        "lateral shifts 0..0 leave 1..40",
    ),
    (
        lambda n: {
            "feedforward": replace(n.feedforward, multiplier=n.feedforward.multiplier + (1 << 15))
        },
        "feedforward multipliers .* leave 0..32767",
    ),
    (
        lambda n: {"input": replace(n.input, image_shape=(5, 5))},
        "image shape 5x5 does not give 12 pixels",
    ),
    (lambda n: {"input": replace(n.input, zero_point=256)}, "zero point 256 is not in 0..255"),
    (lambda n: {"input": replace(n.input, scale=0.0)}, "input scale 0.0 must be finite and above"),
    (
        lambda n: {"neurons": replace(n.neurons, bias=n.neurons.bias.astype(np.int64))},
        r"bias is int64\(7,\), but K=7, M=12 need int32\(7,\)",
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
        "update limits 0..57344 leave",
    ),
    (
        lambda n: {"neurons": replace(n.neurons, max_count=30000)},
        "the lateral sum of neuron . can reach .*, beyond the 24-bit accumulator's 8388607",
    ),
    (
        lambda n: {"neurons": replace(n.neurons, bias=n.neurons.bias + (1 << 23))},
        "the held current of neuron . can reach .*, beyond the 24-bit 8388607",
    ),
    (
        lambda n: {"tables": replace(n.tables, coarse=n.tables.coarse + 1)},
        "table 'coarse' differs from version 2's; the file was altered",
    ),
    (
        lambda n: {"decoder": Decoder(n.decoder.weights, n.decoder.scale * np.float32(np.nan))},
        "decoder scales must be finite",
    ),
]


@pytest.mark.parametrize(("edit", "message"), FAULTS, ids=[m[:24] for _, m in FAULTS])
def test_broken_rules_are_refused(network: IntegerNetwork, edit: Edit, message: str) -> None:
    """Each rule of docs/ir.md, one at a time."""
    with pytest.raises(ProgramError, match=message):
        replace(network, **edit(network))  # type: ignore[arg-type]  # faults of every type


def test_a_program_cannot_be_changed(network: IntegerNetwork) -> None:
    """It is frozen."""
    with pytest.raises(FrozenInstanceError):
        network.version = 3  # type: ignore[misc]  # the point of the test


@given(st.integers(0, 2**32 - 1), st.integers(0, 255))
def test_worst_partial_sum_is_reached_and_never_passed(seed: int, zero_point: int) -> None:
    """The bound is attained by an image, and no random order of random images passes it."""
    rng = np.random.default_rng(seed)
    weights = rng.integers(-127, 128, (3, 6)).astype(np.int8)
    low, high = -zero_point, 255 - zero_point
    bound = worst_partial_sum(weights, low, high)
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
    """Random and extreme images on several programs."""
    for seed in range(5):
        network = network_factory(seed=seed)
        extreme = np.where(network.feedforward.weights > 0, 255, 0).astype(np.uint8)
        for pixels in (pixels_factory(network, 50), extreme, 255 - extreme):
            current = np.abs(held_current(network, pixels)).max(axis=0)
            assert (current <= worst_current(network)).all()


def test_payload_range_and_scaling_by_hand(network: IntegerNetwork) -> None:
    """Zero point 100: -100..155. (5 * 20000 + 2^14) >> 15 = 3; with -5: -3 (half up)."""
    assert payload_range(network.input) == (-100, 155)
    connection = Connection(
        np.zeros((1, 1), np.int8), np.array([20000], np.int32), np.array([15], np.int32)
    )
    assert scale_sum(np.array([[5], [-5]]), connection).ravel().tolist() == [3, -3]
