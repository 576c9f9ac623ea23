"""The goals of cheap inference on MNIST, each with the cheapest point that meets it."""

from collections.abc import Sequence
from typing import Any, Final

from benchmarks.operating_points.networks import MAP, MEAN, SAMPLE
from benchmarks.operating_points.selection import (
    NETWORK,
    Choice,
    cheapest,
    choices,
    label,
)
from benchmarks.report import table

Json = dict[str, Any]
R2: Final = 0.951
ACCURACY: Final = 0.964
SAMPLE_OPERATIONS: Final = 150_000
OTHER_OPERATIONS: Final = 90_000
LARGEST: Final = 31


def goals(points: Sequence[Json], data: str) -> str:
    """Return the table of goals for networks of 8 bits."""
    own = [p for p in points if p["kind"] == NETWORK and p["bits"] == 8]
    passes = [p for p in points if p["kind"] == "encoder"]
    sample = cheapest(choices(own, data, (SAMPLE,)), R2)
    other = cheapest(choices(own, data, (MEAN, MAP)), R2)
    encoder = cheapest(choices(passes, data), R2)
    any_way = cheapest(choices(own, data), R2)
    rows = [
        _row(f"one sample, R2 >= {R2}", SAMPLE_OPERATIONS, sample),
        _row(f"mean or MAP, R2 >= {R2}", OTHER_OPERATIONS, other),
        _labels(own),
        _against(any_way, encoder),
        _largest(any_way),
    ]
    return table(["goal, 8 bits", "at most", "reached", "with", ""], rows)


def _row(what: str, most: int, found: Choice | None) -> list[str]:
    if found is None:
        return [what, f"{most:,} operations", "not reached", "", "missed"]
    return [
        what,
        f"{most:,} operations",
        f"{found.operations:,.0f}",
        _named(found),
        _verdict(found.operations <= most),
    ]


def _labels(own: Sequence[Json]) -> list[str]:
    """Return the cheapest read-out of labels that is accurate enough."""
    found = [
        (row["operations"], each, point)
        for point in own
        for each in point["accuracy"]
        for row in next(iter(point["data"].values()))["rows"]
        if row["steps"] == each["steps"] and each["accuracy"][0] >= ACCURACY
    ]
    what, most = f"labels, {100 * ACCURACY:.1f} %", f"{OTHER_OPERATIONS:,} operations"
    if not found:
        return [what, most, "not reached", "", "missed"]
    operations, each, point = min(found, key=lambda one: float(one[0]))
    named = f"{label(point)}, {each['steps']} steps, {each['code']}"
    met = _verdict(operations <= OTHER_OPERATIONS)
    return [what, most, f"{operations:,.0f}", named, met]


def _against(found: Choice | None, encoder: Choice | None) -> list[str]:
    what = f"cheapest encoder in int8 of R2 >= {R2}"
    if encoder is None:
        return [what, "not reached", "", "", ""]
    most = f"{encoder.operations:,.0f} operations"
    if found is None:
        return [what, most, "not reached", "", "missed"]
    met = _verdict(found.operations < encoder.operations)
    return [what, most, f"{found.operations:,.0f}", _named(found), met]


def _largest(found: Choice | None) -> list[str]:
    what, most = "largest count in a step, there", f"{LARGEST}"
    if found is None:
        return [what, most, "not reached", "", "missed"]
    largest = found.row["largest"]
    return [what, most, f"{largest}", _named(found), _verdict(largest <= LARGEST)]


def _named(choice: Choice) -> str:
    return f"{label(choice.point)}, {choice.row['steps']} steps, {choice.readout}"


def _verdict(met: bool) -> str:
    return "met" if met else "missed"
