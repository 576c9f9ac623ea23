"""The report of a comparison: plain data, and a document of tables."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ipvae_snn.comparison.attribution import Attribution
from ipvae_snn.comparison.figures import Compared, Fidelity, OverFrames, StateError
from ipvae_snn.comparison.paired_runs import MEAN_STEPS
from ipvae_snn.data.sequences import Moving
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


@dataclass(frozen=True)
class Report:
    """A comparison with its sources; attribution is None if not requested.

    moving: the input, None for still images; `images` is then the number of sequences. mean_steps:
    number of last steps whose mean is decoded.
    """

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
    moving: Moving | None = None
    mean_steps: int = MEAN_STEPS

    def as_json(self) -> dict[str, Any]:
        """Return plain data, with the last step's figures as `r2.float`, `zeros.delta`, ..."""
        result = self.fidelity
        return {
            "checkpoint": self.checkpoint,
            "checkpoint_sha256": self.checkpoint_sha256,
            "network": self.network,
            "circuit": self.circuit,
            "fraction_bits": self.fraction_bits,
            "neurons": self.neurons,
            "data": self.data,
            "citation": self.citation,
            **self._shown(),
            "saturated_pixels": self.saturated_pixels,
            "steps": result.steps,
            "seeds": list(result.seeds),
            "kl_form": self.kl_form,
            "mean_steps": self.mean_steps,
            **result.as_json(),
            "attribution": None if self.attribution is None else self.attribution.as_json(),
            "plots": list(self.plots),
            "seconds": self.seconds,
        }

    def _shown(self) -> dict[str, Any]:
        moving = self.moving
        if moving is None:
            return {"images": self.images}
        return {
            "sequences": self.images,
            "frames": moving.frames,
            "motion": moving.motion,
            "steps_per_frame": self.fidelity.steps // moving.frames,
        }

    def document(self, pictures: Sequence[Picture] = ()) -> Document:
        """Return the tables, remarks and pictures."""
        result = self.fidelity
        over = result.over_frames
        blocks: list[Block] = [
            marks_table(self) if over is None else frames_table(self, over),
            decodings_table(self),
            agreement_table(result),
            histogram_table(result),
            first_difference(result),
            *_saturations(result),
        ]
        if self.attribution is not None:
            blocks.append(attribution_table(self.attribution, result))
        return Document(
            f"{self.network} against {self.checkpoint} on {self.data}",
            (*blocks, *pictures, paragraph(f"{self.seconds:.1f} s; data: {self.citation}")),
        )


def marks_table(report: Report) -> Table:
    """Return R2, zeros and free energy of float, and integer - float, at the marks."""
    result, rows = report.fidelity, []
    for step in result.marks:
        r2, zeros, energy = (result.curve[step][name] for name in ("r2", "zeros", "free_energy"))
        rows.append(
            (
                f"{step}",
                _float(r2),
                _delta(r2),
                _float(zeros),
                _delta(zeros),
                _float(energy, 0),
                _delta(energy, 1),
            )
        )
    return table(
        f"{report.images} images of {report.data}, {report.circuit} circuit, "
        f"{len(result.seeds)} seeds from {result.seeds[0]}; float, and integer - float with "
        "the half width of its 95 % interval over seeds",
        ("step", "R2", "delta", "zeros", "delta", "F nats", "delta"),
        rows,
    )


def frames_table(report: Report, over: OverFrames) -> Table:
    """Return R2 and zeros after each frame, and its spikes: float, and integer - float."""
    result = report.fidelity
    each = [
        (f"{frame}", result.curve[step], spikes)
        for frame, (step, spikes) in enumerate(zip(result.marks, over.spikes, strict=True), 1)
    ]
    rows = [
        (
            frame,
            _float(figures["r2"]),
            _delta(figures["r2"]),
            _float(figures["zeros"]),
            _delta(figures["zeros"]),
            _float(spikes, 1),
            _delta(spikes, 1),
        )
        for frame, figures, spikes in (*each, ("all", over.means, over.means["spikes"]))
    ]
    return table(
        f"{report.images} sequences of {report.moving} from {report.data}, {over.steps} steps a "
        f"frame, {report.circuit} circuit, {len(result.seeds)} seeds from {result.seeds[0]}; "
        "potentials carry over; float, and integer - float with the half width of its 95 % "
        "interval over seeds; all: means over the frames",
        ("frame", "R2", "delta", "zeros", "delta", "spikes", "delta"),
        rows,
    )


