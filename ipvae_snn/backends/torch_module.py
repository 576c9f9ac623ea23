"""The integer network as a torch module on the CPU or a CUDA device, equal to the reference.

`CPU` and `CUDA` are the back ends `torch` and `torch-cuda`; ipvae_snn.frameworks builds its
layers on the module.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, cast

import numpy as np
import torch
from torch import Tensor

from ipvae_snn.arrays import AnyArray, UInt8
from ipvae_snn.backends.torch_graph import GraphTorch, Shown, Values, saturations
from ipvae_snn.backends.torch_neurons import Hits, PoissonTorch
from ipvae_snn.backends.torch_sampler import Keys
from ipvae_snn.backends.torch_state import names, replacement, take_tensors, to_tensors
from ipvae_snn.backends.torch_until import run_until_done
from ipvae_snn.errors import BackendUnavailableError, FileFormatError
from ipvae_snn.ir.circuits import parts_of
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.parts import NEURONS
from ipvae_snn.ir.session import Session
from ipvae_snn.ir.trace import SATURATIONS, RunRequest, Trace, check_request, frames_of
from ipvae_snn.kernels.threads import n_threads
from ipvae_snn.watcher import current_watcher

# Images x neurons at a time; bounds the memory of a run and changes no result. A CPU is fastest
# within its caches; a GPU needs enough work per launch.
CPU_ELEMENTS: Final = 1 << 16
CUDA_ELEMENTS: Final = 1 << 21


class IntegerTorch(GraphTorch):
    """An integer network on one device, with explicit state; nothing is kept between calls.

    It has no parameters. Its buffers are created from `network` again whenever the module is moved,
    so that `.half()`, `.double()` or `.type()` on a model that contains it change no number. A
    state dict holds the network instead (`torch_state`). Loading one replaces the network by
    another of the same sizes and circuit, whole or not at all. `held`, `initial`, `sample`,
    `drive`, `integrate` and `step` take the parts of a circuit apart, whose one population of
    computing neurons has (N, K) states; they raise ProgramError for any other graph.
    """

    def held(self, pixels: Tensor) -> Tensor:
        """Return what the circuit keeps of pixels (N, M) uint8 while they are shown, int64.

        One-layer: the input current (N, K); two-layer: the payload (N, M). Raises DataError for
        pixels of another type or size.
        """
        shown = self.show(pixels)
        return shown.payload if self._two_layer else shown.currents[NEURONS]

    def initial(self, n_rows: int) -> Tensor:
        """Return the membrane potentials (n_rows, K) int64 at which an image appears."""
        return self._poisson.initial(n_rows)

    def sample(self, state: Tensor, keys: Keys) -> Tensor:
        """Return the spike counts (N, K) int64 drawn at membrane potentials `state` (N, K)."""
        return self._poisson.send(state, keys)

    def drive(self, held: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Return the change of the potentials (N, K), unclamped, and saturated residuals (N,)."""
        total, hits = self._total(held, counts)
        residuals = [one["residual"] for one in hits]
        none = counts.new_zeros(len(counts))
        return self._poisson.drive(total, counts), residuals[0] if residuals else none

    def integrate(self, state: Tensor, held: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Return the membrane potentials (N, K) after the counts of this step have competed.

        The second result is how many neurons saturated, (N, 5), by trace.SATURATIONS.
        """
        total, hits = self._total(held, counts)
        after, saturated = self._poisson.integrate(state, total, counts)
        return after, saturations([*hits, saturated])

    def step(self, state: Tensor, held: Tensor, keys: Keys) -> tuple[Tensor, Tensor, Tensor]:
        """Return counts and state after the update, (N, K) each, and saturations (N, 5)."""
        counts = self.sample(state, keys)
        return (counts, *self.integrate(state, held, counts))

    @property
    def _poisson(self) -> PoissonTorch:
        """The neurons of a circuit; ProgramError for any other graph."""
        if not self._circuit:
            parts_of(self.network.populations, self.network.connections)  # raises it
        return cast(PoissonTorch, self._stateful(NEURONS))

    def _total(self, held: Tensor, counts: Tensor) -> tuple[Tensor, list[Hits]]:
        """Return the circuit's sums and bias (N, K), and what saturated of residual neurons."""
        current = self._poisson.bias if self._two_layer else held
        shown = Shown(held, {NEURONS: current})
        payloads, hits = self.relay(shown, {NEURONS: counts})
        return self.total(NEURONS, shown, payloads), hits

    def _save_to_state_dict(
        self, destination: dict[str, Tensor], prefix: str, keep_vars: bool
    ) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        for name, tensor in to_tensors(self.network, self.device).items():
            destination[prefix + name] = tensor

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Tensor],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Load the network from `state_dict`, a copy of the caller's, and remove its keys.

        A network with a missing key is not loaded, so that two networks are never mixed.
        """
        wanted = set(names(self.network))
        given = take_tensors(self.network, state_dict, prefix)
        foreign = sorted(given.keys() - wanted)
        if wanted <= given.keys() or foreign:
            try:
                self.network = replacement(self.network, given)
            except FileFormatError as error:
                error_msgs.append(f"{prefix}network: {error}")
            else:
                self.place(self.device)
                unexpected_keys += [prefix + name for name in foreign if strict]
        else:
            missing_keys += [prefix + name for name in sorted(wanted - given.keys())]
        super()._load_from_state_dict(
            state_dict,
            prefix,
            local_metadata,
            strict,
            missing_keys,
            unexpected_keys,
            error_msgs,
        )

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> "IntegerTorch":
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call] # torch leaves it untyped
        self.place(self.device)
        return self


@dataclass(frozen=True)
class TorchSession:
    """A network as a module on the CPU."""

    network: IntegerNetwork

    @cached_property
    def module(self) -> IntegerTorch:
        """The module, which keeps the weights as tensors."""
        return IntegerTorch(self.network)

    def run(self, pixels: UInt8, request: RunRequest, threads: int | None = None) -> Trace:
        """Run `pixels` (N, M) or (N, F, M) uint8; return the reference's trace.

        threads: see `threads.n_threads`. These tensors are small: a second thread gains a fifth on
        an idle machine, but waits at every operation on a busy one (measured: up to 30 times as
        long).
        """
        check_request(self.network, pixels, request)
        before = torch.get_num_threads()
        torch.set_num_threads(n_threads(threads))
        try:
            return _in_chunks(self.module, pixels, request, CPU_ELEMENTS)
        finally:
            torch.set_num_threads(before)


@dataclass(frozen=True)
class CudaSession:
    """A network as a module on the current CUDA device."""

    network: IntegerNetwork

    @cached_property
    def module(self) -> IntegerTorch:
        """The module on the device; BackendUnavailableError if there is none."""
        advice = cuda_advice()
        if advice:
            raise BackendUnavailableError(f"torch-cuda: {advice}")
        return IntegerTorch(self.network).to("cuda")

    def run(self, pixels: UInt8, request: RunRequest) -> Trace:
        """Run `pixels` (N, M) or (N, F, M) uint8; return the reference's trace."""
        check_request(self.network, pixels, request)
        return _in_chunks(self.module, pixels, request, CUDA_ELEMENTS)


