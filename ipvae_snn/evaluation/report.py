"""The report of an evaluation: plain data, and a document of tables."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from ipvae_snn.evaluation.evaluate import Evaluation
from ipvae_snn.evaluation.readout import Readout
from ipvae_snn.metrics.estimates import Estimate
from ipvae_snn.report.document import (
    Block,
    Document,
    Picture,
    Span,
    Table,
    Text,
    number,
    paragraph,
    table,
)

MSE_UNIT: Final = 1e-3  # the table shows thousandths, as the published figures do


@dataclass(frozen=True)
class Report:
    """An evaluation with its read-out (or why there is none) and other sets, if requested.

    paper_readout: the same by the paper's protocol, None if there is no read-out.
    others: evaluations by set; left_out: by set, why it has none. Both are None if not requested.
    within: names of the sets in `others` that are the network's images, turned; the others are
    other sets. by_angle: evaluations by the angle, in degrees, that the first images are turned by.
    seconds: time of the evaluation alone, without read-out and other sets.
    """

    checkpoint: str
    checkpoint_sha256: str
    trained_on: str
    evaluation: Evaluation
    readout: Readout | str
    others: Mapping[str, Evaluation] | None
    left_out: Mapping[str, str] | None
    plots: tuple[str, ...]
    seconds: float
    paper_readout: Readout | None = None
    within: Set[str] = frozenset()
    by_angle: Mapping[int, Evaluation] = field(default_factory=dict)

    @property
    def us_per_image_step(self) -> float:
        """Microseconds per image and step."""
        return 1e6 * self.seconds / (self.evaluation.images * self.evaluation.steps)

    def as_json(self) -> dict[str, Any]:
        """Return plain data; `final` repeats the last of `moments`."""
        result = self.evaluation
        generalisation = None
        if self.others is not None:
            sets = {
                name: {**e.as_json(), "final": asdict(e.last), "category": self.category(name)}
                for name, e in self.others.items()
            }
            by_angle = [
                {"angle": angle, "images": e.images, **asdict(e.last)}
                for angle, e in self.by_angle.items()
            ]
            left_out = dict(self.left_out or {})
            generalisation = {"sets": sets, "left_out": left_out, "by_angle": by_angle}
        return {
            "checkpoint": self.checkpoint,
            "checkpoint_sha256": self.checkpoint_sha256,
            "trained_on": self.trained_on,
            **result.as_json(),
            "final": asdict(result.last),
            "readout": self._readout_json(),
            "generalisation": generalisation,
            "plots": list(self.plots),
            "seconds": self.seconds,
            "us_per_image_step": self.us_per_image_step,
        }

    def category(self, name: str) -> str:
        """Return whether a set lies within the network's data set or between sets."""
        return "within" if name in self.within else "between"

    def _readout_json(self) -> dict[str, Any]:
        if isinstance(self.readout, str):
            return {"skipped": self.readout}
        paper = None if self.paper_readout is None else asdict(self.paper_readout)
        return {"skipped": None, **asdict(self.readout), "paper": paper}

    def document(self, pictures: Sequence[Picture] = ()) -> Document:
        """Return the tables, remarks and pictures."""
        result = self.evaluation
        pace = f"{self.us_per_image_step:.1f} us per image and step"
        blocks: list[Block] = [
            steps_table(result),
            figures_table(result, self.readout, self.paper_readout),
            *_remarks_on_readout(self.readout),
        ]
        if self.others is not None:
            blocks.append(others_table(self.others, self.within))
            if self.by_angle:
                blocks.append(angles_table(result.data, self.by_angle))
            for name, reason in (self.left_out or {}).items():
                blocks.append(paragraph(Span(f"{name} is left out", "warning"), f": {reason}"))
        if result.reached_clip.mean > 0:
            blocks.append(
                paragraph(
                    Span("some potentials reached the clip: inference ran away", "warning"),
                    f"; the largest rate was {result.largest_rate:,.0f} spikes per step",
                )
            )
        return Document(
            f"Evaluation of {self.checkpoint} on {result.data}",
            (
                *blocks,
                *pictures,
                paragraph(f"{self.seconds:.1f} s, {pace}; data: {result.citation or result.data}"),
            ),
        )


def _remarks_on_readout(readout: Readout | str) -> tuple[Text, ...]:
    if isinstance(readout, str):
        return (paragraph(f"no linear read-out: {readout}"),)
    if readout.converged:
        return ()
    return (paragraph(Span("the read-out's fit stopped at its limit of iterations", "warning")),)


