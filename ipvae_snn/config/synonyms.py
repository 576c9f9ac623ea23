"""Common names of settings that have another name here, for the hint after an unknown setting."""

from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Final

from ipvae_snn.choices import nearest
from ipvae_snn.config.settings import DataConfig, ModelConfig, TrainConfig

SYNONYMS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "alpha": "learning_rate",
        "batch": "batch_size",
        "bits": "quantise_aware",
        "checkpoint_every": "checkpoint_interval",
        "clip_grad": "grad_clip",
        "clip_norm": "grad_clip",
        "conv_stride": "stride",
        "cuda": "device",
        "dataset": "name",
        "epochs": "iterations",
        "eval_interval": "validation_interval",
        "filter_size": "kernel",
        "filters": "features",
        "gpu": "device",
        "gradient_clip": "grad_clip",
        "hidden": "n_latents",
        "k": "n_latents",
        "kernel_size": "kernel",
        "kl_weight": "beta",
        "latents": "n_latents",
        "log_every": "log_interval",
        "max_grad_norm": "grad_clip",
        "max_iter": "iterations",
        "max_steps": "iterations",
        "n_features": "features",
        "n_iters": "iterations",
        "n_neurons": "n_latents",
        "neurons": "n_latents",
        "n_samples": "samples",
        "num_latents": "n_latents",
        "num_threads": "threads",
        "num_workers": "threads",
        "out_channels": "features",
        "qat": "quantise_aware",
        "random_seed": "seed",
        "save_interval": "checkpoint_interval",
        "set": "name",
        "t": "steps",
        "temperature": "temperature_start",
        "time_steps": "steps",
        "timesteps": "steps",
        "units": "n_latents",
        "val_interval": "validation_interval",
        "val_limit": "validation_limit",
        "wd": "weight_decay",
        "workers": "threads",
    }
)
TABLES: Final = MappingProxyType({"train": TrainConfig, "model": ModelConfig, "data": DataConfig})


def nearest_setting(table: str, name: str) -> str | None:
    """Return the setting, as table.key, that a wrong table or key probably means; None if none.

    A key of the given table is preferred to one of another table.
    """
    wanted = nearest(table, TABLES) if table else None
    order = sorted(TABLES, key=lambda each: each != wanted)
    known = {each: [field.name for field in fields(TABLES[each])] for each in order}
    exact = next((each for each in order if name in known[each]), None)
    if exact is not None:
        return f"{exact}.{name}"
    for each in order:
        key = nearest(name, known[each], SYNONYMS)
        if key is not None:
            return f"{each}.{key}"
    return None
