"""Pictures of an evaluation: convergence, reconstructions and dictionary."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from ipvae_snn.arrays import Float32, Floats
from ipvae_snn.data import ImageSet
from ipvae_snn.evaluation.decoder_elements import elements_of
from ipvae_snn.evaluation.evaluate import Evaluated, Evaluation
from ipvae_snn.evaluation.figures import StepFigures
from ipvae_snn.image_shape import ImageShape
from ipvae_snn.metrics.estimates import Estimate
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.models.latent_network import LatentNetwork
from ipvae_snn.report.document import Picture
from ipvae_snn.report.plots import heading, picture_of, r2_limits, show, span, tiles

MAX_COLUMNS: Final = 8  # steps in the picture of reconstructions
MAX_ELEMENTS: Final = 576  # dictionary elements drawn
WIDE: Final = 50  # largest by least rate, from which on only powers of 10 are labelled
COLOURS: Final = ("tab:blue", "tab:orange")
CONVERGENCE_SIZE: Final = (6.4, 7.2)
ROTATION_SIZE: Final = (6.4, 5.6)
DICTIONARY_SIZE: Final = (6.4, 8.2)

Value = Callable[[StepFigures], Estimate | None]


def pictures(
    network: FloatNetwork | LatentNetwork, images: ImageSet, result: Evaluated
) -> tuple[Picture, Picture, Picture]:
    """Return the pictures of an evaluation that kept reconstructions of its first images.

    Raises ValueError if it kept none (`shown` of `evaluate`).
    """
    shown, steps = (len(result.samples[result.evaluation.steps]), len(result.samples))
    if shown == 0:
        raise ValueError("the evaluation kept no reconstruction; evaluate with shown of 1 or more")
    title = f"Images of {images.name}, reconstructed from the spikes and rates of one step"
    shape, elements = network.image_shape, elements_of(network)
    use = elements.by_element(np.abs(result.rates))
    return (
        Picture(
            "convergence",
            f"Convergence on {images.name}",
            lambda figure: convergence(figure, result.evaluation),
            CONVERGENCE_SIZE,
        ),
        Picture(
            "reconstructions",
            title,
            lambda figure: reconstructions(
                figure, images.pixels[:shown], result.samples, result.maps, shape, title
            ),
            reconstructions_size(shown, steps),
        ),
        Picture(
            "dictionary",
            f"{elements.title}, most used first",
            lambda figure: dictionary_by_use(
                figure, elements.values, elements.shape, use, elements.title
            ),
            DICTIONARY_SIZE,
        ),
    )


def convergence(figure: Figure, evaluation: Evaluation) -> Figure:
    """Draw R2, zeros and the step's change over a logarithmic axis of steps, with 95 % bands.

    A dotted line marks the steps that the network was trained with.
    """
    moments = [moment for moment in evaluation.moments if moment.step > 0]
    quality, sparse, change = figure.subplots(3, 1, sharex=True, height_ratios=(3, 2, 2))
    _curve(quality, moments, lambda m: m.r2_map, "MAP read-out", COLOURS[1], "--")
    _curve(quality, moments, lambda m: m.r2, "one sample", COLOURS[0])
    quality.set_ylim(r2_limits(min(_low(m.r2) for m in moments)))
    quality.set_ylabel("R2")
    quality.legend(frameon=False, loc="lower right")
    _curve(sparse, moments, lambda m: m.zeros, "zeros", COLOURS[0])
    sparse.set_ylabel("share of silent neurons")
    shares = [m.zeros for m in moments]
    sparse.set_ylim(span(min(map(_low, shares)), max(map(_high, shares)), 0.0, 1.0))
    _curve(change, moments, lambda m: m.du_norm, "change", COLOURS[0])
    change.set_ylabel("|u(t) - u(t-1)| in nats")
    change.set_ylim(bottom=0.0)
    change.set_xlabel("step")
    change.set_xscale("log", base=2)
    change.set_xticks(_ticks([m.step for m in moments]))
    change.xaxis.set_major_formatter(lambda x, _: f"{x:.0f}")
    change.minorticks_off()
    if evaluation.training_steps <= evaluation.steps:
        for axes in (quality, sparse, change):
            axes.axvline(evaluation.training_steps, color="0.45", linestyle=":", linewidth=1.2)
        # The curve falls from the upper left, so the upper right is free.
        change.annotate(
            f"trained with {evaluation.training_steps} steps",
            (evaluation.training_steps, 0.9),
            (4, 0),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            color="0.35",
        )
    heading(figure, f"Convergence on {evaluation.images} images of {evaluation.data}")
    return figure


def rotation_picture(data: str, by_angle: Mapping[int, Evaluation]) -> Picture:
    """Return the picture of R2 and zeros by the angle that images of `data` are turned by."""
    return Picture(
        "rotation",
        f"R2 of turned images of {data}",
        lambda figure: rotation(figure, data, by_angle),
        ROTATION_SIZE,
    )


def rotation(figure: Figure, data: str, by_angle: Mapping[int, Evaluation]) -> Figure:
    """Draw R2 and zeros after all steps over the angle, with 95 % bands."""
    quality, sparse = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    last = {angle: result.last for angle, result in by_angle.items()}
    curves: tuple[tuple[Axes, str, str, str, Value], ...] = (
        (quality, "MAP read-out", COLOURS[1], "--", lambda m: m.r2_map),
        (quality, "one sample", COLOURS[0], "-", lambda m: m.r2),
        (sparse, "zeros", COLOURS[0], "-", lambda m: m.zeros),
    )
    for axes, label, colour, style, value in curves:
        points = [(angle, e) for angle, m in last.items() if (e := value(m)) is not None]
        _drawn(axes, points, label, colour, style)
    quality.set_ylim(span(min(_low(m.r2) for m in last.values()), 1.0, -1.0, 1.0))
    quality.set_ylabel("R2")
    quality.legend(frameon=False, loc="best")
    shares = [m.zeros for m in last.values()]
    sparse.set_ylim(span(min(map(_low, shares)), max(map(_high, shares)), 0.0, 1.0))
    sparse.set_ylabel("share of silent neurons")
    sparse.set_xlabel("degrees, counter-clockwise")
    sparse.set_xticks(range(0, max(last) + 1, 30))
    images = max(result.images for result in by_angle.values())
    heading(figure, f"{images} images of {data}, turned; without training on turned ones")
    return figure


def reconstructions_size(images: int, steps: int) -> tuple[float, float]:
    """Return the size in inches of a figure for reconstructions after `steps` recorded steps."""
    return max(0.9 * (min(steps, MAX_COLUMNS) + 1) + 0.7, 4.0), 1.8 * images + 0.7


def reconstructions(
    figure: Figure,
    originals: Floats,
    samples: Mapping[int, Floats],
    maps: Mapping[int, Floats],
    shape: ImageShape,
    title: str,
) -> Figure:
    """Draw each of the originals (P, M) and its reconstructions in `samples` and `maps` by step."""
    steps = spread(sorted(samples))
    low, high = np.percentile(originals, [0.5, 99.5])
    n = len(originals)
    grid = figure.subplots(2 * n, len(steps) + 1, squeeze=False)
    for image in range(n):
        for line, (name, decoded) in enumerate((("sample", samples), ("MAP", maps))):
            row = grid[2 * image + line]
            row[0].set_axis_off()
            if line == 0:
                show(row[0], picture_of(originals[image], shape), low, high)
            for axes, step in zip(row[1:], steps, strict=True):
                show(axes, picture_of(decoded[step][image], shape), low, high)
            beside = row[1].transAxes
            row[1].text(-0.1, 0.5, name, transform=beside, ha="right", va="center", rotation=90)
    grid[0][0].set_title("original", fontsize=9)
    for axes, step in zip(grid[0][1:], steps, strict=True):
        axes.set_title(f"step {step}", fontsize=9)
    heading(figure, title)
    return figure


def dictionary_by_use(
    figure: Figure, phi: Float32, shape: ImageShape, rates: Floats, title: str = "Dictionary"
) -> Figure:
    """Draw the dictionary phi (M, K), sorted by the mean of `rates` (N, K), and the mean rates."""
    use = rates.mean(axis=0, dtype=np.float64)
    order = np.argsort(-use)
    shown = order[:MAX_ELEMENTS]
    top, below = figure.subplots(2, 1, height_ratios=(4, 1))
    show(top, tiles(phi.T[shown], shape, int(np.ceil(np.sqrt(len(shown))))), -1, 1)
    extent = "all" if len(shown) == len(order) else f"{len(shown)} of"
    top.set_title(f"{title}: {extent} {len(order)} elements, most used first")
    below.plot(np.arange(1, len(order) + 1), use[order], color=COLOURS[0], linewidth=1.6)
    below.set_yscale("log")
    known = use[use > 0]
    wide = known.size > 0 and known.max() > WIDE * known.min()
    below.yaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0), numticks=6))
    below.yaxis.set_major_formatter("{x:g}")
    below.yaxis.set_minor_formatter(NullFormatter())
    below.set_xlabel("element")
    below.set_ylabel("mean rate (spikes per step)")
    below.margins(x=0.01)
    return figure


def spread(steps: Sequence[int], most: int = MAX_COLUMNS) -> list[int]:
    """Return at most `most` of the steps, evenly spaced, with the first and the last."""
    picks = np.unique(np.rint(np.linspace(0, len(steps) - 1, min(most, len(steps)))).astype(int))
    return [steps[i] for i in picks]


def _ticks(steps: Sequence[int]) -> list[int]:
    """Return the last step and the powers of 2 that leave space for its label."""
    last = steps[-1]
    return [*(t for t in steps if t & (t - 1) == 0 and 3 * t <= 2 * last), last]


def _curve(
    axes: Axes,
    moments: Sequence[StepFigures],
    value: Value,
    label: str,
    colour: str,
    style: str = "-",
) -> None:
    points = [(m.step, result) for m in moments if (result := value(m)) is not None]
    _drawn(axes, points, label, colour, style)


def _drawn(
    axes: Axes, points: Sequence[tuple[int, Estimate]], label: str, colour: str, style: str
) -> None:
    """Draw means over their places, with the 95 % band where all are known."""
    places = [place for place, _ in points]
    mark = "." if len(points) == 1 else ""  # a line of one point would not be seen
    means = [e.mean for _, e in points]
    axes.plot(places, means, style, marker=mark, color=colour, label=label, linewidth=1.6)
    if all(np.isfinite([e.low, e.high]).all() for _, e in points):
        low, high = [e.low for _, e in points], [e.high for _, e in points]
        axes.fill_between(places, low, high, color=colour, alpha=0.2, linewidth=0)


def _low(estimate: Estimate) -> float:
    """Return the lower end of the interval, or the mean if there is none."""
    return estimate.low if np.isfinite(estimate.low) else estimate.mean


def _high(estimate: Estimate) -> float:
    return estimate.high if np.isfinite(estimate.high) else estimate.mean
