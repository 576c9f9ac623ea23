"""Checkpoints in half precision: half the bytes, read like any other."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ipvae_snn.config.settings import Config, ModelConfig
from ipvae_snn.errors import ConfigError, FileFormatError
from ipvae_snn.models.checkpoint import Origin, load_checkpoint_config, save_model
from ipvae_snn.models.float_network import load_float_network
from ipvae_snn.models.half_precision import save_half
from ipvae_snn.models.parameters import IterativePoissonVAE

CONFIG = Config(ModelConfig(n_latents=40, phi_std=0.3))


def saved(path: Path, scale: float = 1.0) -> Path:
    model = IterativePoissonVAE(30, CONFIG.model, torch.Generator().manual_seed(0))
    with torch.no_grad():
        model.phi *= scale
    save_model(path, model, CONFIG, Origin("noise", "standardised", (5, 6)))
    return path


def test_it_reads_as_before_and_only_the_dictionary_is_rounded(tmp_path: Path) -> None:
    whole = saved(tmp_path / "whole.safetensors")
    save_half(whole, tmp_path / "half.safetensors")
    before, after = (load_float_network(tmp_path / f"{n}.safetensors") for n in ("whole", "half"))
    assert np.array_equal(after.phi, before.phi.astype(np.float16).astype(np.float32))
    assert not np.array_equal(after.phi, before.phi)
    for name in ("log_sigma", "u0", "log_bias"):
        assert np.array_equal(getattr(after, name), getattr(before, name))
    assert (after.log_lr, after.trained_on) == (before.log_lr, "noise")
    assert load_checkpoint_config(tmp_path / "half.safetensors") == CONFIG
    sizes = [(tmp_path / f"{n}.safetensors").stat().st_size for n in ("whole", "half")]
    # Two bytes per weight less; offsets in the header may be shorter by some digits too.
    assert 30 * 40 * 2 <= sizes[0] - sizes[1] < 30 * 40 * 2 + 64


def test_faults(tmp_path: Path) -> None:
    huge = saved(tmp_path / "huge.safetensors", 1e6)
    with pytest.raises(ConfigError, match=r"is beyond float16's 65504; keep the checkpoint in sin"):
        save_half(huge, tmp_path / "out.safetensors")
    with pytest.raises(FileFormatError, match="no such file"):
        save_half(tmp_path / "absent.safetensors", tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()
