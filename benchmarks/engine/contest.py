"""Arms that take steps with the same network and images, timed in turn."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import torch

from benchmarks.engine.plain import advance, plain_step
from ipvae_snn.arrays import Float32, UInt8
from ipvae_snn.backends import compiled
from ipvae_snn.inference import fast
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest
from ipvae_snn.models.float_network import FloatNetwork

EAGER, COMPILED_TORCH, OURS, ONNX = "float eager", "float torch.compile", "compiled", "ONNX Runtime"
SETTLED: Final = 16  # steps before the clock starts: the first ones are the busiest


@dataclass(frozen=True)
class Match:
    """A float network, its integers, and images for either; timed steps; threads of our arm."""

    floats: FloatNetwork
    integers: IntegerNetwork
    pixels: Float32
    encoded: UInt8
    steps: int = 32
    threads: int = 1

    def alone(self, steps: int) -> "Match":
        """Return the match over the first image and more steps: a call's own time is then small."""
        return replace(self, pixels=self.pixels[:1], encoded=self.encoded[:1], steps=steps)


Arm = Callable[[], None]


def eager(match: Match) -> Arm:
    """Return the plain formulation, operation by operation."""
    return _plain(match, lambda step: step)


def by_torch_compile(match: Match) -> Arm:
    """Return the plain formulation through torch.compile, whose compilation is not timed."""
    return _plain(match, lambda step: torch.compile(step, dynamic=False))


def _plain(match: Match, made: Callable[[Any], Any]) -> Arm:
    network = fast.gram_network(match.floats)
    step = plain_step(network)
    b = torch.from_numpy(network.drive(match.pixels).astype(np.float32))
    start = torch.from_numpy(np.tile(network.u0, (len(match.pixels), 1)))
    settled = advance(step, start, b, SETTLED)
    taken = made(step)
    advance(taken, settled, b, 2)
    return lambda: void(advance(taken, settled, b, match.steps))


def ours(match: Match) -> Arm:
    """Return the integers in compiled code, prepared, after the first steps."""
    prepared = compiled.prepare(match.integers)
    settled = compiled.advance(prepared, compiled.start(prepared, match.encoded), SETTLED)
    return lambda: void(compiled.advance(prepared, settled, match.steps, match.threads))


def onnx(match: Match) -> Arm:
    """Return the same integers in ONNX Runtime; its start is not timed, see `measured`."""
    session = match.integers.prepare("onnx")
    request = RunRequest(SETTLED + match.steps)
    return lambda: void(session.run(match.encoded, request))


def onnx_start(match: Match) -> Arm:
    """Return what ONNX Runtime does before the steps that count."""
    session = match.integers.prepare("onnx")
    return lambda: void(session.run(match.encoded, RunRequest(SETTLED)))


def void(_: Any) -> None:
    """Drop a result."""


def measured(match: Match, arms: dict[str, Arm], rounds: int) -> dict[str, Any]:
    """Return microseconds per image and step of each arm, and ratios of each round to ours.

    Arms take turns within a round, so that a busy moment falls on all. CPU time of the process:
    seconds for which others take the processor do not count. Two threads are timed by the clock.
    """
    clock = time.perf_counter if match.threads > 1 else time.process_time
    taken: dict[str, list[float]] = {name: [] for name in arms}
    for arm in arms.values():
        arm()
    for _ in range(rounds):
        for name, arm in arms.items():
            start = clock()
            arm()
            taken[name].append(1e6 * (clock() - start) / (len(match.encoded) * match.steps))
    if ONNX in taken:
        before = taken.pop(f"{ONNX} start")
        taken[ONNX] = [both - start for both, start in zip(taken[ONNX], before, strict=True)]
    result: dict[str, Any] = {"us": {name: spread(values) for name, values in taken.items()}}
    ratios = {
        name: [other / mine for other, mine in zip(values, taken[OURS], strict=True)]
        for name, values in taken.items()
        if name != OURS
    }
    return result | {"ratio": {name: spread(values) for name, values in ratios.items()}}


def spread(values: list[float]) -> dict[str, float]:
    """Return median and quartiles."""
    low, median, high = np.percentile(values, [25, 50, 75]).tolist()
    return {"median": median, "low": low, "high": high}
