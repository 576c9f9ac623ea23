"""Patches of a user's own photographs: of any size and depth, whitened, whole ones held out."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from ipvae_snn.arrays import Float32, Int64
from ipvae_snn.config.preparation import Constants, Preparation, Whitening
from ipvae_snn.data.base import ImageSet, Split
from ipvae_snn.data.levels import Values, scaled
from ipvae_snn.data.own_request import OwnRequest
from ipvae_snn.data.photograph_source import Source
from ipvae_snn.data.pictures import Frame, warn_of_reduced
from ipvae_snn.data.whitening import LEAST_CONTRAST
from ipvae_snn.data.whitening_methods import METHODS, NO_CONTRAST
from ipvae_snn.errors import DataError
from ipvae_snn.image_shape import ImageShape, n_pixels, shape_text

COUNTS: Final[dict[Split, int]] = {"train": 20_000, "test": 4_000}  # as of the set `natural`
# Candidates per patch that is asked for; flat ones are dropped.
CANDIDATES: Final = 2
MOST_PIXELS: Final = 1 << 26  # of all patches, which bounds the number of large ones
# Larger photographs are reduced to at most so many pixels at their longer side, by a whole factor.
# At full size, cameras' and JPEG's smoothing leaves single pixels without contrast of their own.
LONGEST: Final = 2048
HELD_OUT: Final = 5  # every fifth photograph is in the test split
CHANNELS: Final = ("red", "green", "blue")
# Brightness of white before the logarithm of whitening, as of 8-bit photographs.
_WHITE: Final = 255.0
_HOW: Final[dict[Whitening, str]] = {"olshausen": ", whitened", "none": ", not whitened"}
_STREAM: Final[dict[Split, int]] = {"train": 0, "test": 1}  # no split shares a random stream


class _Cut(NamedTuple):
    """Candidate patches (C, M), labels (C,) or None, and what the remark tells of them."""

    patches: Float32
    labels: Int64 | None
    sizes: frozenset[tuple[int, ...]]
    reduced: int
    used: int


def held_out(sources: Sequence[Source], name: str) -> list[bool]:
    """Return which sources are in the test split: every fifth; of fewer than five the last.

    Raises DataError for one source alone, which cannot be divided.
    """
    count = len(sources)
    if count < 2:
        raise DataError(
            f"{name}: {count} photograph cannot be divided in training and test; give more, since "
            "whole photographs are held out"
        )
    last = HELD_OUT - 1
    return [i % HELD_OUT == last or (count < HELD_OUT and i == count - 1) for i in range(count)]


def cut_patches(
    sources: Sequence[Source],
    request: OwnRequest,
    name: str,
) -> ImageSet:
    """Return patches of the photographs of the request's split, as its preparation says.

    Training photographs are measured if it has no constants yet; the set's own preparation then
    has them. Where they are known, a single photograph is in either split. Raises DataError naming
    the file for photographs that are too small or too flat, or whose scale is not known.
    """
    preparation, split = request.preparation, request.split
    single = len(sources) == 1 and preparation.constants is not None
    test = [split == "test"] if single else held_out(sources, name)
    if preparation.constants is None:
        training = [source for source, held in zip(sources, test, strict=True) if not held]
        cut = _cut(training, request, "train")
        constants = _measure(cut.patches, preparation, name)
        preparation = replace(preparation, constants=constants)
        request = replace(request, preparation=preparation)
        if split == "train":
            return _patch_set(cut, request, name, len(sources))
    chosen = [s for s, held in zip(sources, test, strict=True) if held == (split == "test")]
    cut = _cut(chosen, request, split)
    return _patch_set(cut, request, name, len(sources))


def _cut(sources: Sequence[Source], request: OwnRequest, split: Split) -> _Cut:
    """Return candidates from all sources, of which each is equally likely."""
    preparation, report = request.preparation, request.report
    size, method = preparation.patches, METHODS[preparation.whiten]
    wanted = CANDIDATES * _count(split, request.patch_shape)
    patches: list[Float32] = []
    labels: list[int | None] = []
    sizes: set[tuple[int, ...]] = set()
    shallow: list[str] = []
    reduced = 1
    for index, source in enumerate(sources):
        report(f"reading photographs, {source.name}", index, len(sources))
        frames = source.read()
        share = -(-wanted // (len(sources) * len(frames)))
        for place, frame in enumerate(frames):
            image, factor = _prepared(frame, preparation, source.name)
            sizes.add(frame.values.shape)
            reduced = max(reduced, factor)
            rng = np.random.default_rng([_STREAM[split], index, place])
            patches.append(method.draw([image], size, share, rng))
            labels += [source.label] * share
            shallow += [source.name] if frame.reduced else []
    report("photographs read", len(sources), len(sources))
    warn_of_reduced(shallow)
    order = np.random.default_rng([_STREAM[split]]).permutation(len(labels))
    known = None if None in labels else np.array(labels, dtype=np.int64)[order]
    whole = np.concatenate(patches)[order]
    return _Cut(whole, known, frozenset(sizes), reduced, len(sources))


def _count(split: Split, shape: ImageShape) -> int:
    return max(1, min(COUNTS[split], MOST_PIXELS // n_pixels(shape)))


def _prepared(frame: Frame, preparation: Preparation, name: str) -> tuple[Float32, int]:
    """Return what patches are cut of, and the factor by which the photograph was reduced.

    That is the photograph whitened as a whole, or as it is if patches are whitened by themselves or
    not at all. Of colours, each channel is whitened by itself.
    """
    size, method = preparation.patches, METHODS[preparation.whiten]
    light, factor = _reduced(_light(frame, preparation, name))
    height, width = light.shape[:2]
    needed = method.needed(size)
    if min(height, width) < needed:
        if needed == size:
            raise DataError(
                f"{name}: {height}x{width} pixels, smaller than patches of {size}x{size}; leave it "
                "out or cut smaller ones"
            )
        raise DataError(
            f"{name}: {height}x{width} pixels, but whitened patches of {size}x{size} need {needed} "
            "or more each way; leave it out, cut smaller ones, or --whiten none"
        )
    if light.ndim == 2:
        return method.image(light, name), factor
    channels = enumerate(np.moveaxis(light, 2, 0))
    each = [method.image(channel, f"{name}, {CHANNELS[index]}") for index, channel in channels]
    return np.stack(each, axis=2), factor


def _light(frame: Frame, preparation: Preparation, name: str) -> Float32:
    """Return the brightness: in [0, 1] without whitening, else up to about 255.

    Whitening makes contrast alike, so that only the bend of its logarithm depends on the scale: of
    deep pictures and floats the brightest pixel is taken as white if no other value is named.
    """
    values = frame.values
    if preparation.whiten == "none":
        result = scaled(Values(values.reshape(1, -1), frame.white, (name,)), preparation.white)
        if result.kind != "unit":
            raise DataError(f"{name}: standardised pixels; without whitening give [0, 1] or uint8")
        return result.pixels.reshape(values.shape)
    if not np.isfinite(values).all():
        raise DataError(f"{name}: holds NaN or infinite pixels; clean the data first")
    low, high = float(values.min()), float(values.max())
    if low < 0:
        raise DataError(
            f"{name}: pixels from {low:.3g} to {high:.3g}, but light is not negative; give the "
            "photograph as it was taken, or --whiten none for one that is whitened"
        )
    own = _WHITE if values.dtype == np.uint8 else high
    white = preparation.white or own or 1.0
    return (values.astype(np.float64) * (_WHITE / white)).astype(np.float32)


def _reduced(light: Float32) -> tuple[Float32, int]:
    """Return the photograph with means of k x k pixels, k the least that meets LONGEST."""
    k = -(-max(light.shape[:2]) // LONGEST)
    if k == 1:
        return light, 1
    height, width = light.shape[0] // k, light.shape[1] // k
    blocks = light[: height * k, : width * k].reshape(height, k, width, k, *light.shape[2:])
    return blocks.mean(axis=(1, 3), dtype=np.float64).astype(np.float32), k


def _measure(patches: Float32, preparation: Preparation, name: str) -> Constants:
    """Return the constants of training candidates; pixels in [0, 1] keep mean 0, deviation 1."""
    method = METHODS[preparation.whiten]
    least = LEAST_CONTRAST * float(patches.std(dtype=np.float64))
    if method.keeps_flat:
        least = NO_CONTRAST
    kept = patches[_with_contrast(patches, least, name, method.keeps_flat)]
    if method.kind == "unit":
        return Constants(0.0, 1.0, least)
    mean, deviation = float(kept.mean(dtype=np.float64)), float(kept.std(dtype=np.float64))
    return Constants(mean, deviation, least)


def _with_contrast(patches: Float32, least: float, name: str, keep_flattest: bool) -> Int64:
    """Return the rows above the least contrast, in order; the flattest tenth of them is dropped.

    keep_flattest: that tenth stays. Raises DataError if fewer than a twentieth are.
    """
    contrast = patches.std(axis=1)
    rows = np.flatnonzero(contrast >= max(least, NO_CONTRAST))
    if len(rows) < len(patches) / 20:
        raise DataError(
            f"{name}: {len(rows)} of {len(patches)} patches have a contrast of {least:.3g} or "
            "more; the photographs are too flat, give others"
        )
    if keep_flattest:
        return rows
    order = np.argsort(contrast[rows], kind="stable")
    return np.sort(rows[order[len(rows) // 10 :]])


def _patch_set(cut: _Cut, request: OwnRequest, name: str, photographs: int) -> ImageSet:
    preparation, split, shape = request.preparation, request.split, request.patch_shape
    constants, method = preparation.constants, METHODS[preparation.whiten]
    if constants is None:
        raise ValueError("patches are standardised by constants; measure them first")
    rows = _with_contrast(cut.patches, constants.least_contrast, name, method.keeps_flat)
    rows = rows[: _count(split, shape)]
    pixels = cut.patches[rows]
    if method.kind == "standardised":
        pixels = (pixels - np.float32(constants.mean)) / np.float32(constants.deviation)
    return ImageSet(
        name=name,
        split=split,
        pixels=pixels,
        image_shape=shape,
        kind=method.kind,
        labels=None if cut.labels is None else cut.labels[rows],
        preparation=preparation,
        remarks=(_remark(cut, request, len(rows), photographs),),
    )


def _remark(cut: _Cut, request: OwnRequest, count: int, photographs: int) -> str:
    sizes = sorted(cut.sizes)
    shown = "x".join(map(str, sizes[0]))
    if len(sizes) > 1:
        shown += " to " + "x".join(map(str, sizes[-1]))
    whiten = request.preparation.whiten
    patches = f"{count:,} patches of {shape_text(request.patch_shape)}"
    return (
        f"{request.split}: {patches} from {cut.used} of {photographs} photographs of {shown}"
        + (f", reduced up to {cut.reduced}-fold" if cut.reduced > 1 else "")
        + _HOW.get(whiten, f", whitened ({whiten})")
    )
