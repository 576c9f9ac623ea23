"""What the passes of a stack of networks read and write, and the protocol of the passes.

Shapes: networks E, updates N = T + 1 with the first state, images B, neurons K, pixels M.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True)
class Constants:
    """Scheduled values of an iteration, on the device, where a captured graph reads them.

    scalars (2,): soft clip in nats, temperature. seed (1,) int64: of the noise. to_fit (N,): weight
    of the fit after each update in the loss, per image. to_kl (E,): that of the KL term.
    """

    scalars: Tensor
    seed: Tensor
    to_fit: Tensor
    to_kl: Tensor


@dataclass(frozen=True)
class History:
    """Tensors of one iteration, overwritten by the next.

    states, z, noise, lateral (E, N, B, K): after every update the state, the latents, what the
    noise left for their gradient, and z G, which the way back overwrites. b, to_drive, competition
    and to_b (E, B, K): drive, gradients of the next update's drive, that times G, and of b.
    gradients (E, B, K): of the state, and sums over updates for parameters.
    """

    states: dict[str, Tensor]
    z: Tensor
    noise: Tensor
    lateral: Tensor
    b: Tensor
    to_drive: Tensor
    competition: Tensor
    to_b: Tensor
    gradients: dict[str, Tensor]

    @property
    def images(self) -> int:
        """Images B of each network's batch."""
        return self.b.shape[1]

    @property
    def neurons(self) -> int:
        """Neurons K."""
        return self.b.shape[2]

    @property
    def length(self) -> int:
        """States N = T + 1 that are kept."""
        return self.z.shape[1]

    def clear(self) -> None:
        """Set to 0 what the way back accumulates."""
        for each in (self.to_drive, self.competition, self.to_b, *self.gradients.values()):
            each.zero_()


class Passes(Protocol):
    """Passes of a model's updates. Parameters p by name: (E, 1, K), or (E,) for step sizes."""

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the state's parts."""

    @property
    def starts(self) -> tuple[str, ...]:
        """Names of the parameters of the first state."""

    @property
    def sums(self) -> tuple[str, ...]:
        """Parameters for whose gradients the way back accumulates a sum."""

    def begin(self, p: dict[str, Tensor], c: Constants, h: History) -> None:
        """Set the first state, and draw its latents."""

    def forward(self, p: dict[str, Tensor], c: Constants, h: History, i: int) -> None:
        """Compute update i, 1 .. T, and draw the latents after it."""

    def backward(self, p: dict[str, Tensor], c: Constants, h: History, i: int) -> None:
        """Return through update i, from the gradients of the state after it to those before it."""

    def finish(self, p: dict[str, Tensor], h: History) -> dict[str, Tensor]:
        """Return the gradients of the parameters of inference."""


def history_of(
    passes: Passes, networks: int, steps: int, images: int, neurons: int, device: torch.device
) -> History:
    """Return a history of T = steps updates, of float32 tensors."""
    long, short = (networks, steps + 1, images, neurons), (networks, images, neurons)

    def each(shape: tuple[int, ...]) -> Tensor:
        return torch.zeros(shape, dtype=torch.float32, device=device)

    return History(
        states={name: each(long) for name in passes.states},
        z=each(long),
        noise=each(long),
        lateral=each(long),
        b=each(short),
        to_drive=each(short),
        competition=each(short),
        to_b=each(short),
        gradients={name: each(short) for name in (*passes.states, *passes.sums)},
    )
