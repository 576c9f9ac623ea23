"""The host: writes an image's currents or payloads into a Var, instead of sending spikes."""

from typing import Any

import numpy as np
import numpy.typing as npt
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyInPort, PyOutPort, PyRefPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort, RefPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

# The folder has another package name in an exported bundle.
from ..common import EVERY, ReportingModel, Rows, Timetable, integer_var


class HostInput(AbstractProcess):
    """Writes one row of a file into the Var connected to `target`, when a frame begins.

    values: path of a .npy file, int32 (N, F, n): the currents or payloads of all images, computed
    by the host. steps, stride, frames: the timetable; rows: the rows to write. The write takes
    place in the management phase of the time step in which the frame's first counts are sent: after
    the last update of the frame before. Connect it by
    `host.target.connect_var(population.current)`.
    """

    def __init__(
        self,
        *,
        values: str,
        steps: npt.ArrayLike,
        stride: npt.ArrayLike = 1,
        frames: npt.ArrayLike = 1,
        rows: Rows = EVERY,
        reports: str | None = None,
        name: str = "host_input",
    ) -> None:
        super().__init__(name=name, values=values, rows=rows, reports=reports)
        self.target = RefPort(shape=np.load(values, mmap_mode="r").shape[2:])
        # Never used: Lava runs connected Processes only, and replicas are not connected.
        self.link_in, self.link_out = InPort(shape=(1,)), OutPort(shape=(1,))
        self.steps = integer_var("steps", steps)
        self.stride = integer_var("stride", stride)
        self.frames = integer_var("frames", frames)


@implements(proc=HostInput, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class HostInputModel(ReportingModel):
    """Model of the host; on a chip, an embedded processor does this."""

    target: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, np.int32)
    link_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    link_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    steps: npt.NDArray[np.int32] = LavaPyType(np.ndarray, np.int32, precision=21)
    stride: npt.NDArray[np.int32] = LavaPyType(np.ndarray, np.int32, precision=12)
    frames: npt.NDArray[np.int32] = LavaPyType(np.ndarray, np.int32, precision=21)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.values = np.load(proc_params["values"], mmap_mode="r")
        self.rows: Rows = proc_params["rows"]

    def begins(self) -> tuple[int, int] | None:
        """Return the image and the frame that begin at this time step, if any."""
        table = Timetable(int(self.steps[0]), int(self.stride[0]), int(self.frames[0]))
        presentation, place = table.now(self.time_step)
        image, frame = self.rows.row(presentation), table.appears(place)
        return (image, frame) if frame is not None and image < len(self.values) else None

    def step(self) -> None:
        """Do nothing: the host sends no spikes."""

    def post_guard(self) -> bool:
        """Request the management phase where a frame begins."""
        return self.begins() is not None

    def run_post_mgmt(self) -> None:
        """Write; report an error, then raise it."""
        self.reporting(self.write)

    def write(self) -> None:
        """Write the frame's row, and wait for completion."""
        place = self.begins()
        if place is not None:
            self.target.write(np.asarray(self.values[place]))
            self.target.wait()
