"""The residual neuron of a two-layer circuit: difference between image and prediction."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

# The folder has another package name in an exported bundle.
from ..arithmetic import Int64
from ..arrivals import Input
from ..common import EVERY, Constant, Rows, integer_var, reads_constants
from ..population import residuals
from ..recording import RESIDUAL
from ..stateful import InputsModel, set_population

# Names and units are those of the integer network (docs/ir.md); run constants come last.
CONSTANTS = {
    "multiplier": Constant(16, None, each_input=True),
    "shift": Constant(7, None, each_input=True),
    "limit": Constant(24),
    "steps": Constant(21),
    "stride": Constant(12),
    "frames": Constant(21),
}


class Residual(AbstractProcess):
    """A population of M residual neurons, e = clip(payload - prediction, -limit, limit).

    constants: one value or array for each of CONSTANTS, by name, as of Neuron. depth: synapses from
    the neurons that compute to these.

    Ports (M,): a_in receives the image's payload at the first time step of a presentation, and
    the differences to it where a frame begins (unless `host`: then the host writes the Var
    `payload`); in_0, in_1, ... receive the prediction's sums; s_out sends the residuals as graded
    spikes. The other parameters are as of Neuron; index: among all populations.

    State to read back: payload, saturated (1,), overflowed (1,).
    """

    def __init__(
        self,
        *,
        size: int,
        inputs: tuple[Input, ...],
        depth: int = 1,
        host: bool = False,
        rows: Rows = EVERY,
        scheduled: bool = False,
        record: str | None = None,
        index: int = 0,
        reports: str | None = None,
        name: str = "residual",
        **constants: npt.ArrayLike,
    ) -> None:
        super().__init__(
            name=name,
            inputs=inputs,
            depth=depth,
            host=host,
            rows=rows,
            scheduled=scheduled,
            record=record,
            index=index,
            reports=reports,
        )
        shape = (size,)
        set_population(self, CONSTANTS, constants, shape, inputs)
        self.a_in, self.s_out = InPort(shape=shape), OutPort(shape=shape)
        each = (max(len(inputs), 1), *shape)
        self.payload = integer_var("payload", np.zeros(shape, np.int64), shape)
        self.current = integer_var("current", np.zeros(shape, np.int64), shape)
        self.sums = integer_var("sums", np.zeros(each, np.int64), each)
        self.waiting = integer_var("waiting", np.zeros(shape, np.int64), shape)
        self.saturated = integer_var("saturated", 0)
        self.overflowed = integer_var("overflowed", 0)


@implements(proc=Residual, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
@reads_constants(CONSTANTS)
class ResidualModel(InputsModel):
    """Fixed-point model, equal to the interpreter residual by residual."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    limit: Int64
    payload: Int64 = LavaPyType(np.ndarray, np.int64, precision=24)
    current: Int64 = LavaPyType(np.ndarray, np.int64, precision=24)
    sums: Int64 = LavaPyType(np.ndarray, np.int64, precision=24)
    waiting: Int64 = LavaPyType(np.ndarray, np.int64, precision=32)
    saturated: Int64 = LavaPyType(np.ndarray, np.int64, precision=32)
    overflowed: Int64 = LavaPyType(np.ndarray, np.int64, precision=32)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.depth: int = proc_params["depth"]
        self.index: int = proc_params["index"]
        path = proc_params["record"]
        self.record = np.load(Path(path, "saturated.npy"), mmap_mode="r+") if path else None

    def step(self) -> None:
        """Send the residuals of z_t at place 1 + depth + stride t; then receive a frame, if any.

        So the last residuals of a frame are still those of that frame.
        """
        if not self.ready:
            self.prepare()
        table = self.table
        image, place = table.now(self.time_step)
        self.receive(place)
        answered = table.arrives(place, self.depth)
        if answered is not None:
            self.s_out.send(self.compare(self.rows.row(image), answered))
        elif not self.scheduled:
            self.s_out.send(self.silence)
        frame = table.sent(place)
        if not self.host and (frame is not None or not self.scheduled):
            shown = self.a_in.recv()
            if frame is not None:
                whole = shown + (self.payload if frame else 0)
                self.payload = self.within_range(whole, "payload")
        if table.appears(place) is not None and not self.host:
            self.current = self.scales.current(np.zeros_like(self.payload), self.sums)

    def compare(self, image: int, step: int) -> Int64:
        """Return the residuals of a step."""
        if self.host and step * self.table.frames % self.table.steps == 0:
            self.payload = self.within_range(self.payload, "payload set by the host")
        error, beyond = residuals(self.payload, self.total(), int(self.limit[0]))
        self.saturated = self.saturated + beyond
        if self.record is not None and image < len(self.record):
            self.record[image, step, self.index, RESIDUAL] = beyond
        return error
