"""The ONNX subgraphs by themselves: builder, Threefry, exponential, counts, update."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from circuits import replace
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper
from variants import with_shared_weights

from ipvae_snn.conversion.sampler_law import part_thresholds
from ipvae_snn.export.onnx.backend import runtime
from ipvae_snn.export.onnx.graph import BOOL, FLOAT32, INT32, INT64, Graph, Value
from ipvae_snn.export.onnx.integer import IntegerCircuit
from ipvae_snn.export.onnx.primitives import (
    PARTS_AT_ONCE,
    PARTS_AT_ONCE_LOG2,
    Draw,
    invert,
    make_keys,
    spike_counts,
    threefry,
    uniform_grid,
)
from ipvae_snn.export.onnx.sampling import IntegerSampling, exp2_negative_graph
from ipvae_snn.export.onnx.synapses import decoded, payload_sum
from ipvae_snn.ir import circuit_steps
from ipvae_snn.ir.circuits import RESIDUAL
from ipvae_snn.ir.fixed_point import exp2_negative
from ipvae_snn.ir.graph import IMAGE
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.neurons import PoissonNeurons
from ipvae_snn.ir.parts import NEURONS, Synapses
from ipvae_snn.ir.prng import uniforms
from ipvae_snn.ir.sampler import SamplerTables, part_count, part_rate

TABLES = SamplerTables()
Build = Callable[..., Value | tuple[Value, ...]]


def compiled(build: Build, rank: int = 2, **examples: np.ndarray) -> Callable[..., list]:
    """Return a function that runs the graph of `build` for inputs like `examples`."""
    g = Graph("test")
    inputs = {
        name: g.input(
            name,
            helper.np_dtype_to_tensor_dtype(value.dtype),
            [f"{name}_{axis}" for axis in range(value.ndim)],
        )
        for name, value in examples.items()
    }
    results = build(g, **inputs)
    values = results if isinstance(results, tuple) else (results,)
    for i, value in enumerate(values):
        g.output(f"out{i}", value, [f"out{i}_{axis}" for axis in range(rank)])
    run = runtime(g.model("a test", {"ipvae_snn.version": "0"}).SerializeToString())
    return lambda **feed: list(run(feed or examples).values())


def words(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.uint32).view(np.int32)


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [  # Threefry-2x32, 20 rounds: the known-answer vectors that Random123 publishes
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF,) * 2, (0xFFFFFFFF,) * 2, (0x1CB996FC, 0xBB002BE7)),
        ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_threefry_gives_the_published_words(
    counter: tuple[int, int], key: tuple[int, int], expected: tuple[int, int]
) -> None:
    run = compiled(
        lambda g, a, b, c, d: threefry(g, make_keys(g, a, b), c, d),
        rank=1,
        a=words(key[0]),
        b=words(key[1]),
        c=words(counter[0]),
        d=words(counter[1]),
    )
    assert [int(word.view(np.uint32)[0]) for word in run()] == list(expected)


@pytest.mark.parametrize("neurons", [1, 2, 7])
@pytest.mark.parametrize(("seed", "first", "step"), [(0, 0, 0), (2**32 - 1, 2**32 - 3, 2**20 - 1)])
def test_the_uniform_grid_is_the_generators(neurons: int, seed: int, first: int, step: int) -> None:
    images = first + np.arange(3, dtype=np.int64)

    def build(g: Graph, seed: Value, images: Value, step: Value) -> Value:
        keys = make_keys(g, g.cast(seed, INT32), g.unsqueeze(g.cast(images, INT32), 1))
        return uniform_grid(g, keys, step, neurons)

    (result,) = compiled(build, seed=np.array([seed]), images=images, step=np.array(step))()
    np.testing.assert_array_equal(result, uniforms(seed, images, step, neurons))


def test_the_exponential_is_the_programs() -> None:
    edges = np.array([0, 1, 4095, 4096, (1 << 20) - 1, 1 << 20, (1 << 28) - 1, 1 << 28, 2**32 - 1])
    rng = np.random.default_rng(0)
    exponent = np.concatenate([edges, rng.integers(0, 2**32, 5000)])
    (result,) = compiled(lambda g, x: exp2_negative_graph(g, x, TABLES), rank=1, x=exponent)()
    np.testing.assert_array_equal(result, exp2_negative(exponent, TABLES.coarse, TABLES.fine))


@settings(max_examples=15, deadline=None)
@given(st.integers(-(2**61) + 1, 2**61 - 1), st.integers(-(2**40), 2**40), st.integers(1, 40))
def test_floor_shift_is_an_arithmetic_shift(large: int, small: int, shift: int) -> None:
    values = np.array([large, small, -1, 0, 1], dtype=np.int64)
    run = compiled(lambda g, x: g.floor_shift(x, shift, 1 << (62 - shift)), rank=1, x=values)
    np.testing.assert_array_equal(run()[0], values >> shift)


def at_bits(network: IntegerNetwork, bits: int) -> IntegerNetwork:
    """Return the network with potentials of another resolution; 12 bits are the factory's."""
    group = network.neurons

    def scaled(value: int | np.ndarray) -> int | np.ndarray:
        return value << (bits - 12) if bits >= 12 else value >> (12 - bits)

    names = ("initial_state", "state_min", "state_max", "update_min", "excitation_max")
    changes = {name: scaled(getattr(group, name)) for name in names}
    return replace(network, neurons=replace(group, fraction_bits=bits, **changes))


