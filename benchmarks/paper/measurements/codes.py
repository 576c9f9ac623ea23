"""What a code costs: its rate in nats, and the latents that are not 0, counted in a run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from ipvae_snn.data import ImageSet
from ipvae_snn.errors import FileFormatError
from ipvae_snn.evaluation.evaluate import final_rates, request_of
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.models.latent_module import inferring, load_any
from ipvae_snn.models.latent_network import LatentNetwork
from ipvae_snn.models.likelihood import drive_at
from ipvae_snn.models.poisson import KL_FORMS
from ipvae_snn.models.protocol import advance, first_state, inference

Network = FloatNetwork | LatentNetwork
TINY: Final = 1e-30  # rates below it have no logarithm


def network_at(checkpoint: Path) -> Network:
    """Return a trained network; raise FileFormatError for an integer one."""
    network = load_any(checkpoint)
    if isinstance(network, IntegerNetwork):
        raise FileFormatError(f"{checkpoint}: an integer network, but a trained one is needed")
    return network


@dataclass(frozen=True)
class Code:
    """Means over images of a run.

    rate: KL of the last posterior to the prior, from which inference starts, in nats; None without
    noise. messages: latents that are not 0, summed over the steps up to each mark; empty where the
    integer network counts them.
    """

    rate: float | None
    messages: Mapping[int, float]

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        messages = [{"steps": steps, "messages": sent} for steps, sent in self.messages.items()]
        return {"rate": self.rate, "messages": messages}


def code_of(
    network: Network,
    images: ImageSet,
    steps: int,
    marks: Sequence[int],
    report: Callable[[int], None],
    random: bool = True,
) -> Code:
    """Run images and return what their codes cost.

    marks: numbers of steps. report: receives image-steps. random: whether latents have noise.
    """
    if isinstance(network, FloatNetwork):
        return _poisson(network, images, steps, report)
    return _latent(network, images, steps, marks, report, random)


def _poisson(
    network: FloatNetwork, images: ImageSet, steps: int, report: Callable[[int], None]
) -> Code:
    rates = final_rates(network, images, request_of(network, steps), report)
    u = torch.from_numpy(np.log(np.maximum(rates.astype(np.float64), TINY)))
    u0 = torch.from_numpy(network.u0.astype(np.float64))
    return Code(float(KL_FORMS["exact"](u, u0).mean()), {})


def _latent(
    network: LatentNetwork,
    images: ImageSet,
    steps: int,
    marks: Sequence[int],
    report: Callable[[int], None],
    random: bool,
) -> Code:
    model, dictionary = inferring(network)
    draw = model.draws(torch.Generator().manual_seed(0))
    x = torch.from_numpy(np.ascontiguousarray(images.pixels, np.float32))
    with torch.no_grad():
        drive = partial(drive_at, inference(dictionary, x.unsqueeze(0)), 0)
        state, sent = first_state(model, dictionary, x), {}
        total = 0.0
        for step in range(1, steps + 1):
            z, state = advance(model, state, draw, drive)
            total += float((z != 0).double().sum(-1).mean())
            if step in marks:
                sent[step] = total
            report(len(x))
        rate = model.divergence(state, model.initial(len(x))).double().mean()
    return Code(float(rate) if random else None, sent)
