"""The network's rule in a few lines of PyTorch, as one would write it: what compiled code is set
beside."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ipvae_snn.inference.fast import GramNetwork

Step = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class PlainStep:
    """A step in Gram form: u (N, K) and the drive b (N, K) -> the next u.

    The rule is docs/numerics.md's: draw z, then add the step size times b - z G - threshold, with
    soft limits at `clip` and a floor.
    """

    G: Tensor
    threshold: Tensor
    step_size: float
    clip: float
    floor: float

    def __call__(self, u: Tensor, b: Tensor) -> Tensor:
        """Return the potentials after one step."""
        z = torch.poisson(torch.exp(u))
        update = self.step_size * (b - z @ self.G - self.threshold)
        return self._limited(u + self._limited(update))

    def _limited(self, a: Tensor) -> Tensor:
        softplus = torch.nn.functional.softplus
        return self.clip - softplus(self.clip - torch.clamp(a, min=self.floor))


def plain_step(network: GramNetwork) -> PlainStep:
    """Return the step of a float network with one update per step and no leak."""
    return PlainStep(
        torch.from_numpy(network.G),
        torch.from_numpy(network.threshold),
        network.step_size,
        network.clip,
        network.floor,
    )


def advance(step: Step, u: Tensor, b: Tensor, steps: int) -> Tensor:
    """Return the potentials `steps` steps later."""
    with torch.inference_mode():
        for _ in range(steps):
            u = step(u, b)
    return u
