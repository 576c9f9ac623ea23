"""ONNX Runtime and ONNX's reference evaluator give the interpreter's arrays, by equality."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnx
import pytest
from circuits import circuit, replace
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ipvae_snn import __version__
from ipvae_snn.arrays import Int32
from ipvae_snn.errors import BackendError, ConfigError, DataError, FileFormatError
from ipvae_snn.export.onnx import backend
from ipvae_snn.export.onnx.graph import FLOAT32, FLOAT64
from ipvae_snn.export.onnx.integer import IntegerCircuit
from ipvae_snn.export.onnx.models import encode_model, inference_model, step_model
from ipvae_snn.ir import circuit_steps, interpreter
from ipvae_snn.ir.circuits import Residual
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.neurons import PoissonNeurons
from ipvae_snn.ir.parts import Decoder, InputCode, Synapses
from ipvae_snn.ir.trace import RunRequest, Trace
from ipvae_snn.ir.weights import Dense
from ipvae_snn.kernels import threads

Networks = Callable[..., IntegerNetwork]
Pixels = Callable[..., np.ndarray]

ONE_LAYER = {
    "plain": {},
    "no extra bits": {"extra_bits": 0},
    "odd neurons, zero point 0": {"neurons": 9, "zero_point": 0},
    "even neurons, zero point 255": {"neurons": 8, "zero_point": 255},
    "one neuron": {"neurons": 1},
    "many parts": {"rate_octaves": 9.0},
    "one part": {"rate_octaves": 3.0},
    "counts of two bytes": {"rate_octaves": 12.0, "max_count": 3000},
    "saturating counts": {"max_count": 3, "rate_octaves": 5.0},
}
TWO_LAYER = {
    "residuals of one digit": {"limit": 100},
    "residuals of two digits": {"limit": 200, "extra_bits": 0},
    "residuals of three digits": {"limit": 70000, "largest_weight": 9, "prediction_shift": 5},
    "one neuron with residuals": {"neurons": 1, "zero_point": 0},
    "residuals and counts of two bytes": {
        "rate_octaves": 12.0, "max_count": 3000, "zero_point": 255,
    },
}  # fmt: skip
VARIANTS = ONE_LAYER | TWO_LAYER


FAST_FROM_THE_START = (
    "many parts", "counts of two bytes", "saturating counts", "residuals and counts of two bytes",
)  # fmt: skip
Variant = Callable[..., IntegerNetwork]


@pytest.fixture
def variant(network_factory: Networks, two_layer_factory: Networks) -> Variant:
    """Return (name, seed=0) -> a network; those with high rates start from the highest state."""

    def make(name: str, seed: int = 0) -> IntegerNetwork:
        factory = two_layer_factory if name in TWO_LAYER else network_factory
        network = factory(seed=seed, **VARIANTS[name])
        return from_the_top(network) if name in FAST_FROM_THE_START else network

    return make


def from_the_top(network: IntegerNetwork) -> IntegerNetwork:
    """Return the network with every neuron's initial potential at the upper limit."""
    high = np.full(network.n_neurons, network.neurons.state_max, np.int32)
    return replace(network, neurons=replace(network.neurons, initial_state=high))


def assert_equal(result: Trace, expected: Trace) -> None:
    """Compare all arrays and their types by equality."""
    assert result.arrays().keys() == expected.arrays().keys()
    for name, want in expected.arrays().items():
        have = result.arrays()[name]
        assert have.dtype == want.dtype, name
        np.testing.assert_array_equal(have, want, err_msg=name)


@pytest.mark.parametrize("name", VARIANTS)
def test_onnx_runtime_gives_the_interpreters_trace(
    variant: Variant, pixels_factory: Pixels, name: str
) -> None:
    for seed in range(3):
        network = variant(name, seed)
        pixels = pixels_factory(network, 6, seed)
        request = RunRequest(steps=25, seed=seed, trace=True)
        expected = interpreter.run(network, pixels, request)
        assert_equal(backend.run(network, pixels, request), expected)


