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
LEAST_R2: Final = 0.9  # of a point whose largest count is worth a line
TODAY: Final = ("mnist-512", 64)  # the network and steps that out-of-distribution R2 compares with
WITHIN: Final = 0.02
PRICED: Final = ("cpu-45nm", "loihi1", "loihi1-sanafe", "spinnaker2", "truenorth")


def goals(points: Sequence[Json], data: str, labels: Json | None = None) -> str:
    """Return the table of goals for networks of 8 bits; labels: the results of `labels`."""
    own = [p for p in points if p["kind"] == NETWORK and p["bits"] == 8]
    passes = [p for p in points if p["kind"] == ENCODER]
    best = cheapest(choices(own, data), R2)
    encoder = cheapest(choices(passes, data), R2)
    lines = [
        _reached("one sample", SAMPLE_OPERATIONS, cheapest(choices(own, data, (SAMPLE,)), R2)),
        _reached("mean or MAP", OTHER_OPERATIONS, cheapest(choices(own, data, (MEAN, MAP)), R2)),
        _labels(own, labels),
        *_largest(best, choices(own, data)),
    ]
    general = _most_general(own, data)
    if general is not None:
        lines += list(_elsewhere(general, own, passes, data))
    if best is not None and encoder is not None:
        lines += list(_against(best, encoder))
    return table(["goal, 8 bits", "wanted", "reached", "with", "verdict"], lines)


def _reached(readout: str, most: int, found: Choice | None) -> Line:
    what, wanted = f"{readout}, R2 >= {R2}", f"<= {most:,} operations"
    if found is None:
        return [what, wanted, "not reached", "", met(False)]
    return [what, wanted, f"{found.operations:,.0f}", named(found), met(found.operations <= most)]


def _largest(best: Choice | None, every: Iterator[Choice]) -> Iterator[Line]:
    """Yield the largest count at the cheapest point, and at the point where it is smallest."""
    enough = (each for each in every if each.r2 >= LEAST_R2)
    smallest = min(enough, key=lambda each: (each.row["largest"], -each.r2), default=None)
    for of, found in (("the cheapest point", best), (f"any point >= {LEAST_R2}", smallest)):
        if found is not None:
            largest, how = found.row["largest"], f"{named(found)}, R2 {found.r2:.3f}"
            yield [
                f"largest count, {of}",
                f"<= {LARGEST}",
                f"{largest}",
                how,
                met(largest <= LARGEST),
            ]


def _most_general(own: Sequence[Json], data: str) -> Choice | None:
    """Return the point of enough R2 and few operations that does best on the other data sets."""
    enough = [
        each
        for each in choices(own, data)
        if each.r2 >= R2 and each.operations <= OTHER_OPERATIONS and each.readout != SAMPLE
    ]

    def elsewhere(each: Choice) -> float:
        others = [other for other in each.point["data"] if other != data]
        return sum(
            float(_row(each.point, other, each.row["steps"])["r2"][each.readout][0])
            for other in others
        )

    return max(enough, key=elsewhere, default=None)


def _labels(own: Sequence[Json], labels: Json | None) -> Line:
    """Return the cheapest read-out of labels that is accurate enough."""
    what, wanted = f"labels, {100 * ACCURACY:.1f} %", f"<= {OTHER_OPERATIONS:,} operations"
    found = [
        (row["operations"], f"{label(point)}, {each['steps']} steps, {each['code']}")
        for point in own
        for each in point["accuracy"]
        for row in next(iter(point["data"].values()))["rows"]
        if row["steps"] == each["steps"] and each["accuracy"][0] >= ACCURACY
    ]
    if labels is not None:
        how = f"8 bits, {labels['steps']} steps, fitted on all images"
        found += [
            (row["operations"], f"{row['network']}, {how}")
            for row in labels["rows"]
            if row["accuracy"][0] >= ACCURACY
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
        reached = _row(best.point, other, best.row["steps"])["r2"][best.readout][0]
        near = _row(today, other, steps)["r2"][SAMPLE][0] - WITHIN
        wanted = [(f"{name}'s after {steps} steps less {WITHIN:g}", near)]
        wanted += [("every encoder's", max(each.r2 for each in choices(passes, other)))]
        for of, goal in wanted:
            yield [
                f"R2 on {other}, {of}",
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
