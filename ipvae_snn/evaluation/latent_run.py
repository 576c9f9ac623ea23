"""Run images through a model of the family with torch, for an evaluation."""

from collections import deque
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ipvae_snn.evaluation.figures import Decoded, quality_of
from ipvae_snn.evaluation.parts import EvaluationRequest, Part, PartFigures, Report, recorded_steps
from ipvae_snn.ir.encode import check_images
from ipvae_snn.ir.parts import InputKind
from ipvae_snn.models.cpu_threads import cpu_threads
from ipvae_snn.models.latent_module import Inferring, inferring, keyed_draw
from ipvae_snn.models.latent_network import LatentNetwork
from ipvae_snn.models.likelihood import drive_at
from ipvae_snn.models.protocol import (
    Draw,
    LatentModel,
    advance,
    first_state,
    inference,
    negative_log_likelihood,
)


@dataclass(frozen=True)
class LatentRun:
    """Runs parts of a set of images of `kind`, called `name`; the same wherever it runs.

    Noise is keyed by the seed, the step and the part's first image. key: of the first image's
    draws. judged: whether figures are computed, and not the mean latents alone.
    """

    network: LatentNetwork
    request: EvaluationRequest
    kind: InputKind
    name: str
    key: int = 0
    judged: bool = True

    def run(self, part: Part, report: Report) -> PartFigures:
        """Run the images; report: receives image-steps."""
        with torch.no_grad(), cpu_threads(self.request.threads):
            return self._run(part, report)

    @cached_property
    def _inferring(self) -> Inferring:
        """The network's module, made once for all parts."""
        return inferring(self.network)

    def _run(self, part: Part, report: Report) -> PartFigures:
        network, request = self.network, self.request
        check_images(network.image_shape, network.input_kind, part.pixels, self.kind, self.name)
        model, dictionary = self._inferring
        x = torch.from_numpy(np.ascontiguousarray(part.pixels, np.float32))
        drive = partial(drive_at, inference(dictionary, x.unsqueeze(0)), 0)
        state, before = first_state(model, dictionary, x), model.initial(len(x))
        wanted = recorded_steps(request.steps, request.training_steps) if self.judged else ()
        latest: deque[Tensor] = deque(maxlen=request.mean_steps)
        peak, largest = _peaks(model, state)
        figures, samples, maps = [], [], []
        total = torch.zeros(len(x), dtype=torch.float64)
        for step in range(request.steps + 1):
            draw = self._draw(model, part, step)
            if step in wanted:
                # The next step draws the same latents, since its noise has the same key.
                z = model.sample(state, draw)
                mean = torch.stack([*latest, z][-request.mean_steps :]).mean(0)
                codes = z, mean, model.rates(state)
                decoded = Decoded(z.numpy(), *(dictionary.decode(code).numpy() for code in codes))
                nll = negative_log_likelihood(dictionary, x, z)
                kl = model.divergence(state, before)
                moved = model.potential(state) - model.potential(before)
                spikes = z.double().sum(-1).numpy() if network.counts else np.full(len(x), np.nan)
                figures.append(
                    quality_of(part.pixels, decoded)
                    | {name: value.double().numpy() for name, value in (("nll", nll), ("kl", kl))}
                    | {
                        "spikes": spikes,
                        "free_energy": (nll + kl).double().numpy(),
                        "du_norm": torch.linalg.vector_norm(moved.double(), dim=-1).numpy(),
                    }
                )
                samples.append(decoded.sample[: part.shown].copy())
                maps.append(decoded.rates[: part.shown].copy())
                draw = self._draw(model, part, step)
            if step == request.steps:
                break
            before = state
            z, state = advance(model, state, draw, drive)
            latest.append(z)
            total = total + z.double().sum(-1)
            here = _peaks(model, state)
            peak, largest = torch.maximum(peak, here[0]), torch.maximum(largest, here[1])
            report(len(x))
        return PartFigures(
            figures,
            samples,
            maps,
            model.rates(state).numpy(),
            peak.double().numpy(),
            largest.double().numpy(),
            total.numpy() if network.counts else np.full(len(x), np.nan),
        )

    def _draw(self, model: LatentModel[Any], part: Part, step: int) -> Draw:
        return keyed_draw(model, self.request.seed, self.key + part.first, step)


def _peaks(model: Any, state: Any) -> tuple[Tensor, Tensor]:
    """Return each image's largest potential and largest mean latent, without their signs."""
    return model.potential(state).abs().amax(-1), model.rates(state).abs().amax(-1)
