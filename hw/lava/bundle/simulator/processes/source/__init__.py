"""The image source: sends each image once, as graded spikes, and is silent in between."""

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
from ..common import EVERY, ReportingModel, Rows, Timetable, integer_var


class ImageSource(AbstractProcess):
    """Presents the images of a file one after another, each once, at its first time step.

    images: path of a .npy file, uint8 (N, F, M), read image by image. zero_point: subtracted from a
    pixel to give its payload; a payload of 0 is no spike. Where a further frame begins, only the
    pixels that change are sent, as differences. steps, stride, frames: the timetable. rows: the
    images to show. scheduled, reports: as of Neuron. Port s_out (M,). After the last image it
    sends no spikes.
    """

    def __init__(
        self,
        *,
        images: str,
        zero_point: npt.ArrayLike,
        steps: npt.ArrayLike,
        stride: npt.ArrayLike = 1,
        frames: npt.ArrayLike = 1,
        rows: Rows = EVERY,
        scheduled: bool = False,
        reports: str | None = None,
        name: str = "image_source",
    ) -> None:
        super().__init__(name=name, images=images, rows=rows, scheduled=scheduled, reports=reports)
        n_pixels = np.load(images, mmap_mode="r").shape[-1]
        self.s_out = OutPort(shape=(n_pixels,))
        # Never used: Lava runs connected Processes only, and replicas are not connected.
        self.link_in, self.link_out = InPort(shape=(1,)), OutPort(shape=(1,))
        self.zero_point = integer_var("zero_point", zero_point)
        self.steps = integer_var("steps", steps)
        self.stride = integer_var("stride", stride)
        self.frames = integer_var("frames", frames)


@implements(proc=ImageSource, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class ImageSourceModel(ReportingModel):
    """Fixed-point model: sends pixel - zero_point at the first time step of a presentation."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    link_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    link_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    zero_point: npt.NDArray[np.int32] = LavaPyType(np.ndarray, np.int32, precision=9)
    steps: npt.NDArray[np.int32] = LavaPyType(np.ndarray, np.int32, precision=21)
    stride: npt.NDArray[np.int32] = LavaPyType(np.ndarray, np.int32, precision=12)
    frames: npt.NDArray[np.int32] = LavaPyType(np.ndarray, np.int32, precision=21)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.images = np.load(proc_params["images"], mmap_mode="r")
        self.rows: Rows = proc_params["rows"]
        self.scheduled: bool = proc_params["scheduled"]
        self.silence = np.zeros(self.images.shape[-1], dtype=np.int32)

    def step(self) -> None:
        """Send the payload where a presentation starts, and differences where a frame does."""
        table = Timetable(int(self.steps[0]), int(self.stride[0]), int(self.frames[0]))
        presentation, place = table.now(self.time_step)
        image, frame = self.rows.row(presentation), table.sent(place)
        if frame is not None and image < len(self.images):
            shown = self.images[image, frame].astype(np.int32)
            before = self.images[image, frame - 1] if frame else self.zero_point
            self.s_out.send(shown - before)
        elif frame is not None or not self.scheduled:
            self.s_out.send(self.silence)
