"""Comparison of runs: exact place of the first divergence; agreement counted by hand."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from ipvae_snn.comparison.agreement import agreement
from ipvae_snn.errors import BackendError
from ipvae_snn.ir import back_ends, interpreter
from ipvae_snn.ir.equality import first_divergence
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest, Trace


@pytest.fixture
def traced(network: IntegerNetwork, pixels_factory: Callable[..., np.ndarray]) -> Trace:
    """A run of four images that kept its trace."""
    return interpreter.run(network, pixels_factory(network, 4), RunRequest(6, 2, trace=True))


def changed(trace: Trace, name: str, index: tuple[int, ...]) -> Trace:
    """Return the trace with one entry of one array changed by 1."""
    array = getattr(trace, name).copy()
    array[index] += 1
    return replace(trace, **{name: array})


def test_equal_runs_have_no_divergence(traced: Trace) -> None:
    """None for the same numbers, with and without trace."""
    assert first_divergence(traced, traced) is None
    assert first_divergence(replace(traced, counts=None, states=None), traced) is None


@pytest.mark.parametrize(
    ("name", "index", "words"),
    [
        ("counts", (2, 3, 5), "counts differs first at image 2, step 3, neuron 5: expected"),
        ("states", (1, 0, 6), "states differs first at image 1, step 0, neuron 6: expected"),
        ("spikes_per_step", (3, 4), "spikes_per_step differs first at image 3, step 4: expected"),
        ("counts_sum", (0, 1), "counts_sum differs first at image 0, neuron 1: expected"),
        ("state", (2, 0), "state differs first at image 2, neuron 0: expected"),
        ("reconstruction", (1, 7), "reconstruction differs first at image 1: expected"),
    ],
)
def test_one_changed_number_is_found(
    traced: Trace, name: str, index: tuple[int, ...], words: str
) -> None:
    """In every array."""
    result = first_divergence(traced, changed(traced, name, index))
    assert result is not None
    assert result.describe().startswith(words)
    assert result.found == pytest.approx(result.expected + 1)


def test_the_earliest_of_two_is_named(traced: Trace) -> None:
    """Image before step, and a count before the state of the same step."""
    both = changed(changed(traced, "states", (1, 2, 0)), "counts", (1, 2, 6))
    result = first_divergence(traced, both)
    assert result is not None
    assert (result.field, result.image, result.step, result.neuron) == ("counts", 1, 2, 6)
    later = changed(changed(traced, "states", (1, 1, 0)), "counts", (1, 2, 6))
    result = first_divergence(traced, later)
    assert result is not None
    assert (result.field, result.step) == ("states", 1)


def test_other_shapes_are_a_divergence(traced: Trace, network: IntegerNetwork) -> None:
    """A back end that returns fewer images is not equal."""
    fewer = Trace(**{name: array[:2] for name, array in traced.arrays().items()})
    result = first_divergence(traced, fewer)
    assert result is not None
    assert result.field == "shape of counts"


def test_agreement_by_hand(network: IntegerNetwork) -> None:
    """Counts (0, 1, 2, 0) and (0, 1, 0, 3): 2 of 4 equal, 1 of 2 where float is active."""

    def with_counts(counts: list[int], state: np.ndarray) -> Trace:
        z = np.array([[counts]], np.int32)
        return Trace(z.sum(axis=1), state, z.sum(axis=2), np.zeros((1, 1), np.float32), z, None)

    floats = with_counts([0, 1, 2, 0], np.zeros((1, 4)))
    integers = with_counts([0, 1, 0, 3], np.full((1, 4), 4096, np.int32))
    result = agreement(floats, integers, network)
    assert (result.equal, result.equal_active) == (0.5, 0.5)
    assert result.state_error == pytest.approx(np.log(2))
    with pytest.raises(ValueError, match="trace=True"):
        agreement(replace(floats, counts=None), integers, network)


def test_backends_are_found_by_name() -> None:
    """The registry holds our back ends, and lists them in the error for an unknown name."""
    assert set(back_ends.registered()) >= {"reference", "onnx", "onnx-reference", "lava"}
    assert back_ends.load_backend("reference") is interpreter.BACKEND
    known = "no back end is called 'x'; there are compiled, lava, lava-fused, onnx"
    with pytest.raises(BackendError, match=known):
        back_ends.load_backend("x")