def decodings_table(report: Report) -> Table:
    """Return R2 by decoding after each mark, or each frame: float, and integer - float."""
    result = report.fidelity
    moving = result.over_frames is not None
    names = ("r2", "r2_mean", "r2_map")
    rows = [
        (
            f"{index if moving else step}",
            *(show(result.curve[step][name]) for name in names for show in (_float, _delta)),
        )
        for index, step in enumerate(result.marks, 1)
    ]
    return table(
        f"R2 of one step's counts, of the mean of the last {report.mean_steps} steps' counts, and "
        "of the rates (map); float, and integer - float",
        (
            "frame" if moving else "step",
            *(one for name in ("sample", "mean", "map") for one in (name, "delta")),
        ),
        rows,
    )


def _float(value: Compared, digits: int = 4) -> str:
    return number(value.seeds["float"].mean, digits)


def _delta(value: Compared, digits: int = 4) -> str:
    return _spread(value.seeds["delta"], digits)


def _spread(value: Estimate, digits: int, sign: str = "+") -> str:
    """Return the mean with its sign, and the half width of its interval if it has one."""
    text = f"{value.mean:{sign},.{digits}f}" if math.isfinite(value.mean) else "-"
    half = (value.high - value.low) / 2
    return f"{text} ±{half:,.{digits}f}" if math.isfinite(half) else text


def agreement_table(result: Fidelity) -> Table:
    """Return the share of equal counts and the state error, free-running and in one step."""
    errors = result.free_error, result.single_error
    free, single = result.free, result.single
    rows = [
        ("counts equal, %", *(number(100 * each.equal.mean) for each in (free, single))),
        (
            "the same where float is not 0, %",
            *(number(100 * each.equal_active.mean) for each in (free, single)),
        ),
        ("state error, nats (rms)", *(number(e.nats.mean, 5) for e in errors)),
        ("the same in bits (0: one unit)", *(number(e.bits.mean, 2) for e in errors)),
        ("the same, median neuron", *(number(_median(e), 2) for e in errors)),
        ("the same, worst neuron", *(_worst(e) for e in errors)),
    ]
    return table(
        "Agreement with float; one step: from the float run's potentials and counts",
        ("", "free-running", "one step"),
        rows,
    )


def _median(error: StateError) -> float:
    return float(sorted(error.by_neuron.tolist())[len(error.by_neuron) // 2])


def _worst(error: StateError) -> str:
    worst = int(error.by_neuron.argmax())
    return f"{number(float(error.by_neuron[worst]), 2)} (neuron {worst})"


def histogram_table(result: Fidelity) -> Table:
    """Return the distances between histograms of counts, and those of two float seeds."""
    d = result.distances
    return table(
        "Distance between histograms of counts",
        ("", "all neurons", "worst neuron", "two float seeds"),
        [
            (
                "total variation",
                number(d.total_variation.mean, 5),
                number(d.worst_total_variation.mean, 4),
                number(d.floor_total_variation, 4),
            ),
            (
                "Wasserstein-1, spikes",
                number(d.wasserstein.mean, 5),
                number(d.worst_wasserstein.mean, 4),
                number(d.floor_wasserstein, 4),
            ),
        ],
    )


def first_difference(result: Fidelity) -> Text:
    """Return the first difference in counts, and the share of images that differ."""
    place = result.divergence.first
    if place is None:
        return paragraph(Span("every count of every seed equals the float run's", "good"))
    median, over = result.divergence.median_step, result.over_frames
    frame = "" if over is None else f"frame {place.step // over.steps}, "
    return paragraph(
        f"counts first differ at seed {place.seed}, image {place.image}, {frame}step {place.step}, "
        f"neuron {place.neuron}: float {place.float_count}, integer {place.integer_count}; "
        f"{100 * result.divergence.share:.1f} % of the images differ at some step",
        "" if median is None else f", half of them by step {median:.0f}",
    )


def _saturations(result: Fidelity) -> tuple[Text, ...]:
    kinds = ", ".join(f"{kind} {n:,}" for kind, n in result.saturations.items() if n)
    return (paragraph(Span(f"saturated: {kinds}", "warning")),) if kinds else ()


def attribution_table(attribution: Attribution, result: Fidelity) -> Table:
    """Return the effect of each change alone, and of the integer network as a whole."""
    rows = [
        (
            cause.text,
            _spread(cause.r2, 5),
            _spread(cause.zeros, 5),
            number(cause.bits, 2),
            "-" if cause.worst_neuron is None else f"{cause.worst_neuron}",
        )
        for cause in attribution.causes
    ]
    last = result.curve[result.steps]
    rows.append(
        (
            "the integer network itself",
            _delta(last["r2"], 5),
            _delta(last["zeros"], 5),
            number(float(result.free_error.by_step[-1]), 2),
            "",
        )
    )
    return table(
        f"One change at a time in the float network, after {result.steps} steps "
        f"(largest state error: {attribution.largest.text})",
        ("change", "R2", "zeros", "state, bits", "worst neuron"),
        rows,
    )
