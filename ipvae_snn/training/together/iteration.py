"""One iteration of a stack of networks: batches, gradient, optimiser, all on the device.

What changes from iteration to iteration lies in tables on the device, in the row of a counter that
the iteration itself increases, so that a captured graph is replayed without the host.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from ipvae_snn.config.settings import Config
from ipvae_snn.training.random_streams import Stream, keyed_seed
from ipvae_snn.training.schedules import linear, mix, schedule_values
from ipvae_snn.training.together import adamax
from ipvae_snn.training.together.adamax import Moments
from ipvae_snn.training.together.gradient import gradient
from ipvae_snn.training.together.history import Constants, History, Passes
from ipvae_snn.training.unrolling import step_weights

SEED_BITS: Final = 1 << 62


@dataclass(frozen=True)
class Tables:
    """Scheduled values of every iteration, on the device.

    scalars (I, 2): soft clip, temperature. steps (I, 2): learning rate over Adamax's correction,
    limit of the gradient's norm. to_kl (I, E): beta over images and steps.
    """

    scalars: Tensor
    steps: Tensor
    to_kl: Tensor

    @classmethod
    def of(cls, configs: Sequence[Config], images: int, device: torch.device) -> "Tables":
        """Return the tables of configs that agree in all but seed and beta."""
        scalars, steps, to_kl = [], [], []
        first = configs[0]
        terms = images * first.train.steps
        for iteration in range(first.train.iterations):
            now = schedule_values(first.model, first.train, iteration)
            scalars.append((now.clip, now.temperature))
            corrected = now.learning_rate / (1.0 - adamax.BETA1 ** (iteration + 1))
            steps.append((corrected, now.grad_clip))
            ramp = linear(iteration, first.train.beta_ramp_fraction * first.train.iterations)
            betas = [mix(first.train.beta_start, config.train.beta, ramp) for config in configs]
            to_kl.append([beta / terms for beta in betas])
        tensors = (torch.tensor(rows, dtype=torch.float32) for rows in (scalars, steps, to_kl))
        return cls(*(tensor.to(device) for tensor in tensors))


@dataclass(frozen=True)
class Feed:
    """Where an iteration's images come from: data (n, M), order (E, n) of this epoch."""

    data: Tensor
    order: Tensor
    batch: int

    @property
    def batches(self) -> int:
        """Batches of an epoch; the rest of its images is dropped."""
        return self.order.shape[1] // self.batch


class Iteration:
    """State of a stack between iterations, and the work of one; everything lies on the device."""

    def __init__(
        self,
        config: Config,
        p: dict[str, Tensor],
        passes: Passes,
        history: History,
        tables: Tables,
        feed: Feed,
    ) -> None:
        self.config, self.p, self.passes, self.history = config, p, passes, history
        self.tables, self.feed = tables, feed
        device = feed.data.device
        networks = len(feed.order)
        self.moments = Moments.of(p)
        self.counter = torch.zeros(1, dtype=torch.int64, device=device)
        self.norm = torch.zeros(networks, device=device)
        self.skipped = torch.zeros(networks, device=device)
        self.key = keyed_seed(config.train.seed, Stream.NOISE, 0) % SEED_BITS
        self.row = torch.arange(feed.batch, device=device)
        weights = self._fit_weights()
        self.constants = Constants(
            scalars=torch.zeros(2, device=device),
            seed=torch.zeros(1, dtype=torch.int64, device=device),
            to_fit=weights.to(device),
            to_kl=torch.zeros(networks, device=device),
        )
        self.x = torch.zeros(networks, feed.batch, feed.data.shape[1], device=device)

    def _fit_weights(self) -> Tensor:
        """Return the weight of the fit after each update, 0 for the first state."""
        train = self.config.train
        terms = self.feed.batch * train.steps
        weights = step_weights(train.steps, train.late_power)
        return torch.tensor([0.0, *(weight / terms for weight in weights)])

    def run(self) -> None:
        """Take one iteration, and increase the counter."""
        now, feed, c = self.counter, self.feed, self.constants
        c.scalars.copy_(self.tables.scalars[now][0])
        c.to_kl.copy_(self.tables.to_kl[now][0])
        c.seed.copy_(now + self.key)
        rows = now % feed.batches * feed.batch + self.row
        self.x.copy_(feed.data[feed.order[:, rows]])
        limit = self.config.model.log_sigma_limit
        gradients = gradient(self.passes, self.p, self.x, c, self.history, limit)
        rate, most = self.tables.steps[now][0]
        norm = adamax.norms(gradients)
        moves = norm <= self.config.train.grad_skip * most
        self.norm.copy_(norm)
        self.skipped.add_((~moves).to(self.skipped.dtype))
        clipped = adamax.clipped(gradients, norm, most)
        adamax.step(self.p, clipped, self.moments, rate, self.config.train.weight_decay, moves)
        self.counter.add_(1)

    def snapshot(self) -> list[tuple[Tensor, Tensor]]:
        """Return what an iteration changes for the next one, each with a copy."""
        changing = [self.counter, self.skipped]
        for group in (self.p, self.moments.mean, self.moments.largest):
            changing.extend(group.values())
        return [(each, each.clone()) for each in changing]


def restore(snapshot: list[tuple[Tensor, Tensor]]) -> None:
    """Set what `Iteration.snapshot` returned back to its copies."""
    for each, copy in snapshot:
        each.copy_(copy)
