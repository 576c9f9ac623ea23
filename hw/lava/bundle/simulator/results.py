"""Result of a run from the recorder's files: of the whole run, or of its finished images.

An exported bundle contains a copy, so this module imports only modules of the bundle.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .bundle_io import Network
from .decoding import decode

Array = npt.NDArray[Any]
# Of the run's files.
DECODED = ("added", "last_states")
NOT_RESULTS = ("progress", "window", *DECODED, "monitor")
# Of the run's files, each with an axis of populations, which a result adds up.
SUMMED = {"spikes_per_step": np.int64, "saturated": np.int32}


def collect(network: Network, files: Mapping[str, Array], n_images: int) -> dict[str, Array]:
    """Return the result's arrays by name for the first `n_images` images of the recorder's files.

    files: arrays (N, ...) by name; `added` (N, F, K), or `last_states`, gives the reconstruction
    (n, M), or (n, F, M) of moving images. Saturations and spikes of all populations are added up.
    classes (n,): the labels of the largest scores after the last step, where there are
    accumulators. seconds: between the ends of the first time step and the last; time_steps: of all
    replicas together.
    """
    arrays = {name: array[:n_images] for name, array in files.items() if name not in NOT_RESULTS}
    arrays |= {name: arrays[name].sum(axis=2, dtype=kind) for name, kind in SUMMED.items()}
    read = {name: files[name][:n_images] for name in DECODED if name in files}
    steps = files["spikes_per_step"].shape[1] // files["added"].shape[1]
    image = decode(network, read, steps)
    arrays["reconstruction"] = image[:, 0] if image.shape[1] == 1 else image
    if "scores" in files:
        arrays["classes"] = classes(network, files["scores"][:n_images, -1])
    if "monitor" in files:
        arrays["monitor"] = files["monitor"]
    _, first, last, *each, steps = files["progress"]
    arrays["seconds"] = np.array((last - first) * 1e-9)
    arrays["time_steps"] = np.array(steps * (len(each) // network.n_stateful))
    return arrays


def classes(network: Network, scores: Array) -> Array:
    """Return the label (n,) of the largest score (n, A) of each image, of the first at a tie."""
    names = [one.name for one in network.graph.of_role("accumulates")]
    labels = np.concatenate([network.arrays[f"{name}.label"] for name in names])
    return np.asarray(labels[scores.argmax(axis=1)])


def open_files(folder: Path) -> dict[str, Array]:
    """Return the recorder's files in `folder`, memory-mapped, without incomplete ones."""
    files = {}
    for path in sorted(folder.glob("*.npy")):
        try:
            files[path.stem] = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            continue
    return files
