"""Measure a run's activity and put energy proxies side by side, each with its source."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.table import Table

from ipvae_snn.hw.cost.activity import Activity, Traffic
from ipvae_snn.hw.cost.energy import Estimate
from ipvae_snn.hw.cost.neurobench import NeuroBenchMetrics
from ipvae_snn.report.plots import ranges
from ipvae_snn.report.terminal import number, table

CHIP: Final = "integer run"
COUNTS: Final = (
    ("spikes", "spikes (sum of the counts)"),
    ("messages", "graded messages (counts that are not 0)"),
    ("synaptic_operations", "synaptic operations, an event counts once"),
    ("synaptic_operations_by_payload", "synaptic operations, by payload"),
    ("input_operations", "of these: the image's"),
    ("updates_active", "neuron updates with a spike"),
    ("updates_inactive", "neuron updates without"),
    ("row_weights", "weights in the rows that events read"),
    ("dense_operations", "multiply-adds of a dense implementation"),
)


@dataclass(frozen=True)
class Report:
    """The activity of a run, means an image, and every profile's estimates of it.

    traffic: by profile, of those that the network was placed on.
    """

    activity: Activity
    neurobench: NeuroBenchMetrics
    estimates: tuple[Estimate, ...]
    traffic: dict[str, Traffic]
    circuit: str
    images: int
    steps: int
    seed: int
    r2: float
    data: str
    citation: str

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            **{name: vars(self)[name] for name in ("circuit", "images", "steps", "seed", "r2")},
            "data": self.data,
            "citation": self.citation,
            "activity": self.activity.as_json(),
            "neurobench": self.neurobench.as_json(),
            "traffic": {name: found.as_json() for name, found in self.traffic.items()},
            "estimates": [estimate.as_json() for estimate in self.estimates],
        }


def counts_table(found: Report) -> Table:
    """Return what happened, a line a count."""
    shown = table(
        f"{found.images} images of {found.data}, {found.steps} steps, {found.circuit}, R2 "
        f"{number(found.r2)}",
        "an image", "",
    )  # fmt: skip
    for name, words in COUNTS:
        shown.add_row(words, number(getattr(found.activity, name), 0))
    shown.add_section()
    shown.add_row("[bold]as NeuroBench counts[/]")
    layers = found.neurobench
    for words, value, digits in (
        ("footprint, bytes", layers.footprint_bytes, 0),
        ("connection sparsity", layers.connection_sparsity, 3),
        ("activation sparsity", layers.activation_sparsity, 3),
        ("dense operations", layers.dense_operations, 0),
        ("effective MACs", layers.effective_macs, 0),
        ("effective ACs", layers.effective_acs, 0),
        ("membrane updates", layers.membrane_updates, 0),
    ):
        shown.add_row(words, number(value, digits))
    return shown


def proxies_table(found: Report) -> Table:
    """Return the proxies in microjoule an image, with a mark for the sources below."""
    shown = table(
        "energy proxies, microjoule an image (not measurements)",
        "", "synapses", "neurons", "rest", "dynamic",
    )  # fmt: skip
    marks, heading = _marks(found), ""
    for each in found.estimates:
        cited = rf"\[{','.join(str(marks[source]) for source in each.sources)}]"
        name = f"{each.profile.name} {cited}" if each.sources else each.profile.name
        if each.what != CHIP and name != heading:
            shown.add_row(f"[bold]{name}[/]")
        heading = name
        shown.add_row(
            name if each.what == CHIP else each.what,
            *(_cell(each, kind) for kind in ("synapses", "neurons")),
            _cell(each, "messages", "memory", "barriers"), each.dynamic.text(),
        )  # fmt: skip
    return shown


def sources(found: Report) -> list[str]:
    """Return the lines below the table: sources, what the columns mean, each profile's caveat."""
    lines = [f"[{mark}] {source}" for source, mark in _marks(found).items()]
    lines.append(
        "rest: messages and hops of a chip, memory of a processor. Where a part is not public, "
        "not counted or stated as a minimum, the sum is a minimum (>=)."
    )
    lines += [
        f"{name}: placed on {t.cores} core{'s' * (t.cores > 1)} of {t.chips} "
        f"chip{'s' * (t.chips > 1)} (`ipvae-snn map` tells whether it fits): "
        f"{t.messages:,.0f} messages to cores, "
        f"{t.hops_x:,.0f} hops east-west, {t.hops_y:,.0f} north-south, {t.synapse_words_read:,.0f} "
        "synapse words read"
        for name, t in found.traffic.items()
    ]
    leaks = {each.profile.name: each.static.text() for each in found.estimates}
    published = [f"{name} {text}" for name, text in leaks.items() if text != "not public"]
    lines.append(
        "static (leakage while the barriers of an image last, not in the table): "
        f"{'; '.join([*published, 'not public elsewhere' if published else 'not public'])}"
    )
    caveats = {each.profile.name: each.profile.caveat for each in found.estimates}
    return [*lines, *(f"{name}: {caveat}" for name, caveat in caveats.items())]


def draw(path: Path, found: Report) -> None:
    """Draw the dynamic ranges of all estimates."""

    rows = [
        (f"{each.profile.name}: {each.what}", _micro(each.dynamic.low), _micro(each.dynamic.high))
        for each in found.estimates
    ]
    ranges(path, rows, "Dynamic energy proxies (not measurements)", "microjoule an image")


def _micro(nanojoule: float | None) -> float | None:
    return None if nanojoule is None else nanojoule / 1000.0


def _cell(each: Estimate, *kinds: Any) -> str:
    """Return the range of some kinds; a dash where the profile has none of them."""
    present = [item for item in each.items if item.kind in kinds and item.count != 0]
    return each.part(*kinds).text() if present else "-"


def _marks(found: Report) -> dict[str, int]:
    cited = [source for each in found.estimates for source in each.sources]
    return {source: index for index, source in enumerate(dict.fromkeys(cited), 1)}
