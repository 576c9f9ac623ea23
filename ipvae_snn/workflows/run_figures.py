"""Figures of a run, of all images at once or accumulated over chunks of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Annotated, Any, NamedTuple

import numpy as np

from ipvae_snn.arrays import Int64
from ipvae_snn.ir.saturation import Saturation, saturations, summary
from ipvae_snn.ir.trace import SATURATIONS, Trace
from ipvae_snn.metrics.estimates import Estimate, share
from ipvae_snn.metrics.moments import NONE, Moments
from ipvae_snn.metrics.quality import r2_per_image
from ipvae_snn.storage.text_values import number, whole
from ipvae_snn.workflows.stopping import StepsTaken

Hits = Annotated[Int64, "T"]


@dataclass(frozen=True)
class RunFigures:
    """Figures of N images and T steps.

    quality: R2 of the last step's reconstructions. spikes: of all images, neurons and steps. hits
    (T,): images whose largest score after each step is their class; None without a read-out or
    labels. saturations: by kind; None if the back end does not count them. saturated_pixels: beyond
    the range of the input code. taken: steps of the images, in a run with a stop.
    """

    images: int
    steps: int
    quality: Estimate
    spikes: int
    hits: Hits | None
    saturations: tuple[Saturation, ...] | None
    saturated_pixels: int
    taken: StepsTaken | None = None

    @property
    def spikes_per_image(self) -> float:
        """Spikes of all neurons and steps, mean over images."""
        return self.spikes / self.images

    @property
    def accuracy(self) -> Estimate | None:
        """Share of images whose largest score after the last step is their class."""
        return None if self.hits is None else share(int(self.hits[-1]), self.images)

    @property
    def accuracy_by_step(self) -> dict[int, float] | None:
        """Share of right classes after 1, 2, 4, ... steps, and after the last one."""
        if self.hits is None:
            return None
        marks = sorted({2**i for i in range(self.steps.bit_length())} | {self.steps})
        return {t: int(self.hits[t - 1]) / self.images for t in marks}

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        limits, right = self.saturations, self.accuracy
        return {
            "r2": self.quality.mean,
            "r2_95": [self.quality.low, self.quality.high],
            "spikes_per_image": self.spikes_per_image,
            "steps_taken": None if self.taken is None else self.taken.as_json(self.images),
            "accuracy": None if right is None else right.mean,
            "accuracy_95": None if right is None else [right.low, right.high],
            "accuracy_by_step": self.accuracy_by_step,
            "saturated_pixels": self.saturated_pixels,
            "saturations": None if limits is None else {one.kind: one.as_json() for one in limits},
        }

    def text(self) -> str:
        """Return R2, spikes, classes and saturations in words."""
        quality, right, limits = self.quality, self.accuracy, summary(self.saturations or ())
        classes = ""
        if right is not None:
            classes = (
                f"; classes right: {100 * right.mean:.1f} % (95 %: {100 * right.low:.1f}.."
                f"{100 * right.high:.1f})"
            )
        taken = ""
        if self.taken is not None:
            mean, least, most = self.taken.as_json(self.images).values()
            taken = f"; steps taken: {mean:.2f} ({least}..{most})"
        return (
            f"R2 {quality.mean:.3f} (95 %: {quality.low:.3f}..{quality.high:.3f}), "
            f"{self.spikes_per_image:.0f} spikes per image{taken}{classes}"
            + (f"; {self.saturated_pixels} pixels saturated" if self.saturated_pixels else "")
            + (f"; saturated: {limits}" if limits else "")
        )


class Shown(NamedTuple):
    """Images of a chunk: pixels (n, M), classes (n,) or None, and pixels that saturated."""

    pixels: Any
    labels: Int64 | None
    saturated: int


@dataclass(frozen=True)
class ChunkFigures:
    """Figures of images first .. first + images - 1 of a run.

    r2: of the images that are not constant. saturated: by kind and step, the number of neurons and
    the first image of the run that saturates there; None if they are not counted.
    """

    first: int
    images: int
    r2: Moments
    spikes: int
    saturated_pixels: int
    hits: tuple[int, ...] | None
    saturated: Mapping[str, Mapping[int, tuple[int, int]]] | None
    taken: StepsTaken | None = None

    @classmethod
    def of(cls, first: int, shown: Shown, trace: Trace, labels: Int64) -> "ChunkFigures":
        """Return the figures of a chunk's trace; labels (S,): the class of each score."""
        limits = saturations(trace)
        return cls(
            first,
            len(trace.counts_sum),
            Moments.of(r2_per_image(shown.pixels, trace.reconstruction)),
            int(trace.counts_sum.sum()),
            shown.saturated,
            hits_of(trace, shown.labels, labels),
            None if limits is None else _places(first, trace, limits),
            StepsTaken.of(trace),
        )

    def as_json(self) -> dict[str, Any]:
        """Return plain data, from which `from_json` makes the same figures."""
        return {**vars(self), "r2": list(self.r2)}

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> "ChunkFigures":
        """Return what `as_json` gave; ValueError, LookupError or TypeError for anything else."""
        n, mean, squares, excluded = given["r2"]
        hits, limits = given["hits"], given["saturated"]
        taken = given.get("taken")  # a record of an earlier release has none
        return cls(
            whole(given["first"], "first"),
            whole(given["images"], "images"),
            Moments(
                whole(n, "n"), number(mean, "mean"), number(squares, "s"), whole(excluded, "n")
            ),
            whole(given["spikes"], "spikes"),
            whole(given["saturated_pixels"], "saturated pixels"),
            None if hits is None else tuple(whole(one, "hits") for one in hits),
            None if limits is None else {kind: _steps_of(limits[kind]) for kind in SATURATIONS},
            None if taken is None else StepsTaken(*(whole(one, "steps") for one in taken)),
        )


