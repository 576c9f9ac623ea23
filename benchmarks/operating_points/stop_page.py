"""The section on stops: steps that images take until their potentials hardly change, and R2."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from benchmarks.operating_points.codes import MAP, MEAN, SAMPLE
from benchmarks.operating_points.selection import cheapest, choices, label, stopped
from benchmarks.report import table
from benchmarks.report import wrapped as wrap

Json = dict[str, Any]
wrapped: Final = partial(wrap, hyphens=False)
NONE: Final = "-"


def section(points: Sequence[Json], data: Sequence[str], level: float) -> str:
    """Return the section; data: the networks' own set first. level: R2 that decides on a target."""
    own, *others = data
    parts = [
        "## A stop in place of a number of steps",
        wrapped(STOP),
        "![R2 against steps taken](images/operating_points_stop.png)",
        _targets(points, own),
        wrapped(ELSEWHERE.format(level=level)),
        _elsewhere(points, own, others, level),
    ]
    return "\n\n".join(parts)


def _targets(points: Sequence[Json], data: str) -> str:
    """Return steps, operations and R2 by target, beside fixed steps of equal R2 by rates."""
    rows = []
    for point, ends in stopped(points, data):
        for end in ends:
            fixed = cheapest(choices([point], data, (MAP,)), end["r2"][MAP][0])
            fewest, most = end["taken"]
            rows.append(
                [
                    label(point),
                    f"{end['stop']:g}",
                    f"{end['steps']:.1f} ({fewest} to {most})",
                    *(f"{end['r2'][name][0]:.3f}" for name in (SAMPLE, MEAN, MAP)),
                    f"{end['operations']:,.0f}",
                    f"{end['by_payload']:,.0f}",
                    NONE if fixed is None else f"{fixed.operations:,.0f}",
                    NONE if fixed is None else f"{fixed.row['steps']:g}",
                ]
            )
    return table(
        [
            *("", "target, nats", "steps taken", SAMPLE, MEAN, MAP),
            *("operations", "by payload", "of fixed steps", "fixed steps"),
        ],
        rows,
    )


def chosen(ends: Sequence[Json], level: float) -> Json:
    """Return the row of the largest target whose rates reach R2 `level`, or of the least target."""
    enough = [end for end in ends if end["r2"][MAP][0] >= level]
    return max(enough, key=_target) if enough else min(ends, key=_target)


def _target(end: Json) -> float:
    return float(end["stop"])


def _elsewhere(points: Sequence[Json], own: str, others: Sequence[str], level: float) -> str:
    """Return steps and R2 of each point's chosen target on every data set, beside all steps' R2."""
    rows = []
    for point, ends in stopped(points, own):
        target = chosen(ends, level)["stop"]
        cells = []
        for data in (own, *others):
            (end,) = (each for each in point["data"][data]["stopped"] if each["stop"] == target)
            whole = point["data"][data]["rows"][-1]["r2"][MAP][0]
            cells += [f"{end['steps']:.1f}", f"{end['r2'][MAP][0]:.3f} ({whole:.3f})"]
        rows.append([label(point), f"{target:g}", *cells])
    head = [cell for data in (own, *others) for cell in (data, "R2")]
    return table(["", "target, nats", *head], rows)


STOP: Final = f"""`run --stop` ends each image when the potentials of the neurons that send change
    by less than a target on average ([stop](ir.md#stop)). Of each network of 8 bits, on the first
    data set: the steps that images take until then (fewest to most), at most those of the last
    mark, and R2 by each decoding. The last two columns: the least number of steps, equal for all
    images, whose R2 by `{MAP}` is no lower, and its operations."""
ELSEWHERE: Final = f"""The largest of these targets that reaches R2 {{level}} by `{MAP}` on the
    first data set (the least one where none does), on every data set: mean steps taken, R2 by
    `{MAP}`, and in parentheses that of all steps. Images unlike those of training take more steps
    only if more steps still move the potentials."""
