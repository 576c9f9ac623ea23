"""Runs whose last steps' counts are added up: they rest before the first of these steps."""

from collections.abc import Callable
from typing import Annotated, NamedTuple

from ipvae_snn.arrays import Int64
from ipvae_snn.kernels import rows
from ipvae_snn.kernels.rows import Engine, Progress, Record

Report = Callable[[int, int], None]


class Span(NamedTuple):
    """Steps to take, the number of last ones whose counts are added up, and whether all are kept.

    last: 0 for none.
    """

    steps: int
    last: int
    trace: bool


class Passed(NamedTuple):
    """Images after a span of steps; middle: before the last ones of them. record: of the span."""

    middle: Progress
    done: Progress
    record: Record

    @property
    def added(self) -> Annotated[Int64, "N K"]:
        """Counts of the last steps, all updates of each, added up."""
        return self.done.counts_sum - self.middle.counts_sum


def advance(engine: Engine, before: Progress, span: Span, threads: int, report: Report) -> Passed:
    """Return the images after a span of steps, as `rows.advance` takes them in one or two calls.

    report: receives images done and all, or image-steps where there are two calls.
    """
    early = span.steps - span.last if span.last else 0
    if not early:
        done = rows.advance(engine, before, span.steps, threads, span.trace, report)
        return Passed(before, done, done.record)

    def advanced(progress: Progress, steps: int) -> Progress:
        def units(done: int, n: int) -> None:
            report((progress.step - before.step) * n + steps * done, span.steps * n)

        return rows.advance(engine, progress, steps, threads, span.trace, units)

    middle = advanced(before, early)
    done = advanced(middle, span.last)
    return Passed(middle, done, rows.joined(middle.record, done.record))
