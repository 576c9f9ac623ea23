"""Decoders of the P-VAE (Vafaii, Galor and Yates 2024), which become iterative networks.

A P-VAE codes an image in one pass of an encoder. Its loss, |x - phi z|^2 + beta KL, is the free
energy of an iP-VAE with the same dictionary and sigma^2 = beta / 2. Over Poisson counts of rates
lambda, the mean of |x - phi z|^2 / (2 sigma^2) is |x - phi lambda|^2 / (2 sigma^2) +
sum_k lambda_k G_kk / 2, with G = phi^T phi / sigma^2. So

    exp(log_bias_k) = G_kk / 2, u0 = the learnt prior log rate

and the encoder is left out: inference follows the gradient of the energy instead.
"""

from typing import Final

import numpy as np

from ipvae_snn.errors import ConversionError, FileFormatError
from ipvae_snn.importers.authors_files import Settings, data_facts, read_settings
from ipvae_snn.importers.draft import Draft, Source
from ipvae_snn.importers.named_arrays import NamedArrays, listed
from ipvae_snn.importers.torch_files import read_torch
from ipvae_snn.models.stored_dictionary import DenseMatrix

SIGNATURE: Final = "fc_dec.weight"
SETTINGS: Final = "ConfigPoisVAE.json"
TRAINING: Final = "ConfigTrainVAE.json"
LEAST_LOG_BIAS: Final = -20.0  # for neurons without weights
_KNOWN: Final = (SIGNATURE, "fc_dec.bias", "log_rate", "temp", "n_exp")
_ENCODER: Final = ("fc_enc.", "enc.", "stem.")
_NONLINEAR: Final = "dec."
_OTHERS: Final = {"loc": "Gaussian or Laplace", "logits": "categorical"}


def read(source: Source) -> Draft:
    """Return the network of a checkpoint; raises FileFormatError or ConversionError."""
    return draft_of(source, read_torch(source.path))


def draft_of(source: Source, tensors: NamedArrays) -> Draft:
    """Return the network of the tensors of a checkpoint; its step size is left to be chosen.

    Raises FileFormatError if a tensor is missing, unknown or of another shape, ConversionError for
    a decoder that is not linear, or latents that are not Poisson.
    """
    settings = read_settings(source.path.parent / SETTINGS)
    _refuse_others(source, tensors, settings)
    phi = tensors.array(SIGNATURE, (None, None)).astype(np.float64)
    n_pixels, n_neurons = phi.shape
    if settings.flag("dec_norm"):
        phi = phi / np.maximum(np.linalg.norm(phi, axis=0), 1e-12)
    training = read_settings(source.path.parent / TRAINING)
    beta = training.number("kl_beta", 1.0, 1e-6, 1e6)
    noise = beta / 2.0
    with np.errstate(divide="ignore"):
        log_bias = np.log((phi**2).sum(axis=0) / (2.0 * noise))
    facts = data_facts(settings.text("dataset", ""), n_pixels)
    encoder = "The encoder is left out: inference follows the gradient of the same loss."
    assumed = f"No {TRAINING} beside the file: kl_beta 1 is assumed."
    return Draft(
        dictionary=DenseMatrix(phi.astype(np.float32)),
        log_sigma=np.full(n_pixels, 0.5 * np.log(noise), np.float32),
        u0=tensors.vector("log_rate", n_neurons),
        log_bias=np.maximum(log_bias, LEAST_LOG_BIAS).astype(np.float32),
        image_shape=facts.image_shape,
        input_kind=facts.input_kind,
        trained_on=facts.name,
        preparation=facts.preparation,
        beta=min(beta, 10_000.0),
        remarks=(encoder,) if training.known else (encoder, assumed),
    )


def _refuse_others(source: Source, tensors: NamedArrays, settings: Settings) -> None:
    for name, latents in _OTHERS.items():
        if name in tensors:
            raise ConversionError(
                f"{source.path}: a VAE with {latents} latents, which send no spikes; only the "
                "Poisson ones (P-VAE) are imported"
            )
    decoder = settings.text("dec_type", "lin")
    nonlinear = next((name for name in tensors.arrays if name.startswith(_NONLINEAR)), None)
    if decoder != "lin" or nonlinear is not None:
        reason = f"dec_type {decoder!r}" if decoder != "lin" else f"it holds {nonlinear}"
        raise ConversionError(
            f"{source.path}: a P-VAE whose decoder is not linear ({reason}), but an iP-VAE infers "
            "through a linear one; only these are imported"
        )
    if "fc_dec.bias" in tensors and tensors.array("fc_dec.bias").any():
        raise ConversionError(
            f"{source.path}: the decoder adds a bias (fc_dec.bias), which an iP-VAE does not have; "
            "only decoders without one are imported"
        )
    unknown = [n for n in tensors.arrays if n not in _KNOWN and not n.startswith(_ENCODER)]
    if unknown:
        raise FileFormatError(
            f"{source.path}: holds {listed(unknown)}, which a P-VAE does not have; was another "
            "format meant?"
        )
