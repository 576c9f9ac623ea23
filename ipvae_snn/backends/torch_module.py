"""The integer network as a torch module on the CPU or a CUDA device, equal to the reference.

`run` and `run_cuda` are the back ends `torch` and `torch-cuda`; ipvae_snn.frameworks builds its
layers on the module.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from ipvae_snn.arrays import Array, UInt8
from ipvae_snn.backends.torch_sampler import Keys, Tables, spike_counts
from ipvae_snn.backends.torch_state import names, replacement, take_tensors, to_tensors
from ipvae_snn.errors import BackendUnavailableError, DataError, FileFormatError
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.parts import Synapses
from ipvae_snn.ir.trace import SATURATIONS, RunRequest, Trace, check_request
from ipvae_snn.kernels.threads import n_threads
from ipvae_snn.watcher import current_watcher

# Images x neurons at a time; bounds the memory of a run and changes no result. A CPU is fastest
# within its caches; a GPU needs enough work per launch.
CPU_ELEMENTS: Final = 1 << 16
CUDA_ELEMENTS: Final = 1 << 21


class IntegerTorch(nn.Module):
    """An integer network on one device, with explicit state; nothing is kept between calls.

    It has no parameters. Its buffers are created from `network` again whenever the module is moved,
    so that `.half()`, `.double()` or `.type()` on a model that contains it change no number. A
    state dict holds the network instead (`torch_state`). Loading one replaces the network by
    another of the same sizes and circuit, whole or not at all.
    """

    decoder: Tensor
    decoder_scale: Tensor
    bias: Tensor
    self_inhibition: Tensor
    own_inhibition: Tensor
    initial_state: Tensor
    coarse: Tensor
    fine: Tensor

    def __init__(self, network: IntegerNetwork) -> None:
        super().__init__()
        self.network = network
        self._place(torch.device("cpu"))

    def held(self, pixels: Tensor) -> Tensor:
        """Return what the circuit keeps of pixels (N, M) uint8 while they are shown, int64.

        One-layer: the input current (N, K); two-layer: the payload (N, M). Raises DataError for
        pixels of another type or size.
        """
        if pixels.dtype != torch.uint8 or pixels.shape[1:] != (self.network.n_pixels,):
            raise DataError(
                f"the network takes uint8 pixels (N, {self.network.n_pixels}), not "
                f"{pixels.dtype}{tuple(pixels.shape)}"
            )
        payload = pixels.long() - self.network.input.zero_point
        return payload if self.network.residual else self.forward_current(payload)

    def forward_current(self, payload: Tensor) -> Tensor:
        """Return the current (N, K) that a payload (N, M) causes by the feed-forward weights."""
        return self._synapses(payload, "feedforward").add_(self.bias)

    def initial(self, n_rows: int) -> Tensor:
        """Return the membrane potentials (n_rows, K) int64 at which an image appears."""
        return self.initial_state.repeat(n_rows, 1)

    def keys(self, seed: int, images: Tensor, step: int) -> Keys:
        """Return the keys of rows that draw under `seed`, image indices (N,) and `step`."""
        return Keys(torch.full_like(images, seed), images, torch.full_like(images, step))

    def sample(self, state: Tensor, keys: Keys) -> Tensor:
        """Return the spike counts (N, K) int64 drawn at membrane potentials `state` (N, K)."""
        group, tables = self.network.neurons, self.network.tables
        constants = Tables(self.coarse, self.fine, tuple(int(r) for r in tables.reciprocal))
        return spike_counts(state, keys, group.fraction_bits, group.max_count, constants)

    def drive(self, held: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Return the change of the potentials (N, K), unclamped, and saturated residuals (N,)."""
        residual = self.network.residual
        own = self.self_inhibition * counts
        if residual is None:
            moved = self._synapses(counts, "lateral").add_(held)
            return moved.sub_(own), counts.new_zeros(len(counts))
        error = held - self._synapses(counts, "prediction")
        clipped = error.clamp(-residual.limit, residual.limit)
        return self.forward_current(clipped).sub_(own), (clipped != error).sum(dim=1)

    def integrate(self, state: Tensor, held: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Return the membrane potentials (N, K) after the counts of this step have competed.

        The second result is how many neurons saturated, (N, 5), by trace.SATURATIONS.
        """
        group = self.network.neurons
        extra = group.extra_bits
        total, residuals = self.drive(held, counts)
        highest = (group.excitation_max << extra) - self.own_inhibition * counts
        bounded = torch.minimum(total, highest)
        lowest = group.update_min << extra
        moved = bounded.clamp(min=lowest)
        if extra:
            moved.add_(1 << (extra - 1)).bitwise_right_shift_(extra)
        moved.add_(state)
        saturated = (
            (counts >= group.max_count).sum(dim=1),
            (total > highest).sum(dim=1),
            (bounded < lowest).sum(dim=1),
            (moved > group.state_max).sum(dim=1),
            residuals,
        )
        return moved.clamp_(group.state_min, group.state_max), torch.stack(saturated, dim=1)

    def step(self, state: Tensor, held: Tensor, keys: Keys) -> tuple[Tensor, Tensor, Tensor]:
        """Return counts and state after the update, (N, K) each, and saturations (N, 5)."""
        counts = self.sample(state, keys)
        return (counts, *self.integrate(state, held, counts))

    def decode(self, counts: Tensor) -> Tensor:
        """Return the reconstruction (N, M) float32 of spike counts (N, K)."""
        # sums stay below 2^53: 16 bits of weight, 15 of count, and fewer than 2^22 neurons
        return (counts.double() @ self.decoder).to(torch.float32) * self.decoder_scale

    def _synapses(self, payload: Tensor, name: str) -> Tensor:
        """Return the scaled sums (N, targets) int64 of the connection `name`."""
        total = (payload.double() @ self.get_buffer(name)).to(torch.int64)
        total.mul_(self.get_buffer(f"{name}_multiplier")).add_(self.get_buffer(f"{name}_half"))
        return total.bitwise_right_shift_(self.get_buffer(f"{name}_shift"))

    def _save_to_state_dict(
        self, destination: dict[str, Tensor], prefix: str, keep_vars: bool
    ) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        for name, tensor in to_tensors(self.network, self.bias.device).items():
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
        wanted, given = set(names(self.network)), take_tensors(state_dict, prefix)
        foreign = sorted(given.keys() - wanted)
        if wanted <= given.keys() or foreign:
            try:
                self.network = replacement(self.network, given)
            except FileFormatError as error:
                error_msgs.append(f"{prefix}network: {error}")
            else:
                self._place(self.bias.device)
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
        self._place(self.bias.device)
        return self

    def _place(self, device: torch.device) -> None:
        """Create every buffer from the network on `device`.

        Matrices are float64: products and partial sums are whole and below 2^23, so any order of
        summation is exact. float32 would suffice, but autocast, TF32 or a user's float32 matmul
        precision could round its factors to 8 or 11 bits; none of these affects float64.
        """
        network = self.network
        group = network.neurons
        tensors: dict[str, Array] = {
            "decoder": network.decoder.matrix.T.astype(np.float64),
            "decoder_scale": network.decoder.scale,
            "bias": group.bias.astype(np.int64),
            "self_inhibition": group.self_inhibition.astype(np.int64),
            "own_inhibition": network.own_inhibition,
            "initial_state": group.initial_state.astype(np.int64),
            "coarse": network.tables.coarse,
            "fine": network.tables.fine,
            **_connection("feedforward", network.feedforward),
        }
        if network.lateral is not None:
            tensors |= _connection("lateral", network.lateral)
        if network.residual is not None:
            tensors |= _connection("prediction", network.residual.prediction)
        for name, array in tensors.items():
            self.register_buffer(name, torch.tensor(array, device=device), persistent=False)


def run(
    network: IntegerNetwork, pixels: UInt8, request: RunRequest, threads: int | None = None
) -> Trace:
    """Run `pixels` (N, M) uint8 on the CPU; return the trace, equal to the reference's.

    threads: see `threads.n_threads`. These tensors are small: a second thread gains a fifth on an
    idle machine, but waits at every operation on a busy one (measured: up to 30 times as long).
    """
    check_request(network, pixels, request)
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads(threads))
    try:
        return _in_chunks(IntegerTorch(network), pixels, request, CPU_ELEMENTS)
    finally:
        torch.set_num_threads(before)


def run_cuda(network: IntegerNetwork, pixels: UInt8, request: RunRequest) -> Trace:
    """Run as `run` on the current CUDA device; BackendUnavailableError if there is none."""
    check_request(network, pixels, request)
    advice = cuda_advice()
    if advice:
        raise BackendUnavailableError(f"torch-cuda: {advice}")
    return _in_chunks(IntegerTorch(network).to("cuda"), pixels, request, CUDA_ELEMENTS)


def cuda_advice() -> str:
    """Return advice for a missing CUDA device; empty if there is one."""
    if torch.cuda.is_available():
        return ""
    return (
        f"PyTorch {torch.__version__} sees no CUDA device; use the back end torch, or install a "
        "CUDA build of PyTorch where there is an NVIDIA GPU with its driver"
    )


def _in_chunks(module: IntegerTorch, pixels: UInt8, request: RunRequest, elements: int) -> Trace:
    network = module.network
    n, t, k = len(pixels), request.steps, network.n_neurons
    counts_sum = np.zeros((n, k), np.int64)
    state_after = np.zeros((n, k), np.int32)
    per_step = np.zeros((n, t), np.int64)
    reconstruction = np.zeros((n, network.n_pixels), np.float32)
    saturated = np.zeros((n, t, len(SATURATIONS)), np.int32)
    all_counts = np.zeros((n, t, k), np.int32) if request.trace else None
    all_states = np.zeros((n, t, k), np.int32) if request.trace else None
    device, rows_at_once = module.bias.device, max(1, elements // k)
    report = current_watcher().progress
    for start in range(0, n, rows_at_once):
        rows = slice(start, min(start + rows_at_once, n))
        images = torch.arange(rows.start, rows.stop, device=device) + request.first_image
        # torch refuses NumPy views with negative strides, as of mirrored images.
        held = module.held(torch.tensor(np.ascontiguousarray(pixels[rows]), device=device))
        state = module.initial(len(images))
        total = torch.zeros_like(state)
        spikes = torch.zeros(t, len(images), dtype=torch.int64, device=device)
        hits = torch.zeros(t, len(images), len(SATURATIONS), dtype=torch.int64, device=device)
        for step in range(t):
            keys = module.keys(request.seed, images, step)
            counts, state, hits[step] = module.step(state, held, keys)
            total += counts
            spikes[step] = counts.sum(dim=1)
            if all_counts is not None and all_states is not None:
                all_counts[rows, step] = counts.cpu().numpy()
                all_states[rows, step] = state.cpu().numpy()
            report(start * t + len(images) * (step + 1), n * t)
        counts_sum[rows], per_step[rows] = total.cpu().numpy(), spikes.T.cpu().numpy()
        saturated[rows] = hits.transpose(0, 1).cpu().numpy()
        state_after[rows] = state.cpu().numpy()
        reconstruction[rows] = module.decode(counts).cpu().numpy()
    traced = (all_counts, all_states)
    return Trace(counts_sum, state_after, per_step, reconstruction, *traced, saturated)


def _connection(name: str, connection: Synapses) -> dict[str, Array]:
    shift = connection.shift.astype(np.int64)
    return {
        name: connection.matrix.T.astype(np.float64),
        f"{name}_multiplier": connection.multiplier.astype(np.int64),
        f"{name}_shift": shift,
        f"{name}_half": np.left_shift(np.int64(1), shift - 1),
    }
