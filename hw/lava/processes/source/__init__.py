"""The image source: sends each image once, as graded spikes, and is silent in between."""

from typing import Any

import numpy as np
import numpy.typing as npt
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

# The folder has another package name in an exported bundle.
from ..common import ReportingModel, integers


class ImageSource(AbstractProcess):
    """Presents the images of a file one after another, `steps` + 2 time steps each.

    images: path of a .npy file, uint8 (N, M); it is read image by image. zero_point: what a
    pixel's level is taken down by to give the payload; a payload of 0 is no spike. reports:
    folder for error reports. Port s_out (M,).
    """

    def __init__(
        self,
        *,
        images: str,
        zero_point: npt.ArrayLike,
        steps: npt.ArrayLike,
        reports: str,
        name: str = "image_source",
    ) -> None:
        super().__init__(name=name, images=images, reports=reports)
        n_pixels = np.load(images, mmap_mode="r").shape[1]
        self.s_out = OutPort(shape=(n_pixels,))
        self.zero_point = Var(shape=(1,), init=integers("zero_point", zero_point, (1,)))
        self.steps = Var(shape=(1,), init=integers("steps", steps, (1,)))


@implements(proc=ImageSource, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class ImageSourceModel(ReportingModel):
    """Fixed-point model: sends pixel - zero_point at the first time step of a presentation."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    zero_point: npt.NDArray[np.int32] = LavaPyType(np.ndarray, np.int32, precision=9)
    steps: npt.NDArray[np.int32] = LavaPyType(np.ndarray, np.int32, precision=21)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.images = np.load(proc_params["images"], mmap_mode="r")
        self.silence = np.zeros(self.images.shape[1], dtype=np.int32)

    def ports(self) -> tuple[list[Any], list[Any]]:
        """Receive nothing, send the payload."""
        return [], [self.s_out]

    def step(self, *received: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.int32], ...]:
        """Return the payload of this time step."""
        image, place = divmod(self.time_step - 1, int(self.steps[0]) + 2)
        if place != 0:
            return (self.silence,)
        return (self.images[image].astype(np.int32) - self.zero_point,)