@dataclass(frozen=True)
class TorchBackend:
    """A back end that runs a module: the type of its sessions."""

    kind: Callable[[IntegerNetwork], Session]

    def prepare(self, network: IntegerNetwork) -> Session:
        """Return a session, which makes its module at the first run."""
        return self.kind(network)


CPU: Final = TorchBackend(TorchSession)
CUDA: Final = TorchBackend(CudaSession)


def run(
    network: IntegerNetwork, pixels: UInt8, request: RunRequest, threads: int | None = None
) -> Trace:
    """Run `pixels` (N, M) or (N, F, M) uint8 once on the CPU; return the reference's trace."""
    return TorchSession(network).run(pixels, request, threads)


def run_cuda(network: IntegerNetwork, pixels: UInt8, request: RunRequest) -> Trace:
    """Run as `run` on the current CUDA device; BackendUnavailableError if there is none."""
    return CudaSession(network).run(pixels, request)


def cuda_advice() -> str:
    """Return advice for a missing CUDA device; empty if there is one."""
    if torch.cuda.is_available():
        return ""
    return (
        f"PyTorch {torch.__version__} sees no CUDA device; use the back end torch, or install a "
        "CUDA build of PyTorch where there is an NVIDIA GPU with its driver"
    )


def _in_chunks(module: IntegerTorch, pixels: UInt8, request: RunRequest, elements: int) -> Trace:
    trace = Trace.empty(module.network, pixels.shape, request)
    frames = frames_of(pixels)
    n, t = len(frames), frames.shape[1] * request.steps
    rows_at_once = max(1, elements // module.network.n_neurons)
    report = current_watcher().progress
    for start in range(0, n, rows_at_once):
        rows = slice(start, min(start + rows_at_once, n))
        if request.stop is not None:
            run_until_done(module, pixels[rows], request, rows, trace)
            report(rows.stop * t, n * t)
            continue
        for step in _run_rows(module, frames[rows], request, rows, trace):
            report(start * t + (rows.stop - start) * (step + 1), n * t)
    trace.hold()
    return trace


def _run_rows(
    module: IntegerTorch, frames: UInt8, request: RunRequest, rows: slice, trace: Trace
) -> Iterator[int]:
    """Fill in the trace of some images; yield every step when it is done.

    What is summed over steps or neurons stays on the device until the last one, since each copy
    from a GPU waits for it.
    """
    network, device = module.network, module.device
    n, t = len(frames), frames.shape[1] * request.steps
    images = torch.arange(rows.start, rows.stop, device=device) + request.first_image
    states = module.initial_states(n)
    total = torch.zeros(n, network.n_neurons, dtype=torch.int64, device=device)
    window = network.decoder.decoding.window(request.steps)
    spikes = torch.zeros(t, n, dtype=torch.int64, device=device)
    hits = torch.zeros(t, n, len(SATURATIONS), dtype=torch.int64, device=device)
    scores = torch.zeros(t, n, network.n_scores, dtype=torch.int32, device=device)
    for step in range(t):
        frame, within = divmod(step, request.steps)
        if within == 0:
            # torch refuses NumPy views with negative strides, as of mirrored images.
            shown = module.show(torch.tensor(np.ascontiguousarray(frames[:, frame]), device=device))
            added = torch.zeros_like(total)
        sent, states, hits[step] = module.advance(
            states, shown, module.keys(request.seed, images, step)
        )
        counts = module.side_by_side(network.computing, sent)
        total += counts
        spikes[step] = counts.sum(dim=1)
        if network.accumulating:
            scores[step] = module.side_by_side(network.accumulating, states)
        if trace.counts is not None and trace.states is not None:
            trace.counts[rows, step] = counts.cpu().numpy()
            trace.states[rows, step] = _potentials(module, states)
        if within >= request.steps - window:
            added += counts
        if within == request.steps - 1:
            after = module.side_by_side(network.computing, states)
            decoded = module.reconstruct(added, after, window)
            trace.keep_image(rows, frame, decoded.cpu().numpy())
        yield step
    trace.counts_sum[rows] = total.cpu().numpy()
    trace.spikes_per_step[rows] = spikes.T.cpu().numpy()
    trace.state[rows] = _potentials(module, states)
    assert trace.saturated is not None  # Trace.empty makes it
    trace.saturated[rows] = hits.transpose(0, 1).cpu().numpy()
    if trace.scores is not None:
        trace.scores[rows] = scores.transpose(0, 1).cpu().numpy()


def _potentials(module: IntegerTorch, states: Values) -> AnyArray:
    """Return the states (N, K) of all computing neurons."""
    return np.asarray(module.side_by_side(module.network.computing, states).cpu().numpy())
