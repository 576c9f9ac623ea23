"""Where a step's time goes, and what reading the touched rows costs this machine."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import numpy as np

from benchmarks.engine.contest import Match, spread
from ipvae_snn.arrays import Array
from ipvae_snn.backends import compiled
from ipvae_snn.kernels import count_law, integer, integer_draw, threefry
from ipvae_snn.kernels.compiled import kernel
from ipvae_snn.kernels.count_sums import add_counts, padded

CALLS: Final = 300
SIZES: Final = (128, 512, 2048, 8192)
SHARES: Final = (0.01, 0.05, 0.2, 0.5)


@kernel
def _sums(calls: int, weights: Any, active: int, index: Array, counts: Array, out: Any) -> None:
    for _ in range(calls):
        add_counts(weights[0], weights[1], active, index, counts, out[0], out[1])


@kernel
def _reading(calls: int, words: Array, active: int, index: Array) -> int:
    """Combine all words of the active rows; a call takes what reading them takes."""
    result = np.int64(0)
    for _ in range(calls):
        for i in range(active):
            row = words[index[i]]
            for j in range(row.size):
                result ^= row[j]
        result += 1
    return int(result)


def curve(rounds: int) -> Iterator[dict[str, Any]]:
    """Yield the cost of sums by number of neurons and share of active ones, beside reading."""
    rng = np.random.default_rng(0)
    for k in SIZES:
        columns = padded(rng.integers(-20, 21, (k, k)).astype(np.int8))
        weights = columns, np.full(k, 20)
        out = np.zeros(columns.shape[1], np.int16), np.empty(columns.shape[1], np.int32)
        for share in SHARES:
            active = max(round(share * k), 1)
            index = np.append(np.sort(rng.permutation(k)[:active]), 0)
            counts = np.append(np.minimum(rng.geometric(0.5, active), 9), 0).astype(np.int32)
            calls = max(int(2e7 / (active * k)), 1)
            words = columns.view(np.int64)
            add = partial(_sums, calls, weights, active, index, counts, out)
            read = partial(_reading, calls, words, active, index)
            adding, reading = _in_turn((add, read), calls, rounds)
            yield {
                "neurons": k,
                "active": active,
                "bytes": active * k,
                "us": spread(adding),
                "reading_us": spread(reading),
            }


def parts(match: Match, rounds: int) -> dict[str, Any]:
    """Return microseconds of the parts of one step of one image, at its state after some steps."""
    prepared = compiled.prepare(match.integers)
    settled = compiled.advance(prepared, compiled.start(prepared, match.encoded[:1]), 40)
    net, state, shown = prepared.constants, settled.state[0], settled.drive[0]
    scratch = integer.new_scratch(len(state), len(state))
    zero, step = np.uint32(0), np.uint32(40)
    active = integer_draw.draw(net.sampling, zero, zero, step, state, scratch.draw)
    timed: dict[str, Callable[[], object]] = {
        "uniforms (Threefry)": lambda: _uniforms(CALLS, scratch.draw),
        "law and first counts": lambda: _first(CALLS, net.sampling, state, scratch.draw),
        "whole draw": lambda: _draws(CALLS, net.sampling, state, scratch.draw),
        "sums": lambda: _sums(
            CALLS,
            net.back[:2],
            active,
            scratch.draw.neurons,
            scratch.draw.spikes,
            (scratch.narrow, scratch.total),
        ),
        "update": lambda: _updates(CALLS, net, shown, state.copy(), scratch),
    }
    taken = _in_turn(tuple(timed.values()), CALLS, rounds)
    return {
        "neurons": len(state),
        "active": int(active),
        "spikes": int(scratch.draw.counts.sum()),
        "us": {name: spread(one) for name, one in zip(timed, taken, strict=True)},
    }


@kernel
def _uniforms(calls: int, row: integer_draw.Draw) -> None:
    for call in range(calls):
        step = np.uint32(call)
        threefry.first_uniforms(np.uint32(0), np.uint32(0), step, row.pairs.even, row.pairs.odd)


@kernel
def _first(
    calls: int, sampling: integer_draw.Sampling, state: Array, row: integer_draw.Draw
) -> None:
    for _ in range(calls):
        count_law.set_law(state.size, sampling.bits, row.potential, row.law)
        count_law.begin(state.size, row.uniform, row.law)


@kernel
def _draws(
    calls: int, sampling: integer_draw.Sampling, state: Array, row: integer_draw.Draw
) -> int:
    total = 0
    for call in range(calls):
        step = np.uint32(call)
        total += integer_draw.draw(sampling, np.uint32(0), np.uint32(0), step, state, row)
    return total


@kernel
def _updates(
    calls: int, net: integer.Network, shown: Array, state: Array, scratch: integer.Scratch
) -> None:
    hits = np.empty(5, np.int32)
    sums, counts = scratch.drive, scratch.draw.counts
    for _ in range(calls):
        integer.scale(net.back, scratch.total, sums)
        integer.integrate_row(net.group, sums, shown, counts, state, hits)


def _in_turn(
    functions: tuple[Callable[[], object], ...], calls: int, rounds: int
) -> list[list[float]]:
    """Return microseconds per call of each function, one value per round."""
    taken: list[list[float]] = [[] for _ in functions]
    for function in functions:
        function()
    for _ in range(rounds):
        for function, times in zip(functions, taken, strict=True):
            start = time.process_time()
            function()
            times.append(1e6 * (time.process_time() - start) / calls)
    return taken
