"""What `ipvae-snn compare` found, as JSON for machines and as tables for people."""

import math
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from ipvae_snn.comparison.attribution import Attribution
from ipvae_snn.comparison.figures import Compared, Fidelity, StateError
from ipvae_snn.metrics.estimates import Estimate
from ipvae_snn.report.terminal import number, table


@dataclass(frozen=True)
class Report:
    """A comparison with what it was made of; attribution is None where it was not asked for."""

    checkpoint: str
    checkpoint_sha256: str
    network: str
    circuit: str
    fraction_bits: int
    neurons: int
    data: str
    citation: str
    images: int
    saturated_pixels: int
    kl_form: str
    fidelity: Fidelity
    attribution: Attribution | None
    plots: tuple[str, ...]
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Return plain data, with the last step's figures as `r2.float`, `zeros.delta`, ..."""
        found = self.fidelity
        return {
            "checkpoint": self.checkpoint,
            "checkpoint_sha256": self.checkpoint_sha256,
            "network": self.network,
            "circuit": self.circuit,
            "fraction_bits": self.fraction_bits,
            "neurons": self.neurons,
            "data": self.data,
            "citation": self.citation,
            "images": self.images,
            "saturated_pixels": self.saturated_pixels,
            "steps": found.steps,
            "seeds": list(found.seeds),
            "kl_form": self.kl_form,
            **found.as_json(),
            "attribution": None if self.attribution is None else self.attribution.as_json(),
            "plots": list(self.plots),
            "seconds": self.seconds,
        }

    def show(self, screen: Console) -> None:
        """Print the tables and what they cannot hold."""
        found = self.fidelity
        screen.print(_marks(self))
        screen.print(_agreements(found))
        screen.print(_counts(found))
        for line in _divergence(found):
            screen.print(line, highlight=False)
        if self.attribution is not None:
            screen.print(_causes(self.attribution, found))
        for path in self.plots:
            screen.print(f"picture: {path}", highlight=False)
        screen.print(f"{self.seconds:.1f} s; data: {self.citation}", highlight=False)


def _marks(report: Report) -> Table:
    found = report.fidelity
    shown = table(
        f"{report.images} images of {report.data}, {report.circuit} circuit, "
        f"{len(found.seeds)} seeds from {found.seeds[0]}; float, and integer - float with "
        "the half width of its 95 % interval over seeds",
        "step", "R2", "delta", "zeros", "delta", "F nats", "delta",
    )  # fmt: skip
    for step in found.marks:
        r2, zeros, energy = (found.curve[step][name] for name in ("r2", "zeros", "free_energy"))
        shown.add_row(
            f"{step}", _float(r2), _delta(r2), _float(zeros), _delta(zeros),
            _float(energy, 0), _delta(energy, 1),
        )  # fmt: skip
    return shown


def _float(value: Compared, digits: int = 4) -> str:
    return number(value.seeds["float"].mean, digits)


def _delta(value: Compared, digits: int = 4) -> str:
    return _spread(value.seeds["delta"], digits)


def _spread(value: Estimate, digits: int, sign: str = "+") -> str:
    """Return the mean with its sign, and the half width of the interval where there is one."""
    text = f"{value.mean:{sign},.{digits}f}" if math.isfinite(value.mean) else "-"
    half = (value.high - value.low) / 2
    return f"{text} ±{half:,.{digits}f}" if math.isfinite(half) else text


def _agreements(found: Fidelity) -> Table:
    shown = table(
        "Spike by spike; one step: from the float run's potentials and counts",
        "", "free-running", "one step",
    )  # fmt: skip
    for label, free, single in (
        ("counts equal, %", found.free.equal, found.single.equal),
        ("the same where float is not 0, %", found.free.equal_active, found.single.equal_active),
    ):
        shown.add_row(label, number(100 * free.mean, 3), number(100 * single.mean, 3))
    errors = found.free_error, found.single_error
    shown.add_row("state error, nats (rms)", *(number(e.nats.mean, 5) for e in errors))
    shown.add_row("the same in bits (0: one unit)", *(number(e.bits.mean, 2) for e in errors))
    shown.add_row("the same, median neuron", *(number(_median(e), 2) for e in errors))
    shown.add_row("the same, worst neuron", *(_worst(e) for e in errors))
    return shown


def _median(error: StateError) -> float:
    return float(sorted(error.by_neuron.tolist())[len(error.by_neuron) // 2])


def _worst(error: StateError) -> str:
    worst = int(error.by_neuron.argmax())
    return f"{number(float(error.by_neuron[worst]), 2)} (neuron {worst})"


def _counts(found: Fidelity) -> Table:
    shown = table(
        "Distance between histograms of counts",
        "", "all neurons", "largest of one", "two float seeds",
    )  # fmt: skip
    d = found.distances
    shown.add_row(
        "total variation", number(d.total_variation.mean, 5),
        number(d.worst_total_variation.mean, 4), number(d.floor_total_variation, 4),
    )  # fmt: skip
    shown.add_row(
        "Wasserstein-1, spikes", number(d.wasserstein.mean, 5),
        number(d.worst_wasserstein.mean, 4), number(d.floor_wasserstein, 4),
    )  # fmt: skip
    return shown


def _divergence(found: Fidelity) -> list[str]:
    place, lines = found.divergence.first, []
    if place is None:
        lines.append("[green]every count of every seed is the float run's[/]")
    else:
        median = found.divergence.median_step
        lines.append(
            f"counts differ first at seed {place.seed}, image {place.image}, step {place.step}, "
            f"neuron {place.neuron}: float {place.float_count}, integer {place.integer_count}; "
            f"{100 * found.divergence.share:.1f} % of the images differ at some step"
            + ("" if median is None else f", half of them by step {median:.0f}")
        )
    if any(found.saturations.values()):
        kinds = ", ".join(f"{kind} {n:,}" for kind, n in found.saturations.items() if n)
        lines.append(f"[yellow]saturated: {kinds}[/]")
    return lines


def _causes(attribution: Attribution, found: Fidelity) -> Table:
    shown = table(
        f"One change at a time in the float network, after {found.steps} steps "
        f"(largest state error: {attribution.largest.text})",
        "what is the program's", "R2", "zeros", "state, bits", "worst neuron",
    )  # fmt: skip
    for cause in attribution.causes:
        worst = "-" if cause.worst_neuron is None else f"{cause.worst_neuron}"
        shown.add_row(
            cause.text, _spread(cause.r2, 5), _spread(cause.zeros, 5), number(cause.bits, 2), worst
        )
    last = found.curve[found.steps]
    shown.add_row(
        "the program itself", _delta(last["r2"], 5), _delta(last["zeros"], 5),
        number(float(found.free_error.by_step[-1]), 2), "",
    )  # fmt: skip
    return shown
