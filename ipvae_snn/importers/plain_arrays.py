"""Plain arrays: phi and, if given, log_sigma, u0, log_bias and log_lr, in .npz or .npy."""

from typing import Final

import numpy as np

from ipvae_snn.arrays import Float32
from ipvae_snn.data.arrays import npz_keys, read_npy, read_npz
from ipvae_snn.importers.draft import Draft, Source
from ipvae_snn.importers.named_arrays import NamedArrays
from ipvae_snn.models.stored_dictionary import DenseMatrix

NAMES: Final = ("phi", "log_sigma", "u0", "log_bias", "log_lr")
# Where training starts (Vafaii, Galor and Yates 2025; u0 is the middle of its range).
DEFAULTS: Final = {"log_sigma": 0.0, "u0": -5.0, "log_bias": -3.0}


def read(source: Source) -> Draft:
    """Return the network of the arrays phi (M, K), log_sigma (M,), u0, log_bias (K,), log_lr ().

    Only phi is needed: log_sigma, u0 and log_bias are by default where training starts, and without
    log_lr a stable step size is chosen on images.
    """
    arrays = _arrays(source)
    arrays.require_known(NAMES)
    phi = arrays.array("phi", (None, None))
    lengths = dict(zip(DEFAULTS, (phi.shape[0], phi.shape[1], phi.shape[1]), strict=True))
    missing = [name for name in DEFAULTS if name not in arrays]
    assumed = ", ".join(f"{name} {DEFAULTS[name]:g}" for name in missing)

    def vector(name: str) -> Float32:
        if name in missing:
            return np.full(lengths[name], DEFAULTS[name], np.float32)
        return arrays.vector(name, lengths[name])

    return Draft(
        dictionary=DenseMatrix(phi),
        log_sigma=vector("log_sigma"),
        u0=vector("u0"),
        log_bias=vector("log_bias"),
        log_lr=arrays.scalar("log_lr") if "log_lr" in arrays else None,
        remarks=(f"Not in the file, so as at the start of training: {assumed}.",)
        if missing
        else (),
    )


def _arrays(source: Source) -> NamedArrays:
    path = source.path
    if path.suffix.lower() == ".npz":
        return NamedArrays(path, {name: read_npz(path, name) for name in npz_keys(path)})
    return NamedArrays(path, {"phi": read_npy(path)})
