"""Compressed npz files of named arrays."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from ipvae_snn.storage.atomic import atomic_path


def save_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays by name to `path` as a compressed npz, whole or not at all."""
    packed = BytesIO()  # numpy < 2 prints a traceback if savez itself meets a full disk
    np.savez_compressed(packed, **arrays)
    with atomic_path(path) as temporary:
        temporary.write_bytes(packed.getbuffer())
