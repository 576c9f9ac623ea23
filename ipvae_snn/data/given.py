"""Images from a name, a path, an array, a tensor, a Dataset or a DataLoader."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol, runtime_checkable

import numpy as np
from PIL import Image

from ipvae_snn.arrays import Array
from ipvae_snn.config.preparation import Preparation
from ipvae_snn.data.array_images import check_labels
from ipvae_snn.data.base import ImageSet, Split
from ipvae_snn.data.decoding import damage_named
from ipvae_snn.data.own import from_arrays, from_photographs
from ipvae_snn.data.own_request import Fits, OwnRequest, any_size
from ipvae_snn.data.pictures import frame_of
from ipvae_snn.data.registry import load
from ipvae_snn.data.request import Report, silent
from ipvae_snn.errors import DataError

GIVEN: Final = "images"  # the name of a set that has none


@runtime_checkable
class ArrayLike(Protocol):
    """Objects that NumPy converts to an array, such as arrays and torch tensors."""

    def __array__(self) -> Array:
        """Return the values."""


ImageSource = str | os.PathLike[str] | ImageSet | ArrayLike | Iterable[Any]


@dataclass(frozen=True)
class Selection:
    """Selection of images from a source: split of a named set, at most `limit`, patch size.

    holdout: of the user's own images every tenth is "test" and the others are "train"; without
    it either split has all of them. patch_size applies to sets of patches only. preparation: how
    the user's own images are treated, None for plain ones. report: receives the progress of
    reading files. fits, colour: as in `OwnRequest`, colour of named sets too.
    """

    split: Split = "test"
    limit: int | None = None
    data_root: Path | None = None
    patch_size: int = 16
    holdout: bool = False
    preparation: Preparation | None = None
    report: Report = silent
    fits: Fits = any_size
    colour: bool = False

    @property
    def own(self) -> OwnRequest:
        """The request for the user's own images."""
        preparation = self.preparation or Preparation()
        return OwnRequest(
            self.split,
            self.holdout,
            preparation,
            self.report,
            self.limit,
            self.fits,
            self.colour,
        )


@dataclass(frozen=True)
class Reader:
    """One kind of source: the test that recognises it, and its reader."""

    accepts: Callable[[Any], bool]
    read: Callable[[Any, Selection], ImageSet]


def image_set(source: ImageSource, selection: Selection = Selection()) -> ImageSet:
    """Return the images of `source`.

    source: a data set's name, a path (.npy, .npz, folder of pictures), an ImageSet, an array or
    tensor (N, H, W), (N, H, W, 1), (N, 1, H, W) or (N, M), or anything that yields images one by
    one (a torch Dataset) or in batches (a DataLoader), each alone or with a label after it.
    Colours, in a last axis of 3 or in torch's order, become their luminance, or stay
    (`selection.colour`). Values are uint8, floats in [0, 1], or standardised floats. Raises
    DataError for all else.
    """
    for reader in _READERS:
        if reader.accepts(source):
            return reader.read(source, selection)
    raise DataError(
        f"images of type {type(source).__name__} are not understood; give a data set's name, a "
        "path, an array (N, height, width), a torch tensor, Dataset or DataLoader"
    )


def _read_set(source: ImageSet, selection: Selection) -> ImageSet:
    return source.first(selection.limit)


def _read_named(source: str | os.PathLike[str], selection: Selection) -> ImageSet:
    return load(
        os.fspath(source),
        selection.split,
        selection.data_root,
        selection.limit,
        selection.patch_size,
        holdout=selection.holdout,
        preparation=selection.preparation,
        report=selection.report,
        fits=selection.fits,
        colour=selection.colour,
    )


def _read_array(source: Any, selection: Selection) -> ImageSet:
    images = to_numpy(source, selection.colour)
    return from_arrays(images, None, GIVEN, selection.own)


def _read_items(source: Iterable[Any], selection: Selection) -> ImageSet:
    """Return the images of a source of single images or batches; a DataLoader has a batch_size."""
    request = selection.own
    whole = selection.holdout or request.preparation.patches > 0
    images, known, name = _items_of(source, request.colour, None if whole else selection.limit)
    shapes = {image.shape for image in images}
    if len(shapes) > 1 and request.preparation.patches:
        numbers = None if known is None else check_labels(name, known, len(images))
        return from_photographs(images, numbers, name, request).first(selection.limit)
    return from_arrays(_stacked(images, source), known, name, request)


class Stacked(NamedTuple):
    """Items (N, ...) of a source, their labels (N,) or None, and the source's name."""

    items: Array
    labels: Array | None
    name: str


def stacked_items(source: Iterable[Any], colour: bool) -> Stacked:
    """Return all items of a source, which have one shape; DataError for others."""
    items, labels, name = _items_of(source, colour, None)
    return Stacked(_stacked(items, source), labels, name)


def _stacked(items: list[Array], source: Any) -> Array:
    shapes = {item.shape for item in items}
    if len(shapes) > 1:
        raise DataError(
            f"{type(source).__name__}: yields images of shapes "
            f"{', '.join(map(str, sorted(shapes)))}; give images of one size"
        )
    return np.stack(items)


def _items_of(
    source: Iterable[Any], colour: bool, wanted: int | None
) -> tuple[list[Array], Array | None, str]:
    """Return images, labels or None, and the source's name; at most `wanted` images are read."""
    batched = hasattr(source, "batch_size") and source.batch_size is not None
    images: list[Array] = []
    labels: list[Array] = []
    for image, label in islice(_pairs(source, colour), None if batched else wanted):
        images.extend(image if batched else [image])
        if label is not None:
            labels.extend(np.atleast_1d(label))
        if wanted is not None and len(images) >= wanted:
            break
    if not images:
        raise DataError(f"{type(source).__name__}: yields no image")
    known = np.asarray(labels) if len(labels) == len(images) else None
    return images, known, type(getattr(source, "dataset", source)).__name__


def _pairs(source: Iterable[Any], colour: bool) -> Iterator[tuple[Array, Array | None]]:
    """Yield (image or batch, label or labels or None) as arrays."""
    for item in _items(source):
        image, *rest = item if isinstance(item, tuple | list) else (item,)
        yield to_numpy(image, colour), to_numpy(rest[0]) if rest else None


def _items(source: Any) -> Iterator[Any]:
    """Return the items; a map-style Dataset has a length and indices, and may not iterate."""
    if hasattr(source, "__len__") and hasattr(source, "__getitem__"):
        return (source[index] for index in range(len(source)))
    return iter(source)


def to_numpy(values: Any, colour: bool = False) -> Array:
    """Return an array, tensor or picture as a NumPy array, detached and on the CPU."""
    if isinstance(values, Image.Image):
        subject = f"a picture of mode {values.mode}"
        with damage_named(subject):  # Pillow decodes at the first use
            return frame_of(values, subject, colour).values
    values = values.detach().cpu() if hasattr(values, "detach") else values
    try:
        return np.asarray(values)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"an image of type {type(values).__name__} is not an array of numbers ({error}); give "
            "arrays or tensors"
        ) from error


def _is_source_of_items(source: Any) -> bool:
    """Return whether `source` yields images or batches; text and mappings do not."""
    indexed = hasattr(source, "__len__") and hasattr(source, "__getitem__")
    return (indexed or hasattr(source, "__iter__")) and not hasattr(source, "keys")


_READERS: Final = (
    Reader(lambda source: isinstance(source, ImageSet), _read_set),
    Reader(lambda source: isinstance(source, str | os.PathLike), _read_named),
    Reader(lambda source: isinstance(source, ArrayLike), _read_array),
    Reader(_is_source_of_items, _read_items),
)
