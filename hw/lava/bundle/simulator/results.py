"""Result of a run from the recorder's files: of the whole run, or of its finished images.

An exported bundle contains a copy, so this module imports only modules of the bundle.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .bundle_io import Network, decode

Array = npt.NDArray[Any]
NOT_RESULTS = ("progress", "last_counts", "residual_saturated", "monitor")  # of the run's files
RESIDUAL = -1  # column of the residual neurons in `saturated`


def collect(network: Network, files: Mapping[str, Array], n_images: int) -> dict[str, Array]:
    """Return the result's arrays by name for the first `n_images` images of the recorder's files.

    files: arrays (N, ...) by name; `last_counts` (N, K) gives the reconstruction (n, M), and the
    saturations of the residual neurons are added to the others. seconds: between the ends of the
    first time step and the last; time_steps: of all replicas together.
    """
    arrays = {name: array[:n_images] for name, array in files.items() if name not in NOT_RESULTS}
    arrays["reconstruction"] = decode(network, files["last_counts"][:n_images])
    if "residual_saturated" in files:
        arrays["saturated"] = np.array(arrays["saturated"])
        arrays["saturated"][..., RESIDUAL] = files["residual_saturated"][:n_images]
    if "monitor" in files:
        arrays["monitor"] = files["monitor"]
    _, first, last, *each, steps = files["progress"]
    arrays["seconds"] = np.array((last - first) * 1e-9)
    arrays["time_steps"] = np.array(steps * len(each))
    return arrays


def open_files(folder: Path) -> dict[str, Array]:
    """Return the recorder's files in `folder`, memory-mapped, without incomplete ones."""
    files = {}
    for path in sorted(folder.glob("*.npy")):
        try:
            files[path.stem] = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            continue
    return files
