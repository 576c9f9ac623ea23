"""Sequences of frames from any source of images: films in files or arrays, or drift."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from ipvae_snn.arrays import Array, Int64
from ipvae_snn.data.array_images import COLOURS, as_stack, check_labels
from ipvae_snn.data.base import ImageSet
from ipvae_snn.data.folder import READABLE, Listing, listing
from ipvae_snn.data.given import (
    GIVEN,
    ArrayLike,
    ImageSource,
    Selection,
    image_set,
    stacked_items,
    to_numpy,
)
from ipvae_snn.data.levels import Values, scaled
from ipvae_snn.data.own import read_raw
from ipvae_snn.data.own_pictures import check_sizes, frames_of, together, work
from ipvae_snn.data.own_request import OwnRequest
from ipvae_snn.data.part import held_out, require_pixels
from ipvae_snn.data.pictures import Frame, warn_of_reduced
from ipvae_snn.data.registry import existing_path, is_named
from ipvae_snn.data.sequences import Moving, Sequences, consecutive, drifting
from ipvae_snn.data.videos import SUFFIXES as VIDEO_SUFFIXES
from ipvae_snn.errors import DataError
from ipvae_snn.image_shape import image_shape, shape_text
from ipvae_snn.storage.names import printable

_CHANNELS: Final = (1, COLOURS)


class Films(NamedTuple):
    """Frames (V L, ...) of V = `number` films of L = `length` frames each, film by film."""

    frames: Array
    number: int
    length: int


class _Run(NamedTuple):
    """F frames of one film: its number, their files, and their label."""

    film: int
    frames: Sequence[Frame]
    names: Sequence[str]
    label: int | None


def sequence_set(source: ImageSource, selection: Selection, moving: Moving) -> Sequences:
    """Return sequences of `moving.frames` frames; selection.limit and its split count sequences.

    With motion "drift", the images of `image_set`, each of which moves. With "video", films: videos
    and stacks in files, pictures of a folder in the order of their names (a film per sub-folder),
    arrays (N, F, height, width[, channels]), or consecutive images of anything else. Each film is
    cut into runs of so many frames, and what is left at its end goes. With holdout, every tenth
    film is in the test split (of fewer than ten the last; of one alone, its runs are divided so).

    Raises DataError as `image_set` does, and where no film has so many frames.
    """
    frames = moving.checked().frames
    if moving.motion == "drift":
        return drifting(image_set(source, selection), frames)
    request = selection.own
    if request.preparation.patches:
        raise DataError(
            f"patches of {request.preparation.patches} pixels lie anywhere and do not move; give "
            "frames of the network's size, or let patches drift (--motion drift)"
        )
    if isinstance(source, ImageSet):
        return consecutive(source, frames).first(selection.limit)
    if isinstance(source, str | os.PathLike):
        name = os.fspath(source)
        if is_named(name):
            most = None if selection.limit is None else selection.limit * frames
            return consecutive(image_set(source, replace(selection, limit=most)), frames)
        return _of_path(existing_path(name), request, frames)
    if isinstance(source, ArrayLike):
        images = to_numpy(source, selection.colour)
        return from_array(images, None, GIVEN, request, frames)
    images, labels, name = stacked_items(source, selection.colour)
    return from_array(images, labels, name, request, frames)


def _of_path(path: Path, request: OwnRequest, frames: int) -> Sequences:
    if path.is_dir():
        result = _of_files(path, listing(path), request, frames)
    elif path.suffix.lower() in READABLE:
        result = _of_files(path, Listing((path,), None), request, frames)
    else:
        raw = read_raw(path, replace(request, limit=None))
        name = path.name or str(path)
        result = from_array(raw.images, raw.labels, name, request, frames, str(path))
    return replace(result, images=replace(result.images, path=path.absolute()))


def as_films(subject: str, array: Array, colour: bool) -> Films:
    """Return an array as films; without an axis of frames, all images are one film.

    (V, L, H, W), (V, L, H, W, C) or (V, L, C, H, W) are films; (L, H, W), (L, H, W, C) and
    (L, 1, H, W) are one, C being 1 or 3. Raises DataError for a shape that could be two of these.
    """
    shape = array.shape
    if array.ndim == 4 and not colour and shape[1] == COLOURS and shape[3] not in _CHANNELS:
        raise DataError(
            f"{subject}: an array of shape {shape} may be films of {COLOURS} frames or images of "
            f"{COLOURS} colours; give films as (N, {COLOURS}, height, width, 1), or colours as (N, "
            f"height, width, {COLOURS})"
        )
    grey_films = array.ndim == 4 and not colour and not {shape[1], shape[3]} & set(_CHANNELS)
    if array.size and (array.ndim == 5 or grey_films):
        count, length, *image = shape
        return Films(array.reshape(count * length, *image), count, length)
    return Films(array, 1, len(array) if array.ndim else 0)


def from_array(
    array: Array,
    labels: Array | None,
    name: str,
    request: OwnRequest,
    frames: int,
    subject: str | None = None,
) -> Sequences:
    """Return sequences of an array, as `as_films` reads it; labels (N,) of films, if there are."""
    subject = name if subject is None else subject
    films = as_films(subject, array, request.colour)
    each = films.length // frames
    if each == 0:
        raise _too_short(subject, films.length, frames)
    known = None
    if labels is not None and films.number > 1:
        known = check_labels(subject, labels, films.number)
    chosen = _chosen(subject, np.repeat(np.arange(films.number), each), request)
    starts = chosen // each * films.length + chosen % each * frames
    rows = (starts[:, None] + np.arange(frames)).reshape(-1)
    # One image says what shape all have, before the others are read.
    shape = image_shape(as_stack(subject, films.frames[:1], request.colour).shape[1:])
    request.fits(name, shape)
    require_pixels(subject, len(rows), shape, each=16)
    stack = as_stack(subject, films.frames[rows], request.colour)
    flat = stack.reshape(len(stack), -1)
    result = scaled(Values(flat, None, (subject,)), request.preparation.white)
    size = f"{len(chosen)} of {frames} frames of {shape_text(shape)}"
    part = f"{_subject(request)}: {size} from {films.number} films of {films.length}"
    images = ImageSet(
        printable(name),
        request.split,
        result.pixels,
        shape,
        result.kind,
        None if known is None else np.repeat(known[chosen // each], frames),
        preparation=request.done,
        remarks=(f"{part}, levels {result.levels}",),
    )
    return Sequences(images, frames)


def _of_files(path: Path, files: Listing, request: OwnRequest, frames: int) -> Sequences:
    # Which films are held out depends on all of them.
    most = None if request.holdout else request.limit
    runs = list(islice(_runs(path, files, request, frames), most))
    if not runs:
        raise DataError(
            f"{path}: no film in it has {frames} frames; give longer ones, or fewer frames"
        )
    chosen = _chosen(str(path), np.array([run.film for run in runs]), request)
    kept = [runs[index] for index in chosen]
    shown = [frame for run in kept for frame in run.frames]
    names = [name for run in kept for name in run.names]
    warn_of_reduced([name for frame, name in zip(shown, names, strict=True) if frame.reduced])
    pixels, kind, levels = together(path, shown, names, request.preparation.white)
    shape = image_shape(shown[0].values.shape)
    count = f"{len(kept)} of {frames} frames of {shape_text(shape)}"
    remark = f"{_subject(request)}: {count} from {len({run.film for run in kept})} films, {levels}"
    known = [run.label for run in kept for _ in run.frames]
    images = ImageSet(
        name=printable(path.name or str(path)),
        split=request.split,
        pixels=pixels,
        image_shape=shape,
        kind=kind,
        labels=None if None in known else np.array(known, np.int64),
        preparation=request.done,
        remarks=(remark, *files.remarks),
    )
    return Sequences(images, frames)


def _runs(path: Path, files: Listing, request: OwnRequest, frames: int) -> Iterator[_Run]:
    """Yield runs of frames; a file of several pictures is a film, else the pictures of a folder."""
    film, total, pending, names = 0, 0, list[Frame](), list[str]()
    first: tuple[tuple[int, ...], str] | None = None
    place: Path | None = None  # folder whose pictures are pending
    for index, file in enumerate(files.files):
        request.report(f"reading frames, {file.name}", index, len(files.files))
        held = frames_of(file, request.colour)
        if first is None:
            first = held[0].values.shape, str(file)
            request.fits(path.name or str(path), image_shape(first[0]))
        check_sizes(held, str(file), *first)
        alone = len(held) > 1 or file.suffix.lower() in VIDEO_SUFFIXES
        if pending and (alone or place != file.parent):
            pending, names = [], []
        film += alone or place != file.parent
        place = None if alone else file.parent
        each = work(held[0].values.dtype.itemsize)
        total += len(held)
        require_pixels(str(path), total, image_shape(first[0]), each)
        pending, names = [*pending, *held], [*names, *[str(file)] * len(held)]
        label = None if files.labels is None else files.labels[index]
        while len(pending) >= frames:
            yield _Run(film, pending[:frames], names[:frames], label)
            pending, names = pending[frames:], names[frames:]
        if alone:
            pending, names = [], []


def _chosen(subject: str, films: Int64, request: OwnRequest) -> Int64:
    """Return the places of the request's runs; films (R,): the film of each, in order."""
    place: Int64 = np.arange(len(films))
    if not request.holdout:
        return place[: request.limit]
    numbers, of_run = np.unique(films, return_inverse=True)
    if len(numbers) > 1:
        held = held_out(subject, len(numbers))[of_run]
    else:
        held = held_out(subject, len(films))
    chosen: Int64 = place[held == (request.split == "test")]
    return chosen[: request.limit]


def _too_short(subject: str, length: int, frames: int) -> DataError:
    return DataError(
        f"{subject}: {length} frames of a film make no sequence of {frames}; give longer films, or "
        "fewer frames"
    )


def _subject(request: OwnRequest) -> str:
    return f"{request.split} sequences" if request.holdout else "sequences"
