"""Sparse coding and predictive coding: latents without noise, weights learnt from settled codes.

- LCA (Rozell, Johnson, Baraniuk and Olshausen 2008): potentials u, codes a = max(u - lambda, 0) (or
  both signs), u += (1 / tau) (phi^T x - u - (phi^T phi - 1) a), with columns of norm 1.
- Predictive coding (Rao and Ballard 1999; Whittington and Bogacz 2017): gradient descent on
  |x - phi z|^2 / 2 + alpha |z|^2 / 2 finds the most probable z. alpha is small, so that codes
  may grow as large as the images need.

Both are a `protocol.LatentModel` whose sample is its code. Weights follow the gradient at the last
code, or in incremental predictive coding (Salvatori et al., ICLR 2024) at every code on the way.
"""

from dataclasses import dataclass
from typing import Any, Final, final

import torch
from torch import Tensor
from torch.nn.functional import softshrink

from ipvae_snn.config.settings import ModelConfig
from ipvae_snn.image_shape import ImageShape
from ipvae_snn.models.decoder_module import DecoderModule
from ipvae_snn.models.parameters import ModelParameters, NetworkParameters
from ipvae_snn.models.protocol import Draw, LatentModel, LatentSettings

ALPHA: Final = 0.05  # precision of predictive coding's prior, relative to that of the pixels


@final
@dataclass(frozen=True)
class Settling:
    """Deterministic latents that settle: the state is a potential u (B, K), from 0 on.

    rate: of the updates. threshold: lambda of codes a(u); None for a(u) = u. signed: whether codes
    have both signs.
    """

    n_neurons: int
    rate: Tensor
    threshold: float | None
    signed: bool
    settings: LatentSettings
    numbers: int = 1

    @property
    def updates_per_step(self) -> int:
        """Updates of the potentials in one step."""
        return self.settings.updates_per_step

    def initial(self, n_rows: int) -> Tensor:
        """Return potentials of 0, (n_rows, K)."""
        return self.rate.new_zeros(n_rows, self.n_neurons)

    def first(self, x: Tensor) -> Tensor:
        """Return `initial` of as many rows as x (B, M) has."""
        return self.initial(len(x))

    def begin(self, moved: Tensor) -> Tensor:
        """Return potentials (B, K)."""
        return moved

    def shifted(self, state: Tensor, by: Tensor) -> Tensor:
        """Return u + by (B, K)."""
        return state + by

    def draws(self, generator: torch.Generator, temperature: float = 0.0) -> Draw:
        """Return a source of nothing: codes have no noise."""
        return lambda u: u

    def sample(self, state: Tensor, draw: Draw) -> Tensor:
        """Return the codes a(u), (B, K)."""
        if self.threshold is None:
            return state
        if self.signed:
            return softshrink(state, self.threshold)
        return (state - self.threshold).clamp(min=0.0)

    def update(self, state: Tensor, start: Tensor, drive: Tensor, z: Tensor) -> Tensor:
        """Return the potentials after one update.

        LCA: u + rate (drive + a - u). Predictive coding: z + rate (drive - alpha z).
        """
        leak = ALPHA * state if self.threshold is None else state - z
        return state + self.rate * (drive - leak)

    def divergence(self, new: Tensor, old: Tensor) -> Tensor:
        """Return the energy of the code, (B,): lambda |a|_1, or alpha |z|^2 / 2."""
        code = self.sample(new, lambda u: u)
        if self.threshold is None:
            return 0.5 * ALPHA * (code * code).sum(-1)
        return self.threshold * code.abs().sum(-1)

    def messages(self, state: Tensor) -> Tensor:
        """Return 1 where the code is not 0, (B, K)."""
        return (self.rates(state) != 0).to(state)

    def rates(self, state: Tensor) -> Tensor:
        """Return the codes (B, K)."""
        return self.sample(state, lambda u: u)

    def potential(self, state: Tensor) -> Tensor:
        """Return u (B, K)."""
        return state

    def activity(self, state: Tensor) -> Tensor:
        """Return the size of the codes (B, K)."""
        return self.rates(state).abs()


class PredictiveCoding(DecoderModule):
    """Predictive coding; pixel noise is 1."""

    threshold: float | None = None
    signed = True

    def __init__(self, config: ModelConfig, shape: ImageShape, generator: torch.Generator) -> None:
        super().__init__(config, shape, generator)
        noise = self.log_sigma.data
        del self.log_sigma
        self.register_buffer("log_sigma", noise)

    def view(self) -> ModelParameters:
        """Return the parameters for the formulas, differentiable."""

        def build(settings: LatentSettings) -> LatentModel[Any]:
            rate = self.log_sigma.new_tensor(self.config.log_lr).exp()
            return Settling(self.n_neurons, rate, self.threshold, self.signed, settings)

        return NetworkParameters(self.dictionary(), dict(self.named_parameters()), build)


class SparseCoding(PredictiveCoding):
    """LCA with a dictionary of columns of norm 1, which are learnt; signed: codes of both signs."""

    def __init__(
        self,
        config: ModelConfig,
        shape: ImageShape,
        generator: torch.Generator,
        *,
        signed: bool = False,
    ) -> None:
        super().__init__(config, shape, generator)
        self.threshold, self.signed = config.threshold, signed
        self.constrain()

    @torch.no_grad()
    def constrain(self) -> None:
        """Give every column of the dictionary, or every kernel, the norm 1."""
        for weights in self.parameters():
            axes = (0,) if weights.ndim == 2 else (1, 2, 3)
            weights.div_(torch.linalg.vector_norm(weights, dim=axes, keepdim=True).clamp(min=1e-12))
