"""Every back end's own draw, where counts change: at, below and above each of the law's thresholds.

Random uniforms hardly ever reach the rare tail, and there the rule that the loop ends where the
next probability is 0 decides. So each back end's sampler runs here on uniforms that are chosen.
"""

from collections.abc import Callable
from types import FunctionType
from typing import Any, Protocol

import numpy as np
import pytest
import torch
from circuits import replace
from numba import njit
from onnx.reference import ReferenceEvaluator

from ipvae_snn.arrays import Int64, UInt32
from ipvae_snn.backends import torch_sampler
from ipvae_snn.backends.compiled import prepare
from ipvae_snn.conversion.sampler_law import part_thresholds
from ipvae_snn.export.onnx import primitives
from ipvae_snn.export.onnx.backend import runtime
from ipvae_snn.export.onnx.graph import INT32, INT64, Graph, Value
from ipvae_snn.export.onnx.sampling import IntegerSampling
from ipvae_snn.hw.lava.bundle.simulator.processes import arithmetic
from ipvae_snn.ir import sampler
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.sampler import SamplerTables, parts_log2
from ipvae_snn.ir.weights import Dense
from ipvae_snn.kernels import count_law, integer_draw

TABLES = SamplerTables()
TOP = (1 << 31) - 1


class Draw(Protocol):
    """Counts (S,) at potentials (S,): part 0 takes the uniforms `first` (S,), the others `more`."""

    def __call__(self, potential: Int64, first: Int64, more: int) -> Int64: ...


def reference(network: IntegerNetwork, patch: pytest.MonkeyPatch) -> Draw:
    group = network.neurons

    def draw(potential: Int64, first: Int64, more: int) -> Int64:
        def uniforms(part: int) -> Int64:
            return np.full_like(first, more)[None] if part else first[None]

        return sampler.spike_counts(
            potential[None], uniforms, group.fraction_bits, group.max_count, TABLES
        )[0]

    return draw


