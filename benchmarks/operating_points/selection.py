"""Names of the stored points, and the cheapest ones that reach an R2."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from benchmarks.operating_points.codes import MAP, MEAN, SAMPLE
from benchmarks.operating_points.others import INT8

Json = dict[str, Any]
NETWORK: Final = "network"
ENCODER: Final = "encoder"
# The read-outs whose R2 counts; "float" stands beside int8 only to show what 8 bits cost.
READOUTS: Final[Mapping[str, tuple[str, ...]]] = {
    "network": (SAMPLE, MEAN, MAP),
    "encoder": (INT8,),
    "pca": (INT8,),
    "lca": (SAMPLE,),
}


class Choice(NamedTuple):
    """One point at one number of steps, by one read-out."""

    point: Json
    readout: str
    row: Json

    @property
    def r2(self) -> float:
        """Mean R2."""
        return float(self.row["r2"][self.readout][0])

    @property
    def operations(self) -> float:
        """Synaptic operations by events."""
        return float(self.row["operations"])


def label(point: Json) -> str:
    """Return the name of a point."""
    return LABELS[point["kind"]](point)


def _network(point: Json) -> str:
    share = point["sparsity"]
    pruned = f", lateral {100 * share:.0f} % zero" if share else ""
    return f"{point['network']}, {point['bits']} bits{pruned}"


LABELS: Final[Mapping[str, Callable[[Json], str]]] = {
    "network": _network,
    "encoder": lambda point: f"encoder, code {point['code']}, {point['hidden']} hidden",
    "pca": lambda point: f"PCA, {point['components']} components",
    "lca": lambda point: f"LCA, penalty {point['penalty']:g}",
}


def family(point: Json) -> str:
    """Return the name of what a point is a setting of: all widths of an encoder, all penalties."""
    if point["kind"] == "encoder":
        return f"encoder, code {point['code']}"
    return {"network": label(point), "pca": "PCA", "lca": "LCA"}[point["kind"]]


def choices(points: Sequence[Json], data: str, readouts: Sequence[str] = ()) -> Iterator[Choice]:
    """Yield every choice among points on a data set; readouts: those wanted, all if empty."""
    for point in points:
        for readout in READOUTS[point["kind"]]:
            if not readouts or readout in readouts:
                # Fewer bits are measured on one data set only.
                for row in point["data"].get(data, {"rows": ()})["rows"]:
                    yield Choice(point, readout, row)


def stopped(points: Sequence[Json], data: str) -> list[tuple[Json, list[Json]]]:
    """Return the points that were run with stops on a data set, each with its row per target."""
    found = [(point, point["data"].get(data, {}).get("stopped", [])) for point in points]
    return [(point, rows) for point, rows in found if rows]


def families(points: Sequence[Json]) -> dict[str, list[Json]]:
    """Return the points of each family, in their order."""
    result: dict[str, list[Json]] = {}
    for point in points:
        result.setdefault(family(point), []).append(point)
    return result


def cheapest(options: Iterator[Choice], wanted: float) -> Choice | None:
    """Return the choice with the fewest operations whose mean R2 is `wanted` or more."""
    enough = [each for each in options if each.r2 >= wanted]
    return min(enough, key=lambda each: each.operations, default=None)


def front(
    options: Iterator[Choice], cost: Callable[[Choice], float] = lambda each: each.operations
) -> list[Choice]:
    """Return the choices that no cheaper one equals or beats, by their cost."""
    result: list[Choice] = []
    for each in sorted(options, key=lambda one: (cost(one), -one.r2)):
        if not result or each.r2 > result[-1].r2:
            result.append(each)
    return result
