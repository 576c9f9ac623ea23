"""The report of energy proxies: plain data, and a document of tables, each with its sources.

Tables are built from the plain data, so a stored result gives the tables of a new run.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from ipvae_snn.hw.cost.activity import Activity, Traffic
from ipvae_snn.hw.cost.energy import Estimate, Kind, Range, total_of
from ipvae_snn.hw.cost.neurobench import NeuroBenchMetrics
from ipvae_snn.ir.decoding import SAMPLE
from ipvae_snn.report.document import (
    Cell,
    Document,
    Picture,
    Span,
    Table,
    number,
    paragraph,
    table,
)
from ipvae_snn.report.plots import Bar, ranges, ranges_size

Json = Mapping[str, Any]
CHIP: Final = "integer run"
NOT_PUBLIC: Final = Range(None, None).text()
REST: Final[tuple[Kind, ...]] = ("messages", "memory", "barriers")
PROXIES: Final = "Dynamic energy proxies (not measurements)"


class Count(NamedTuple):
    """A counted quantity: its key, its name, and an explanation where the name needs one."""

    key: str
    name: str
    meaning: str = ""
    digits: int = 0

    @property
    def explained(self) -> str:
        """The name with its explanation."""
        return f"{self.name} ({self.meaning})" if self.meaning else self.name


IMAGE_OPERATIONS: Final = Count("input_operations", "of these: from the image")
ROW_WEIGHTS: Final = Count("row_weights", "weights in the rows that events read")
ACTIVITY: Final = (
    Count("spikes", "spikes", "sum of the counts"),
    Count("messages", "graded messages", "nonzero counts"),
    Count("synaptic_operations", "synaptic operations, events", "one per event"),
    Count("synaptic_operations_by_payload", "synaptic operations, by payload"),
    IMAGE_OPERATIONS,
    Count("updates_active", "neuron updates with a spike"),
    Count("updates_inactive", "neuron updates without"),
    ROW_WEIGHTS,
    Count("dense_operations", "multiply-adds of a dense implementation"),
)
NEUROBENCH: Final = (
    Count("footprint_bytes", "footprint, bytes"),
    Count("connection_sparsity", "connection sparsity", digits=3),
    Count("activation_sparsity", "activation sparsity", digits=3),
    Count("dense_operations", "dense operations"),
    Count("effective_macs", "effective MACs"),
    Count("effective_acs", "effective ACs"),
    Count("membrane_updates", "membrane updates"),
)


@dataclass(frozen=True)
class Report:
    """The mean activity per image of a run, and the estimates of every profile.

    traffic: by profile, for the profiles that the network was placed on. stop: of images that were
    done before the last step, as plain data; taken: mean, least and most of their steps.
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
    decoding: str
    data: str
    citation: str
    stop: Mapping[str, float] | None = None
    taken: Mapping[str, float] | None = None

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            **{name: vars(self)[name] for name in ("circuit", "images", "steps", "seed", "r2")},
            "decoding": self.decoding,
            "stop": None if self.stop is None else dict(self.stop),
            "steps_taken": None if self.taken is None else dict(self.taken),
            "data": self.data,
            "citation": self.citation,
            "activity": self.activity.as_json(),
            "neurobench": self.neurobench.as_json(),
            "traffic": {name: result.as_json() for name, result in self.traffic.items()},
            "estimates": [estimate.as_json() for estimate in self.estimates],
        }

    def document(self, pictures: Sequence[Picture] = ()) -> Document:
        """Return the counts, the energy proxies, their sources, and the pictures."""
        data = self.as_json()
        return Document(
            f"Energy proxies of a run on {self.data}",
            (
                counts_table(data),
                proxies_table(data["estimates"]),
                *map(paragraph, notes(data)),
                *pictures,
            ),
        )


@dataclass(frozen=True)
class Proxy:
    """One implementation: the profile with its energies, and the ranges as text.

    cells: synapses, neurons and the rest; "-" where the profile has no energy of that kind.
    """

    profile: str
    what: str
    sources: tuple[str, ...]
    cells: tuple[str, str, str]
    dynamic: str
    static: str


def counts_table(data: Json) -> Table:
    """Return the counts of a run from its plain data, one row per quantity."""
    rows: list[tuple[Cell, ...]] = [
        (each.explained, cell)
        for each, (cell,) in zip(ACTIVITY, cells(ACTIVITY, [data]), strict=True)
    ]
    rows.append((Span("as NeuroBench counts", "strong"),))
    layers = cells(NEUROBENCH, [data], "neurobench")
    decoding = data.get("decoding", str(SAMPLE))
    decoded = "" if decoding == str(SAMPLE) else f" decoded by {decoding}"
    taken = data.get("steps_taken")
    stopped = "" if taken is None else f" at most, {taken['mean']:.2f} taken on average"
    rows += [(each.name, cell) for each, (cell,) in zip(NEUROBENCH, layers, strict=True)]
    return table(
        f"{data['images']} images of {data['data']}, {data['steps']} steps{stopped}, "
        f"{data['circuit']}, R2 {number(data['r2'])}{decoded}",
        ("per image", ""),
        rows,
        sections=(len(ACTIVITY),),
    )


