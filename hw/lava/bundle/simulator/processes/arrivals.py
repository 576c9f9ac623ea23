"""What reaches a population: the sums of its connections, scaled into its units."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .arithmetic import Int64, scale
from .common import Timetable
from .graph import IMAGE, Connection, Graph
from .population import Hold, Integers


@dataclass(frozen=True)
class Input:
    """A connection, as its target knows it.

    once: it carries the image, so its sums arrive with a frame, and hold until the next one.
    starts: it sets the first potentials, so its sums arrive with the first frame, and count then.
    delay: of others, time steps from the counts of a step to the arrival of their sums.
    """

    name: str
    once: bool
    delay: int
    starts: bool = False

    def arrives(self, table: Timetable, place: int) -> bool:
        """Return whether sums that count arrive at a place."""
        frame_or_step = table.appears(place) if self.once else table.arrives(place, self.delay)
        return frame_or_step is not None and (frame_or_step == 0 or not self.starts)


def inputs_of(graph: Graph, name: str, host: bool) -> tuple[Input, ...]:
    """Return what reaches a population; without the image's connections if the host computes."""
    return tuple(
        Input(one.name, one.source == IMAGE, 1 + graph.depths.get(one.source, -1), one.starts)
        for one in connections_of(graph, name, host)
    )


def connections_of(graph: Graph, name: str, host: bool) -> tuple[Connection, ...]:
    """Return the connections to a population, in the order of its ports."""
    return tuple(one for one in graph.into(name) if not (host and one.source == IMAGE))


class Scales:
    """Multipliers and shifts (inputs, n) of the connections to a population.

    `hold` checks every sum, which must lie within 24 bits.
    """

    def __init__(
        self, inputs: Sequence[Input], scales: tuple[Integers, Integers], hold: Hold
    ) -> None:
        self.inputs, self.hold = inputs, hold
        self.multiplier, self.shift = (np.asarray(one).astype(np.int64) for one in scales)

    def scaled(self, index: int, sums: Integers) -> Int64:
        """Return the sums (n,) of a connection in units of the target."""
        held = self.hold(sums, f"{self.inputs[index].name} sum")
        return scale(held, self.multiplier[index], self.shift[index])

    def current(self, base: Int64, sums: npt.NDArray[np.int64]) -> Int64:
        """Return base (n,) plus what the image's sums (inputs, n) cause."""
        total = base
        for index, one in enumerate(self.inputs):
            if one.once and not one.starts:
                total = total + self.scaled(index, sums[index])
        return total

    def moved(self, sums: npt.NDArray[np.int64]) -> Int64 | None:
        """Return what a start adds to the first potentials (n,); None without one."""
        for index, one in enumerate(self.inputs):
            if one.starts:
                return self.scaled(index, sums[index])
        return None