def test_the_variants_reach_what_they_are_named_after(
    variant: Variant, pixels_factory: Pixels
) -> None:
    def largest(name: str) -> int:
        network = variant(name)
        pixels = pixels_factory(network, 6, 0)
        counts = interpreter.run(network, pixels, RunRequest(25, 0, trace=True)).counts
        return int(counts.max())

    assert largest("counts of two bytes") > 255
    assert largest("saturating counts") == 3
    assert largest("many parts") > 28  # more than one part can count
    assert largest("residuals and counts of two bytes") > 255

    def widest(name: str) -> int:
        network = variant(name)
        pixels = pixels_factory(network, 6, 0)
        counts = interpreter.run(network, pixels, RunRequest(25, 0, trace=True)).counts
        shown = circuit_steps.held(network, pixels)
        steps = np.moveaxis(counts.astype(np.int64), 1, 0)
        return max(int(abs(circuit_steps.residual(network, shown, z)[0]).max()) for z in steps)

    assert widest("residuals of one digit") == 100
    assert widest("residuals of two digits") == 200
    assert widest("residuals of three digits") == 70000


@pytest.mark.parametrize(
    "name",
    [
        "plain",
        "no extra bits",
        "many parts",
        "counts of two bytes",
        "residuals of two digits",
        "residuals of three digits",
        "residuals and counts of two bytes",
    ],
)
def test_the_reference_evaluator_gives_the_interpreters_trace(
    variant: Variant, pixels_factory: Pixels, name: str
) -> None:
    network = variant(name)
    pixels = pixels_factory(network, 2)
    request = RunRequest(steps=6, seed=2**32 - 1, first_image=2**32 - 2, trace=True)
    expected = interpreter.run(network, pixels, request)
    assert_equal(backend.run_reference(network, pixels, request), expected)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 2**32 - 1),
    first=st.integers(0, 2**32 - 3),
    n=st.integers(1, 3),
    network_seed=st.integers(0, 1000),
)
def test_any_key_gives_the_interpreters_trace(
    network_factory: Networks,
    pixels_factory: Pixels,
    seed: int,
    first: int,
    n: int,
    network_seed: int,
) -> None:
    network = network_factory(seed=network_seed, neurons=4 + network_seed % 5)
    pixels = pixels_factory(network, n, network_seed)
    request = RunRequest(4, seed, first, trace=True)
    expected = interpreter.run(network, pixels, request)
    assert_equal(backend.run(network, pixels, request), expected)


def weights_of(rng: np.random.Generator, pattern: str, largest: int, shape: tuple[int, int]) -> Any:
    """Return int8 weights (targets, sources) of a pattern, none beyond `largest`."""
    sign = {"positive": 1, "negative": -1, "zero": 0}.get(pattern)
    if pattern == "extreme":
        return np.full(shape, -largest, np.int8)
    if sign is None:
        return rng.integers(-largest, largest + 1, shape).astype(np.int8)
    return (sign * rng.integers(0, largest + 1, shape)).astype(np.int8)


def connection_of(
    rng: np.random.Generator, pattern: str, largest: int, shape: tuple[int, int], shift: int
) -> Synapses:
    """Return a connection of random scales; a few of its targets receive nothing (multiplier 0)."""
    multiplier = rng.integers(0, 1 << 15, shape[0]).astype(np.int32)
    multiplier[rng.random(shape[0]) < 0.1] = 0
    shifts = rng.integers(shift, shift + 4, shape[0]).astype(np.int32)
    return Synapses.dense(weights_of(rng, pattern, largest, shape), multiplier, shifts)


PATTERNS = st.sampled_from(["random", "positive", "negative", "zero", "extreme"])