@pytest.mark.parametrize("bits", [4, 12, 16])
def test_no_uniform_below_the_silent_limit_gives_a_spike(
    network_factory: Callable[..., IntegerNetwork], bits: int
) -> None:
    group = at_bits(network_factory(extra_bits=0), bits).neurons
    silent = IntegerSampling(group, TABLES).silent_below
    potential = np.arange(group.state_min, group.state_max + 1, dtype=np.int64)
    limit = silent[(potential - group.state_min) >> (bits - 3)].astype(np.int64)
    rate = part_rate(potential, bits, TABLES)
    below = part_count(rate, np.maximum(limit - 1, 0), TABLES)
    assert not below[limit > 0].any()
    # The test is tight: somewhere in every bucket, the limit itself gives a spike.
    spikes = part_count(rate, limit, TABLES) > 0
    bucket = (potential - group.state_min) >> (bits - 3)
    assert (np.bincount(bucket, spikes) > 0).all()


def test_counts_of_a_part_change_where_the_interpreters_do(
    network_factory: Callable[..., IntegerNetwork],
) -> None:
    """At, below and above every threshold, and at the largest uniform, which no bin holds."""
    sampling = IntegerSampling(network_factory(extra_bits=0).neurons, TABLES)
    potential = np.array([-12, -7, 0, 3]) << 12
    edges = part_thresholds(potential, 12, TABLES)
    uniform = np.stack([edges - 1, np.minimum(edges, 2**31 - 1)], axis=-1).reshape(4, -1)
    rate = np.broadcast_to(part_rate(potential, 12, TABLES)[:, np.newaxis], uniform.shape).ravel()
    state = np.repeat(potential, uniform.shape[1]).astype(np.int32)
    uniform = uniform.ravel().astype(np.int32)
    (result,) = compiled(
        lambda g, state, uniform: invert(g, sampling, state, uniform),
        rank=1,
        state=state,
        uniform=uniform,
    )()
    np.testing.assert_array_equal(result, part_count(rate, uniform.astype(np.int64), TABLES))
    assert result.max() == 28


def test_blocks_of_parts_are_counted_by_a_shift() -> None:
    assert 1 << PARTS_AT_ONCE_LOG2 == PARTS_AT_ONCE


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 2**32 - 1), step=st.integers(0, 2**20 - 1), first=st.integers(0, 2**32 - 6)
)
@pytest.mark.parametrize("bits", [4, 12, 16])
def test_counts_are_the_interpreters_at_any_potential(
    network_factory: Callable[..., IntegerNetwork], bits: int, seed: int, step: int, first: int
) -> None:
    # 2**5.5 parts and more: three blocks of further parts
    network = at_bits(network_factory(neurons=5, rate_octaves=8.5, extra_bits=0), bits)
    group = network.neurons
    rng = np.random.default_rng(seed)
    state = rng.integers(group.state_min, group.state_max, (6, 5), endpoint=True)
    state[0], state[1] = group.state_min, group.state_max
    images = first + np.arange(6, dtype=np.int64)

    def build(g: Graph, seed: Value, images: Value, step: Value, state: Value) -> Value:
        keys = make_keys(g, g.cast(seed, INT32), g.unsqueeze(g.cast(images, INT32), 1))
        return spike_counts(g, IntegerSampling(group, TABLES), Draw(keys, step), state, 5)

    (result,) = compiled(
        build,
        seed=np.array([seed]),
        images=images,
        step=np.array(step),
        state=state.astype(np.int32),
    )()
    expected = circuit_steps.sample(network, state, seed, images, step)
    np.testing.assert_array_equal(np.minimum(result, group.max_count), expected)


