"""Integer networks as two plain files (npz, json) that NumPy alone can read; for bundles."""

import hashlib
import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np

import ipvae_snn
from ipvae_snn.errors import FileFormatError, ProgramError, brief
from ipvae_snn.ir.files import from_parts, to_arrays, to_scalars
from ipvae_snn.ir.network import VERSIONS, IntegerNetwork
from ipvae_snn.storage.array_reading import read_npz_all
from ipvae_snn.storage.source_files import MALFORMED, read_text, require_regular
from ipvae_snn.storage.text_values import parse_json_object

FORMAT: Final = "ipvae-snn/plain-network"
ARRAYS: Final = "network.npz"
SCALARS: Final = "network.json"
MAX_SCALARS: Final = 1 << 24  # bytes of network.json


def write_plain(network: IntegerNetwork, folder: Path) -> None:
    """Write the network's tensors to `folder`/network.npz and all else to network.json.

    The json holds the npz file's SHA-256, so that a reader detects when either was altered.
    """
    arrays: Any = to_arrays(network)  # numpy's stubs take a **dict of arrays for its own options
    packed = BytesIO()  # numpy < 2 prints a traceback if savez itself meets a full disk
    np.savez(packed, **arrays)
    (folder / ARRAYS).write_bytes(packed.getbuffer())
    description = {
        "format": FORMAT,
        "version": network.version,
        "toolkit": f"ipvae-snn {ipvae_snn.__version__}",
        "program": to_scalars(network),
        "provenance": network.provenance,
        "sha256": {ARRAYS: hashlib.sha256(packed.getbuffer()).hexdigest()},
    }
    text = json.dumps(description, indent=2, ensure_ascii=False) + "\n"
    (folder / SCALARS).write_text(text, encoding="utf-8")


def read_plain(folder: Path) -> IntegerNetwork:
    """Return the network that `write_plain` wrote; executes no code from the files.

    Raises FileFormatError if a file is missing, truncated, foreign, newer, altered, or breaks a
    rule of the network.
    """
    try:
        description = parse_json_object(read_text(folder / SCALARS, MAX_SCALARS))
        require_regular(folder / ARRAYS)
        data = (folder / ARRAYS).read_bytes()
    except (OSError, ValueError, FileFormatError) as error:
        raise FileFormatError(
            f"{folder}: no readable network ({error}); export it again"
        ) from error
    if description.get("format") != FORMAT:
        raise FileFormatError(f"{folder / SCALARS}: not a network that ipvae-snn exported")
    if description.get("version") not in VERSIONS:
        raise FileFormatError(
            f"{folder / SCALARS}: version {brief(description.get('version'))}, but this "
            f"installation reads {' and '.join(map(str, VERSIONS))}; export again, or update "
            "ipvae-snn"
        )
    if description.get("sha256") != {ARRAYS: hashlib.sha256(data).hexdigest()}:
        raise FileFormatError(
            f"{folder / ARRAYS}: not the file that {SCALARS} was written with (its SHA-256 "
            "differs); export again"
        )
    try:
        arrays = read_npz_all(folder / ARRAYS)
        return from_parts(arrays, description["program"], description["provenance"])
    except (*MALFORMED, ProgramError) as error:
        raise FileFormatError(f"{folder}: {error}; export again") from error


def write_bundle_files(network: IntegerNetwork, folder: Path, sources: Mapping[str, str]) -> None:
    """Write the network and `sources` (relative file name -> text) into the existing `folder`."""
    for name, text in sources.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    write_plain(network, folder)
