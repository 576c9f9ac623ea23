"""Recording of counts and states into memory-mapped .npy files during a run.

Reading Vars over Lava's management channels takes 20 microseconds per number, and a recording
Process slows every time step; a memory-mapped file costs almost nothing. It needs a file system,
so it does not exist on a chip: there, connect `s_out`, or use probes.
"""

import time
from pathlib import Path

import numpy as np

from .common import Int64, Rows

FILES = (
    "progress",  # (R + 4,) int64: images done; ns at first, last beat; done by replica; time step
    "counts_sum",  # (N, K) int64
    "state",  # (N, K) int32
    "last_counts",  # (N, K) int32
    "spikes_per_step",  # (N, T) int64
    "saturated",  # (N, T, 5) int32, without the residual neurons
    "counts",  # (N, T, K) int32, if requested; so the next
    "states",
    "monitor",  # (C,) int64: monitored neurons; then their values, (N, T, C) int32
    "monitor_counts",
    "monitor_states",
)


class Recording:
    """The files of all replicas in `folder`, which exist already with the right size.

    rows: those of this population's images; beyond the last, nothing is recorded.
    """

    def __init__(self, folder: Path, rows: Rows) -> None:
        self.rows = rows
        self.files = {
            name: np.load(folder / f"{name}.npy", mmap_mode="r+")
            for name in FILES
            if (folder / f"{name}.npy").exists()
        }
        self.n_images = len(self.files["counts_sum"])
        self.n_steps = self.files["spikes_per_step"].shape[1]
        self.counts_sum = np.zeros(self.files["counts_sum"].shape[1], dtype=np.int64)
        self.monitored = self.files.get("monitor")

    def step(
        self,
        time_step: int,
        presentation: int,
        moved: int | None,
        drawn: int | None,
        before: Int64,
        counts: Int64,
        potential: Int64,
        saturated: tuple[int, ...],
    ) -> None:
        """Record a time step: the update of step `moved`, caused by the counts `before`, if any.

        Record too the counts of step `drawn`, if any. potential: after the update.
        """
        image = self.rows.row(presentation)
        if image >= self.n_images:
            moved = drawn = None
        if moved is not None:
            self.updated(image, moved, potential, saturated)
            if moved == self.n_steps - 1:
                self.finished(image, presentation, before, potential)
        if drawn is not None:
            self.sampled(image, drawn, counts)
        self.beat(time_step)

    def sampled(self, image: int, step: int, counts: Int64) -> None:
        """Record the counts (K,) of a step."""
        files = self.files
        if step == 0:
            self.counts_sum[:] = 0
        self.counts_sum += counts
        files["spikes_per_step"][image, step] = counts.sum()
        if "counts" in files:
            files["counts"][image, step] = counts
        if self.monitored is not None:
            files["monitor_counts"][image, step] = counts[self.monitored]

    def updated(self, image: int, step: int, potential: Int64, saturated: tuple[int, ...]) -> None:
        """Record the membrane potentials (K,) after a step's update, and its saturations."""
        files = self.files
        files["saturated"][image, step, : len(saturated)] = saturated
        if "states" in files:
            files["states"][image, step] = potential
        if self.monitored is not None:
            files["monitor_states"][image, step] = potential[self.monitored]

    def finished(self, image: int, presentation: int, counts: Int64, potential: Int64) -> None:
        """Record an image's sums and its last counts and potentials (K,)."""
        files = self.files
        files["counts_sum"][image] = self.counts_sum
        files["last_counts"][image] = counts
        files["state"][image] = potential
        files["progress"][3 + self.rows.first] = presentation + 1
        self.count_done()

    def beat(self, time_step: int) -> None:
        """Record the number and time of a finished time step, so that a stall can be detected."""
        progress, now = self.files["progress"], time.monotonic_ns()
        if progress[1] == 0:
            progress[1] = now
        progress[2], progress[-1] = now, time_step

    def count_done(self) -> None:
        """Record the number of finished images of all replicas, which may call this at once.

        Each replica writes its own number first, so the last one to read sees them all.
        """
        progress = self.files["progress"]
        while True:
            next_rows = progress[3:-1] * self.rows.stride + np.arange(self.rows.stride)
            done = min(int(next_rows.min()), self.n_images)
            if progress[0] >= done:
                return
            progress[0] = done