def compiled(network: IntegerNetwork, patch: pytest.MonkeyPatch) -> Draw:
    """The kernel's source, compiled as ever, but for its generator: that leaves what is there."""

    def with_given(function: Any, **given: Any) -> Any:
        source = function.py_func
        assert given.keys() <= set(source.__code__.co_names)
        copied = FunctionType(source.__code__, {**source.__globals__, **given})
        return njit(error_model="numpy")(copied)  # as `kernel` compiles it

    def seeds(seed: Any, image: Any, low: Any, block: Any, even: Any, odd: Any) -> None:
        even[:] = np.int32(seed)
        odd[:] = np.int32(seed)

    add_parts = with_given(integer_draw._add_parts, uniforms_at=njit(seeds))
    kernel = with_given(
        integer_draw.draw,
        first_uniforms=njit(lambda seed, image, step, even, odd: None),
        _further_parts=with_given(integer_draw._further_parts, _add_parts=add_parts),
    )
    sampling = prepare(network).constants.sampling

    def draw(potential: Int64, first: Int64, more: int) -> Int64:
        scratch = integer_draw.draw_scratch(len(first), 0)
        scratch.pairs.even[:], scratch.pairs.odd[: len(first) // 2] = first[0::2], first[1::2]
        state, zero = potential.astype(np.int32), np.uint32(0)
        active = kernel(sampling, np.uint32(more), zero, zero, state, scratch)
        counts = np.zeros(len(first), np.int64)
        counts[scratch.neurons[:active]] = scratch.spikes[:active]
        np.testing.assert_array_equal(scratch.counts, counts)
        return counts

    return draw


def on_torch(network: IntegerNetwork, patch: pytest.MonkeyPatch) -> Draw:
    group = network.neurons
    coarse, fine = torch.tensor(TABLES.coarse), torch.tensor(TABLES.fine)
    tables = torch_sampler.Tables(coarse, fine, tuple(TABLES.reciprocal.tolist()))
    zero = torch.zeros(1, dtype=torch.int64)
    keys = torch_sampler.Keys(zero, zero, zero)

    def draw(potential: Int64, first: Int64, more: int) -> Int64:
        given = torch.tensor(first, dtype=torch.int32)[None]
        patch.setattr(torch_sampler, "uniforms", lambda *_: given)
        patch.setattr(
            torch_sampler, "part_uniforms", lambda _, row, *__: torch.full_like(row, more)
        )
        state = torch.tensor(potential)[None]
        result = torch_sampler.spike_counts(
            state, keys, group.fraction_bits, group.max_count, tables
        )
        return result[0].numpy()

    return draw


def on_onnx(network: IntegerNetwork, patch: pytest.MonkeyPatch, evaluator: bool) -> Draw:
    group = network.neurons

    def draw(potential: Int64, first: Int64, more: int) -> Int64:
        g = Graph("draw")
        state, uniform = g.input("state", INT32, [1, "S"]), g.input("first", INT32, [1, "S"])
        rest, step = g.input("more", INT32, [1]), g.scalar(0, INT64)
        zero = g.constant(np.zeros((1, 1), np.int32))

        def parts(h: Graph, keys: object, step: Value, row: Value, *_: Value) -> Value:
            return h.op("Add", h.op("Mul", h.cast(row, INT32), 0), rest)

        patch.setattr(primitives, "uniform_grid", lambda *_: uniform)
        patch.setattr(primitives, "uniform_list", parts)
        keys = primitives.Keys(zero, zero, (), ())
        sampling, n = IntegerSampling(group, TABLES), len(first)
        counts = primitives.spike_counts(g, sampling, primitives.Draw(keys, step), state, n)
        g.output("counts", g.op("Min", counts, group.max_count), [1, "S"])
        model = g.model("a test", {"ipvae_snn.version": "0"})
        feed = {
            "state": potential[None].astype(np.int32),
            "first": first[None].astype(np.int32),
            "more": np.array([more], np.int32),
        }
        if evaluator:
            return ReferenceEvaluator(model).run(None, feed)[0][0]
        return runtime(model.SerializeToString())(feed)["counts"][0]

    return draw


def lava(network: IntegerNetwork, patch: pytest.MonkeyPatch) -> Draw:
    group, tables = network.neurons, (TABLES.coarse, TABLES.fine, TABLES.reciprocal)

    def draw(potential: Int64, first: Int64, more: int) -> Int64:
        def further(start: int, parts: Int64, neuron: Int64) -> UInt32:
            return np.full((int(parts.max()) - start, len(neuron)), more, np.uint32)

        bits, counts = group.fraction_bits, np.zeros(len(potential), np.int64)
        lowest = min(int(potential.min()), 2 << bits)
        table, uniform = arithmetic.thresholds(lowest, bits, tables), first.astype(np.uint32)
        busy = arithmetic.spiking(potential, uniform, table[:, 0], lowest)
        counts[busy] = arithmetic.sample(
            potential[busy], uniform[busy], busy, further, bits, table, lowest
        )
        return np.minimum(counts, group.max_count)

    return draw


DRAWS: dict[str, Callable[[IntegerNetwork, pytest.MonkeyPatch], Draw]] = {
    "reference": reference,
    "compiled": compiled,
    "torch": on_torch,
    "onnx": lambda network, patch: on_onnx(network, patch, False),
    "onnx-reference": lambda network, patch: on_onnx(network, patch, True),
    "lava": lava,
}


@pytest.fixture(params=DRAWS)
def draw_at(
    request: pytest.FixtureRequest,
    network: IntegerNetwork,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[int, int], Draw]:
    """Return (fraction bits, largest count) -> a back end's draw at any possible potential."""

    def make(bits: int, max_count: int) -> Draw:
        group = replace(
            network.neurons,
            fraction_bits=bits,
            extra_bits=0,
            state_min=-12 << bits,
            state_max=15 << bits,
            initial_state=np.zeros(7, np.int32),
            max_count=max_count,
        )
        small = replace(network.feedforward, weights=Dense(np.zeros((7, 12), np.int8)))
        lateral = replace(network.lateral, weights=Dense(np.zeros((7, 7), np.int8)))
        integer = replace(network, neurons=group, feedforward=small, lateral=lateral)
        return DRAWS[request.param](integer, monkeypatch)

    return make


def beside(thresholds: Int64) -> Int64:
    """Return (..., 3 n + 2) uniforms: at, below and above each threshold (..., n), and both ends.

    A threshold of 2^31 is no uniform, and its place takes the largest one.
    """
    ends = np.broadcast_to([0, TOP], (*thresholds.shape[:-1], 2))
    near = [thresholds - 1, thresholds, thresholds + 1, ends]
    return np.clip(np.concatenate(near, axis=-1), 0, TOP)


@pytest.mark.parametrize(("bits", "stride"), [(4, 1), (12, 61), (16, 1009)])
def test_one_part_counts_what_the_law_says(
    draw_at: Callable[[int, int], Draw], bits: int, stride: int
) -> None:
    """From -12 to 3 octaves: every potential at 4 fraction bits, about a thousand at the others."""
    potential = np.union1d(np.arange(-12 << bits, 3 << bits, stride), [3 << bits]).astype(np.int64)
    thresholds = part_thresholds(potential, bits, TABLES)
    uniform = beside(thresholds)
    wanted = (thresholds[:, None] <= uniform[:, :, None]).sum(axis=2)
    assert wanted.max() == 28
    assert wanted[:, -1].min() == 2  # the largest uniform of a silent neuron is no burst
    state = np.repeat(potential, uniform.shape[1])
    result = draw_at(bits, 40)(state, uniform.ravel(), 0)
    wrong = np.flatnonzero(result != wanted.ravel())
    assert not len(wrong), (len(wrong), state[wrong[0]], uniform.ravel()[wrong[0]])


@pytest.mark.parametrize(("octaves", "max_count"), [(3.01, 40), (4, 40), (6.3, 99), (9, 1 << 15)])
def test_many_parts_count_what_the_law_says(
    draw_at: Callable[[int, int], Draw], octaves: float, max_count: int
) -> None:
    """2, 2, 16 and 64 parts, of which all but the first take one of the rare uniforms."""
    potential = np.array([round(octaves * 4096)])
    parts = 1 << int(parts_log2(potential, 12)[0])
    thresholds = part_thresholds(potential, 12, TABLES)[0]
    first = beside(thresholds)
    draw, state = draw_at(12, max_count), np.repeat(potential, len(first))
    for more in np.clip([0, thresholds[0], thresholds[17] - 1, thresholds[-1]], 0, TOP).tolist():
        each = (thresholds <= first[:, None]).sum(axis=1)
        wanted = each + (parts - 1) * int((thresholds <= more).sum())
        np.testing.assert_array_equal(draw(state, first, more), np.minimum(wanted, max_count))


@pytest.mark.parametrize(("bits", "stride"), [(4, 1), (9, 1), (12, 7), (16, 131)])
def test_float32_is_nearer_than_it_must_be(bits: int, stride: int) -> None:
    """All 28 cumulative probabilities, from -12 to 3 octaves: within half of NEAR, as is proved.

    The sums are formed here as the kernel forms them, one operation after another.
    """
    potential = np.arange(-12 << bits, (3 << bits) + 1, stride).astype(np.int32)
    exact = part_thresholds(potential.astype(np.int64), bits, TABLES)
    law, n = count_law.law_scratch(len(potential)), len(potential)
    count_law.set_law(n, bits, potential, law)
    probability, total = law.chance.copy(), law.chance.copy()
    for j in range(count_law.MAX_TERMS):
        bound = np.minimum(exact[:, j], TOP) * 2.0**-31
        assert np.abs(total - bound).max() < count_law.NEAR / 2
        factor = law.rate * (np.float32(1.0) / np.float32(j + 1))
        probability, before = probability * factor, total
        total = total + probability
    count_law.begin(n, np.zeros(n, np.int32), law)
    for compared in range(count_law.TERMS, count_law.MAX_TERMS, count_law.TERMS):
        count_law.compare(n, compared, law)
    np.testing.assert_array_equal(law.sum, before)  # NumPy's operations are the kernel's


def test_what_float32_cannot_decide_is_computed(network: IntegerNetwork) -> None:
    """At a threshold, the uniform is near: the neuron is drawn later, and exactly."""
    sampling = prepare(network).constants.sampling._replace(bits=12)
    potential = np.array([0, 4096, -4096], np.int32)
    exact = part_thresholds(potential.astype(np.int64), 12, TABLES)[:, 1]
    row = integer_draw.draw_scratch(3, 0)
    row.uniform[:] = exact
    integer_draw._first_parts(sampling, potential, row)
    assert (row.status >= integer_draw.UNDECIDED).all()
    row.uniform[:] = exact + 100_000
    integer_draw._first_parts(sampling, potential, row)
    assert (row.status == integer_draw.SPIKING).all()
    np.testing.assert_array_equal(row.counts, 2)
