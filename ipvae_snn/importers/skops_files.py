"""Arrays and numbers of a scikit-learn estimator in a skops file, without making the estimator.

A skops file is a zip archive: schema.json describes the object as nodes, and each array lies beside
it as .npy. skops itself would import and make the classes that the file names; here the JSON and
the arrays are read, and nothing else. Format: skops.io, protocols 0 to 2.
"""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ipvae_snn.arrays import Array
from ipvae_snn.data.arrays import DAMAGE, read_npz
from ipvae_snn.errors import FileFormatError

SCHEMA: Final = "schema.json"
MAX_SCHEMA: Final = 1 << 24  # bytes; a dictionary's schema has about 8,000
DICTIONARIES: Final = ("components_", "dictionary")  # arrays that are read


@dataclass(frozen=True)
class Estimator:
    """Class name, numbers and texts by name, and arrays by name, of an estimator in a file."""

    path: Path
    kind: str
    values: Mapping[str, Any]
    arrays: Mapping[str, Array]


def read_skops(path: Path) -> Estimator:
    """Return the estimator in a skops file; raises FileFormatError if it cannot be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(path, archive)
    except (*DAMAGE, RecursionError, TypeError, AttributeError, MemoryError) as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise FileFormatError(
            f"{path}: not a readable skops file ({reason}); save the estimator again with skops"
        ) from error


def _read(path: Path, archive: zipfile.ZipFile) -> Estimator:
    if archive.getinfo(SCHEMA).file_size > MAX_SCHEMA:
        raise ValueError(f"{SCHEMA} has more than {MAX_SCHEMA} bytes")
    root = json.loads(archive.read(SCHEMA))
    nodes = _resolved(root["content"]["content"])
    values = {
        name: json.loads(node["content"])
        for name, node in nodes.items()
        if node["__loader__"] == "JsonNode"
    }
    arrays = {
        name: read_npz(path, str(node["file"]).removesuffix(".npy"))
        for name, node in nodes.items()
        if name in DICTIONARIES and node["__loader__"] == "NdArrayNode" and node["type"] == "numpy"
    }
    if not arrays:
        raise FileFormatError(
            f"{path}: a {str(root['__class__'])[:80]} without {' or '.join(DICTIONARIES)}; fit it "
            "before saving it"
        )
    return Estimator(path, str(root["__class__"]), values, arrays)


def _resolved(nodes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes' nodes; skops describes an object once and then names its id."""
    first = {n["__id__"]: n for n in nodes.values() if n["__loader__"] != "CachedNode"}
    return {name: first.get(node["__id__"], node) for name, node in nodes.items()}
