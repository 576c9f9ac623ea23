"""Checkpoints in half precision: half the bytes, read like any other."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save as to_bytes

from ipvae_snn.config.settings import Config, ModelConfig
from ipvae_snn.errors import ConfigError, FileFormatError
from ipvae_snn.models.checkpoint import Origin, load_checkpoint_config, save_model
from ipvae_snn.models.float_network import load_float_network
from ipvae_snn.models.half_precision import FAINT, save_half
from ipvae_snn.models.parameters import IterativePoissonVAE
from ipvae_snn.models.untied import UntiedPoissonVAE

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


def untied(path: Path) -> Path:
    settings = replace(CONFIG.model, dictionary="untied")
    model = UntiedPoissonVAE(30, settings, torch.Generator().manual_seed(0))
    g = torch.Generator().manual_seed(1)
    with torch.no_grad():
        model.psi *= torch.rand(40, 30, generator=g) < 0.3
        model.lateral *= torch.rand(40, 40, generator=g) < 0.05
        model.phi[3] *= 1e-5
    save_model(path, model, Config(settings), Origin("noise", "standardised", (5, 6)))
    return path


def test_sparse_weights_take_their_own_room_only(tmp_path: Path) -> None:
    whole, half = untied(tmp_path / "whole.safetensors"), tmp_path / "half.safetensors"
    save_half(whole, half)
    before, after = (load_float_network(path).dictionary for path in (whole, half))
    assert (before.kind, after.kind) == ("untied", "untied")
    assert before.own is not None
    assert after.own is not None
    for one, other in zip(before.own, after.own, strict=True):
        np.testing.assert_array_equal(other, one.astype(np.float16).astype(np.float32))
    assert not after.dense()[3].any()
    large = np.abs(before.dense()) > FAINT * np.abs(before.dense()).max(axis=0)
    rounded = before.dense().astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(after.dense(), np.where(large, rounded, 0))
    numbers = [int((values != 0).sum()) for values in (after.dense(), *after.own)]
    assert half.stat().st_size < 2 * sum(numbers) + (30 * 40 * 2 + 40 * 40) / 8 + 3000


def test_a_packed_array_that_was_damaged(tmp_path: Path) -> None:
    half = tmp_path / "half.safetensors"
    save_half(untied(tmp_path / "whole.safetensors"), half)
    with safe_open(half, framework="numpy") as handle:
        metadata = handle.metadata()
        tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118 (no mapping)
    tensors["lateral.values"] = tensors["lateral.values"][1:]
    half.write_bytes(to_bytes(tensors, metadata=metadata))
    with pytest.raises(FileFormatError, match=r"lateral\.values has \d+ values, but"):
        load_float_network(half)
    del tensors["lateral.values"]
    half.write_bytes(to_bytes(tensors, metadata=metadata))
    with pytest.raises(FileFormatError, match=r"lateral\.values' is missing"):
        load_float_network(half)
