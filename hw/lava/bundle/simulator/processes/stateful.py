"""What the models of all populations with a state share: receive, update, send, record.

Not in a Process's folder, since it belongs to several Processes.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort

from .arithmetic import Int64
from .arrivals import Input, Scales
from .common import Constant, ReportingModel, Timetable, set_constants
from .graph import MAX_INPUTS
from .population import NONE, STATEFUL, Population
from .recording import Recording, Step

INPUTS: Final = tuple(f"in_{index}" for index in range(MAX_INPUTS))


def receives(model: type) -> type:
    """Give a model the ports for the sums of its connections."""
    for name in INPUTS:
        setattr(model, name, LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24))
    return model


def set_population(
    process: Any,
    declared: Mapping[str, Constant],
    constants: Mapping[str, npt.ArrayLike],
    shape: tuple[int, ...],
    inputs: tuple[Input, ...],
) -> None:
    """Give a Process ports for sums, and constants; TypeError for a missing or unknown constant."""
    if len(inputs) > MAX_INPUTS:
        raise ValueError(f"{len(inputs)} connections to one population; at most {MAX_INPUTS}")
    for name in INPUTS:
        setattr(process, name, InPort(shape=shape))
    given = {"stride": 1, "frames": 1, **constants}
    set_constants(process, declared, given, shape, len(inputs))


@receives
class InputsModel(ReportingModel):
    """A model that receives the sums of its connections and adds them up.

    Parameters of the Process: inputs, host (whether the host writes what the image causes),
    scheduled. `sums` (inputs, n): of the image's connections, unscaled, since pixels that change
    are sent as differences. `current` (n,): the constant part of the total while a frame is shown.
    `waiting` (n,): sums of a step that have arrived and are not used yet.
    """

    steps: Int64
    stride: Int64
    frames: Int64
    multiplier: Int64
    shift: Int64
    sums: Int64
    current: Int64
    waiting: Int64

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.inputs: tuple[Input, ...] = proc_params["inputs"]
        self.host: bool = proc_params["host"]
        self.scheduled: bool = proc_params["scheduled"]
        self.rows = proc_params["rows"]
        self.ready = False

    def on_var_update(self) -> None:
        """Read the constants again after the host has set some."""
        self.ready = False

    def prepare(self) -> None:
        """Read the constants once: reading Vars costs more than the arithmetic."""
        self.table = Timetable(int(self.steps[0]), int(self.stride[0]), int(self.frames[0]))
        self.scales = Scales(self.inputs, (self.multiplier, self.shift), self.within_range)
        self.ports = [getattr(self, name) for name in INPUTS[: len(self.inputs)]]
        self.silence = np.zeros(self.current.shape, np.int32)
        self.ready = True

    def receive(self, place: int) -> None:
        """Keep the sums that arrive at this place; what arrives when nothing should is dropped."""
        for index, one in enumerate(self.inputs):
            due = one.arrives(self.table, place)
            if not (due or not self.scheduled):
                continue
            arrived = self.ports[index].recv()
            if due and one.once:
                self.sums[index] = arrived + (self.sums[index] if self.table.appears(place) else 0)
            elif due:
                self.waiting = self.waiting + self.scales.scaled(index, arrived)

    def total(self) -> Int64:
        """Return the sums of a step (n,), and wait for the next one's."""
        total, self.waiting = self.current + self.waiting, np.zeros_like(self.waiting)
        return total


class StatefulModel(InputsModel):
    """Fixed-point model of a population with a state, equal to the interpreter number by number.

    A subclass names its kind in KIND and its constants in NAMES, and has the port s_out if it
    sends.
    """

    KIND: str
    NAMES: tuple[str, ...]
    s_out: PyOutPort
    v: Int64
    z: Int64
    saturated: Int64

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        folder, place = proc_params["record"], proc_params["place"]
        self.recording = Recording(Path(folder), self.rows, place) if folder else None

    def prepare(self) -> None:
        """Read the constants once."""
        super().prepare()
        make: Callable[[Mapping[str, Any]], Population] = STATEFUL[self.KIND]
        self.population = make({name: getattr(self, name) for name in self.NAMES})

    def step(self) -> None:
        """Receive, update, sample, send; record last, while the synapses compute.

        Places in a presentation, with a stride of 1: 0 rests (the image is in transit), 1 receives
        the image's sums and samples z_0, p samples z_(p-1) after the update caused by z_(p-2),
        T + 1 computes the last update. Sums that arrive at other places are discarded.
        """
        if not self.ready:
            self.prepare()
        table = self.table
        image, place = table.now(self.time_step)
        moved, drawn = table.updated(place), table.sampled(place)
        self.receive(place)
        before, saturated = self.z, NONE
        if moved is not None:
            if self.host and moved * table.frames % table.steps == 0:
                self.current = self.within_range(self.current, "current set by the host")
            self.v, saturated = self.population.move(self.v, before, self.total())
        frame = table.appears(place)
        if frame is not None:
            self.appear(frame)
        if drawn is not None:
            self.z = self.population.send(self.v, image, drawn)
            self.emit(self.z)
        elif not self.scheduled:
            self.emit(self.silence)
        self.saturated = self.saturated + saturated
        if self.recording is not None:
            step = Step(moved, drawn, before, self.z, self.v, saturated)
            self.recording.step(self.time_step, image, step)
        if drawn is not None and drawn + 1 < table.steps:
            self.population.look_ahead(image, drawn + 1)

    def appear(self, frame: int) -> None:
        """Set the input current of a frame, and reset the state with the first one."""
        if not self.host:
            current = self.scales.current(self.population.base, self.sums)
            self.current = self.within_range(current, "current")
        if frame == 0:
            self.v = self.population.begin(self.scales.moved(self.sums))

    def emit(self, payload: npt.NDArray[np.integer[Any]]) -> None:
        """Send the payloads (n,) of this time step."""
        self.s_out.send(payload)
