"""Memory and work of a network, against its arrays."""

import numpy as np
import pytest

from ipvae_snn.hw.cost.activity import activity
from ipvae_snn.hw.mapping.footprint import footprint, tensor
from ipvae_snn.ir.files import to_arrays
from ipvae_snn.ir.network import IntegerNetwork


@pytest.fixture(params=["network", "two_layer"])
def either(request: pytest.FixtureRequest) -> IntegerNetwork:
    network: IntegerNetwork = request.getfixturevalue(request.param)
    return network


def test_every_tensor_is_exact(either: IntegerNetwork) -> None:
    arrays, needs = to_arrays(either), footprint(either)
    assert [each.name for each in needs.tensors] == list(arrays)
    for each in needs.tensors:
        array = arrays[each.name]
        assert (each.dtype, each.shape, each.bytes) == (str(array.dtype), array.shape, array.nbytes)
        assert (each.low, each.high) == (array.min(), array.max())
        assert isinstance(each.low, float if array.dtype.kind == "f" else int)
    assert needs.constant_bytes == sum(array.nbytes for array in arrays.values())
    read_out = either.decoder.matrix.nbytes + either.decoder.scale.nbytes
    assert needs.device_bytes == needs.constant_bytes - read_out


def test_the_state_is_what_changes(network: IntegerNetwork, two_layer: IntegerNetwork) -> None:
    (neurons,) = footprint(network).states
    assert [(word.name, word.bits) for word in neurons.words] == [
        ("membrane potential", 24),
        ("spike count last sent", network.neurons.max_count.bit_length()),
        ("input current", 24),
    ]
    assert neurons.bytes == 7 * (3 + 1 + 3)
    assert footprint(network).updates == 7
    needs = footprint(two_layer)
    assert [state.population for state in needs.states] == ["neurons", "residual"]
    assert needs.state_bytes == sum(state.bytes for state in needs.states)
    assert needs.updates == two_layer.n_neurons + two_layer.n_pixels


def test_the_work_is_that_of_a_run(either: IntegerNetwork) -> None:
    """One event of every source: the operations that `activity` counts in such a run."""
    m, k = either.n_pixels, either.n_neurons
    work = {each.connection: each for each in footprint(either).work}
    assert list(work) == [connection.name for connection in either.connections]
    for name, connection in ((one.name, one.synapses) for one in either.connections):
        weights = connection.matrix
        fan_out = [int(np.count_nonzero(weights[:, source])) for source in range(weights.shape[1])]
        assert work[name].dense_operations == work[name].dense_bytes == weights.size
        assert work[name].operations_per_event_max == max(fan_out)
        assert work[name].operations_per_event_mean == pytest.approx(np.mean(fan_out))
        assert work[name].bytes_per_event == len(weights)
    pixels = np.zeros((1, m), np.uint8)
    counted = activity(either, pixels, np.ones((1, 1, k), np.int32))
    assert counted.dense_operations == sum(each.dense_operations for each in work.values())
    assert counted.updates == footprint(either).updates
    assert (work["feedforward"].when == "once per image") == (either.residual is None)


def test_ranges_of_other_arrays() -> None:
    largest = tensor("x", np.array([2**63 - 1, -(2**63)], np.int64))
    assert (largest.low, largest.high) == (-(2**63), 2**63 - 1)
    empty = tensor("x", np.zeros((0, 3), np.float32))
    assert (empty.low, empty.high, empty.bytes, empty.shape) == (None, None, 0, (0, 3))