def integrate(
    g: Graph, network: IntegerNetwork, state: Value, shown: dict[str, Value], counts: Value
) -> tuple[Value, Value]:
    """Return a circuit's potentials after a step, and its saturations."""
    sent = {NEURONS: counts}
    after, hits = IntegerCircuit(network).integrate(g, {NEURONS: state}, shown, sent)
    return after[NEURONS], hits


def residual(
    g: Graph, network: IntegerNetwork, payload: Value, counts: Value
) -> tuple[Value, Value]:
    """Return the spikes of a circuit's residual neurons, and where they saturate."""
    sent, hits = IntegerCircuit(network).relay(g, {IMAGE: payload}, {NEURONS: counts})
    return sent[RESIDUAL], g.cast(hits[0]["residual"], INT32)


@pytest.mark.parametrize("zero_point", [0, 100, 255])
@pytest.mark.parametrize("extra_bits", [0, 3])
def test_current_and_update_are_the_interpreters(
    network_factory: Callable[..., IntegerNetwork],
    pixels_factory: Callable[..., np.ndarray],
    zero_point: int,
    extra_bits: int,
) -> None:
    network = network_factory(
        zero_point=zero_point, extra_bits=extra_bits, max_count=3000, neurons=20
    )
    pixels = pixels_factory(network, 40)
    pixels[0], pixels[1] = 0, 255
    expected = circuit_steps.held(network, pixels)
    (result,) = compiled(lambda g, pixels: IntegerCircuit(network).held(g, pixels), pixels=pixels)()
    np.testing.assert_array_equal(result, expected)
    rng = np.random.default_rng(0)
    group = network.neurons
    state = rng.integers(group.state_min, group.state_max, (40, 20)).astype(np.int32)
    for largest in (0, 255, 256, 3000):  # one byte and two bytes of counts
        counts = rng.integers(0, largest + 1, (40, 20)).astype(np.int32)
        counts[0] = largest
        after, saturated = compiled(
            lambda g, v, c, z: integrate(g, network, v, {NEURONS: c}, z),
            v=state,
            c=expected.astype(np.int32),
            z=counts,
        )()
        want = circuit_steps.integrate(
            network, state.astype(np.int64), expected, counts.astype(np.int64)
        )
        np.testing.assert_array_equal(after, want[0])
        np.testing.assert_array_equal(saturated, want[1])