def _steps_of(given: Mapping[str, Any]) -> dict[int, tuple[int, int]]:
    return {
        int(step): (whole(total, "total"), whole(image, "image"))
        for step, (total, image) in given.items()
    }


def _places(
    first: int, trace: Trace, limits: tuple[Saturation, ...]
) -> dict[str, dict[int, tuple[int, int]]]:
    """Return the totals of each kind and step, with the first image that saturates there."""
    assert trace.saturated is not None  # there are limits
    return {
        one.kind: {
            step: (total, first + int(np.flatnonzero(trace.saturated[:, step, index])[0]))
            for step, total in one.by_step.items()
        }
        for index, one in enumerate(limits)
    }


def hits_of(trace: Trace, truth: Int64 | None, labels: Int64) -> tuple[int, ...] | None:
    """Return how many images' largest score names their class after each step, as RunFigures."""
    if trace.scores is None or truth is None:
        return None
    right = labels[trace.scores.argmax(axis=2)] == truth[:, None]
    return tuple(int(total) for total in right.sum(axis=0))


def merged(chunks: Iterable[ChunkFigures], steps: int) -> RunFigures:
    """Return the figures of chunks that are a whole run; those but R2 are exact.

    The order of the chunks does not matter, also not to the rounding of R2.
    """
    ordered = sorted(chunks, key=lambda one: one.first)
    quality = NONE
    for one in ordered:
        quality = quality.merged(one.r2)
    counted = [one.hits for one in ordered if one.hits is not None]
    limits = [one.saturated for one in ordered if one.saturated is not None]
    taken = [one.taken for one in ordered if one.taken is not None]
    return RunFigures(
        images=sum(one.images for one in ordered),
        steps=steps,
        quality=quality.estimate(),
        spikes=sum(one.spikes for one in ordered),
        hits=np.array(counted, np.int64).sum(axis=0) if counted else None,
        saturations=_together(limits) if len(limits) == len(ordered) else None,
        saturated_pixels=sum(one.saturated_pixels for one in ordered),
        taken=reduce(StepsTaken.joined, taken) if taken else None,
    )


def _together(
    chunks: list[Mapping[str, Mapping[int, tuple[int, int]]]],
) -> tuple[Saturation, ...]:
    result = []
    for kind in SATURATIONS:
        steps: dict[int, tuple[int, int]] = {}
        for chunk in chunks:
            for step, (total, image) in chunk[kind].items():
                before, earliest = steps.get(step, (0, image))
                steps[step] = before + total, min(earliest, image)
        by_step = {step: steps[step][0] for step in sorted(steps)}
        first = min(steps) if steps else None
        earliest_image = None if first is None else steps[first][1]
        result.append(Saturation(kind, sum(by_step.values()), earliest_image, first, by_step))
    return tuple(result)
