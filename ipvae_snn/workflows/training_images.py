"""Images that a network is trained on and validated with, and advice on a user's own."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from ipvae_snn.config import toml
from ipvae_snn.config.settings import Config, DataConfig
from ipvae_snn.data import ImageSet
from ipvae_snn.data.given import ImageSource, Selection, image_set
from ipvae_snn.data.own_sequences import sequence_set
from ipvae_snn.data.registry import is_named
from ipvae_snn.data.request import Report, silent
from ipvae_snn.data.sequences import Moving
from ipvae_snn.data.whitening import BORDER
from ipvae_snn.errors import DataError
from ipvae_snn.image_shape import ImageShape, n_pixels, shape_text
from ipvae_snn.training.train import TrainResult

# Whole images of more pixels make a network that no computer here trains in hours.
MOST_PIXELS: Final = 256 * 256
_LARGEST: Final = {2: "256x256", 3: "147x147 in colour"}  # by the sizes of a shape
# Beyond these, one image is probably a photograph, and patches of it are the usual training set.
LARGE_SIDE: Final = 64
FEW_IMAGES: Final = 100
LEAST_CUT: Final = 16 + 2 * BORDER  # pixels at a side that whitened patches of 16x16 need
ADVICE: Final = "natural images? cut whitened patches: --patches 16"


def load_training_data(
    config: Config, data_root: Path | None, report: Report = silent
) -> tuple[ImageSet, ImageSet]:
    """Return the training and validation images that a config asks for."""
    return training_images(config.data.name, config, data_root, report)


def training_images(
    source: ImageSource, config: Config, data_root: Path | None = None, report: Report = silent
) -> tuple[ImageSet, ImageSet]:
    """Return the training and validation images of `source`, treated as the config says.

    Validation images are standardised by the training images' constants. Raises DataError for
    images that are missing or do not fit, or whole ones that are too large for a network. Frames of
    the user's own films are whole sequences, and films are held out, not frames.
    """
    settings = config.data
    size = settings.patches
    named = isinstance(source, str) and is_named(source)
    if isinstance(source, str) and named:
        _check_named(source, settings)
    else:
        _check_still(settings)
    read = image_set if named or isinstance(source, ImageSet) else partial(_read, settings)
    chosen = Selection(
        "train",
        settings.limit or None,
        data_root,
        size or 16,
        holdout=True,
        preparation=settings.preparation,
        report=report,
        fits=_check_size,
        colour=settings.colour,
    )
    seen = read(source, chosen)
    _check_size(seen.name, seen.image_shape)
    limit = settings.validation_limit or None
    prepared = seen.preparation or settings.preparation
    held_out = read(source, replace(chosen, split="test", limit=limit, preparation=prepared))
    return seen, held_out


def _read(settings: DataConfig, source: ImageSource, chosen: Selection) -> ImageSet:
    """Return the user's own images, or the frames of films, in order of their sequences."""
    if settings.frames == 1 or settings.motion == "drift":
        return image_set(source, chosen)
    if chosen.limit is not None:
        chosen = replace(chosen, limit=max(1, chosen.limit // settings.frames))
    return sequence_set(source, chosen, Moving(settings.frames, settings.motion)).images


def _check_named(name: str, settings: DataConfig) -> None:
    """Raise DataError where a named set, which has its own treatment, is asked for another."""
    size = settings.patches
    if size and name not in toml.PATCH_SETS:
        raise DataError(
            f"{name}: a named set, of which no patches of {size}x{size} are cut; leave out "
            "--patches (data.patches), or give a folder of photographs"
        )
    whiten = settings.whiten != DataConfig().whiten and name not in toml.PATCH_SETS
    if settings.white or whiten:
        raise DataError(
            f"{name}: a named set, which is read in its own way; leave out --white "
            f"({settings.white:g}), which is for your own images, and --whiten "
            f"({settings.whiten}), which is for them, natural and vanhateren"
        )


def _check_still(settings: DataConfig) -> None:
    """Raise DataError where patches, which are drawn from anywhere, are to be frames of a video."""
    if settings.patches and settings.frames > 1:
        raise DataError(
            f"{settings.name}: patches of {settings.patches}x{settings.patches} (data.patches) as "
            f"{settings.frames} frames of a moving input (data.frames): patches lie anywhere and "
            "do not move; set data.frames=1, or leave out the patches"
        )


def _check_size(name: str, shape: ImageShape) -> None:
    if n_pixels(shape) > MOST_PIXELS:
        raise DataError(
            f"{name}: images of {shape_text(shape)} pixels, but a network takes whole images "
            f"of at most {MOST_PIXELS:,} pixels ({_LARGEST[len(shape)]}); {ADVICE}"
        )


def advice_on(images: ImageSet) -> str | None:
    """Return a hint for images that are large or few, as a user's photographs are; else None."""
    height, width = images.image_shape[:2]
    ordinary = max(height, width) <= LARGE_SIDE and len(images) >= FEW_IMAGES
    if images.citation or images.kind != "unit" or _is_cut(images) or ordinary:
        return None
    advice = ADVICE if min(height, width) >= LEAST_CUT else "more images make a better network"
    size = shape_text(images.image_shape)
    return f"{images.name}: {len(images)} images of {size} to train on; {advice}"


def _is_cut(images: ImageSet) -> bool:
    return images.preparation is not None and images.preparation.patches > 0


def advice_after(result: TrainResult, images: ImageSet) -> str | None:
    """Return what to try if R2 ended below 0, None if it did not."""
    if result.validation.r2 >= 0:
        return None
    own = not (images.citation or _is_cut(images)) and min(images.image_shape[:2]) >= LEAST_CUT
    return f"R2 {result.validation.r2:.3f} is worse than the mean image" + (
        f"; {ADVICE}" if own else "; train longer, or lower train.beta"
    )