@pytest.mark.parametrize("limit", [1, 127, 128, 255, 32639, 32640, 70000, (1 << 23) - 1])
@pytest.mark.parametrize("signed", [False, True])
def test_sums_of_payloads_of_any_width_are_exact(limit: int, signed: bool) -> None:
    """One to four digits, of both signs; 32639 is the largest of two signed digits."""
    rng = np.random.default_rng(limit)
    weights = rng.integers(-1, 2, (5, 4)).astype(np.int8)
    weights[0] = 0
    weights[0, :1] = min(127, ((1 << 23) - 1) // limit)
    connection = Synapses.dense(weights, np.ones(5, np.int32), np.ones(5, np.int32))
    edges = np.array([0, 1, 127, 128, 129, 255, 256, 32639, 32640, 32768, limit - 1, limit])
    payload = rng.choice(np.unique(edges[edges <= limit]), (60, 4))
    payload[0], payload[1] = limit, 0
    extent = (0, limit)
    if signed:
        payload *= rng.choice([-1, 1], (60, 4))
        extent = (-limit, limit)
    run = compiled(
        lambda g, x: payload_sum(g, connection.weights, x, extent),
        x=payload.astype(np.int32),
    )
    for rows in (payload, payload[1:2], np.minimum(payload, 100)):  # one digit is enough, or not
        (result,) = run(x=rows.astype(np.int32))
        np.testing.assert_array_equal(result, rows @ weights.astype(np.int64).T)


@pytest.mark.parametrize("limit", [30, 127, 200, 40000])
def test_residuals_and_their_update_are_the_interpreters(
    two_layer_factory: Callable[..., IntegerNetwork],
    pixels_factory: Callable[..., np.ndarray],
    limit: int,
) -> None:
    network = two_layer_factory(
        limit=limit,
        largest_weight=3 if limit > 200 else 127,
        max_count=3000,
        prediction_shift=9 if limit > 200 else 17,
    )
    pixels = pixels_factory(network, 40)
    payload = circuit_steps.held(network, pixels)
    (result,) = compiled(lambda g, pixels: IntegerCircuit(network).held(g, pixels), pixels=pixels)()
    np.testing.assert_array_equal(result, payload)
    rng = np.random.default_rng(0)
    group = network.neurons
    state = rng.integers(group.state_min, group.state_max, (40, 7)).astype(np.int32)
    for largest in (0, 9, 255, 256, 3000):
        counts = rng.integers(0, largest + 1, (40, 7)).astype(np.int32)
        error, cut = compiled(
            lambda g, x, z: residual(g, network, x, z), x=payload.astype(np.int32), z=counts
        )()
        want = circuit_steps.residual(network, payload, counts.astype(np.int64))
        np.testing.assert_array_equal(error, want[0])
        np.testing.assert_array_equal(cut.sum(axis=1), want[1])
        after, saturated = compiled(
            lambda g, v, x, z: integrate(g, network, v, {IMAGE: x}, z),
            v=state,
            x=payload.astype(np.int32),
            z=counts,
        )()
        moved = circuit_steps.integrate(
            network, state.astype(np.int64), payload, counts.astype(np.int64)
        )
        np.testing.assert_array_equal(after, moved[0])
        np.testing.assert_array_equal(saturated, moved[1])
    assert cut.any()


def test_equal_constants_are_stored_once_also_from_a_subgraph() -> None:
    g = Graph("test")
    x = g.input("x", INT64, [])
    flag = g.input("flag", BOOL, [])
    doubled = g.branch(flag, lambda h: h.op("Mul", x, 7), lambda h: h.op("Add", x, 7))
    g.output("y", g.op("Add", doubled, 7), [])
    model = g.model("a test", {"ipvae_snn.version": "0"})
    assert len(model.graph.initializer) == 1
    run = runtime(model.SerializeToString())
    for flag_value, expected in ((True, 28), (False, 17)):  # 3 * 7 + 7; 3 + 7 + 7
        assert run({"x": np.array(3), "flag": np.array(flag_value)})["y"] == expected


def test_operands_of_two_types_are_refused_when_the_model_is_made() -> None:
    g = Graph("test")
    wide, narrow = g.input("a", INT64, []), g.input("b", INT32, [])
    g.output("y", g.op("Add", wide, narrow), [])
    with pytest.raises(onnx.shape_inference.InferenceError, match="inconsistent type"):
        g.model("a test", {"ipvae_snn.version": "0"})


@pytest.mark.parametrize("bits", [7, 12, 19, 27])
@pytest.mark.parametrize("shared", [False, True])
def test_decoders_sum_payloads_of_any_width(
    network_factory: Callable[..., IntegerNetwork], bits: int, shared: bool
) -> None:
    """Counts and rates up to 2^27, of kernels too, whose digits are summed one by one; divided."""
    network = with_shared_weights(network_factory) if shared else network_factory()
    decoder, rng = network.decoder, np.random.default_rng(bits)
    payload = rng.integers(0, (1 << bits) + 1, (5, network.n_neurons)).astype(np.int32)
    payload[0] = 1 << bits
    for divisor in (1, 3, 4096):
        run = compiled(
            lambda g, payload, by=divisor: decoded(
                g, decoder, payload, 1 << bits, g.scalar(by, FLOAT32) if by > 1 else None
            ),
            payload=payload,
        )
        np.testing.assert_array_equal(run()[0], decoder.decode(payload, divisor), strict=True)


@given(st.integers(4, 16), st.integers(1, 15), st.integers(1, 1 << 15), st.data())
@settings(max_examples=15, deadline=None)
def test_rates_are_the_interpreters(
    bits: int, octaves: int, max_count: int, data: st.DataObject
) -> None:
    states = data.draw(st.lists(st.integers(-12 << bits, octaves << bits), min_size=1, max_size=20))
    state = np.array([states], np.int32)
    group = PoissonNeurons(
        bias=np.zeros(len(states), np.int32),
        self_inhibition=np.zeros(len(states), np.int32),
        initial_state=np.zeros(len(states), np.int32),
        fraction_bits=bits,
        extra_bits=0,
        state_min=-12 << bits,
        state_max=octaves << bits,
        update_min=-1,
        excitation_max=1,
        max_count=max_count,
    )
    run = compiled(lambda g, state: IntegerSampling(group, TABLES).rates(g, state), state=state)
    wanted = group.rates(state.astype(np.int64)).astype(np.int32)
    np.testing.assert_array_equal(run()[0], wanted, strict=True)
