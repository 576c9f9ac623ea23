"""Request of a data set, and conversion of raw bytes to an ImageSet."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from ipvae_snn.arrays import Array, UInt8
from ipvae_snn.config.preparation import Whitening
from ipvae_snn.data.base import ImageSet, Split
from ipvae_snn.errors import DataError
from ipvae_snn.storage import memory
from ipvae_snn.storage.names import home_path

ROOT_VARIABLE: Final = "IPVAE_SNN_DATA"
DOWNLOAD_VARIABLE: Final = "IPVAE_SNN_DOWNLOAD"

# Receives a description of the work, units done, and total units.
Report = Callable[[str, int, int], None]

# Largest array or archive member that is read (bytes), so that a damaged or hostile header cannot
# exhaust the memory. The largest public set here needs 188 MB.
MAX_BYTES: Final = 4 * 2**30

_SWITCH: Final[Mapping[str, bool]] = {
    "1": True, "true": True, "yes": True, "on": True,
    "0": False, "false": False, "no": False, "off": False,
}  # fmt: skip


def silent(what: str, done: int, total: int) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class Request:
    """One call of `load`, with its defaults resolved.

    root: folder of the data sets or None. download: whether missing public files may be fetched.
    limit: largest number of images. patch_size, n_patches, seed and whiten (a name of
    `whitening_methods`) apply to sets of patches only.
    colour: keep the colours of sets that have them. report: receives the progress of reading.
    """

    name: str
    citation: str
    split: Split
    root: Path | None
    download: bool
    limit: int | None
    patch_size: int
    n_patches: int | None
    seed: int
    colour: bool = False
    report: Report = silent
    whiten: Whitening = "olshausen"


def resolve_root(
    data_root: Path | None, environment: Mapping[str, str] = os.environ
) -> Path | None:
    """Return the folder of the data sets: the argument, else IPVAE_SNN_DATA, else None."""
    named = environment.get(ROOT_VARIABLE, "") if data_root is None else str(data_root)
    if not named:
        return None
    root = home_path(named)
    if not root.is_dir():
        raise DataError(
            f"data root {root} is not a folder; give the folder that holds mnist/, vanhateren/ "
            f"and so on with --data-root or {ROOT_VARIABLE}"
        )
    return root


def resolve_download(download: bool | None, environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether files may be fetched: the argument, else IPVAE_SNN_DOWNLOAD, else no.

    Nothing is fetched that was not asked for.
    """
    if download is not None:
        return download
    text = environment.get(DOWNLOAD_VARIABLE, "").strip().lower()
    if not text:
        return False
    if text not in _SWITCH:
        raise DataError(f"{DOWNLOAD_VARIABLE} is {text!r}; set it to 1 (fetch) or 0 (never)")
    return _SWITCH[text]


def unit_set(request: Request, images: UInt8, labels: Array, full_scale: int = 255) -> ImageSet:
    """Return images (N, H, W) of 0..full_scale with labels (N,) as an ImageSet of kind "unit"."""
    if len(labels) != len(images):
        raise DataError(
            f"{request.name}: {len(images)} images but {len(labels)} labels in the {request.split} "
            "split; the files do not belong together"
        )
    wanted = images[: request.limit]
    memory.require(
        4 * wanted.size, f"{request.name}: {len(wanted)} images", "give fewer images (--limit)"
    )
    pixels = np.divide(wanted, np.float32(full_scale), dtype=np.float32)
    return ImageSet(
        name=request.name,
        split=request.split,
        pixels=pixels.reshape(len(wanted), -1),
        image_shape=(images.shape[1], images.shape[2]),
        kind="unit",
        labels=labels[: request.limit].astype(np.int64),
        citation=request.citation,
    )
