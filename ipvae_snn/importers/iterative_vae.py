"""Checkpoints of the iP-VAE by its authors (Vafaii, Galor and Yates 2025), linear decoder.

Their training script saves the module's tensors under `model`, all in the module `layer`, and its
settings as ConfigPoisVAE.json in the same folder. The decoder's log sigma is bounded by
3.45 tanh(raw / 3.45); the soft clip c grows from 2 to its setting with the buffer eps,
c = 2 + eps (setting - 2).
"""

from typing import Final

import numpy as np

from ipvae_snn.errors import ConversionError, FileFormatError
from ipvae_snn.importers.authors_files import DataFacts, Settings, data_facts, read_settings
from ipvae_snn.importers.draft import CLIP, FLOOR, Draft, Source
from ipvae_snn.importers.named_arrays import NamedArrays
from ipvae_snn.importers.torch_files import read_torch
from ipvae_snn.models.stored_dictionary import DenseMatrix

SIGNATURE: Final = "layer.phi.weight"
SETTINGS: Final = "ConfigPoisVAE.json"
LOG_SIGMA_LIMIT: Final = 3.45
FIRST_CLIP: Final = 2.0
_PARAMETERS: Final = (
    *(SIGNATURE, "layer.dec_log_sigma", "layer.u_init.0", "layer.log_bias", "layer.log_lr.0"),
)
_BUFFERS: Final = ("layer.temp", "layer.beta_inner", "layer.eps", "layer.n_exp")
# Parts that only the authors' Gaussian networks have: a second state, and an activation.
_GAUSSIAN: Final = ("layer.u_init.1", "layer.log_lr.1", "layer.activation.")


def read(source: Source) -> Draft:
    """Return the network of a checkpoint; raises FileFormatError or ConversionError."""
    return draft_of(source, read_torch(source.path))


def draft_of(source: Source, tensors: NamedArrays) -> Draft:
    """Return the network of the tensors of a checkpoint.

    Raises FileFormatError if a tensor is missing, unknown or of another shape, ConversionError for
    a network that is not a Poisson one with a linear decoder and gradient inference.
    """
    _refuse_gaussian(source, tensors)
    tensors.require_known((*_PARAMETERS, *_BUFFERS))
    settings = read_settings(source.path.parent / SETTINGS)
    _refuse_other_dynamics(settings)
    phi = tensors.array(SIGNATURE, (None, None))
    n_pixels, n_neurons = phi.shape
    raw = tensors.vector("layer.dec_log_sigma", n_pixels).astype(np.float64)
    inner = int(settings.number("n_iters_inner", 1, 1, 64))
    dataset = settings.text("dataset", "")
    facts = data_facts(dataset, n_pixels)
    return Draft(
        dictionary=DenseMatrix(phi),
        log_sigma=(LOG_SIGMA_LIMIT * np.tanh(raw / LOG_SIGMA_LIMIT)).astype(np.float32),
        u0=tensors.vector("layer.u_init.0", n_neurons),
        log_bias=tensors.vector("layer.log_bias", n_neurons),
        log_lr=tensors.scalar("layer.log_lr.0"),
        clip=_clip(tensors, settings),
        floor=FLOOR,
        updates_per_step=inner,
        leak=_leak(tensors, settings) if inner > 1 else 0.0,
        image_shape=facts.image_shape,
        input_kind=facts.input_kind,
        trained_on=facts.name,
        preparation=facts.preparation,
        log_sigma_limit=LOG_SIGMA_LIMIT,
        training_steps=int(settings.number("t_train", 16, 1, 1024)),
        beta=settings.number("beta_outer", 16.0, 0.0, 10_000.0),
        remarks=_remarks(settings, dataset, facts),
    )


def _refuse_gaussian(source: Source, tensors: NamedArrays) -> None:
    gaussian = next((n for n in tensors.arrays if n.startswith(_GAUSSIAN)), None)
    if gaussian is not None or (source.path.parent / "ConfigGausVAE.json").is_file():
        family = "an iG-VAE" if gaussian is None else f"an iG-VAE (it holds {gaussian[:80]})"
        raise ConversionError(
            f"{source.path}: {family}, a network with Gaussian latents, which send no spikes; only "
            "the Poisson ones (iP-VAE) are imported"
        )


def _refuse_other_dynamics(settings: Settings) -> None:
    for name, wanted in (("dec_type", "lin"), ("inf_type", "grad")):
        value = settings.text(name, wanted)
        if value != wanted:
            raise ConversionError(
                f"{settings.path}: {name} is {value!r}, but only {wanted!r} is imported: a linear "
                "decoder, whose inference follows the gradient"
            )


def _clip(tensors: NamedArrays, settings: Settings) -> float:
    """Return the soft clip in force, in nats; our networks have one for u and its change."""
    last = {name: settings.number(name, CLIP, 0.1, CLIP) for name in ("clamp_u", "clamp_du")}
    if last["clamp_u"] != last["clamp_du"]:
        raise ConversionError(
            f"{settings.path}: clamp_u is {last['clamp_u']:g} and clamp_du {last['clamp_du']:g}, "
            "but an imported network has one soft clip for both"
        )
    eps = tensors.scalar("layer.eps") if "layer.eps" in tensors else 1.0
    if not 0.0 <= eps <= 1.0:
        raise FileFormatError(
            f"{tensors.path}: layer.eps is {eps:g}, but it grows from 0 to 1 in training; get the "
            "file again"
        )
    return FIRST_CLIP + eps * (last["clamp_u"] - FIRST_CLIP)


def _leak(tensors: NamedArrays, settings: Settings) -> float:
    if "layer.beta_inner" not in tensors:
        return settings.number("beta_inner", 1.0, 0.0, 1000.0)
    leak = tensors.scalar("layer.beta_inner")
    if not 0.0 <= leak <= 1000.0:
        raise FileFormatError(
            f"{tensors.path}: layer.beta_inner is {leak:g}, but 0 to 1000 is possible; get the "
            "file again"
        )
    return leak


def _remarks(settings: Settings, dataset: str, facts: DataFacts) -> tuple[str, ...]:
    if not settings.known:
        return (
            f"No {SETTINGS} beside the file: a soft clip of {CLIP:g} and one update per step are "
            "assumed, the authors' settings for linear decoders.",
        )
    if facts.name == "vanhateren":
        return (
            f"Trained on the authors' {dataset}; the set vanhateren is cut from other photographs "
            "of the same collection, "
            + ("whitened as their code does." if facts.preparation else "whitened in another way."),
        )
    return ()
