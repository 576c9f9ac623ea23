"""Models of the family whose features are Gabor functions of eight orientations."""

from types import MappingProxyType

import numpy as np
import torch

from ipvae_snn.config.toml import load_preset, with_overrides
from ipvae_snn.models.family import MEMBERS
from ipvae_snn.models.latent_network import LatentNetwork
from ipvae_snn.models.registry import new_module
from ipvae_snn.probing import stimuli

SIDE, NEURONS = 10, 8
ANGLES = np.arange(NEURONS) * 180.0 / NEURONS + 3.0


def waves() -> stimuli.Waves:
    """Return gratings of 8 orientations."""
    middle = np.full(NEURONS, 4.5)
    return stimuli.Waves(middle, middle, np.full(NEURONS, 0.2), ANGLES, np.zeros(NEURONS))


def features() -> np.ndarray:
    """Return Gabor functions of 8 orientations in the middle, of norm 1, (100, 8)."""
    y, x = np.mgrid[:SIDE, :SIDE] - 4.5
    envelope = np.exp(-(x**2 + y**2) / (2 * 2.2**2)).ravel()
    fields = envelope * stimuli.gratings((SIDE, SIDE), waves(), np.ones(NEURONS))
    return (fields / np.linalg.norm(fields, axis=1, keepdims=True)).T.astype(np.float32)


def network(kind: str, *settings: str) -> LatentNetwork:
    """Return a model with those features and its first parameters otherwise."""
    base = [f'model.kind="{kind}"', f"model.n_latents={NEURONS}", "model.encoder_width=12"]
    base.append("train.steps=1" if MEMBERS[kind].one_step else "train.steps=4")
    config = with_overrides(load_preset("patches"), [*base, *settings])
    module = new_module(config.model, (SIDE, SIDE), torch.Generator().manual_seed(1))
    tensors = {name: value.detach().numpy().copy() for name, value in module.named_parameters()}
    phi = next(name for name in tensors if name.rpartition(".")[2] == "phi")
    tensors[phi] = features()
    return LatentNetwork(
        config=config,
        tensors=MappingProxyType(tensors),
        clip=config.model.clip,
        input_kind="standardised",
        image_shape=(SIDE, SIDE),
        source="0" * 64,
        trained_on="gratings of the test",
    )


def lca() -> LatentNetwork:
    return network("lca", "model.threshold=0.1", "model.log_lr=-2.0")