def cells(
    counts: Sequence[Count], runs: Sequence[Json], group: str = "activity"
) -> Iterator[list[str]]:
    """Yield one row per quantity of a group of the plain data, one cell per run."""
    for each in counts:
        yield [number(data[group][each.key], each.digits) for data in runs]


def proxies(estimates: Sequence[Json]) -> list[Proxy]:
    """Return the rows of a table of proxies, from estimates as plain data."""
    return [
        Proxy(
            each["profile"],
            each["what"],
            tuple(each["sources"]),
            (_part(each, "synapses"), _part(each, "neurons"), _part(each, *REST)),
            _range(each["dynamic_nj"]).text(),
            _range(each["static_nj"]).text(),
        )
        for each in estimates
    ]


def _part(estimate: Json, *kinds: Kind) -> str:
    """Return the sum of the items of some kinds; a dash where there is none."""
    items = [each for each in estimate["items"] if each["kind"] in kinds and each["count"] != 0]
    return total_of(_range(each["nj"]) for each in items).text() if items else "-"


def _range(energy: Json) -> Range:
    return Range(energy["low"], energy["high"])


def marks(estimates: Sequence[Json]) -> dict[str, int]:
    """Return the number under which each source is cited, in the order of first use."""
    cited = (source for each in estimates for source in each["sources"])
    return {source: index for index, source in enumerate(dict.fromkeys(cited), 1)}


def proxies_table(estimates: Sequence[Json]) -> Table:
    """Return the proxies in microjoule per image, with the numbers of their sources."""
    numbers, heading = marks(estimates), ""
    rows: list[tuple[Cell, ...]] = []
    for each in proxies(estimates):
        cited = f" [{','.join(str(numbers[source]) for source in each.sources)}]"
        name = each.profile + (cited if each.sources else "")
        if each.what != CHIP and name != heading:
            rows.append((Span(name, "strong"),))
        heading = name
        rows.append((name if each.what == CHIP else each.what, *each.cells, each.dynamic))
    return table(
        "energy proxies, microjoule per image (not measurements)",
        ("", "synapses", "neurons", "rest", "dynamic"),
        rows,
    )


def notes(data: Json) -> list[str]:
    """Return the lines below the table: sources, columns, and each profile's caveat."""
    estimates = data["estimates"]
    lines = [f"[{mark}] {source}" for source, mark in marks(estimates).items()]
    lines.append(
        "rest: messages and hops of a chip, memory of a processor. Where a part is not public, "
        "not counted or stated as a minimum, the sum is a minimum (>=)."
    )
    lines += [_travel(name, traffic) for name, traffic in data["traffic"].items()]
    leaks = {each.profile: each.static for each in proxies(estimates)}
    published = [f"{name} {text}" for name, text in leaks.items() if text != NOT_PUBLIC]
    lines.append(
        "static (leakage during an image's barrier synchronisations, not in the table): "
        f"{'; '.join([*published, 'not public elsewhere' if published else 'not public'])}"
    )
    caveats = {each["profile"]: each["caveat"] for each in estimates}
    return [*lines, *(f"{name}: {caveat}" for name, caveat in caveats.items())]


def _travel(name: str, t: Json) -> str:
    return (
        f"{name}: placed on {t['cores']} core{'s' * (t['cores'] > 1)} of {t['chips']} "
        f"chip{'s' * (t['chips'] > 1)} (`ipvae-snn map` checks whether it fits): "
        f"{t['messages']:,.0f} messages to cores, {t['hops_x']:,.0f} hops east-west, "
        f"{t['hops_y']:,.0f} north-south, {t['synapse_words_read']:,.0f} synapse words read"
    )


def picture(estimates: Sequence[Json]) -> Picture:
    """Return the picture of all dynamic ranges, in microjoule per image."""
    bars = [
        Bar(f"{each['profile']}: {each['what']}", *_micro(_range(each["dynamic_nj"])))
        for each in estimates
    ]
    return Picture(
        "energy",
        PROXIES,
        lambda figure: ranges(figure.add_subplot(), bars, PROXIES, "microjoule per image"),
        ranges_size(len(bars)),
    )


def _micro(energy: Range) -> tuple[float | None, float | None]:
    return (
        None if energy.low is None else energy.low / 1000.0,
        None if energy.high is None else energy.high / 1000.0,
    )
