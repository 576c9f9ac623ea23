"""The back end `triton`: one-layer circuits of matrices on a CUDA device, two kernels a step.

All steps of a chunk of images are launched without a word from the host; without a trace they are
captured in a CUDA graph. Under TRITON_INTERPRET=1 the kernels run on the CPU, slowly, which is how
they are tested: no GPU has run them yet (docs/performance.md).
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ipvae_snn.arrays import UInt8
from ipvae_snn.backends.torch_module import IntegerTorch, cuda_advice
from ipvae_snn.errors import BackendError, BackendUnavailableError
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.sampler import SamplerTables
from ipvae_snn.ir.trace import SATURATIONS, RunRequest, Trace, check_request, frames_of
from ipvae_snn.ir.weights import Dense
from ipvae_snn.watcher import current_watcher

INTERPRET: Final = "TRITON_INTERPRET"
ELEMENTS: Final = 1 << 23  # images x neurons of a chunk
NEURONS: Final = 64  # of a program; products of int8 take 32 or more
ROWS: Final = 16  # images of a program of sums
_COUNT, _EXCITATION, _INHIBITION, _POTENTIAL, _ = range(len(SATURATIONS))


class Chunk(NamedTuple):
    """N images on the device: keys (N,) int64, state and counts (N, K) int32, totals (N, K) int64.

    held (N, K) int64: input current. drawn (T, N, 2) and hits (T, N, 3) int64: see the kernels.
    """

    images: Tensor
    held: Tensor
    state: Tensor
    counts: Tensor
    totals: Tensor
    drawn: Tensor
    hits: Tensor


@dataclass(frozen=True)
class TritonSession:
    """A one-layer circuit with its constants on the device; see `run`."""

    network: IntegerNetwork

    def __post_init__(self) -> None:
        """Refuse other networks."""
        one = self.network
        matrices = all(each.synapses.weights.kind == Dense.kind for each in one.connections)
        if not one.is_circuit or one.lateral is None or one.accumulating or not matrices:
            raise BackendError(
                f"the back end triton runs one-layer circuits whose weights are matrices, not "
                f"{one}; use torch-cuda"
            )

    @cached_property
    def module(self) -> IntegerTorch:
        """Input current and decoder, on the device."""
        return IntegerTorch(self.network).to(_device())

    @cached_property
    def constants(self) -> dict[str, Tensor]:
        """Constants of the kernels, as they describe them."""
        group, lateral = self.network.neurons, self.network.lateral
        assert lateral is not None
        tables, shift = SamplerTables(), lateral.shift.astype(np.int64)
        arrays: dict[str, Any] = {
            "tables": np.concatenate([tables.coarse, tables.fine, tables.reciprocal]),
            "weights": np.ascontiguousarray(lateral.matrix.T),
            "neurons": np.stack(
                [
                    lateral.multiplier.astype(np.int64),
                    shift,
                    np.left_shift(np.int64(1), shift - 1),
                    group.self_inhibition.astype(np.int64),
                    group.own_inhibition,
                ]
            ),
            "limits": np.array(
                [
                    group.excitation_max << group.extra_bits,
                    group.update_min << group.extra_bits,
                    group.state_max,
                    group.state_min,
                ],
                np.int64,
            ),
        }
        return {name: torch.tensor(array, device=_device()) for name, array in arrays.items()}

    def run(self, pixels: UInt8, request: RunRequest) -> Trace:
        """Run `pixels` (N, M) or (N, F, M) uint8; return the reference's trace.

        Raises BackendUnavailableError without Triton or a CUDA device.
        """
        check_request(self.network, pixels, request)
        if request.stop is not None:
            raise BackendError(
                "the back end triton launches all steps at once, so that no image stops when it is "
                "done (--stop); use torch-cuda or compiled"
            )
        _require_device()
        trace, frames = Trace.empty(self.network, pixels.shape, request), frames_of(pixels)
        report, rows = current_watcher().progress, max(1, ELEMENTS // self.network.n_neurons)
        for start in range(0, len(frames), rows):
            part = slice(start, min(start + rows, len(frames)))
            self._run_rows(frames[part], request, part, trace)
            report(part.stop, len(frames))
        return trace

    def _run_rows(self, frames: UInt8, request: RunRequest, rows: slice, trace: Trace) -> None:
        (n, n_frames), K, device = frames.shape[:2], self.network.n_neurons, _device()
        steps = n_frames * request.steps
        images = torch.arange(rows.start, rows.stop, device=device) + request.first_image
        chunk = Chunk(
            images,
            torch.zeros(n, K, dtype=torch.int64, device=device),
            torch.tensor(self.network.neurons.initial_state, device=device).repeat(n, 1),
            torch.zeros(n, K, dtype=torch.int32, device=device),
            torch.zeros(n, K, dtype=torch.int64, device=device),
            torch.zeros(steps, n, 2, dtype=torch.int64, device=device),
            torch.zeros(steps, n, 3, dtype=torch.int64, device=device),
        )
        launches = self._launches(chunk, request)
        window = self.network.decoder.decoding.window(request.steps)
        early = request.steps - window if window > 1 else 0  # steps before those added up

        def take(first: int, count: int) -> None:
            if trace.counts is None or trace.states is None:
                launches(first, count)
                return
            for step in range(first, first + count):
                launches(step, 1)
                trace.counts[rows, step] = chunk.counts.cpu().numpy()
                trace.states[rows, step] = chunk.state.cpu().numpy()

        for frame in range(n_frames):
            shown = torch.tensor(np.ascontiguousarray(frames[:, frame]), device=device)
            chunk.held.copy_(self.module.held(shown))
            first = frame * request.steps
            if early:
                take(first, early)
            before = chunk.totals.clone() if window > 1 else None
            take(first + early, request.steps - early)
            added = chunk.counts.to(torch.int64) if before is None else chunk.totals - before
            decoded = self.module.reconstruct(added, chunk.state.to(torch.int64), window)
            trace.keep_image(rows, frame, decoded.cpu().numpy())
        trace.counts_sum[rows] = chunk.totals.cpu().numpy()
        trace.state[rows] = chunk.state.cpu().numpy()
        trace.spikes_per_step[rows] = chunk.drawn[:, :, 0].T.cpu().numpy()
        assert trace.saturated is not None  # Trace.empty makes it
        saturated = trace.saturated[rows]
        saturated[:, :, _COUNT] = chunk.drawn[:, :, 1].T.cpu().numpy()
        for index, kind in enumerate((_EXCITATION, _INHIBITION, _POTENTIAL)):
            saturated[:, :, kind] = chunk.hits[:, :, index].T.cpu().numpy()

    def _launches(self, chunk: Chunk, request: RunRequest) -> Callable[[int, int], None]:
        """Return a function that takes `count` steps from step `first` on."""
        kernels, network, own = _kernels(), self.network, self.constants
        group, (n, K) = network.neurons, chunk.state.shape
        columns = -(-K // NEURONS)
        digits = -(-group.max_count.bit_length() // kernels.DIGIT)

        def take(step: int) -> None:
            kernels.draw[(n, columns)](
                chunk.state,
                chunk.counts,
                chunk.totals,
                chunk.images,
                chunk.drawn[step],
                own["tables"],
                request.seed,
                step,
                K,
                group.max_count,
                bits=group.fraction_bits,
                BLOCK=NEURONS,
            )
            kernels.update[(-(-n // ROWS), columns)](
                chunk.state,
                chunk.counts,
                chunk.held,
                chunk.hits[step],
                own["weights"],
                own["neurons"],
                n,
                K,
                own["limits"],
                extra=group.extra_bits,
                DIGITS=digits,
                ROWS=ROWS,
                BLOCK=NEURONS,
            )

        def plainly(first: int, count: int) -> None:
            for step in range(first, first + count):
                take(step)

        def captured(first: int, count: int) -> None:
            """Take the first step at once, which compiles the kernels, the others as one graph."""
            take(first)
            if count > 1:
                graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(graph):
                    plainly(first + 1, count - 1)
                graph.replay()
                torch.cuda.synchronize()  # before the graph goes

        return captured if _device().type == "cuda" and not request.trace else plainly


class TritonBackend:
    """The back end `triton`."""

    def prepare(self, network: IntegerNetwork) -> TritonSession:
        """Return a session; BackendError for networks that are not one-layer circuits."""
        return TritonSession(network)


BACKEND: Final = TritonBackend()


def run(network: IntegerNetwork, pixels: UInt8, request: RunRequest) -> Trace:
    """Run `pixels` once; see TritonSession.run."""
    return TritonSession(network).run(pixels, request)


def advice() -> str:
    """Return why the back end cannot run here, and what to do; empty if it can."""
    if find_spec("triton") is None:
        return "Triton is not installed; on Linux: pip install 'ipvae-snn[gpu]'"
    return "" if _interpreted() else cuda_advice()


def _interpreted() -> bool:
    """Return whether Triton runs kernels on the CPU: its setting, read when it is imported."""
    return os.environ.get(INTERPRET, "0") == "1"


def _device() -> torch.device:
    return torch.device("cpu" if _interpreted() else "cuda")


def _require_device() -> None:
    why = advice()
    if why:
        raise BackendUnavailableError(f"triton: {why}")


def _kernels() -> ModuleType:
    # Imported here: Triton is an extra, and takes a second.
    from ipvae_snn.backends import triton_kernels

    return triton_kernels
