"""Files of other programs, built from the descriptions of their formats, of 4x4 pixels."""

import json
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

SIDE = 4
PIXELS = SIDE * SIDE
NEURONS = 6


def blobs(n: int = 48, seed: int = 0) -> np.ndarray:
    """Return n images (n, 4, 4) float32 in [0, 1]: sums of a few patterns, as sparse codes have."""
    rng = np.random.default_rng(seed)
    active = rng.random((n, NEURONS)) < 0.5
    active[np.arange(n), np.arange(n) % NEURONS] = True  # an empty image has no meaningful R2
    codes = (0.5 + rng.exponential(0.5, (n, NEURONS))) * active
    images = codes @ patterns() + 0.02 * rng.random((n, PIXELS))
    return (images / images.max()).astype(np.float32).reshape(n, SIDE, SIDE)


def patterns() -> np.ndarray:
    """Return a dictionary (K, M) of unit norm: rows and columns of the image, with some ripple."""
    rng = np.random.default_rng(7)
    stripes = np.zeros((NEURONS, SIDE, SIDE))
    for k in range(NEURONS):
        stripes[k, k % SIDE, :] += k < SIDE
        stripes[k, :, k % SIDE] += k >= SIDE
    rows = stripes.reshape(NEURONS, PIXELS) + 0.05 * rng.random((NEURONS, PIXELS))
    unit: np.ndarray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def ip_vae_state(**changed: Tensor | None) -> dict[str, Tensor]:
    """Return the tensors of an iP-VAE by its authors; None leaves one out. Dots are written as __.

    Its step size is small enough for a stable conversion on `blobs`.
    """
    state: dict[str, Tensor | None] = {
        "dec_log_sigma": torch.linspace(-2.0, 0.5, PIXELS)[None],
        "log_bias": torch.full((1, NEURONS), -1.0),
        "temp": torch.tensor(0.01),
        "beta_inner": torch.tensor(1.0),
        "eps": torch.tensor(1.0),
        "n_exp": torch.full((16,), 10, dtype=torch.int32),
        "phi__weight": torch.from_numpy(patterns().T * 0.1).float(),
        "log_lr__0": torch.full((1,), -1.5),
        "u_init__0": torch.linspace(-2.0, -1.0, NEURONS)[None],
    }
    state |= changed
    return {
        f"layer.{name.replace('__', '.')}": value
        for name, value in state.items()
        if value is not None
    }


def write_ip_vae(folder: Path, state: dict[str, Tensor] | None = None, **settings: Any) -> Path:
    """Write a checkpoint as the authors' training script does, with its settings beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "IPVAE+Trainer-0300.pt"
    statistics = {
        "loss": {0: np.float64(3.5), 20: np.float32(2.5)},
        "norms": {0: np.arange(3.0)},
        "counts": {0: np.int64(7), 1: np.bool_(True)},
    }
    content = {
        "metadata": {"checkpoint": 300, "stats_trainer": statistics, "root": "elsewhere"},
        "model": OrderedDict(ip_vae_state() if state is None else state),
        "model_ema": None,
        "optim": {"state": {}, "param_groups": [{"lr": 0.005, "betas": (0.9, 0.999)}]},
        "scheduler": None,
    }
    torch.save(content, path)
    values = {
        **{"clamp_prior": -4, "prior_log_dist": "uniform", "dataset": "vH16-wht", "t_train": 8},
        **{"n_iters_outer": 1, "n_iters_inner": 1, "beta_outer": 24.0, "beta_inner": 1.0},
        **{"n_latents": [NEURONS], "inf_type": "grad", "dec_type": "lin", "fit_prior": True},
        **{"clamp_du": 10.0, "clamp_u": 10.0, "seed": 0},
    }
    (folder / "ConfigPoisVAE.json").write_text(json.dumps(values | settings))
    return path


def p_vae_state(**changed: Tensor | None) -> dict[str, Tensor]:
    """Return the tensors of a P-VAE with a linear encoder and decoder; None leaves one out."""
    state: dict[str, Tensor | None] = {
        "temp": torch.tensor(0.05),
        "log_rate": torch.linspace(-1.0, 0.5, NEURONS)[None],
        "n_exp": torch.tensor(260),
        "fc_enc.weight": torch.zeros(NEURONS, PIXELS),
        "fc_dec.weight": torch.from_numpy(patterns().T * 0.2).float(),
    }
    state |= {name.replace("__", "."): value for name, value in changed.items()}
    return {name: value for name, value in state.items() if value is not None}


def write_p_vae(folder: Path, state: dict[str, Tensor] | None = None, **settings: Any) -> Path:
    """Write a P-VAE's checkpoint with its settings; kl_beta goes to those of the training."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "PoissonVAE+TrainerVAE-3000.pt"
    torch.save({"metadata": {}, "model": p_vae_state() if state is None else state}, path)
    training = {"kl_beta": settings.pop("kl_beta", 0.05)}
    values = {"dec_type": "lin", "enc_type": "lin", "dec_norm": False, "dataset": "CIFAR16"}
    (folder / "ConfigPoisVAE.json").write_text(json.dumps(values | settings))
    (folder / "ConfigTrainVAE.json").write_text(json.dumps(training))
    return path
