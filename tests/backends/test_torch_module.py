"""The torch module gives the reference's arrays, by equality, under any setting of torch."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from circuits import replace
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ipvae_snn.backends import torch_module, torch_sampler
from ipvae_snn.backends.torch_module import IntegerTorch
from ipvae_snn.backends.torch_sampler import Keys, Tables
from ipvae_snn.errors import BackendUnavailableError, DataError
from ipvae_snn.ir import circuit_steps, interpreter
from ipvae_snn.ir.back_ends import load_backend
from ipvae_snn.ir.circuits import Residual
from ipvae_snn.ir.fixed_point import exp2_tables, reciprocals
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.parts import Synapses
from ipvae_snn.ir.prng import UNIFORM_BITS, uniforms
from ipvae_snn.ir.sampler import MAX_PART_COUNT, SPLIT_OCTAVES, SamplerTables, part_count, part_rate
from ipvae_snn.ir.trace import RunRequest, Trace
from ipvae_snn.ir.weights import Dense

Networks = Callable[..., IntegerNetwork]
Pixels = Callable[..., np.ndarray]

PATTERNS = ("random", "all positive", "all zero", "most negative", "silent", "from the top")


def two_layer(network: IntegerNetwork, limit: int) -> IntegerNetwork:
    """Return a two-layer circuit of the same size, with residuals up to `limit`."""
    rng = np.random.default_rng(network.n_neurons)
    m, k = network.n_pixels, network.n_neurons
    prediction = Synapses.dense(
        rng.integers(-127, 128, (m, k)).astype(np.int8),
        rng.integers(1 << 13, 1 << 15, m).astype(np.int32),
        rng.integers(14, 18, m).astype(np.int32),
    )
    loop = rng.integers(0, 9000, k).astype(np.int32)
    return replace(network, lateral=None, residual=Residual(prediction, limit, loop))


def patterned(network: IntegerNetwork, pattern: str) -> IntegerNetwork:
    """Return `network` with every weight, or the potentials, at an extreme."""
    value = {"all positive": 127, "all zero": 0, "most negative": -127}.get(pattern)
    if value is not None:
        weights = np.full_like(network.feedforward.matrix, value)
        network = replace(network, feedforward=replace(network.feedforward, weights=Dense(weights)))
        if network.lateral is None:
            return network
        lateral = np.full_like(network.lateral.matrix, value)
        np.fill_diagonal(lateral, 0)
        return replace(network, lateral=replace(network.lateral, weights=Dense(lateral)))
    group = network.neurons
    start = {"silent": group.state_min, "from the top": group.state_max}.get(pattern)
    if start is None:
        return network
    bias = np.full_like(group.bias, -(1 << 20)) if pattern == "silent" else group.bias
    state = np.full_like(group.initial_state, start)
    return replace(network, neurons=replace(group, initial_state=state, bias=bias))


def assert_equal(result: Trace, expected: Trace) -> None:
    """Compare all arrays and their types by equality."""
    assert result.arrays().keys() == expected.arrays().keys()
    for name, want in expected.arrays().items():
        have = result.arrays()[name]
        assert have.dtype == want.dtype, name
        np.testing.assert_array_equal(have, want, err_msg=name)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    network_seed=st.integers(0, 2**31),
    neurons=st.integers(1, 64),
    width=st.integers(1, 7),
    extra_bits=st.integers(0, 6),
    zero_point=st.integers(0, 255),
    octaves=st.floats(2.0, 10.0),
    max_count=st.sampled_from((1, 3, 40, 255)),
    pattern=st.sampled_from(PATTERNS),
    light=st.sampled_from(("any", "black", "white")),
    residual_limit=st.sampled_from((None, 1, 127, 400)),
    seed=st.integers(0, 2**32 - 1),
    first=st.integers(0, 2**32 - 4),
)
def test_any_network_gives_the_interpreters_trace(
    network_factory: Networks,
    pixels_factory: Pixels,
    network_seed: int,
    neurons: int,
    width: int,
    extra_bits: int,
    zero_point: int,
    octaves: float,
    max_count: int,
    pattern: str,
    light: str,
    residual_limit: int | None,
    seed: int,
    first: int,
) -> None:
    network = network_factory(
        seed=network_seed,
        height=2,
        width=width,
        neurons=neurons,
        extra_bits=extra_bits,
        zero_point=zero_point,
        rate_octaves=octaves,
        max_count=max_count,
    )
    if residual_limit is not None:
        network = two_layer(network, residual_limit)
    network = patterned(network, pattern)
    pixels = pixels_factory(network, 3, network_seed)
    pixels[:] = {"any": pixels, "black": 0, "white": 255}[light]
    request = RunRequest(6, seed, first, trace=True)
    expected = interpreter.run(network, pixels, request)
    assert_equal(torch_module.run(network, pixels, request), expected)
    if pattern == "silent":
        assert expected.counts is not None
        assert expected.counts.sum() <= 3  # so that a step without any spike is among the cases


def test_both_back_ends_are_registered() -> None:
    assert load_backend("torch") is torch_module.CPU
    assert load_backend("torch-cuda") is torch_module.CUDA


def test_every_kind_of_saturation_is_counted(
    network_factory: Networks, pixels_factory: Pixels
) -> None:
    network = patterned(
        two_layer(network_factory(max_count=8, rate_octaves=2.5), 100), "from the top"
    )
    network = replace(network, neurons=replace(network.neurons, excitation_max=6000))
    pixels = pixels_factory(network, 8)
    expected = interpreter.run(network, pixels, RunRequest(30, 5))
    assert expected.saturated is not None
    assert (expected.saturated.sum(axis=(0, 1)) > 0).all()
    assert_equal(torch_module.run(network, pixels, RunRequest(30, 5)), expected)


@pytest.mark.parametrize("trace", [False, True])
def test_chunks_of_images_change_no_result(
    network: IntegerNetwork, pixels_factory: Pixels, monkeypatch: pytest.MonkeyPatch, trace: bool
) -> None:
    pixels = pixels_factory(network, 11)
    request = RunRequest(5, 1, first_image=2**32 - 11, trace=trace)
    expected = interpreter.run(network, pixels, request)
    monkeypatch.setattr(torch_module, "CPU_ELEMENTS", 4 * network.n_neurons)
    assert_equal(torch_module.run(network, pixels, request), expected)


def test_pieces_of_parts_change_no_result(
    network_factory: Networks, pixels_factory: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = patterned(network_factory(rate_octaves=9.0, max_count=2**12), "from the top")
    pixels = pixels_factory(network, 4)
    expected = interpreter.run(network, pixels, RunRequest(4, 2, trace=True))
    assert expected.counts is not None
    assert expected.counts.max() > 300
    pieces = []
    cut = torch_sampler._pieces
    monkeypatch.setattr(torch_sampler, "PARTS_AT_ONCE", 100)
    monkeypatch.setattr(
        torch_sampler, "_pieces", lambda extra: pieces.append(cut(extra)) or pieces[-1]
    )
    assert_equal(torch_module.run(network, pixels, RunRequest(4, 2, trace=True)), expected)
    assert max(map(len, pieces)) > 5


def test_a_runaway_network_takes_the_largest_number_of_parts(
    network_factory: Networks, pixels_factory: Pixels
) -> None:
    network = patterned(
        network_factory(neurons=2, rate_octaves=15.0, max_count=2**15), "from the top"
    )
    pixels = pixels_factory(network, 1)
    expected = interpreter.run(network, pixels, RunRequest(1, 0, trace=True))
    assert expected.counts is not None
    assert expected.counts.max() > 2**14  # 2**15 spikes are expected, in 2**12 parts of 8
    assert_equal(torch_module.run(network, pixels, RunRequest(1, 0, trace=True)), expected)


def test_a_wide_decoder_sums_beyond_float32(
    network_factory: Networks, pixels_factory: Pixels
) -> None:
    network = network_factory(neurons=10, max_count=2**13, rate_octaves=13.5)
    weights = np.full((network.n_pixels, 10), 32767, np.int16)
    network = patterned(
        replace(network, decoder=replace(network.decoder, weights=Dense(weights))), "from the top"
    )
    pixels = pixels_factory(network, 2)
    expected = interpreter.run(network, pixels, RunRequest(1, 3))
    assert expected.counts_sum.sum(axis=1).max() * 32767 > 2**31
    assert_equal(torch_module.run(network, pixels, RunRequest(1, 3)), expected)


@pytest.mark.slow
def test_k_512_over_1000_steps(network_factory: Networks, pixels_factory: Pixels) -> None:
    rng = np.random.default_rng(3)
    network = network_factory(seed=3, neurons=512, max_count=60)
    network = replace(
        network,
        input=replace(network.input, image_shape=(28, 28)),
        feedforward=replace(
            network.feedforward, weights=Dense(rng.integers(-3, 4, (512, 784)).astype(np.int8))
        ),
        decoder=replace(
            network.decoder,
            weights=Dense(rng.integers(-99, 100, (784, 512)).astype(np.int16)),
            scale=np.ones(784, np.float32),
        ),
    )
    pixels = pixels_factory(network, 2)
    request = RunRequest(1000, 9, trace=True)
    expected = interpreter.run(network, pixels, request)
    assert expected.spikes_per_step[:, 500:].min() > 0
    assert_equal(torch_module.run(network, pixels, request), expected)


def test_generator_gives_the_known_answers() -> None:
    """Two of Threefry-2x32-20's published vectors (Random123, kat_vectors)."""

    def words(*values: int) -> tuple[torch.Tensor, ...]:
        return tuple(torch.tensor([v - (v >> 31 << 32)], dtype=torch.int32) for v in values)

    ones, pi = (0xFFFFFFFF,) * 2, (0x13198A2E, 0x03707344)
    counter = (0x243F6A88, 0x85A308D3)
    for key, count, answer in (
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        (ones, ones, (0x1CB996FC, 0xBB002BE7)),
        (pi, counter, (0xC4923A9C, 0x483DF7A0)),
    ):
        # words takes any number of integers
        result = torch_sampler.threefry2x32(words(*key), words(*count))  # type: ignore[arg-type]
        assert tuple(int(word) & 0xFFFFFFFF for word in result) == answer


