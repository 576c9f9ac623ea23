"""Amortised latents: an encoder gives the first state, which may be refined.

- Amortised VAEs: one pass of an encoder, without updates. The P-VAE (Vafaii, Galor and Yates,
  NeurIPS 2024, arXiv 2405.14473) has rates exp(u0 + encoder(x)) with a learnt u0; the G-VAE and
  the G_relu-VAE have N(mu, exp(xi)^2) of the encoder, and the prior N(0, 1).
- Semi-amortised (sa-VAE; Kim et al., ICML 2018): the model's own updates follow, and training goes
  through them.
- Iterative amortised (ia-VAE; Marino, Yue and Mandt, ICML 2018): a network maps the state and its
  drive to the update, from the prior on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, final

import torch
from torch import Tensor

from ipvae_snn.models.protocol import Draw, LatentModel, State

# The update of an iterative amortised model: (state, start, drive, z) -> state.
Update = Callable[[Any, Any, Tensor, Tensor], Any]


@final
@dataclass(frozen=True)
class AmortisedLatents(Generic[State]):
    """Latents of another model whose first state, or whose updates, are a network's.

    encode: pixels (B, M) to the first state; None for the model's own. renew: replaces its update;
    `stay` for none.
    """

    model: LatentModel[State]
    encode: Callable[[Tensor], State] | None = None
    renew: Update | None = None

    @property
    def updates_per_step(self) -> int:
        """Updates of the state in one inference step."""
        return self.model.updates_per_step

    def initial(self, n_rows: int) -> State:
        """Return the learnt prior for every row."""
        return self.model.initial(n_rows)

    def first(self, x: Tensor) -> State:
        """Return the encoder's state, or the prior."""
        return self.model.first(x) if self.encode is None else self.encode(x)

    @property
    def numbers(self) -> int:
        """Numbers of a neuron's state."""
        return self.model.numbers

    def shifted(self, state: State, by: Tensor) -> State:
        """Return the state moved by (B, n K) numbers."""
        return self.model.shifted(state, by)

    def begin(self, moved: Tensor) -> State:
        """Return the prior moved by (B, K)."""
        return self.model.begin(moved)

    def draws(self, generator: torch.Generator, temperature: float = 0.0) -> Draw:
        """Return the model's source of latents."""
        return self.model.draws(generator, temperature)

    def sample(self, state: State, draw: Draw) -> Tensor:
        """Return latents (B, K)."""
        return self.model.sample(state, draw)

    def update(self, state: State, start: State, drive: Tensor, z: Tensor) -> State:
        """Return the state after one update."""
        return (self.renew or self.model.update)(state, start, drive, z)

    def divergence(self, new: State, old: State) -> Tensor:
        """Return KL(q_new || q_old), (B,), in nats."""
        return self.model.divergence(new, old)

    def messages(self, state: State) -> Tensor:
        """Return the chance (B, K) that a neuron sends."""
        return self.model.messages(state)

    def rates(self, state: State) -> Tensor:
        """Return the latents (B, K) of the MAP read-out."""
        return self.model.rates(state)

    def potential(self, state: State) -> Tensor:
        """Return the model's potential (B, K)."""
        return self.model.potential(state)

    def activity(self, state: State) -> Tensor:
        """Return the mean size of the latents (B, K)."""
        return self.model.activity(state)


def stay(state: Any, start: Any, drive: Tensor, z: Tensor) -> Any:
    """Return the state as it is: an encoder's result is not refined."""
    return state
