"""Checkpoints with the dictionary in half precision, which halves their size."""

from pathlib import Path
from typing import Final

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from ipvae_snn.errors import ConfigError
from ipvae_snn.models.float_network import FORMAT, VERSION, load_float_network
from ipvae_snn.storage.atomic import atomic_path
from ipvae_snn.storage.sparse_tensors import packed
from ipvae_snn.storage.tensor_files import read_header, sorted_metadata

FAINT: Final = 1 / 510  # of a neuron's largest pixel: half a level of weights of 8 bits


def save_half(checkpoint: Path, out: Path) -> None:
    """Write the network of `checkpoint` to `out` with its dictionary as float16, the rest as it is.

    Where inference has weights of its own, many of which are 0, only the others are stored, and of
    phi those above FAINT of the neuron's largest. `load_float_network` reads the result as it reads
    any checkpoint. Raises FileFormatError if `checkpoint` is not complete, ConfigError if a weight
    exceeds the largest float16.
    """
    dictionary = load_float_network(checkpoint).dictionary
    weights = dictionary.tensors
    largest = max(float(np.abs(array).max()) for array in weights.values())
    limit = float(np.finfo(np.float16).max)
    if largest > limit:
        raise ConfigError(
            f"{checkpoint}: a weight of {largest:.4g} is beyond float16's {limit:g}; keep the "
            "checkpoint in single precision"
        )
    metadata = read_header(checkpoint, FORMAT, VERSION)
    with safe_open(checkpoint, framework="numpy") as handle:
        tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118 (no mapping)
    halves = {name: array.astype(np.float16) for name, array in weights.items()}
    if dictionary.own is None:
        tensors |= halves
    else:
        magnitude = np.abs(dictionary.dense())
        halves["phi"][magnitude <= FAINT * magnitude.max(axis=0)] = 0
        tensors = {name: array for name, array in tensors.items() if name not in halves}
        for name, array in halves.items():
            tensors |= packed(name, array)
    with atomic_path(out) as temporary:
        temporary.write_bytes(sorted_metadata(save(tensors, metadata=metadata)))
