"""Recording of counts and states into memory-mapped .npy files during a run.

Reading Vars over Lava's management channels takes 20 microseconds per number, and a recording
Process slows every time step; a memory-mapped file costs almost nothing. It needs a file system,
so it does not exist on a chip: there, connect `s_out`, or use probes.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from .common import Int64, Rows
from .graph import Graph

RESIDUAL: Final = -1  # column of the residual neurons in `saturated`
FILES = (
    "progress",  # (R S + 4,) int64: images done; ns at first, last beat; done by part; time step
    "counts_sum",  # (N, K) int64
    "state",  # (N, K) int32
    "window",  # (1,) int64: number of last steps of every frame whose counts are added up
    "added",  # (N, F, K) int32, these counts, added up
    "last_states",  # (N, F, K) int32, after the last step of every frame, if they are decoded
    "spikes_per_step",  # (N, T, C) int64, by population that computes
    "saturated",  # (N, T, P, 5) int32, by population
    "scores",  # (N, T, A) int32, of accumulators
    "counts",  # (N, T, K) int32, if requested; so the next
    "states",
    "monitor",  # (C,) int64: monitored neurons; then their values, (N, T, C) int32
    "monitor_counts",
    "monitor_states",
)


@dataclass(frozen=True)
class Place:
    """Where the results of a population lie in the files.

    neurons: of those that compute, or of the accumulators. index: among all populations. order:
    among those that compute. beats, of: index and number of those with a state.
    """

    accumulates: bool = False
    neurons: slice = slice(None)
    index: int = 0
    order: int = 0
    beats: int = 0
    of: int = 1


WHOLE: Final = Place()  # of the only population


def place_of(graph: Graph, name: str) -> Place:
    """Return where the results of a population with a state lie."""
    one = graph.population(name)
    same = graph.of_role(one.role)
    stateful = graph.of_role("computes", "accumulates")
    return Place(
        accumulates=one.role == "accumulates",
        neurons=graph.slices(same)[name],
        index=graph.populations.index(one),
        order=same.index(one),
        beats=stateful.index(one),
        of=len(stateful),
    )


@dataclass(frozen=True)
class Step:
    """What a population does in a time step, counted within a presentation.

    moved: the step whose counts `before` cause an update, if any; saturated: in it. drawn: the step
    whose `counts` are sent, if any. states: after the update.
    """

    moved: int | None
    drawn: int | None
    before: Int64
    counts: Int64
    states: Int64
    saturated: tuple[int, ...]


class Recording:
    """The files of all replicas in `folder`, which exist already with the right size.

    rows: those of this population's images; beyond the last, nothing is recorded.
    """

    def __init__(self, folder: Path, rows: Rows, place: Place = WHOLE) -> None:
        self.rows, self.place = rows, place
        self.files = {
            name: np.load(folder / f"{name}.npy", mmap_mode="r+")
            for name in FILES
            if (folder / f"{name}.npy").exists()
        }
        self.n_images = len(self.files["counts_sum"])
        self.n_steps, n_frames = (
            self.files["saturated"].shape[1],
            self.files["added"].shape[1],
        )
        self.frame = self.n_steps // n_frames
        self.first_added = self.frame - int(self.files["window"][0])  # step of each frame
        width = self.files["counts_sum"].shape[1]
        own = np.zeros(0, np.int64) if place.accumulates else np.arange(width)[place.neurons]
        self.counts_sum = np.zeros(len(own), np.int64)
        # Columns of the monitored neurons that are this population's, and those neurons within it.
        monitor = self.files.get("monitor", np.zeros(0, np.int64))
        self.columns = np.flatnonzero(np.isin(monitor, own))
        self.monitored = monitor[self.columns] - (own[0] if len(own) else 0)

    def step(self, time_step: int, presentation: int, step: Step) -> None:
        """Record a time step."""
        image = self.rows.row(presentation)
        if image < self.n_images:
            if step.moved is not None:
                self.updated(image, step.moved, step)
                if step.moved == self.n_steps - 1:
                    self.finished(image, presentation, step.states)
            if step.drawn is not None and not self.place.accumulates:
                self.sampled(image, step.drawn, step.counts)
        if self.place.beats == 0:
            self.beat(time_step)

    def sampled(self, image: int, step: int, counts: Int64) -> None:
        """Record the counts (n,) of a step."""
        files, neurons = self.files, self.place.neurons
        if step == 0:
            self.counts_sum[:] = 0
        self.counts_sum += counts
        files["spikes_per_step"][image, step, self.place.order] = counts.sum()
        if "counts" in files:
            files["counts"][image, step, neurons] = counts
        if self.columns.size:
            files["monitor_counts"][image, step, self.columns] = counts[self.monitored]

    def updated(self, image: int, step: int, done: Step) -> None:
        """Record the states (n,) after a step's update, and its saturations."""
        files, place = self.files, self.place
        files["saturated"][image, step, place.index, : len(done.saturated)] = done.saturated
        if place.accumulates:
            files["scores"][image, step, place.neurons] = done.states
            return
        if "states" in files:
            files["states"][image, step, place.neurons] = done.states
        if self.columns.size:
            files["monitor_states"][image, step, self.columns] = done.states[self.monitored]
        frame, within = divmod(step, self.frame)
        if within >= self.first_added:
            files["added"][image, frame, place.neurons] += done.before
        if within == self.frame - 1 and "last_states" in files:
            files["last_states"][image, frame, place.neurons] = done.states

    def finished(self, image: int, presentation: int, states: Int64) -> None:
        """Record an image's sums and its last states (n,)."""
        files, place = self.files, self.place
        if not place.accumulates:
            files["counts_sum"][image, place.neurons] = self.counts_sum
            files["state"][image, place.neurons] = states
        files["progress"][3 + self.rows.first * place.of + place.beats] = presentation + 1
        self.count_done()

    def beat(self, time_step: int) -> None:
        """Record the number and time of a finished time step, so that a stall can be detected."""
        progress, now = self.files["progress"], time.monotonic_ns()
        if progress[1] == 0:
            progress[1] = now
        progress[2], progress[-1] = now, time_step

    def count_done(self) -> None:
        """Record the number of finished images of all replicas, which may call this at once.

        Each part writes its own number first, so the last one to read sees them all.
        """
        progress = self.files["progress"]
        while True:
            by_replica = progress[3:-1].reshape(-1, self.place.of).min(axis=1)
            next_rows = by_replica * self.rows.stride + np.arange(self.rows.stride)
            done = min(int(next_rows.min()), self.n_images)
            if progress[0] >= done:
                return
            progress[0] = done