@pytest.mark.parametrize("n_neurons", [1, 2, 7])
def test_uniforms_are_those_of_the_generator(n_neurons: int) -> None:
    images = np.array([0, 7, 2**31, 2**32 - 1])
    for seed, step in ((0, 0), (2**32 - 1, 2**20 - 1), (5, 17)):
        index = torch.tensor(images)
        keys = Keys(torch.full_like(index, seed), index, torch.full_like(index, step))
        result = torch_sampler.uniforms(keys, n_neurons)
        assert result.tolist() == uniforms(seed, images, step, n_neurons).tolist()
        for part in (1, 2**12 - 1):
            row, neuron = torch.meshgrid(torch.arange(4), torch.arange(n_neurons), indexing="ij")
            parts = torch.full((4 * n_neurons,), part)
            later = torch_sampler.part_uniforms(keys, row.flatten(), neuron.flatten(), parts)
            wanted = uniforms(seed, images, step, n_neurons, part)
            assert later.view(4, n_neurons).tolist() == wanted.tolist()


def torch_tables() -> Tables:
    coarse, fine = exp2_tables()
    last = tuple(int(r) for r in reciprocals(MAX_PART_COUNT))
    return Tables(torch.tensor(coarse), torch.tensor(fine), last)


@pytest.mark.parametrize("beside", [-1, 0, 1])
def test_no_spike_is_overlooked_at_any_potential(
    beside: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every potential the uniform that just causes a spike, and its neighbours.

    There the shortcut that leaves silent neurons out would err first.
    """
    bits, tables = 12, SamplerTables()
    v = np.arange(-12 << bits, (SPLIT_OCTAVES << bits) + 1, dtype=np.int64)
    rate = part_rate(v, bits, tables)
    threshold = np.zeros_like(v)
    for bit in range(UNIFORM_BITS - 1, -1, -1):  # the smallest uniform of one spike or more
        tried = threshold | (1 << bit)
        threshold = np.where(part_count(rate, tried - 1, tables) > 0, threshold, tried)
    threshold = np.where(part_count(rate, threshold * 0, tables) > 0, 0, threshold)
    uniform = np.clip(threshold + beside, 0, (1 << UNIFORM_BITS) - 1)
    monkeypatch.setattr(
        torch_sampler, "uniforms", lambda *_: torch.tensor(uniform, dtype=torch.int32)[None]
    )
    zero = torch.zeros(1, dtype=torch.int64)
    result = torch_sampler.spike_counts(
        torch.tensor(v)[None], Keys(zero, zero, zero), bits, 100, torch_tables()
    )
    expected = part_count(rate, uniform, tables)
    assert result[0].tolist() == expected.tolist()
    spiking = (expected > 0).mean()
    assert spiking < 0.01 if beside < 0 else spiking > 0.99


def test_settings_that_round_floats_change_no_result(
    network: IntegerNetwork, pixels_factory: Pixels
) -> None:
    pixels = pixels_factory(network, 5)
    expected = interpreter.run(network, pixels, RunRequest(8, 4, trace=True))
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        with torch.autocast("cpu", dtype=torch.bfloat16):
            result = torch_module.run(network, pixels, RunRequest(8, 4, trace=True))
    finally:
        torch.set_float32_matmul_precision(before)
    assert_equal(result, expected)


@pytest.mark.parametrize("cast", ["half", "double", "bfloat16"])
def test_casting_a_model_changes_no_number_of_the_network(
    network: IntegerNetwork, pixels_factory: Pixels, cast: str
) -> None:
    module = IntegerTorch(network)
    model = torch.nn.Sequential(module, torch.nn.Linear(2, 2))
    getattr(model, cast)()
    model.type(torch.float32)
    pixels = torch.tensor(pixels_factory(network, 3))
    assert torch.equal(module.held(pixels), IntegerTorch(network).held(pixels))
    floats = {buffer.dtype for buffer in module.buffers() if buffer.is_floating_point()}
    assert floats == {torch.float64, torch.float32}  # float32: the scale of the reconstruction
    counts = torch.tensor([[1] * network.n_neurons])
    assert module.decode(counts).tolist() == interpreter.decode(network, counts.numpy()).tolist()
    assert list(module.parameters()) == []


def test_rows_at_different_steps_share_a_batch(
    network: IntegerNetwork, pixels_factory: Pixels
) -> None:
    module = IntegerTorch(network)
    state = torch.tensor(interpreter.run(network, pixels_factory(network, 3), RunRequest(9)).state)
    state = state.long()
    keys = Keys(torch.tensor([4, 5, 6]), torch.tensor([0, 9, 2]), torch.tensor([1, 7, 100]))
    together = module.sample(state, keys)
    for row in range(3):
        alone = circuit_steps.sample(
            network,
            state[row : row + 1].numpy(),
            int(keys.seed[row]),
            [int(keys.image[row])],
            int(keys.step[row]),
        )
        assert together[row].tolist() == alone[0].tolist()


def test_threads_change_no_result_and_are_given_back(
    network: IntegerNetwork, pixels_factory: Pixels
) -> None:
    before = torch.get_num_threads()
    pixels, request = pixels_factory(network, 3), RunRequest(3)
    expected = interpreter.run(network, pixels, request)
    assert_equal(torch_module.run(network, pixels, request, threads=before + 1), expected)
    assert torch.get_num_threads() == before


def test_what_does_not_fit_is_refused(network: IntegerNetwork) -> None:
    with pytest.raises(DataError, match=r"as \(N, 12\), or \(N, frames, 12\), not uint8\(2, 11\)"):
        torch_module.run(network, np.zeros((2, 11), np.uint8), RunRequest(3))
    with pytest.raises(DataError, match=r"steps 0 are not in 1\.\.1048576"):
        torch_module.run(network, np.zeros((2, 12), np.uint8), RunRequest(0))
    message = r"^the network takes uint8 pixels \(N, 12\), not torch.float32\(2, 12\)$"
    with pytest.raises(DataError, match=message):
        IntegerTorch(network).held(torch.zeros(2, 12))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_without_a_cuda_device_it_says_so(network: IntegerNetwork) -> None:
    message = (
        r"^torch-cuda: PyTorch \S+ sees no CUDA device; use the back end torch, or install a CUDA "
        r"build of PyTorch where there is an NVIDIA GPU with its driver$"
    )
    with pytest.raises(BackendUnavailableError, match=message):
        torch_module.run_cuda(network, np.zeros((1, 12), np.uint8), RunRequest(1))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
@pytest.mark.parametrize("pattern", PATTERNS)
def test_cuda_gives_the_interpreters_trace(
    network_factory: Networks, pixels_factory: Pixels, pattern: str
) -> None:
    torch.backends.cuda.matmul.allow_tf32 = True
    network = patterned(network_factory(neurons=33, rate_octaves=8.0), pattern)
    pixels = pixels_factory(network, 9)
    for trace in (False, True):
        request = RunRequest(20, 2**32 - 1, first_image=5, trace=trace)
        expected = interpreter.run(network, pixels, request)
        assert_equal(torch_module.run_cuda(network, pixels, request), expected)
