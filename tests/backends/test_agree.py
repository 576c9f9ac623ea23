"""All back ends give the reference's arrays, by equality, for any network, request and split."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from circuits import circuit
from hypothesis import given, settings
from hypothesis import strategies as st

from ipvae_snn.arrays import Int32, UInt8
from ipvae_snn.backends import compiled, torch_module
from ipvae_snn.backends.torch_module import IntegerTorch
from ipvae_snn.export.onnx import backend
from ipvae_snn.export.onnx.integer import IntegerCircuit
from ipvae_snn.export.onnx.models import step_model
from ipvae_snn.hw.lava import backend as lava
from ipvae_snn.hw.lava.environment import find
from ipvae_snn.ir import circuit_steps, interpreter
from ipvae_snn.ir.circuits import Residual
from ipvae_snn.ir.decoding import decoding_of
from ipvae_snn.ir.equality import first_divergence
from ipvae_snn.ir.files import save_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.neurons import PoissonNeurons
from ipvae_snn.ir.parts import Decoder, InputCode, Synapses
from ipvae_snn.ir.prng import MAX_SEED, MAX_STEPS
from ipvae_snn.ir.trace import SATURATIONS, RunRequest, Trace

Run = Callable[[IntegerNetwork, np.ndarray, RunRequest], Trace]
FAST: dict[str, Run] = {
    "compiled": compiled.run,
    "torch": torch_module.run,
    "onnx": backend.run,
}
ALL: dict[str, Run] = {
    **FAST,
    "reference": interpreter.run,
    "onnx-reference": backend.run_reference,
    "lava": lava.run,
    "lava-fused": lava.run_fused,
}
SUM_LIMIT = (1 << 23) - 1  # of an accumulator, a current and an update
Pattern = Literal["random", "positive", "negative", "zero", "extreme"]
PATTERNS: tuple[Pattern, ...] = ("random", "positive", "negative", "zero", "extreme")


@dataclass(frozen=True)
class Case:
    """Parameters of a network; every case gives a valid one.

    forward, back: weights of the feed-forward connection and of the lateral one or the
    prediction. limit: the residual's; None for a one-layer circuit. resting: every potential
    starts at the floor and is held there; at the cap, lifted; or anywhere. largest: bounds of
    the update in octaves, None for the widest. light: what the first image shows. decoding: of the
    reconstruction.
    """

    seed: int = 0
    neurons: int = 7
    height: int = 4
    width: int = 3
    forward: Pattern = "random"
    back: Pattern = "random"
    limit: int | None = None
    resting: Literal["anywhere", "floor", "cap"] = "anywhere"
    fraction_bits: int = 12
    extra_bits: int = 3
    octaves: int = 6
    below_octave: int = 0
    largest: int | None = 5
    max_count: int = 40
    zero_point: int = 100
    light: Literal["noise", "black", "white", "nothing"] = "noise"
    images: int = 3
    decoding: str = "sample"


def connection_of(
    rng: np.random.Generator, pattern: Pattern, shape: tuple[int, int], payload: int, current: bool
) -> Synapses:
    """Return a connection (targets, sources) as strong as its bounds allow, or up to 40 bits less.

    Payloads reach `payload` in magnitude; a `current` must fit its register besides the sum.
    """
    top = max(1, min(127, SUM_LIMIT // (shape[1] * payload)))
    weights = {
        "random": rng.integers(-top, top + 1, shape),
        "positive": rng.integers(1, top + 1, shape),
        "negative": -rng.integers(1, top + 1, shape),
        "zero": np.zeros(shape, np.int64),
        "extreme": rng.choice([-top, top], shape, p=[0.8, 0.2]),
    }[pattern]
    multiplier = rng.integers(0, 1 << 15, shape[0])
    multiplier[rng.random(shape[0]) < 0.1] = 0  # these targets hear nothing
    worst = np.abs(weights).sum(axis=1) * payload * np.maximum(multiplier, 1)
    fits = np.ceil(np.log2(np.maximum(worst, 1) / (SUM_LIMIT / 4))).astype(int)
    least = np.clip(fits, 1, 40) if current else np.full(shape[0], 6)
    shift = np.minimum(least + rng.choice([0, 0, 1, 2, 5, 10, 34], shape[0]), 40)
    return Synapses.dense(
        weights.astype(np.int8), multiplier.astype(np.int32), shift.astype(np.int32)
    )


def make(case: Case) -> IntegerNetwork:
    """Return the case's network."""
    rng = np.random.default_rng(case.seed)
    k, m, bits, extra = case.neurons, case.height * case.width, case.fraction_bits, case.extra_bits
    forward = connection_of(rng, case.forward, (k, m), case.limit or 255, current=True)
    back = connection_of(
        rng, case.back, (k if case.limit is None else m, k), case.max_count, current=False
    )
    if case.limit is None:
        np.fill_diagonal(back.matrix, 0)
    low = (-12 << bits) + (case.below_octave << bits >> 3)
    high = (case.octaves << bits) - (case.below_octave << bits >> 3)
    widest = SUM_LIMIT >> extra
    bound = widest if case.largest is None else min(case.largest << bits, widest)

    def within(low: int, high: int) -> Int32:
        return rng.integers(low, high + 1, k).astype(np.int32)

    lift = min(1 << (bits + extra), SUM_LIMIT // 4)  # an octave a step
    bias = within(-lift // 2, lift // 2)
    initial = within(low, high)
    if case.resting != "anywhere":
        lifted = case.resting == "cap"
        bias = np.full(k, lift if lifted else -lift, np.int32)
        initial = np.full(k, high if lifted else low, np.int32)
    own = 0 if case.resting == "cap" else min(2 * lift, SUM_LIMIT // 2)
    return circuit(
        input=InputCode((case.height, case.width), "unit", 1 / 255, case.zero_point),
        feedforward=forward,
        lateral=back if case.limit is None else None,
        residual=None if case.limit is None else Residual(back, case.limit, within(0, own)),
        neurons=PoissonNeurons(
            bias=bias,
            self_inhibition=within(0, own),
            initial_state=initial,
            fraction_bits=bits,
            extra_bits=extra,
            state_min=low,
            state_max=high,
            update_min=-bound,
            excitation_max=bound,
            max_count=case.max_count,
        ),
        decoder=Decoder.dense(
            rng.integers(-32767, 32768, (m, k)).astype(np.int16),
            rng.uniform(0, 1e-3, m).astype(np.float32),
        ),
    ).with_decoding(decoding_of(case.decoding))


def images_of(case: Case) -> UInt8:
    """Return the case's images (N, M): noise of both ends of the range, the first as it says."""
    rng = np.random.default_rng(case.seed)
    m = case.height * case.width
    pixels = rng.choice([0, 1, 127, 128, 254, 255, case.zero_point], (case.images, m))
    pixels[1::2] = rng.integers(0, 256, pixels[1::2].shape)
    first = {"black": 0, "white": 255, "nothing": case.zero_point}.get(case.light)
    pixels[0] = pixels[0] if first is None else first
    return pixels.astype(np.uint8)


def assert_equal(result: Trace, expected: Trace, subject: str) -> None:
    """Compare all arrays, and their types, by equality."""
    assert first_divergence(expected, result) is None, subject
    assert result.arrays().keys() == expected.arrays().keys(), subject
    for name, array in result.arrays().items():
        np.testing.assert_array_equal(
            array, expected.arrays()[name], err_msg=f"{subject}: {name}", strict=True
        )


def cases(octaves: st.SearchStrategy[int], largest_size: int = 64) -> st.SearchStrategy[Case]:
    """Return any case of up to `largest_size` neurons and as many pixels."""
    heights = [height for height in (1, 1, 2, 3, 8) if height <= largest_size]
    sizes = st.sampled_from(heights).flatmap(
        lambda height: st.tuples(st.just(height), st.integers(1, largest_size // height))
    )
    fields = {
        "seed": st.integers(0, 2**32 - 1),
        "neurons": st.integers(1, largest_size),
        "forward": st.sampled_from(PATTERNS),
        "back": st.sampled_from(PATTERNS),
        "limit": st.sampled_from([None, None, None, 1, 100, 127, 128, 255, 300, 40_000]),
        "resting": st.sampled_from(["anywhere", "anywhere", "floor", "cap"]),
        "fraction_bits": st.integers(4, 16),
        "extra_bits": st.integers(0, 8),
        "octaves": octaves,
        "below_octave": st.integers(0, 7),
        "largest": st.sampled_from([1, 3, 12, None]),
        "max_count": st.sampled_from([1, 2, 40, 255, 256, 3000, 1 << 15]),
        "zero_point": st.sampled_from([0, 128, 255]) | st.integers(0, 255),
        "light": st.sampled_from(["noise", "black", "white", "nothing"]),
        "images": st.integers(1, 4),
        "decoding": st.sampled_from(["sample", "map", "mean:1", "mean:2", "mean:3", "mean:100"]),
    }
    return sizes.flatmap(
        lambda size: st.builds(Case, height=st.just(size[0]), width=st.just(size[1]), **fields)
    )


SEEDS = st.sampled_from([0, 1, MAX_SEED]) | st.integers(0, MAX_SEED)
FIRST = st.sampled_from([0, MAX_SEED - 3]) | st.integers(0, MAX_SEED - 3)  # 4 images fit


@settings(max_examples=40, deadline=None)
@given(
    case=cases(st.integers(1, 9)),
    seed=SEEDS,
    first=FIRST,
    steps=st.integers(1, 6),
    trace=st.booleans(),
)
def test_any_network_gives_the_interpreters_trace(
    case: Case, seed: int, first: int, steps: int, trace: bool
) -> None:
    """The whole, and two batches of images with their first indices."""
    network, pixels = make(case), images_of(case)
    request = RunRequest(steps, seed, first, trace)
    expected = interpreter.run(network, pixels, request)
    for name, run in FAST.items():
        assert_equal(run(network, pixels, request), expected, name)
    rest = replace(request, first_image=first + 1)
    for run in (interpreter.run, compiled.run, torch_module.run):
        result = run(network, pixels[1:], rest).arrays() if case.images > 1 else {}
        for name, array in result.items():
            np.testing.assert_array_equal(array, expected.arrays()[name][1:], err_msg=name)


@settings(max_examples=12, deadline=None)
@given(case=cases(st.integers(1, 7), 20), seed=SEEDS, first=FIRST)
def test_any_network_gives_the_interpreters_trace_in_the_reference_evaluator(
    case: Case, seed: int, first: int
) -> None:
    network, pixels, request = make(case), images_of(case), RunRequest(3, seed, first, trace=True)
    result = backend.run_reference(network, pixels, request)
    assert_equal(result, interpreter.run(network, pixels, request), "onnx-reference")


@settings(max_examples=1, deadline=None)
@given(case=cases(st.just(15), 3), seed=SEEDS)
def test_the_largest_cap_gives_the_interpreters_trace(case: Case, seed: int) -> None:
    """Up to 4,096 parts a draw, from the cap: rate 32,768."""
    case = replace(case, resting="cap", images=1, below_octave=0)
    network, pixels, request = make(case), images_of(case), RunRequest(1, seed, trace=True)
    expected = interpreter.run(network, pixels, request)
    assert expected.counts_sum.max() > 30_000 or case.max_count < 1 << 15
    for name, run in FAST.items():
        assert_equal(run(network, pixels, request), expected, name)


# What runs on Lava, two seconds a case, and so small that one row here gives the purpose of each.
SAMPLE = {
    "extreme weights, excitation at its bound": Case(
        1, 9, forward="extreme", back="random", extra_bits=0, zero_point=0, light="white", largest=1
    ),
    "at the cap, one spike at most": Case(
        2, 64, 8, 8, forward="positive", back="positive", resting="cap", max_count=1, octaves=2,
        zero_point=128, fraction_bits=16, extra_bits=8, largest=None,
    ),
    "one neuron, one pixel, many parts": Case(
        3, 1, 1, 1, resting="cap", octaves=9, max_count=3000, fraction_bits=4, zero_point=255,
        decoding="map",
    ),
    "never active": Case(4, 33, 5, 13, forward="zero", resting="floor", light="nothing"),
    "all weights 0": Case(5, 8, forward="zero", back="zero", octaves=7, below_octave=5),
    "two layers, residuals at their limit": Case(
        6, 21, 3, 7, limit=40, back="extreme", max_count=25, zero_point=7, light="white"
    ),
    "two layers, many parts, one pixel": Case(
        7, 5, 1, 1, limit=9000, octaves=8, max_count=2000, decoding="mean:7"
    ),
}  # fmt: skip


def test_the_sample_reaches_what_it_is_named_after() -> None:
    """One run of each shows it; together they saturate in every way of one layer."""
    traces = {
        name: interpreter.run(make(case), images_of(case), RunRequest(12, 7, trace=True))
        for name, case in SAMPLE.items()
    }
    hits = {name: trace.saturated.sum(axis=(0, 1)) for name, trace in traces.items()}
    assert (sum(hits.values())[:4] > 0).all()
    cap = traces["at the cap, one spike at most"]
    assert cap.counts.max() == 1
    assert hits["at the cap, one spike at most"][SATURATIONS.index("potential")] > 100
    assert traces["one neuron, one pixel, many parts"].counts.max() > 400
    assert traces["never active"].counts_sum.sum() == 0
    assert hits["extreme weights, excitation at its bound"][SATURATIONS.index("excitation")] > 5
    lateral = make(SAMPLE["extreme weights, excitation at its bound"]).lateral
    assert lateral.matrix.min() == -127


@pytest.mark.parametrize("subject", [*FAST, "onnx-reference", "lava", "lava-fused"])
@pytest.mark.parametrize("name", SAMPLE)
def test_the_sample_gives_the_interpreters_trace(name: str, subject: str) -> None:
    if subject.startswith("lava") and find() is None:
        pytest.skip("no Lava environment here; make one by `ipvae-snn lava setup`")
    network, pixels = make(SAMPLE[name]), images_of(replace(SAMPLE[name], images=3))
    request = RunRequest(12, 7, MAX_SEED - 2, trace=True)
    expected = interpreter.run(network, pixels, request)
    assert_equal(ALL[subject](network, pixels, request), expected, subject)


def test_a_data_set_divided_among_back_ends_draws_the_same() -> None:
    """Each back end runs its share of the images; joined, they are the whole."""
    case = Case(8, neurons=21, images=9, limit=300)
    network, pixels = make(case), images_of(case)
    first, shares = MAX_SEED - 8, {"torch": 1, "compiled": 4, "onnx": 2, "reference": 2}
    whole = interpreter.run(network, pixels, RunRequest(8, 3, first, trace=True)).arrays()
    parts, start = [], 0
    for name, share in shares.items():
        request = RunRequest(8, 3, first + start, trace=True)
        parts.append(ALL[name](network, pixels[start : start + share], request).arrays())
        start += share
    assert start == len(pixels)
    for name, array in whole.items():
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), array)


CHILD = """
import hashlib, sys
from pathlib import Path
import numpy as np
from ipvae_snn.backends import compiled, torch_module
from ipvae_snn.export.onnx import backend
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.files import load_network
from ipvae_snn.ir.trace import RunRequest

network, pixels = load_network(Path(sys.argv[1])), np.load(sys.argv[2])
for module in (interpreter, compiled, torch_module, backend):
    arrays = module.run(network, pixels, RunRequest(9, 5, 77, trace=True)).arrays()
    print(hashlib.sha256(b"".join(arrays[name].tobytes() for name in sorted(arrays))).hexdigest())
"""


def test_another_process_with_more_threads_draws_the_same(tmp_path: Path) -> None:
    """A new process, another hash seed, two threads, the network from its file."""
    case = Case(6, neurons=33, images=5, octaves=8)
    network, pixels = make(case), images_of(case)
    save_network(network, tmp_path / "net.safetensors")
    np.save(tmp_path / "pixels.npy", pixels)
    arrays = interpreter.run(network, pixels, RunRequest(9, 5, 77, trace=True)).arrays()
    wanted = hashlib.sha256(b"".join(arrays[name].tobytes() for name in sorted(arrays))).hexdigest()
    result = subprocess.run(
        [sys.executable, "-c", CHILD, tmp_path / "net.safetensors", tmp_path / "pixels.npy"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "7", "IPVAE_SNN_THREADS": "2"},
    )
    assert result.stdout.split() == [wanted] * 4


@pytest.mark.parametrize("limit", [None, 200])
@pytest.mark.parametrize("step", [0, MAX_STEPS - 1])
def test_one_step_anywhere_in_a_run_is_the_interpreters(step: int, limit: int | None) -> None:
    """By what each back end offers for single steps: no run of 2^20 steps is needed."""
    case = Case(9, neurons=15, images=4, limit=limit, octaves=5)
    network, pixels = make(case), images_of(case)
    group, n = network.neurons, len(pixels)
    images = MAX_SEED - np.arange(n, dtype=np.int64)[::-1]  # the last ones
    state = np.random.default_rng(3).integers(group.state_min, group.state_max, (n, 15))
    held = circuit_steps.held(network, pixels)
    counts = circuit_steps.sample(network, state, MAX_SEED, images, step)
    after, saturated = circuit_steps.integrate(network, state, held, counts)
    assert counts.max() > 3
    prepared = compiled.prepare(network)
    before = compiled.start(prepared, pixels, MAX_SEED, int(images[0]))
    rows = before.rows._replace(state=state.astype(np.int32))
    before = replace(before, step=step, rows=rows)
    done = compiled.advance(prepared, before, 1)
    module = IntegerTorch(network)
    keys = module.keys(MAX_SEED, torch.tensor(images), step)
    stepped = module.step(torch.tensor(state), module.held(torch.tensor(pixels)), keys)
    graph = backend.runtime(step_model(IntegerCircuit(network)).SerializeToString())
    fed = graph(
        {
            "held": held.astype(np.int32),
            "state": state.astype(np.int32),
            "image": images,
            "seed": np.array(MAX_SEED),
            "step": np.array(step),
        }
    )
    for result in (
        (done.counts, done.state, done.saturated[:, 0]),
        [tensor.numpy() for tensor in stepped],
        [fed[name] for name in ("counts", "next_state", "saturated")],
    ):
        for have, want in zip(result, (counts, after, saturated), strict=True):
            np.testing.assert_array_equal(have, want)
