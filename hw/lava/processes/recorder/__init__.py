"""The recorder: a sink that writes what the neurons send into .npy files as it arrives.

Reading Vars over Lava's management channels takes 20 microseconds a number; a memory-mapped file
takes next to nothing and holds one image's sums in memory.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyInPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

# The folder has another package name in an exported bundle.
from ..common import ReportingModel, integers


class Recorder(AbstractProcess):
    """Writes spike counts and membrane potentials of K neurons to files that already exist.

    folder holds, as .npy files of the right size: counts_sum (N, K) int64, spikes_per_step (N, T)
    int64, state and last_counts (N, K) int32, progress (1,) int64, the number of images done; and
    if wanted counts and states (N, T, K) int32. steps: T. Ports z_in and v_in (K,).
    """

    def __init__(
        self,
        *,
        folder: str,
        n_neurons: int,
        steps: npt.ArrayLike,
        reports: str,
        name: str = "recorder",
    ) -> None:
        super().__init__(name=name, folder=folder, reports=reports)
        self.z_in = InPort(shape=(n_neurons,))
        self.v_in = InPort(shape=(n_neurons,))
        self.steps = Var(shape=(1,), init=integers("steps", steps, (1,)))


@implements(proc=Recorder, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class RecorderModel(ReportingModel):
    """Model of the recorder; it needs an operating system with files, so it has no place on chip.

    z_t arrives at place t + 1 of a presentation and the potential after its update at t + 2.
    """

    z_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    v_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    steps: npt.NDArray[np.int32] = LavaPyType(np.ndarray, np.int32, precision=21)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.files = {
            path.stem: np.load(path, mmap_mode="r+")
            for path in sorted(Path(proc_params["folder"]).glob("*.npy"))
        }
        self.counts_sum = np.zeros(self.files["counts_sum"].shape[1], dtype=np.int64)

    def ports(self) -> tuple[list[Any], list[Any]]:
        """Receive counts and potentials, send nothing."""
        return [self.z_in, self.v_in], []

    def step(self, *received: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.int32], ...]:
        """Record this time step."""
        counts, potential = received
        files, steps = self.files, int(self.steps[0])
        image, place = divmod(self.time_step - 1, steps + 2)
        if place == 1:
            self.counts_sum[:] = 0
        if 1 <= place <= steps:
            self.counts_sum += counts
            files["spikes_per_step"][image, place - 1] = counts.sum(dtype=np.int64)
            if "counts" in files:
                files["counts"][image, place - 1] = counts
        if place == steps:
            files["last_counts"][image] = counts
        if place > 1 and "states" in files:
            files["states"][image, place - 2] = potential
        if place == steps + 1:
            files["counts_sum"][image] = self.counts_sum
            files["state"][image] = potential
            files["progress"][0] = image + 1
        return ()
