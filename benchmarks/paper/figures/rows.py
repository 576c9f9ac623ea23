"""What the figures share: a network's identity and figures as plain data, and cells of tables."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from benchmarks.paper.plan import Member
from benchmarks.paper.published import Point
from ipvae_snn.metrics.seeds import over_seeds
from ipvae_snn.models.family import MEMBERS
from ipvae_snn.report.json_files import finite

Json = dict[str, Any]
# What was measured of a network, by name: "evaluation", "code", .. and "run", how it was trained.
Get = Callable[[Member, str], Json]
NONE: Final = "-"
CORNER: Final = {"r2": "R2 of one sample", "zeros": "zeros", "distance": "distance to the corner"}
FIGURES: Final = ("r2", "r2_map", "zeros")


def identity(member: Member, get: Get) -> Json:
    """Return which network it is, and the iterations of its training."""
    return {
        "kind": member.kind,
        "model": MEMBERS[member.kind].name,
        "T": member.steps,
        "beta": member.beta,
        "K": member.neurons,
        "seed": member.seed,
        "iterations": get(member, "run")["iterations"],
    }


def bounds(estimate: Mapping[str, float | None]) -> list[float | None]:
    """Return mean and limits of the 95 % interval."""
    return [estimate["mean"], estimate["low"], estimate["high"]]


def final(moment: Mapping[str, Any]) -> Json:
    """Return R2, R2 MAP, zeros and the distance to the corner of a step."""
    return {name: bounds(moment[name]) for name in FIGURES} | {"distance": bounds(moment["corner"])}


def of_point(point: Point | None, names: Iterable[str]) -> Json | None:
    """Return figures of a published point by name, None where there is no point."""
    return None if point is None else {name: getattr(point, name) for name in names}


def over(values: Sequence[float | None]) -> list[float | None]:
    """Return mean and limits of the 95 % interval; None where a value is missing, or is alone."""
    given = [value for value in values if value is not None]
    if len(given) < len(values):
        return [None, None, None]
    result = over_seeds(given)
    mean: list[float | None] = finite([result.mean, result.low, result.high])
    return mean


def cell(value: float | None, digits: int = 3) -> str:
    """Return a number as a table shows it."""
    return NONE if value is None else f"{value:,.{digits}f}"


def with_interval(values: Sequence[float | None], digits: int = 3) -> str:
    """Return a mean with half its 95 % interval, of (mean, low, high), as a table shows it."""
    mean, low, high = values
    if mean is None or low is None or high is None:
        return cell(mean, digits)
    return f"{mean:.{digits}f} ± {(high - low) / 2:.{digits}f}"


def difference(ours: float | None, theirs: float | None, digits: int = 3) -> str:
    """Return ours less theirs, with its sign."""
    return NONE if ours is None or theirs is None else f"{ours - theirs:+.{digits}f}"


def kinds_of(rows: Sequence[Json]) -> tuple[str, ...]:
    """Return the kinds of models among rows, in their order."""
    return tuple(dict.fromkeys(row["kind"] for row in rows))


def titled(row: Json) -> str:
    """Return a network's name in a table."""
    symbol = "lambda" if row["kind"] == "lca" else "beta"
    size = (
        f", {symbol} {row['beta']:g}" if MEMBERS[row["kind"]].random or symbol == "lambda" else ""
    )
    horizon = "" if MEMBERS[row["kind"]].one_step else f", T {row['T']}"
    seed = f", seed {row['seed']}" if row["seed"] else ""
    return f"{row['model']}{horizon}{size}{seed}"
