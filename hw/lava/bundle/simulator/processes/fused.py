"""Fast model of the whole Network in one operating-system process, for the CPU only.

Lava spends most of a time step on passing messages between processes. This model gives the same
counts at the same time steps as the Network's parts (processes/network), without messages. It is
not in a Process's folder, since Lava would load the files of that folder again.
"""

from pathlib import Path
from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from .arithmetic import Int64
from .common import ReportingModel, Rows, Timetable
from .fused_parts import Holds, Part, Through, parts_of
from .graph import graph_of
from .network import Network
from .population import residuals
from .recording import RESIDUAL, Step
from .weights import Integers


@implements(proc=Network, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class FusedModel(ReportingModel):
    """Fixed-point model, equal to NetworkModel spike by spike."""

    image_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    v: Int64 = LavaPyType(np.ndarray, np.int64, precision=24)
    z: Int64 = LavaPyType(np.ndarray, np.int64, precision=17)
    held: Int64 = LavaPyType(np.ndarray, np.int64, precision=24)
    scores: Int64 = LavaPyType(np.ndarray, np.int64, precision=24)
    saturated: Int64 = LavaPyType(np.ndarray, np.int64, precision=32)
    overflowed: Int64 = LavaPyType(np.ndarray, np.int64, precision=32)
    residual_overflowed: Int64 = LavaPyType(np.ndarray, np.int64, precision=32)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.host: bool = proc_params["source"] == "bias"
        self.scheduled: bool = proc_params["scheduled"]
        self.rows: Rows = proc_params["rows"]
        self.graph = graph_of(proc_params["arrays"], proc_params["scalars"])
        steps, frames = proc_params["steps"], proc_params["frames"]
        self.table = Timetable(steps, self.graph.stride, frames)

    def prepare(self) -> None:
        """Read constants and weights after the run has started, so that nothing is copied."""
        graph, options = self.graph, self.proc_params
        self.shown = np.zeros(self.image_in.shape, np.int64)
        made = parts_of(options, graph, Holds(self.within_range, self.hold_residual))
        self.parts, self.connections = made
        self.stateful = [self.parts[o.name] for o in graph.of_role("computes", "accumulates")]
        self.relays = [self.parts[one.name] for one in graph.relays]
        self.decoded = self.parts[graph.decoded]
        held, accumulating = graph.held_by, graph.of_role("accumulates")
        self.holder = self.parts[held.name] if held else None
        self.scorer = self.parts[accumulating[0].name] if accumulating else None
        folder = options["record"]
        path = Path(folder, "saturated.npy") if folder else None
        self.record = np.load(path, mmap_mode="r+") if path else None
        self.silence = np.zeros(self.v.shape, np.int32)

    def step(self) -> None:
        """Receive the image, update, sample, send, record."""
        if self.time_step == 1:
            self.prepare()
        table = self.table
        image, place = table.now(self.time_step)
        moved, drawn = table.updated(place), table.sampled(place)
        sent, frame = table.sent(place), table.appears(place)
        if not self.host and (sent is not None or not self.scheduled):
            shown = self.image_in.recv()
            if sent is not None:  # a place before it appears, and before the last frame's last step
                self.change = shown
        before = [part.sent for part in self.stateful]
        if moved is not None:
            self.update(image, moved)
        if frame is not None:
            self.show(image, frame)
        if drawn is not None:
            for part in self.stateful:
                part.sent = part.population.send(part.state, image, drawn)
            self.z = self.decoded.sent
            self.s_out.send(self.z)
        elif not self.scheduled:
            self.s_out.send(self.silence)
        self.v = self.decoded.state
        for part, sent_before in zip(self.stateful, before, strict=True):
            if part.recording is not None:
                done = Step(moved, drawn, sent_before, part.sent, part.state, part.saturated)
                part.recording.step(self.time_step, image, done)

    def show(self, image: int, frame: int) -> None:
        """Store what a frame causes, and reset the states with the first one."""
        if not self.host:
            self.shown = self.change + (self.shown if frame else 0)
            for part in self.parts.values():
                for index, one in enumerate(part.scales.inputs):
                    if one.once and (frame == 0 or not one.starts):
                        sums = self.connections[one.name].sums(self.change, self.rows.row(image))
                        part.sums[index] = sums + (part.sums[index] if frame else 0)
                part.current = part.scales.current(part.base, part.sums)
            for part in self.stateful:
                part.current = self.within_range(part.current, "current")
            if self.relays:
                self.shown = self.hold_residual(self.shown, "payload")
            if self.holder is not None:
                relays = self.holder.population is None
                self.held = self.shown if relays else self.holder.current
        if frame == 0:
            for part in self.stateful:
                part.state = part.population.begin(part.scales.moved(part.sums))

    def update(self, image: int, step: int) -> None:
        """Let the counts last sent, of a step, reach all populations."""
        if (
            self.host
            and self.holder is not None
            and step * self.table.frames % self.table.steps == 0
        ):
            self.take_from_host(self.holder)
        row = self.rows.row(image)
        for part in self.relays:
            part.sent, beyond = residuals(self.shown, self.total(part, row), part.limit)
            if self.record is not None and row < len(self.record):
                self.record[row, step, part.index, RESIDUAL] = beyond
        totals = [self.total(part, row) for part in self.stateful]
        for part, total in zip(self.stateful, totals, strict=True):
            part.state, part.saturated = part.population.move(part.state, part.sent, total)
        self.saturated = self.saturated + self.decoded.saturated
        if self.scorer is not None:
            self.scores = self.scorer.state

    def take_from_host(self, holder: Part) -> None:
        """Store what the host wrote for a frame."""
        relays = holder.population is None
        hold = self.hold_residual if relays else self.within_range
        self.held = hold(self.held, "input set by the host")
        if relays:
            self.shown = self.held
        else:
            holder.current = self.held

    def total(self, part: Part, row: int) -> Int64:
        """Return the scaled sums of a step that reach a population."""
        total = part.current
        for index, one in enumerate(part.scales.inputs):
            if not one.once:
                through: Through = self.connections[one.name]
                sums = through.sums(self.parts[through.source].sent, row)
                total = total + part.scales.scaled(index, sums)
        return total

    def hold_residual(self, values: Integers, what: str) -> Int64:
        """Return `values` (M,) clipped to 24 bits; clips count for the residual neurons."""
        return self.within_range(values, what, "residual_overflowed")
