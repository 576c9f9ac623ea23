"""The probes by the name of their stimulus."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Any, Final, TypeVar

from matplotlib.figure import Figure

from ipvae_snn.data import ImageSet
from ipvae_snn.image_shape import ImageShape
from ipvae_snn.metrics.estimates import Estimate
from ipvae_snn.probing import (
    bar,
    latency,
    masking,
    movie_plots,
    noise,
    orientation,
    plots,
    prior,
    recombination,
    recombination_plots,
    sparsification,
    tables,
)
from ipvae_snn.probing.features import Features
from ipvae_snn.probing.recorder import Recorder
from ipvae_snn.probing.report import Outcome, plain
from ipvae_snn.probing.subject import Subject
from ipvae_snn.progress import Progress
from ipvae_snn.report.document import Picture

GABOR: Final = "gabor"
SPARSIFICATION: Final = "sparsification"
RECOMBINATION: Final = "recombination"
PRIOR: Final = "prior"
STEPS: Final = 128  # of a grating; images have their own

BYTES_PER_PLACE: Final = 28  # light, and three float64 from which it is formed

Probe = Callable[[Subject, Progress], Outcome]


def gabor(features: Features, shape: ImageShape, what: str) -> Outcome:
    """Return the Gabor functions of all features."""
    title = f"Gabor functions of {len(features)} features, {what}"
    data = {
        "fitted": asdict(features.fitted),
        "tuned": asdict(features.tuned),
        "features": len(features),
        "neurons": features.neurons.tolist(),
        "gabors": plain(features.gabors),
    }
    return Outcome(
        data,
        (tables.features(features),),
        (
            Picture(
                GABOR,
                title,
                lambda f: plots.features(f, features, shape, title),
                plots.FEATURES_SIZE,
            ),
        ),
    )


def sparse(
    recorder: Recorder, images: ImageSet, steps: int, seed: int, progress: Progress
) -> Outcome:
    """Return figures of images over the steps."""
    found = sparsification.measure(recorder, images, steps, seed, progress)
    title = f"Sparsification over time, {found.images} images of {found.data}, {recorder.what}"
    picture = _picture(
        SPARSIFICATION, title, found, movie_plots.sparsification, movie_plots.SPARSE_SIZE
    )
    return Outcome(plain(found), (tables.sparsification(found),), (picture,))


def recombined(
    recorder: Recorder, images: ImageSet, steps: int, seed: int, progress: Progress
) -> Outcome:
    """Return which features make up images, and how few suffice."""
    found = recombination.measure(recorder, images, steps, seed, progress)
    title = f"Features that make up images of {found.data}, {recorder.what}"
    picture = _picture(
        RECOMBINATION, title, found, recombination_plots.recombination, recombination_plots.SIZE
    )
    return Outcome(plain(found, ("examples",)), tables.recombination(found), (picture,))


def without_input(recorder: Recorder, steps: int, seed: int, progress: Progress) -> Outcome:
    """Return images drawn from the prior, and by inference without input."""
    found = prior.measure(recorder, steps, seed, progress)
    title = f"Images drawn from the prior, and inferred from no input, {recorder.what}"
    picture = _picture(PRIOR, title, found, movie_plots.prior, movie_plots.PRIOR_SIZE)
    return Outcome(plain(found, ("images",)), (tables.prior(found, prior.RUNS),), (picture,))


def _gratings(subject: Subject, progress: Progress) -> Outcome:
    found = orientation.measure(subject, progress)
    title = _title(subject, "Orientation tuning")
    table = tables.figures(
        _head(subject, f"gratings of contrast {orientation.CONTRAST:g}"), found.figures
    )
    picture = _picture("orientation", title, found, plots.orientation, plots.ROW_SIZE)
    kept = {**plain(found, ("features", "responses")), "curves": plain(found.curves)}
    return Outcome(_data(subject, found.figures, kept), (table,), (picture,))


def _contrast(subject: Subject, progress: Progress) -> Outcome:
    found = latency.measure(subject, progress)
    title = _title(subject, "Response latency against contrast")
    shown = (
        tables.figures(_head(subject, "their grating at all contrasts"), found.figures),
        tables.contrasts(found),
    )
    picture = _picture("latency", title, found, plots.contrast, plots.ROW_SIZE)
    kept = {**plain(found, ("features", "course")), "latencies": plain(found.latencies)}
    return Outcome(_data(subject, found.figures, kept), shown, (picture,))


def _plaids(subject: Subject, progress: Progress) -> Outcome:
    found = masking.measure(subject, progress)
    title = _title(subject, "Cross-orientation suppression")
    shown = (
        tables.figures(_head(subject, "their grating under an orthogonal one"), found.figures),
        tables.masks(found),
    )
    picture = _picture("masking", title, found, plots.masking, plots.MASKING_SIZE)
    return Outcome(_data(subject, found.figures, plain(found, ("features",))), shown, (picture,))


def _noise(subject: Subject, progress: Progress) -> Outcome:
    found = noise.measure(subject, progress)
    title = _title(subject, f"Spike-triggered averages of {found.samples:,} images of white noise")
    table = tables.figures(
        _head(subject, f"{found.samples:,} images of white noise"), found.figures
    )
    picture = _picture("spike_triggered", title, found, movie_plots.noise, movie_plots.NOISE_SIZE)
    kept = plain(found, ("features", "averages"))
    return Outcome(_data(subject, found.figures, kept), (table,), (picture,))


def _bar(subject: Subject, progress: Progress) -> Outcome:
    found = bar.measure(subject, progress)
    title = _title(subject, "A moving bar of light")
    head = _head(subject, f"a bar that moves a pixel in {found.steps} steps")
    table = tables.figures(head, found.figures)
    picture = Picture(
        "moving_bar",
        title,
        lambda f: movie_plots.bar(f, found, subject.shape, title),
        movie_plots.BAR_SIZE,
    )
    kept = plain(found, ("features", "course"))
    return Outcome(_data(subject, found.figures, kept), (table,), (picture,))


# Of the chosen neurons, in the order in which they are shown.
PROBES: Final[Mapping[str, Probe]] = MappingProxyType(
    {
        "gratings": _gratings,
        "contrast": _contrast,
        "plaids": _plaids,
        "noise": _noise,
        "bar": _bar,
    }
)
ImageProbe = Callable[[Recorder, ImageSet, int, int, Progress], Outcome]
IMAGE_PROBES: Final[Mapping[str, ImageProbe]] = MappingProxyType(
    {SPARSIFICATION: sparse, RECOMBINATION: recombined}
)
STIMULI: Final = (GABOR, *PROBES, *IMAGE_PROBES, PRIOR)
PICTURES: Final[Mapping[str, str]] = MappingProxyType(
    {
        GABOR: GABOR,
        "gratings": "orientation",
        "contrast": "latency",
        "plaids": "masking",
        "noise": "spike_triggered",
        "bar": "moving_bar",
        SPARSIFICATION: SPARSIFICATION,
        RECOMBINATION: RECOMBINATION,
        PRIOR: PRIOR,
    }
)


def stimulus_bytes(shape: ImageShape, neurons: int) -> int:
    """Return the memory that the largest stimuli of some neurons take while they are made."""
    images = max(
        len(orientation.OFFSETS) * len(orientation.PHASES),
        len(bar.TURNS) * len(bar.sweep(shape)),
    )
    return BYTES_PER_PLACE * images * neurons * shape[0] * shape[1]


T = TypeVar("T")


def _picture(
    name: str,
    title: str,
    found: T,
    draw: Callable[[Figure, T, str], object],
    size: tuple[float, float],
) -> Picture:
    return Picture(name, title, lambda figure: draw(figure, found, title), size)


def _title(subject: Subject, what: str) -> str:
    return f"{what}: {len(subject)} neurons, {subject.recorder.what}"


def _head(subject: Subject, what: str) -> str:
    return f"{len(subject)} neurons, {what}; means over the neurons that respond"


def _data(
    subject: Subject, figures: Mapping[str, Estimate], kept: Mapping[str, Any]
) -> dict[str, Any]:
    neurons = subject.features.neurons.tolist()
    return {"neurons": neurons, "figures": plain(figures), **kept}
