"""The user's own images: a .npy or .npz file, a folder of pictures, one picture, stack or video."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from ipvae_snn.arrays import Array, Int64
from ipvae_snn.data.array_images import as_photographs, as_stack, check_labels
from ipvae_snn.data.arrays import npz_keys, read_npy, read_npz
from ipvae_snn.data.base import ImageSet
from ipvae_snn.data.folder import READABLE, Listing, listing
from ipvae_snn.data.levels import Values, scaled
from ipvae_snn.data.own_pictures import from_files, patches_of
from ipvae_snn.data.own_request import PLAIN, OwnRequest
from ipvae_snn.data.part import require_pixels
from ipvae_snn.data.photograph_source import Source
from ipvae_snn.data.pictures import Frame
from ipvae_snn.errors import DataError
from ipvae_snn.image_shape import image_shape, shape_text
from ipvae_snn.storage.names import printable

IMAGE_KEYS: Final = ("images", "x", "pixels", "arr_0")
LABEL_KEYS: Final = ("labels", "y")
# Bytes per pixel that the conversion takes, without and with whole numbers of a byte or two.
_WORK: Final = (16, 4)


@dataclass(frozen=True)
class Raw:
    """Images as read from an array file, with labels or None."""

    images: Array
    labels: Array | None = None


def load_own(path: Path, request: OwnRequest = PLAIN) -> ImageSet:
    """Return the images at `path`; with holdout, the part of them that belongs to the split.

    Arrays are (N, H, W), (N, H, W, 1), (N, 1, H, W), colour (N, H, W, 3) or (N, 3, H, W), or (N, M)
    with M a square number; with request.colour, colours only, which stay. uint8, uint16 and bool
    are divided by their white and, like floats in [0, 1], of kind "unit"; other floats must be
    standardised. Pictures of a folder are taken in the order of their names, as grey luminance (or
    in colour), each picture of a stack as one. Every tenth image (of fewer than ten, the last) is
    held out; of patches, every fifth photograph.
    """
    return replace(_load(path, request), path=path.absolute())


def _load(path: Path, request: OwnRequest) -> ImageSet:
    if path.is_dir():
        return from_files(path, listing(path), request)
    if path.suffix.lower() in READABLE:
        return from_files(path, Listing((path,), None), request)
    raw = read_raw(path, request)
    return from_arrays(raw.images, raw.labels, path.name or str(path), request, str(path))


def read_raw(path: Path, request: OwnRequest) -> Raw:
    """Return the arrays in a file; DataError if it is none."""
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(
            f"{path}: not a .npy or .npz file, a picture, a video, nor a folder; give one of these"
        )
    return reader(path, request)


def from_arrays(
    images: Array,
    labels: Array | None,
    name: str,
    request: OwnRequest = PLAIN,
    subject: str | None = None,
) -> ImageSet:
    """Return images (N, H, W) and labels (N,) or None as the set `name`, as `load_own` does.

    `subject` names their source in messages. Raises DataError for arrays that do not fit.
    """
    subject = name if subject is None else subject
    size = request.preparation.patches
    read = as_photographs if size else as_stack
    stack = read(subject, images, request.colour)
    known = None if labels is None else check_labels(subject, labels, len(stack))
    if size and not request.is_cut(stack.shape[1:]):
        sources = [
            Source(
                f"{subject}: image {index}",
                partial(_one, image),
                None if known is None else int(known[index]),
            )
            for index, image in enumerate(stack)
        ]
        return patches_of(sources, name, request)
    shape = image_shape(stack.shape[1:])
    request.fits(name, shape)
    chosen = request.part.rows(subject, len(stack))
    stack, known = stack[chosen], None if known is None else known[chosen]
    require_pixels(subject, len(stack), shape, each=_WORK[stack.dtype.kind == "u"])
    rows = stack.reshape(len(stack), -1)
    result = scaled(Values(rows, None, (subject,)), request.preparation.white)
    remark = f"{request.subject}: {len(stack)} of {shape_text(shape)}, levels {result.levels}"
    return ImageSet(
        printable(name),
        request.split,
        result.pixels,
        shape,
        result.kind,
        known,
        preparation=request.done,
        remarks=(remark,),
    )


def from_photographs(
    images: Sequence[Array], labels: Int64 | None, name: str, request: OwnRequest
) -> ImageSet:
    """Return patches of arrays (H, W) or (H, W, 3) of any sizes; raises as `load_own` does."""
    sources = [
        Source(
            f"{name}: image {index}",
            partial(_one, as_photographs(f"{name}: image {index}", image[None], request.colour)[0]),
            None if labels is None else int(labels[index]),
        )
        for index, image in enumerate(images)
    ]
    return patches_of(sources, name, request)


def _one(image: Array) -> tuple[Frame, ...]:
    return (Frame(image, None),)


def _read_npy(path: Path, request: OwnRequest) -> Raw:
    # Mapped: only the rows of the part are read.
    return Raw(read_npy(path))


def _read_npz(path: Path, request: OwnRequest) -> Raw:
    most = None if request.preparation.patches else request.part.most
    keys = npz_keys(path)
    others = [key for key in keys if key not in LABEL_KEYS]
    named = [key for key in IMAGE_KEYS if key in keys] or (others if len(others) == 1 else [])
    if not named:
        raise DataError(
            f"{path}: which array holds the images? It has {', '.join(keys) or 'none'}; name one "
            f"of them {', '.join(IMAGE_KEYS[:-1])} or {IMAGE_KEYS[-1]}"
        )
    labelled = [key for key in LABEL_KEYS if key in keys]
    labels = read_npz(path, labelled[0], most) if labelled else None
    return Raw(read_npz(path, named[0], most), labels)


_READERS: Final[Mapping[str, Callable[[Path, OwnRequest], Raw]]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
}