@st.composite
def programs(draw: st.DrawFn) -> IntegerNetwork:
    """Return any network of 1..64 neurons and up to 64 pixels, of either circuit.

    Weights are only as large as the accumulators allow; limits, scales and patterns are free.
    """
    k, height, width = draw(st.integers(1, 64)), draw(st.integers(1, 8)), draw(st.integers(1, 8))
    m, rng = height * width, np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    bits, extra = draw(st.sampled_from([4, 8, 12, 16])), draw(st.integers(0, 6))
    max_count = draw(st.sampled_from([1, 2, 40, 255, 256, 3000]))
    octaves, zero_point = draw(st.sampled_from([1, 3, 5, 8])), draw(st.sampled_from([0, 128, 255]))
    two_layers = draw(st.booleans())
    limit = draw(st.sampled_from([1, 100, 127, 128, 255, 300, 40000])) if two_layers else 255
    # A current's bound is that of its sum (2**15 >> shift) times; 2**22 allows for the bias.
    forward = connection_of(
        rng, draw(PATTERNS), max(1, min(127, (1 << 22) // (m * limit))), (k, m), 15
    )
    by_count = max(1, min(127, (1 << 23) // (k * max_count) - 1))
    other = connection_of(rng, draw(PATTERNS), by_count, (m if two_layers else k, k), 14)
    if not two_layers:
        np.fill_diagonal(other.matrix, 0)

    def within(low: int, high: int) -> Int32:
        return rng.integers(low, high + 1, k).astype(np.int32)

    widest = ((1 << 23) - 1) >> extra
    low, high = -(11 << bits), octaves << bits
    return circuit(
        input=InputCode((height, width), "unit", 1 / 255, zero_point),
        feedforward=forward,
        lateral=None if two_layers else other,
        residual=Residual(other, limit, within(0, 1 << (extra + bits))) if two_layers else None,
        neurons=PoissonNeurons(
            bias=within(-(1 << 20), 1 << 20),
            self_inhibition=within(0, 1 << (extra + bits)),
            initial_state=within(low, high),
            fraction_bits=bits,
            extra_bits=extra,
            state_min=low,
            state_max=high,
            update_min=-min(3 << bits, widest),
            excitation_max=min(2 << bits, widest),
            max_count=max_count,
        ),
        decoder=Decoder.dense(
            rng.integers(-32767, 32768, (m, k)).astype(np.int16), np.ones(m, np.float32)
        ),
    )


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(network=programs(), seed=st.integers(0, 2**32 - 1), black=st.booleans())
def test_any_program_of_either_circuit_gives_the_interpreters_trace(
    pixels_factory: Pixels, network: IntegerNetwork, seed: int, black: bool
) -> None:
    pixels = pixels_factory(network, 3, seed)
    pixels[0], pixels[1] = (0, 255) if black else (network.input.zero_point, 128)
    request = RunRequest(6, seed, trace=True)
    expected = interpreter.run(network, pixels, request)
    assert_equal(backend.run(network, pixels, request), expected)


@settings(max_examples=4, deadline=None)
@given(network=programs(), seed=st.integers(0, 2**32 - 1))
def test_any_program_of_either_circuit_gives_the_reference_evaluators_trace(
    network: IntegerNetwork, seed: int
) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (2, network.n_pixels)).astype(np.uint8)
    request = RunRequest(3, seed, trace=True)
    expected = interpreter.run(network, pixels, request)
    assert_equal(backend.run_reference(network, pixels, request), expected)


@pytest.mark.parametrize("trace", [False, True])
def test_chunks_of_images_and_threads_change_no_result(
    network: IntegerNetwork, pixels_factory: Pixels, monkeypatch: pytest.MonkeyPatch, trace: bool
) -> None:
    pixels = pixels_factory(network, 11)
    request = RunRequest(5, 1, first_image=2**32 - 11, trace=trace)
    expected = interpreter.run(network, pixels, request)
    monkeypatch.setattr(backend, "CHUNK", 4)
    assert_equal(backend.run(network, pixels, request, threads=2), expected)
    # memory for the trace of three images: 5 steps, 7 neurons, 16 bytes
    monkeypatch.setattr(backend, "TRACE_BYTES", 3 * 5 * 7 * 16)
    assert_equal(backend.run(network, pixels, request), expected)


def test_a_runaway_network_takes_the_largest_number_of_parts(
    network_factory: Networks, pixels_factory: Pixels
) -> None:
    network = from_the_top(network_factory(neurons=2, rate_octaves=15.0, max_count=2**15))
    pixels = pixels_factory(network, 1)
    expected = interpreter.run(network, pixels, RunRequest(1, 0, trace=True))
    assert expected.counts.max() > 2**14  # 2**15 spikes are expected, in 2**12 parts of 8
    assert_equal(backend.run(network, pixels, RunRequest(1, 0, trace=True)), expected)


def test_a_wide_decoder_sums_in_64_bits(network_factory: Networks, pixels_factory: Pixels) -> None:
    network = from_the_top(network_factory(neurons=10, max_count=2**13, rate_octaves=13.5))
    weights = np.full((network.n_pixels, 10), 32767, np.int16)
    network = replace(network, decoder=replace(network.decoder, weights=Dense(weights)))
    pixels = pixels_factory(network, 2)
    expected = interpreter.run(network, pixels, RunRequest(1, 3))
    assert expected.counts_sum.sum(axis=1).max() * 32767 > 2**31
    assert_equal(backend.run(network, pixels, RunRequest(1, 3)), expected)


def _value_types(graph: onnx.GraphProto) -> Iterator[int]:
    """Yield the element types of every value of a graph and its subgraphs."""
    for value in (*graph.input, *graph.output, *graph.value_info):
        yield value.type.tensor_type.elem_type
    for tensor in graph.initializer:
        yield tensor.data_type
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name == "to":
                yield attribute.i
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _value_types(attribute.g)


@pytest.mark.parametrize("circuit", ["network", "two_layer"])
@pytest.mark.parametrize("build", [encode_model, step_model])
def test_no_float_is_anywhere_in_encode_and_step(
    circuit: str, request: pytest.FixtureRequest, build: Callable
) -> None:
    network = request.getfixturevalue(circuit)
    model = onnx.shape_inference.infer_shapes(build(IntegerCircuit(network)), strict_mode=True)
    types = set(_value_types(model.graph))
    assert not types & {FLOAT32, FLOAT64, onnx.TensorProto.FLOAT16, onnx.TensorProto.UNDEFINED}


def test_inference_has_floats_in_the_last_scaling_only(network: IntegerNetwork) -> None:
    model = inference_model(IntegerCircuit(network))
    model = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    bodies = [a.g for n in model.graph.node if n.op_type == "Loop" for a in n.attribute]
    assert FLOAT32 not in {t for body in bodies for t in _value_types(body)}
    floats = {v.name for v in model.graph.value_info if v.type.tensor_type.elem_type == FLOAT32}
    report = {n.op_type for n in model.graph.node if floats & set(n.output)}
    assert report == {"Cast", "Mul"}


def test_models_carry_their_metadata_and_are_valid(network: IntegerNetwork) -> None:
    network = replace(network, provenance={"checkpoint": "abc"})
    for role, build in (
        ("encode", encode_model),
        ("step", step_model),
        ("inference", inference_model),
    ):
        model = build(IntegerCircuit(network))
        onnx.checker.check_model(model, full_check=True)
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
        result = {entry.key: entry.value for entry in model.metadata_props}
        assert result["ipvae_snn.role"] == role
        assert result["ipvae_snn.version"] == __version__
        assert result["ipvae_snn.program_version"] == "3"
        assert result["ipvae_snn.arithmetic"] == "integer"
        assert result["ipvae_snn.input_scale"] == "0.05"
        assert result["ipvae_snn.input_zero_point"] == "100"
        assert result["ipvae_snn.fraction_bits"] == "12"
        assert result["ipvae_snn.provenance.checkpoint"] == "abc"
        assert result["ipvae_snn.circuit"] == "one-layer"
        assert result["ipvae_snn.excitation_max"] == "20480"
        kinds = "count, excitation, inhibition, potential, residual"
        assert result["ipvae_snn.saturated"] == kinds
        assert "ipvae_snn.lateral_scale" in result
        assert "ipvae_snn.residual_limit" not in result
        assert "integer arithmetic" in model.doc_string
        assert model.ir_version == 10


def test_a_two_layer_model_says_so_and_holds_the_payload(two_layer: IntegerNetwork) -> None:
    model = step_model(IntegerCircuit(two_layer))
    result = {entry.key: entry.value for entry in model.metadata_props}
    assert result["ipvae_snn.circuit"] == "two-layer"
    assert result["ipvae_snn.residual_limit"] == "200"
    layer = two_layer.residual
    assert layer is not None
    scale = layer.prediction.multiplier / 2.0**layer.prediction.shift
    assert result["ipvae_snn.prediction_scale"] == f"{scale.min():.9g} .. {scale.max():.9g}"
    assert "ipvae_snn.lateral_scale" not in result
    shapes = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {
        "held": ["N", 12],
        "state": ["N", 7],
        "seed": [],
        "image": ["N"],
        "step": [],
        "counts": ["N", 7],
        "next_state": ["N", 7],
        "saturated": ["N", 5],
    }


def test_the_number_of_images_and_steps_is_dynamic(network: IntegerNetwork) -> None:
    model = inference_model(IntegerCircuit(network), trace=True)
    shapes = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {
        "pixels": ["N", 12],
        "seed": [],
        "first_image": [],
        "steps": [],
        "counts_sum": ["N", 7],
        "state": ["N", 7],
        "spikes_per_step": ["N", "T"],
        "reconstruction": ["N", 12],
        "saturated": ["N", "T", 5],
        "counts": ["N", "T", 7],
        "states": ["N", "T", 7],
    }


def test_a_request_that_does_not_fit_is_refused(network: IntegerNetwork) -> None:
    with pytest.raises(DataError, match=r"as \(N, 12\), or \(N, frames, 12\), not uint8\(2, 11\)"):
        backend.run(network, np.zeros((2, 11), np.uint8), RunRequest(3))
    with pytest.raises(DataError, match=r"steps 0 are not in 1\.\.1048576"):
        backend.run_reference(network, np.zeros((2, 12), np.uint8), RunRequest(0))


def test_threads_come_from_the_argument_then_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("IPVAE_SNN_THREADS", raising=False)
    assert threads.n_threads() == 1
    monkeypatch.setenv("IPVAE_SNN_THREADS", "3")
    assert threads.n_threads() == 3
    assert threads.n_threads(2) == 2
    monkeypatch.setenv("IPVAE_SNN_THREADS", "many")
    message = (
        "number of threads 'many' is not a whole number from 1 up; correct it, or unset "
        "IPVAE_SNN_THREADS"
    )
    with pytest.raises(ConfigError, match=f"^{message}$"):
        threads.n_threads()


def test_what_onnx_runtime_refuses_becomes_one_line(network: IntegerNetwork) -> None:
    with pytest.raises(FileFormatError, match=r"^the ONNX model: ONNX Runtime .* cannot load it"):
        backend.runtime(b"not a model")
    run = backend.runtime(step_model(IntegerCircuit(network)).SerializeToString())
    outside = np.full((1, 7), network.neurons.state_max + (2 << 12), np.int32)
    feed = {
        "held": outside,
        "state": outside,
        "seed": np.array(0),
        "step": np.array(0),
        "image": np.array([0]),
    }
    with pytest.raises(BackendError, match=r"^the ONNX model: ONNX Runtime .* failed"):
        run(feed)
