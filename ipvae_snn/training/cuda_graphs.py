"""Loss and gradient of an iteration, captured once as a CUDA graph and replayed.

An iteration of T steps is thousands of short kernels, whose launches take longer than they do. A
graph launches them at once, under the rules of torch's notes on CUDA graphs: every replay reads and
writes the same memory, nothing depends on the host, and the work has run on a side stream before.
So images, beta, soft clip, prices, temperature and the noise's key are copied into tensors before a
replay, and gradients and figures come from tensors after it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final, Protocol

import torch
from torch import Tensor

from ipvae_snn.config.settings import Config
from ipvae_snn.errors import ConfigError
from ipvae_snn.models.poisson_samples import MAX_MEAN_ARRIVALS, run_away
from ipvae_snn.models.shapes import Number
from ipvae_snn.training.device_samples import Draw, uses_triton
from ipvae_snn.training.objective import Unrolled
from ipvae_snn.training.schedules import ScheduleValues

WARM_UP: Final = 3  # runs before the capture, in which libraries reserve their memory

Work = Callable[[], None]
# Runs the work once or more, and returns what runs it again on the same memory.
Capture = Callable[[Work], Work]


class CaptureError(Exception):
    """An iteration cannot be captured; the text is the reason."""


class Draws(Protocol):
    """Source of relaxed counts that reads its key and temperature from the device."""

    def prepare(self, seed: int, temperature: float) -> None:
        """Set both for the next iteration, and forget counted arrivals."""

    def sample(self, u: Tensor, number: int) -> Tensor:
        """Return relaxed counts (B, K) at log rates u (B, K); each number has noise of its own."""

    def arrivals(self) -> float:
        """Return the largest mean number of arrivals per element of a sample since `prepare`."""


@dataclass(frozen=True)
class Inputs:
    """What changes from iteration to iteration: images (B, M) or (B, F, M), and scalars."""

    x: Tensor
    beta: Number
    clip: Number
    message_price: Number
    spike_price: Number


# Of the schedule's values only the number of steps may be read, the others from the inputs.
Loss = Callable[[Inputs, ScheduleValues, Draw], Unrolled]


@dataclass(frozen=True)
class _Memory:
    """Inputs, figures and gradients of a captured iteration, each always in the same place."""

    x: Tensor
    scalars: tuple[Tensor, ...]  # of Inputs, in their order
    figures: tuple[Tensor, ...]  # loss, nll, kl, messages, spikes, rate, max_rate
    gradients: tuple[Tensor, ...]

    @classmethod
    def like(cls, x: Tensor, parameters: Sequence[Tensor]) -> "_Memory":
        zeros = tuple(x.new_zeros(()) for _ in range(4 + 7))
        gradients = tuple(torch.zeros_like(each) for each in parameters)
        return cls(torch.empty_like(x), zeros[:4], zeros[4:], gradients)


class CapturedIteration:
    """Loss and gradient of an iteration; captured anew when the batch or the steps change."""

    def __init__(
        self, loss: Loss, parameters: Sequence[Tensor], draws: Draws, capture: Capture
    ) -> None:
        self.loss, self.parameters, self.draws, self.capture = loss, parameters, draws, capture
        self.captured: tuple[object, _Memory, Work] | None = None

    def __call__(self, x: Tensor, now: ScheduleValues, seed: int, share: float) -> Unrolled:
        """Return the figures of a batch; the parameters get `share` of its gradient.

        seed: of the noise. What is returned, and the gradients, are overwritten by the next call.
        Raises TrainingError where the rates have run away, CaptureError.
        """
        memory, replay = self._for(x, now, seed, share)
        replay()
        for parameter, gradient in zip(self.parameters, memory.gradients, strict=True):
            parameter.grad = gradient
        loss, nll, kl, messages, spikes, rate, max_rate = memory.figures
        arrivals = self.draws.arrivals()
        if arrivals > MAX_MEAN_ARRIVALS:
            raise run_away(max_rate.item(), rate.item())
        return Unrolled(loss, nll, kl, messages, spikes, rate, max_rate, arrivals)

    def _for(self, x: Tensor, now: ScheduleValues, seed: int, share: float) -> tuple[_Memory, Work]:
        """Return the memory with the inputs in it, and the captured work."""
        key = (x.shape, x.dtype, now.steps, share)
        if self.captured is not None and self.captured[0] == key:
            _, memory, replay = self.captured
            self._fill(memory, x, now, seed)
            return memory, replay
        self.captured = None  # frees the memory of the graph before
        memory = _Memory.like(x, self.parameters)
        self._fill(memory, x, now, seed)
        replay = self.capture(lambda: self._run(memory, now, share))
        self.captured = key, memory, replay
        return memory, replay

    def _fill(self, memory: _Memory, x: Tensor, now: ScheduleValues, seed: int) -> None:
        memory.x.copy_(x)
        values = now.beta, now.clip, now.message_price, now.spike_price
        for scalar, value in zip(memory.scalars, values, strict=True):
            scalar.fill_(value)
        self.draws.prepare(seed, now.temperature)

    def _run(self, memory: _Memory, now: ScheduleValues, share: float) -> None:
        """Compute figures and gradients from the inputs in the memory."""
        numbers = count()
        inputs = Inputs(memory.x, *memory.scalars)
        result = self.loss(inputs, now, lambda u: self.draws.sample(u, next(numbers)))
        # No gradient is accumulated, since that would happen on the stream of the parameters.
        gradients = torch.autograd.grad(result.loss * share, self.parameters)
        r = result
        figures = r.loss.detach(), r.nll, r.kl, r.messages, r.spikes, r.rate, r.max_rate
        for kept, new in zip(memory.gradients, gradients, strict=True):
            kept.copy_(new)
        for kept, new in zip(memory.figures, figures, strict=True):
            kept.copy_(new)


def captured_on_cuda(work: Work) -> Work:
    """Capture the work as a CUDA graph; CaptureError if it cannot be."""
    try:
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call] # torch's
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                work()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            work()
    except RuntimeError as error:  # memory among them
        # What went wrong invalidates the capture, whose end then raises an error of its own.
        raise CaptureError(str(error.__context__ or error).splitlines()[0]) from error
    return graph.replay


def reason_against(config: Config, device: torch.device) -> str | None:
    """Return why an iteration cannot be captured, None if it can."""
    if device.type != "cuda":
        return f"train.device is {device}, and CUDA graphs are for cuda"
    if config.train.segments > 1:
        return f"train.segments is {config.train.segments}, and a graph holds one segment"
    if not uses_triton(config, device):
        why = (
            "train.sampling is torch"
            if config.train.sampling == "torch"
            else "triton is not installed"
        )
        return f"{why}, and torch's samples take as many passes as the rates need"
    return None


def uses_cuda_graphs(config: Config, device: torch.device, notice: Callable[[str], None]) -> bool:
    """Return whether iterations are captured, by train.cuda_graphs.

    notice: receives the reason why not, on a CUDA device where auto would. Raises ConfigError if
    the settings want it where it cannot be.
    """
    wanted = config.train.cuda_graphs
    if wanted == "off":
        return False
    reason = reason_against(config, device)
    if reason is None:
        return True
    if wanted == "on":
        raise refused(reason)
    if device.type == "cuda":
        notice(without(reason))
    return False


def refused(reason: str) -> ConfigError:
    """Return the error where the settings insist."""
    return ConfigError(f"train.cuda_graphs is on, but {reason}; set train.cuda_graphs=auto")


def without(reason: str) -> str:
    """Return the line that says that training goes on without."""
    return f"training without CUDA graphs: {reason}"