def steps_table(result: Evaluation) -> Table:
    """Return the figures by recorded step."""
    return table(
        f"{result.images} images of {result.data}, seed {result.seed}; * training horizon, "
        f"R2 mean: of the last {result.mean_steps} draws, F free energy",
        ("step", "R2", "R2 mean", "R2 MAP", "MSE e-3", "zeros", "spikes", "F nats", "du", "worst"),
        [
            (
                f"{m.step}{'*' if m.step == result.training_steps else ''}",
                _mean(m.r2),
                _mean(m.r2_mean),
                _mean(m.r2_map),
                number(m.mse.mean / MSE_UNIT, 2),
                _mean(m.zeros),
                _mean(m.spikes, 0),
                _mean(m.free_energy, 0),
                _mean(m.du_norm, 2),
                number(m.worst_r2, 2),
            )
            for m in result.moments
        ],
    )


def figures_table(
    result: Evaluation, readout: Readout | str, paper: Readout | None = None
) -> Table:
    """Return the figures after all steps, with intervals, and the read-outs' accuracy."""
    last = result.last
    estimates: list[tuple[str, Estimate | None, int]] = [
        ("R2 of one sample", last.r2, 4),
        (f"R2 of the mean of {result.mean_steps} draws", last.r2_mean, 4),
        ("R2 of the MAP read-out", last.r2_map, 4),
        ("MSE per pixel, one sample", last.mse, 5),
        ("MSE per pixel, MAP read-out", last.mse_map, 5),
        ("zeros", last.zeros, 4),
        ("distance to the ideal corner", last.corner, 4),
        ("spikes per step", last.spikes, 1),
        ("spikes per image, all steps", result.spikes_per_image, 0),
        (f"free energy (KL as in {result.kl_form!r}), nats", last.free_energy, 1),
        ("lifetime sparseness", result.lifetime_sparseness, 4),
        ("population sparseness", result.population_sparseness, 4),
        ("share of images that reached the clip", result.reached_clip, 4),
    ]
    if not isinstance(readout, str):
        name = f"accuracy, linear read-out of {readout.fitted_on:,}"
        estimates.append((name, readout.accuracy, 4))
    if paper is not None:
        name = f"accuracy, read-out of the paper, {paper.fitted_on:,}"
        estimates.append((name, paper.accuracy, 4))
    rows = [
        *_with_intervals(estimates),
        ("median image's R2", number(last.r2_median, 4), ""),
        ("R2 of all pixels together", number(last.r2_pooled, 4), ""),
        ("worst image's R2", number(last.worst_r2, 4), f"image {result.worst_image}"),
        ("largest rate at any step", number(result.largest_rate, 1), ""),
        ("silent neurons", f"{result.silent_neurons}", f"of {result.neurons}"),
    ]
    return table(f"After {result.steps} steps", ("figure", "mean", "95 % interval"), rows)


def _with_intervals(
    estimates: Iterable[tuple[str, Estimate | None, int]],
) -> Iterable[tuple[str, str, str]]:
    for name, value, digits in estimates:
        low, high = (None, None) if value is None else (value.low, value.high)
        interval = f"{number(low, digits)} .. {number(high, digits)}"
        yield name, _mean(value, digits), interval


def others_table(others: Mapping[str, Evaluation], within: Set[str] = frozenset()) -> Table:
    """Return one row per set of out-of-distribution images; those of `within` are turned ones."""
    return table(
        "Out-of-distribution images, turned (within) or of other sets (between); clip %: share of "
        "images that reached the clip",
        (
            "data",
            "shift",
            "n",
            "R2",
            "median",
            "R2 MAP",
            "MSE e-3",
            "zeros",
            "spikes",
            "worst",
            "clip %",
        ),
        [
            (
                name,
                "within" if name in within else "between",
                f"{result.images}",
                _mean(result.last.r2),
                number(result.last.r2_median, 3),
                _mean(result.last.r2_map),
                number(result.last.mse.mean / MSE_UNIT, 2),
                _mean(result.last.zeros),
                _mean(result.last.spikes, 0),
                number(result.last.worst_r2, 2),
                number(100 * result.reached_clip.mean, 1),
            )
            for name, result in others.items()
        ],
    )


def angles_table(data: str, by_angle: Mapping[int, Evaluation]) -> Table:
    """Return one row per angle that images of `data` are turned by."""
    images = max(result.images for result in by_angle.values())
    return table(
        f"The first {images} images of {data}, turned counter-clockwise",
        ("degrees", "R2", "95 % interval", "R2 mean", "R2 MAP", "zeros"),
        [
            (
                f"{angle}",
                _mean(last.r2, 4),
                f"{number(last.r2.low, 4)} .. {number(last.r2.high, 4)}",
                _mean(last.r2_mean, 4),
                _mean(last.r2_map, 4),
                _mean(last.zeros, 4),
            )
            for angle, last in ((angle, result.last) for angle, result in by_angle.items())
        ],
    )


def _mean(value: Estimate | None, digits: int = 3) -> str:
    return number(None if value is None else value.mean, digits)
