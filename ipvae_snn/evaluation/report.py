"""What `ipvae-snn evaluate` found, as JSON for machines and as tables for people."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from ipvae_snn.evaluation.evaluate import Evaluation
from ipvae_snn.evaluation.readout import Readout
from ipvae_snn.metrics.estimates import Estimate
from ipvae_snn.report.terminal import number, table

MSE_UNIT: Final = 1e-3  # the table shows thousandths, as the published figures do


@dataclass(frozen=True)
class Report:
    """An evaluation with its read-out (or why there is none) and its generalisation, if asked for.

    others: evaluations by set; left_out: why a set has none. Both are None where not asked for.
    seconds: of the evaluation alone, without read-out and other sets.
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

    def as_json(self) -> dict[str, Any]:
        """Return plain data; `final` repeats the last of `moments`."""
        found = self.evaluation
        skipped = self.readout if isinstance(self.readout, str) else None
        generalisation = None
        if self.others is not None:
            sets = {
                name: {**e.as_json(), "final": asdict(e.last)} for name, e in self.others.items()
            }
            generalisation = {"sets": sets, "left_out": dict(self.left_out or {})}
        return {
            "checkpoint": self.checkpoint,
            "checkpoint_sha256": self.checkpoint_sha256,
            "trained_on": self.trained_on,
            **found.as_json(),
            "final": asdict(found.last),
            "readout": {"skipped": skipped} if isinstance(self.readout, str)
            else {"skipped": None, **asdict(self.readout)},
            "generalisation": generalisation,
            "plots": list(self.plots),
            "seconds": self.seconds,
            "us_per_image_step": 1e6 * self.seconds / (found.images * found.steps),
        }  # fmt: skip

    def show(self, screen: Console) -> None:
        """Print the tables and what they cannot hold."""
        found = self.evaluation
        screen.print(_moments(found))
        screen.print(_figures(found, self.readout))
        if isinstance(self.readout, str):
            screen.print(f"no linear read-out: {self.readout}", highlight=False)
        elif not self.readout.converged:
            screen.print("[yellow]the read-out's fit stopped at its limit of iterations[/]")
        if self.others is not None:
            screen.print(_others(self.others))
            for name, reason in (self.left_out or {}).items():
                screen.print(f"[yellow]{name} is left out[/]: {reason}", highlight=False)
        if found.reached_clip.mean > 0:
            screen.print(
                "[yellow]some potentials reached the clip, where inference has run away[/]: the "
                f"largest rate was {found.largest_rate:,.0f} spikes a step"
            )
        for path in self.plots:
            screen.print(f"picture: {path}", highlight=False)
        pace = 1e6 * self.seconds / (found.images * found.steps)
        screen.print(
            f"{self.seconds:.1f} s, {pace:.1f} us an image and step; data: {found.citation}",
            highlight=False,
        )


def _moments(found: Evaluation) -> Table:
    shown = table(
        f"{found.images} images of {found.data}, seed {found.seed}; * training horizon, "
        "F free energy",
        "step", "R2", "R2 MAP", "MSE e-3", "zeros", "spikes", "F nats", "du", "worst",
    )  # fmt: skip
    for m in found.moments:
        mark = "*" if m.step == found.training_steps else ""
        shown.add_row(
            f"{m.step}{mark}", _mean(m.r2), _mean(m.r2_map), number(m.mse.mean / MSE_UNIT, 2),
            _mean(m.zeros), _mean(m.spikes, 0), _mean(m.free_energy, 0), _mean(m.du_norm, 2),
            number(m.worst_r2, 2),
        )  # fmt: skip
    return shown


def _figures(found: Evaluation, readout: Readout | str) -> Table:
    last = found.last
    shown = table(f"After {found.steps} steps", "figure", "mean", "95 % interval")
    rows: list[tuple[str, Estimate | None, int]] = [
        ("R2 of one sample", last.r2, 4),
        ("R2 of the MAP read-out", last.r2_map, 4),
        ("MSE a pixel, one sample", last.mse, 5),
        ("MSE a pixel, MAP read-out", last.mse_map, 5),
        ("zeros", last.zeros, 4),
        ("distance to the ideal corner", last.corner, 4),
        ("spikes a step", last.spikes, 1),
        ("spikes an image, all steps", found.spikes_per_image, 0),
        (f"free energy (KL as in {found.kl_form!r}), nats", last.free_energy, 1),
        ("lifetime sparseness", found.lifetime_sparseness, 4),
        ("population sparseness", found.population_sparseness, 4),
        ("share of images that reach the clip", found.reached_clip, 4),
    ]
    if not isinstance(readout, str):
        rows.append((f"accuracy, linear read-out of {readout.fitted_on:,}", readout.accuracy, 4))
    for name, value, digits in rows:
        low, high = (None, None) if value is None else (value.low, value.high)
        shown.add_row(
            name, _mean(value, digits), f"{number(low, digits)} .. {number(high, digits)}"
        )
    shown.add_row("worst image's R2", number(last.worst_r2, 4), f"image {found.worst_image}")
    shown.add_row("largest rate at any step", number(found.largest_rate, 1), "")
    shown.add_row("silent neurons", f"{found.silent_neurons}", f"of {found.neurons}")
    return shown


def _others(others: Mapping[str, Evaluation]) -> Table:
    shown = table(
        "Images of other kinds; clip %: share that reaches the clip", "data", "n", "R2",
        "R2 MAP", "MSE e-3", "zeros", "spikes", "worst", "clip %",
    )  # fmt: skip
    for name, e in others.items():
        last = e.last
        shown.add_row(
            name, f"{e.images}", _mean(last.r2), _mean(last.r2_map),
            number(last.mse.mean / MSE_UNIT, 2), _mean(last.zeros), _mean(last.spikes, 0),
            number(last.worst_r2, 2), number(100 * e.reached_clip.mean, 1),
        )  # fmt: skip
    return shown


def _mean(value: Estimate | None, digits: int = 3) -> str:
    return number(None if value is None else value.mean, digits)
