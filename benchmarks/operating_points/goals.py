"""The goals of cheap inference on MNIST, each with the cheapest point that meets it."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from benchmarks.operating_points.codes import MAP, MEAN, SAMPLE
from benchmarks.operating_points.pictures import microjoule
from benchmarks.operating_points.rows import GRADED
from benchmarks.operating_points.selection import (
    ENCODER,
    NETWORK,
    Choice,
    cheapest,
    choices,
    label,
)
from benchmarks.report import table

Json = dict[str, Any]
Line = list[str]
R2: Final = 0.951
ACCURACY: Final = 0.964
SAMPLE_OPERATIONS: Final = 150_000
OTHER_OPERATIONS: Final = 90_000
LARGEST: Final = 31
TODAY: Final = ("mnist-512", 64)  # the network and steps that out-of-distribution R2 compares with
WITHIN: Final = 0.02
PRICED: Final = ("cpu-45nm", "loihi1", "loihi1-sanafe", "spinnaker2", "truenorth")


def goals(points: Sequence[Json], data: str) -> str:
    """Return the table of goals for networks of 8 bits."""
    own = [p for p in points if p["kind"] == NETWORK and p["bits"] == 8]
    passes = [p for p in points if p["kind"] == ENCODER]
    best = cheapest(choices(own, data), R2)
    encoder = cheapest(choices(passes, data), R2)
    lines = [
        _reached("one sample", SAMPLE_OPERATIONS, cheapest(choices(own, data, (SAMPLE,)), R2)),
        _reached("mean or MAP", OTHER_OPERATIONS, cheapest(choices(own, data, (MEAN, MAP)), R2)),
        _labels(own),
    ]
    if best is not None:
        largest = best.row["largest"]
        lines += [
            ["largest count", f"<= {LARGEST}", f"{largest}", named(best), met(largest <= LARGEST)],
            *_elsewhere(best, own, passes, data),
        ]
        if encoder is not None:
            lines += list(_against(best, encoder))
    return table(["goal, 8 bits", "wanted", "reached", "with", "verdict"], lines)


def _reached(readout: str, most: int, found: Choice | None) -> Line:
    what, wanted = f"{readout}, R2 >= {R2}", f"<= {most:,} operations"
    if found is None:
        return [what, wanted, "not reached", "", met(False)]
    return [what, wanted, f"{found.operations:,.0f}", named(found), met(found.operations <= most)]


def _labels(own: Sequence[Json]) -> Line:
    """Return the cheapest read-out of labels that is accurate enough."""
    what, wanted = f"labels, {100 * ACCURACY:.1f} %", f"<= {OTHER_OPERATIONS:,} operations"
    found = [
        (row["operations"], f"{label(point)}, {each['steps']} steps, {each['code']}")
        for point in own
        for each in point["accuracy"]
        for row in next(iter(point["data"].values()))["rows"]
        if row["steps"] == each["steps"] and each["accuracy"][0] >= ACCURACY
    ]
    if not found:
        return [what, wanted, "not reached", "", met(False)]
    operations, how = min(found)
    return [what, wanted, f"{operations:,.0f}", how, met(operations <= OTHER_OPERATIONS)]


def _elsewhere(
    best: Choice, own: Sequence[Json], passes: Sequence[Json], data: str
) -> Iterator[Line]:
    """Yield the R2 of a point on the other data sets, wanted near today's and above encoders'."""
    name, steps = TODAY
    today = next(p for p in own if p["network"] == name and not p["sparsity"])
    for other in best.point["data"]:
        if other == data:
            continue
        goal = _row(today, other, steps)["r2"][SAMPLE][0] - WITHIN
        goal = max([goal, *(each.r2 for each in choices(passes, other))])
        reached = _row(best.point, other, best.row["steps"])["r2"][best.readout][0]
        yield [
            f"R2 on {other}",
            f">= {goal:.3f}",
            f"{reached:.3f}",
            named(best),
            met(reached >= goal),
        ]


def _row(point: Json, data: str, steps: int) -> Json:
    row: Json = next(row for row in point["data"][data]["rows"] if row["steps"] == steps)
    return row


def _against(best: Choice, encoder: Choice) -> Iterator[Line]:
    """Yield operations and proxies, wanted below those of the encoder of equal R2 in 8 bits."""
    of = f"of {label(encoder.point)}"
    fewer = best.operations < encoder.operations
    yield [
        f"operations {of}",
        f"< {encoder.operations:,.0f}",
        f"{best.operations:,.0f}",
        named(best),
        met(fewer),
    ]
    for profile in (*PRICED, *(f"{each}, {GRADED}" for each in PRICED)):
        wanted, reached = microjoule(encoder.row, profile), microjoule(best.row, profile)
        if wanted is not None and reached is not None:
            yield [
                f"uJ on {profile}, {of}",
                f"< {wanted:,.2f}",
                f"{reached:,.2f}",
                named(best),
                met(reached < wanted),
            ]


def named(choice: Choice) -> str:
    """Return a point with its steps and read-out."""
    steps = f", {choice.row['steps']:g} steps" if choice.row["steps"] > 1 else ""
    return f"{label(choice.point)}{steps}, {choice.readout}"


def met(reached: bool) -> str:
    """Return the verdict."""
    return "met" if reached else "missed"
