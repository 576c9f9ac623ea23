"""Recombination: which features make up an image, and how few of them suffice."""

from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np

from ipvae_snn.arrays import Bool, Float32, Float64, Int64
from ipvae_snn.data import ImageSet
from ipvae_snn.image_shape import ImageShape
from ipvae_snn.metrics.estimates import Estimate, estimate, share
from ipvae_snn.metrics.quality import r2_per_image
from ipvae_snn.probing.doublings import doublings
from ipvae_snn.probing.image_runs import image_runs
from ipvae_snn.probing.recorder import Latents, Recorder, decoded_alone, feature_norms
from ipvae_snn.progress import Progress, ignore

SHOWN: Final = 5  # images of a picture
STRONGEST: Final = 6  # features of each that it shows
ENOUGH: Final = 0.9  # of the R2 that all features reach
WHAT: Final = "taking images apart"


@dataclass(frozen=True)
class Parts:
    """Images (n, M) in parts: totals of latents (n, K) over `steps`.

    rank (n, K): place of each neuron by falling strength, from 0. sums (S, n, M): reconstructions
    by the strongest neurons alone, of growing number. r2 (n, S): of these.
    """

    pixels: Annotated[Float32, "n M"]
    totals: Annotated[Latents, "n K"]
    rank: Annotated[Int64, "n K"]
    steps: int
    sums: Annotated[Float32, "S n M"]
    r2: Annotated[Float64, "n S"]


@dataclass(frozen=True)
class Example:
    """An image and its parts, (M,) each, scaled like its pixels.

    neurons: the strongest, in falling order; features: what each adds. sums, r2: as in `Parts`.
    """

    image: Annotated[Float32, "M"]
    neurons: Annotated[Int64, "STRONGEST"]
    features: Annotated[Float32, "STRONGEST M"]
    sums: Annotated[Float32, "S M"]
    r2: Annotated[Float64, "S"]


@dataclass(frozen=True)
class Recombination:
    """Images explained by their strongest features alone; estimates over images.

    The strength of a feature is the norm of what its mean latent, over the second half of `steps`,
    adds to the image. kept: numbers of features, the powers of 2 and all; r2: with as many.
    needed: the least of `kept` with ENOUGH of the R2 of all features, over the images where that is
    above 0. serving: share of the network's features that some image needs. shared: share of the
    images that need a serving feature, over the serving features.
    """

    data: str
    citation: str
    images: int
    image_shape: ImageShape
    steps: int
    kept: tuple[int, ...]
    r2: tuple[Estimate, ...]
    needed: Estimate
    serving: Estimate
    shared: Estimate
    examples: tuple[Example, ...]


def measure(
    recorder: Recorder,
    images: ImageSet,
    steps: int,
    seed: int,
    progress: Progress = ignore,
) -> Recombination:
    """Show images, and take their reconstructions apart.

    Raises ConfigError for more steps than a run may have.
    """
    norms, kept = feature_norms(recorder), doublings(recorder.n_neurons)
    quality, needed, serves, examples = [], [], [], list[Example]()
    for pixels, latents in image_runs(recorder, images, steps, seed, WHAT, progress):
        totals = latents[:, steps // 2 :].sum(axis=1).astype(latents.dtype)
        parts = taken_apart(recorder, pixels, totals, steps - steps // 2, norms, kept)
        enough = least_kept(parts.r2, kept)
        quality.append(parts.r2)
        needed.append(enough)
        serves.append(serving(parts, enough))
        wanted = range(min(len(pixels), SHOWN - len(examples)))
        examples += [_example(recorder, parts, index) for index in wanted]
    r2, served = np.concatenate(quality), np.concatenate(serves)
    of_images = served.mean(axis=0)
    return Recombination(
        data=images.name,
        citation=images.citation,
        images=len(images),
        image_shape=recorder.image_shape,
        steps=steps,
        kept=kept,
        r2=tuple(map(estimate, r2.T)),
        needed=estimate(np.concatenate(needed)),
        serving=share(int(np.count_nonzero(of_images)), recorder.n_neurons),
        shared=estimate(of_images[of_images > 0]),
        examples=tuple(examples),
    )


def taken_apart(
    recorder: Recorder,
    pixels: Annotated[Float32, "n M"],
    totals: Annotated[Latents, "n K"],
    steps: int,
    norms: Annotated[Float64, "K"],
    kept: tuple[int, ...],
) -> Parts:
    """Return images in parts, from the totals of their latents over `steps`."""
    rank = np.argsort(np.argsort(-(np.abs(totals) * norms), axis=1, kind="stable"), axis=1)
    sums = np.stack(
        [recorder.decode(np.where(rank < most, totals, totals.dtype.type(0))) for most in kept]
    )
    sums = np.asarray(sums / steps, np.float32)
    r2 = np.stack([r2_per_image(pixels, each) for each in sums], axis=1)
    return Parts(pixels, totals, rank, steps, sums, r2)


def least_kept(r2: Annotated[Float64, "n S"], kept: tuple[int, ...]) -> Annotated[Float64, "n"]:
    """Return the least number of features with ENOUGH of the last column's R2.

    NaN where that is not above 0.
    """
    enough = r2 >= ENOUGH * r2[:, -1:]
    return np.where(r2[:, -1] > 0, np.array(kept, np.float64)[enough.argmax(axis=1)], np.nan)


def serving(parts: Parts, needed: Annotated[Float64, "n"]) -> Annotated[Bool, "n K"]:
    """Return which neurons are among the strongest of each image, as many as it needs."""
    return np.asarray((parts.rank < needed[:, None]) & (parts.totals != 0))


def _example(recorder: Recorder, parts: Parts, index: int) -> Example:
    strongest = np.argsort(parts.rank[index])[:STRONGEST]
    totals = parts.totals[index, strongest]
    return Example(
        image=parts.pixels[index],
        neurons=strongest,
        features=decoded_alone(recorder, strongest, totals) / np.float32(parts.steps),
        sums=parts.sums[:, index],
        r2=parts.r2[index],
    )
