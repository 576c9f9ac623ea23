"""Tables of probes."""

from collections.abc import Mapping, Sequence

import numpy as np

from ipvae_snn.arrays import Float64
from ipvae_snn.metrics.estimates import Estimate
from ipvae_snn.metrics.gabor import WELL
from ipvae_snn.probing.features import Features
from ipvae_snn.probing.latency import ContrastResponse
from ipvae_snn.probing.masking import Masking
from ipvae_snn.probing.prior import Prior
from ipvae_snn.probing.recombination import ENOUGH, Recombination
from ipvae_snn.probing.sparsification import Sparsification
from ipvae_snn.report.document import Table, number, table


def figures(title: str, means: Mapping[str, Estimate]) -> Table:
    """Return means over neurons with their intervals, and of how many."""
    rows = [
        (name, number(value.mean), _interval(value), f"{value.n}") for name, value in means.items()
    ]
    return table(title, ("figure", "mean", "95 % interval", "neurons"), rows)


def features(found: Features) -> Table:
    """Return how many features Gabor functions describe, and what these are like."""
    gabors = found.gabors.at(found.gabors.tuned)
    turned = found.chosen(np.flatnonzero(found.gabors.tuned))
    shares = [
        (f"share with R2 of {WELL:g} or more", found.fitted),
        ("share that prefers gratings to plain light too", found.tuned),
    ]
    rows = [(name, number(value.mean), _interval(value)) for name, value in shares]
    rows.append(("R2, all features", *_quartiles(found.gabors.r2)))
    for name, values in (
        ("frequency, cycles per pixel", gabors.frequency),
        ("length along the stripes, pixels", gabors.along),
        ("width across the stripes, pixels", gabors.across),
        ("length, cycles", gabors.along * gabors.frequency),
        ("width, cycles", gabors.across * gabors.frequency),
        ("phase: 0 even, 90 odd, degrees", turned.asymmetry),
    ):
        rows.append((name, *_quartiles(values)))
    return table(
        f"Gabor functions of {len(found)} features; from the third row on medians and quartiles",
        ("figure", "value", "95 % interval, or quartiles"),
        rows,
        sections=(2, 3),
    )


def contrasts(found: ContrastResponse) -> Table:
    """Return latency and response by contrast."""
    rows = [
        (
            f"{contrast:.4f}",
            number(late.mean, 1),
            f"{number(late.low, 1)} .. {number(late.high, 1)}",
            f"{late.n}",
            number(response, 2),
        )
        for contrast, late, response in zip(
            found.contrasts, found.latencies, found.sustained.mean(axis=0), strict=True
        )
    ]
    head = ("contrast", "latency", "95 % interval", "neurons", "response")
    title = f"Latency in steps, and sustained response ({found.unit}), by contrast"
    return table(title, head, rows)


def masks(found: Masking) -> Table:
    """Return mean responses by contrast of grating (rows) and mask (columns)."""
    mean = found.responses.mean(axis=0)
    rows = [
        (f"{contrast:.4f}", *(number(value, 2) for value in row))
        for contrast, row in zip(found.contrasts, mean, strict=True)
    ]
    head = ("grating", *(f"mask {mask:.4f}" for mask in found.contrasts))
    return table(f"Sustained response, {found.unit}, by contrast", head, rows)


def sparsification(found: Sparsification) -> Table:
    """Return the figures by step."""
    shown = found.active, found.sparseness, found.r2
    rows = [
        (f"{step}", *(number(value.mean) for value in row), *spikes)
        for step, spikes, *row in zip(
            found.steps, _spikes(found.spikes, len(found.steps)), *shown, strict=True
        )
    ]
    head = ("step", "active", "sparseness", "R2", "spikes")
    return table(f"{found.images} images of {found.data}", head[: len(rows[0])], rows)


def prior(found: Prior, runs: int) -> Table:
    """Return the figures of runs without input by step."""
    rows = [
        (f"{step}", number(active.mean), number(deviation.mean), *spikes)
        for step, active, deviation, spikes in zip(
            found.steps,
            found.active,
            found.deviation,
            _spikes(found.spikes, len(found.steps)),
            strict=True,
        )
    ]
    head = ("step", "active", "deviation of the pixels", "spikes")
    return table(
        f"{runs} runs without input; step 1 is a draw from the prior", head[: len(rows[0])], rows
    )


def _spikes(values: Sequence[Estimate], steps: int) -> list[tuple[str, ...]]:
    """Return a cell per step, or none of neurons without spikes."""
    return [(number(value.mean, 1),) for value in values] or [()] * steps


def recombination(found: Recombination) -> tuple[Table, Table]:
    """Return R2 by the number of features, and how few features serve."""
    rows = [
        (f"{kept:,}", number(value.mean), _interval(value))
        for kept, value in zip(found.kept, found.r2, strict=True)
    ]
    which = f"{found.images} images of {found.data}"
    means = [
        (f"features for {ENOUGH:.0%} of the R2 of all", found.needed, 1),
        ("share of the features that some image needs", found.serving, 3),
        ("share of the images that need such a feature", found.shared, 3),
    ]
    return (
        table(
            f"{which}, reconstructed by each one's strongest features alone",
            ("features", "R2", "95 % interval"),
            rows,
        ),
        table(
            f"Features that serve {which}",
            ("figure", "mean", "95 % interval"),
            [
                (name, number(v.mean, n), f"{number(v.low, n)} .. {number(v.high, n)}")
                for name, v, n in means
            ],
        ),
    )


def _interval(value: Estimate) -> str:
    return f"{number(value.low)} .. {number(value.high)}"


def _quartiles(values: Float64) -> tuple[str, str]:
    """Return the median, and the quartiles, of values that are defined."""
    known = values[~np.isnan(values)]
    if not known.size:
        return number(None), number(None)
    low, middle, high = np.percentile(known, [25, 50, 75])
    return number(float(middle)), f"{number(float(low))} .. {number(float(high))}"
