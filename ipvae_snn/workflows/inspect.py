"""Contents of a file of this toolkit."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from ipvae_snn.arrays import AnyArray
from ipvae_snn.errors import shortened
from ipvae_snn.ir.bounds import worst_partial_sum
from ipvae_snn.ir.files import load_network, to_arrays, to_scalars
from ipvae_snn.ir.fixed_point import ACCUMULATOR_BITS, STATE_BITS, signed_limit
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.result_files import read_result
from ipvae_snn.models.float_network import load_float_network
from ipvae_snn.report.document import Document, table
from ipvae_snn.workflows.images import is_checkpoint

MAX_CELL: Final = 200  # characters of a value; a file may hold any
MAX_NAME: Final = 60


@dataclass(frozen=True)
class FileContents:
    """Path and kind of a file, and its figures by name; some of them are tables."""

    path: Path
    what: str
    details: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {"what": self.what, **self.details}

    def document(self) -> Document:
        """Return one row per figure; figures of an inner table are named table.key."""
        rows: list[tuple[str, str]] = []
        for name, value in self.as_json().items():
            inner = value.items() if isinstance(value, Mapping) else [(None, value)]
            for key, one in inner:
                named = name if key is None else f"{name}.{key}"
                rows.append((shortened(named, MAX_NAME), shortened(str(one), MAX_CELL)))
        title = f"{self.path}: {self.what}"
        return Document(title, (table(title, ("", "value"), rows, text=True),))


def inspect_file(path: Path) -> FileContents:
    """Read a checkpoint, an integer network or the npz file of a run.

    Raises FileFormatError if it is missing, truncated or none of these.
    """
    if path.suffix == ".npz":
        return _result(path)
    return _checkpoint(path) if is_checkpoint(path) else _integer(path)


def _range(array: AnyArray) -> str:
    values = np.asarray(array)  # no copy: 16,384 neurons have a gigabyte of weights
    spread = f"{float(values.min()):.4g}..{float(values.max()):.4g}" if values.size else "empty"
    return f"{array.dtype} {tuple(array.shape)} {spread}"


def _checkpoint(path: Path) -> FileContents:
    network = load_float_network(path)
    tensors = ("phi", "log_sigma", "u0", "log_bias")
    details = {
        "pixels": network.n_pixels,
        "neurons": network.n_neurons,
        "image_shape": list(network.image_shape),
        "input": network.input_kind,
        "trained_on": network.trained_on,
        **({"imported": dict(network.imported)} if network.imported else {}),
        "step_size": math.exp(network.log_lr),
        "updates_per_step": network.updates_per_step,
        "leak": network.leak,
        "sha256": network.source,
        "tensors": {name: _range(getattr(network, name)) for name in tensors},
    }
    return FileContents(path, "float checkpoint of an iP-VAE", details)


def _integer(path: Path) -> FileContents:
    network = load_network(path)
    scalars = to_scalars(network)
    details = {
        "pixels": network.n_pixels,
        "neurons": network.n_neurons,
        "circuit": network.circuit,
        "input": scalars["input"],
        "neuron": scalars["neurons"],
        "residual_limit": scalars["residual_limit"],
        "worst_case": _worst_case(network),
        "provenance": network.provenance,
        "tensors": {name: _range(array) for name, array in to_arrays(network).items()},
    }
    return FileContents(path, f"integer network, version {network.version}", details)


def _worst_case(network: IntegerNetwork) -> dict[str, str]:
    """Return the worst case of every sum, over all images and counts, with its limit."""
    low, high = network.feedforward_range
    count = network.neurons.max_count
    worst = {"feedforward sum": worst_partial_sum(network.feedforward.weights, low, high).max()}
    if network.lateral is not None:
        worst["lateral sum"] = worst_partial_sum(network.lateral.weights, 0, count).max()
    if network.residual is not None:
        weights = network.residual.prediction.weights
        worst["prediction sum"] = worst_partial_sum(weights, 0, count).max()
    limits = signed_limit(ACCUMULATOR_BITS), signed_limit(STATE_BITS)
    sums = {name: f"{value:,} of {limits[0]:,}" for name, value in worst.items()}
    return {**sums, "current": f"{network.worst_current.max():,} of {limits[1]:,}"}


def _result(path: Path) -> FileContents:
    ranges = {name: _range(array) for name, array in read_result(path).items()}
    return FileContents(path, "result of a run", {"arrays": ranges})
