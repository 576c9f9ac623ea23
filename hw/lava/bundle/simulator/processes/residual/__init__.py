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
from ..common import EVERY, ReportingModel, Rows, Timetable, integer_var
from ..population import residuals


class Residual(AbstractProcess):
    """A population of M residual neurons, e = clip(payload - prediction, -limit, limit).

    The names and units are those of the integer network (docs/ir.md). Arrays (M,): the
    prediction's multiplier and shift. Constants (1,): limit. Of the run, (1,): steps T, stride.
    Ports (M,): a_in receives the image's payload at the first time step of a presentation (unless
    `held` is "bias": then the host writes the Var `payload` there), p_in the prediction's sums;
    s_out sends the residuals as graded spikes. scheduled, record, reports: as of Neuron; record
    is the .npy file (N, T) int32 for the number of clipped residuals, in `rows`.

    State to read back: payload, saturated (1,), overflowed (1,).
    """

    def __init__(
        self,
        *,
        multiplier: npt.ArrayLike,
        shift: npt.ArrayLike,
        limit: npt.ArrayLike,
        steps: npt.ArrayLike,
        stride: npt.ArrayLike = 2,
        held: str = "spikes",
        rows: Rows = EVERY,
        scheduled: bool = False,
        record: str | None = None,
        reports: str | None = None,
        name: str = "residual",
    ) -> None:
        super().__init__(
            name=name, held=held, rows=rows, scheduled=scheduled, record=record, reports=reports
        )
        if held not in ("spikes", "bias"):
            raise ValueError(f"held must be 'spikes' or 'bias', not {held!r}")
        shape = np.shape(multiplier)
        self.a_in, self.p_in = InPort(shape=shape), InPort(shape=shape)
        self.s_out = OutPort(shape=shape)
        self.multiplier = integer_var("multiplier", multiplier, shape)
        self.shift = integer_var("shift", shift, shape)
        self.limit = integer_var("limit", limit)
        self.steps = integer_var("steps", steps)
        self.stride = integer_var("stride", stride)
        self.payload = integer_var("payload", np.zeros(shape, np.int64), shape)
        self.saturated = integer_var("saturated", 0)
        self.overflowed = integer_var("overflowed", 0)


@implements(proc=Residual, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class ResidualModel(ReportingModel):
    """Fixed-point model, equal to the interpreter residual by residual."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    p_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    multiplier: Int64 = LavaPyType(np.ndarray, np.int64, precision=16)
    shift: Int64 = LavaPyType(np.ndarray, np.int64, precision=7)
    limit: Int64 = LavaPyType(np.ndarray, np.int64, precision=24)
    steps: Int64 = LavaPyType(np.ndarray, np.int64, precision=21)
    stride: Int64 = LavaPyType(np.ndarray, np.int64, precision=3)
    payload: Int64 = LavaPyType(np.ndarray, np.int64, precision=24)
    saturated: Int64 = LavaPyType(np.ndarray, np.int64, precision=32)
    overflowed: Int64 = LavaPyType(np.ndarray, np.int64, precision=32)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.held: str = proc_params["held"]
        self.scheduled: bool = proc_params["scheduled"]
        self.rows: Rows = proc_params["rows"]
        path = proc_params["record"]
        self.record = np.load(Path(path), mmap_mode="r+") if path else None

    def step(self) -> None:
        """Receive the image at place 0; send the residuals of z_t at place 2 + stride t."""
        table = Timetable(int(self.steps[0]), int(self.stride[0]))
        image, place = table.now(self.time_step)
        step, rest = divmod(place - 2, table.stride)
        answers = place >= 2 and rest == 0 and step < table.steps
        if not self.scheduled or (place == 0 and self.held == "spikes"):
            shown = self.a_in.recv()
            if place == 0 and self.held == "spikes":
                self.payload = self.within_range(shown, "payload")
        if place == 1 and self.held == "bias":
            self.payload = self.within_range(self.payload, "payload set by the host")
        if not self.scheduled or answers:
            total = self.p_in.recv()
        if answers:
            self.s_out.send(self.compare(total, self.rows.row(image), step))
        elif not self.scheduled:
            self.s_out.send(np.zeros(self.payload.shape, np.int32))

    def compare(self, total: npt.NDArray[np.int32], image: int, step: int) -> Int64:
        """Return the residuals, given the prediction's sums."""
        scaling, limit = (self.multiplier, self.shift), int(self.limit[0])
        error, beyond = residuals(self.payload, total, scaling, limit, self.within_range)
        self.saturated = self.saturated + beyond
        if self.record is not None and image < len(self.record):
            self.record[image, step] = beyond
        return error
