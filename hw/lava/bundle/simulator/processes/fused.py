"""Fast model of the whole Network in one operating-system process, for the CPU only.

Lava spends most of a time step on passing messages between processes. This model gives the same
counts at the same time steps as the Network's parts (processes/network), without messages. It is
not in a Process's folder, since Lava would load the files of that folder again.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from .arithmetic import Int64
from .common import ReportingModel, Rows, Timetable
from .network import Network, constants_of
from .population import PoissonPopulation, residuals
from .recording import Recording
from .weights import Integers, synapses_of


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
    saturated: Int64 = LavaPyType(np.ndarray, np.int64, precision=32)
    overflowed: Int64 = LavaPyType(np.ndarray, np.int64, precision=32)
    residual_overflowed: Int64 = LavaPyType(np.ndarray, np.int64, precision=32)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.arrays, self.source = proc_params["arrays"], proc_params["source"]
        self.limit = proc_params["scalars"]["residual_limit"]
        self.scheduled: bool = proc_params["scheduled"]
        self.rows: Rows = proc_params["rows"]
        self.table = Timetable(proc_params["steps"], 1 if self.limit is None else 2)
        folder = proc_params["record"]
        self.folder = Path(folder) if folder else None
        self.recording: Recording | None = None

    def prepare(self) -> None:
        """Read constants and weights after the run has started, so that nothing is copied."""
        self.population = PoissonPopulation(constants_of(self.proc_params), self.within_range)
        names = ["feedforward", "lateral" if self.limit is None else "prediction"]
        self.synapses = {name: synapses_of(self.arrays[f"{name}.weights"]) for name in names}
        self.traffic = {}
        if self.folder:
            self.recording = Recording(self.folder, self.rows)
            paths = {name: self.folder / f"traffic_{name}.npy" for name in names}
            self.traffic = {
                name: np.load(path, mmap_mode="r+") for name, path in paths.items() if path.exists()
            }
            if self.limit is not None:
                self.residual_record = np.load(
                    self.folder / "residual_saturated.npy", mmap_mode="r+"
                )
        if self.limit is not None:
            parts = self.arrays["prediction.multiplier"], self.arrays["prediction.shift"]
            self.scaling = parts[0].astype(np.int64), parts[1].astype(np.int64)
        self.silence = np.zeros(self.v.shape, np.int32)

    def step(self) -> None:
        """Receive the image, update, sample, send, record."""
        if self.time_step == 1:
            self.prepare()
        image, place = self.table.now(self.time_step)
        moved, drawn = self.table.updated(place), self.table.sampled(place)
        spikes = self.source == "spikes"
        if not self.scheduled or (place == 0 and spikes):
            shown = self.image_in.recv()
            if place == 0 and spikes:
                self.show(shown, image)
        if place == 1:
            hold = self.within_range if self.limit is None else self.hold_residual
            self.held = hold(self.held, "input")
            self.v = self.population.initial_state.copy()
        before, saturated = self.z, (0, 0, 0, 0)
        if moved is not None:
            received = self.received(image, moved)
            self.v, saturated = self.population.compete(self.v, before, received)
            self.saturated = self.saturated + saturated
        if drawn is not None:
            self.z = self.population.spike(self.v, image, drawn)
            self.s_out.send(self.z)
        elif not self.scheduled:
            self.s_out.send(self.silence)
        if self.recording is not None:
            self.recording.step(
                self.time_step, image, moved, drawn, before, self.z, self.v, saturated
            )

    def show(self, payload: npt.NDArray[np.int32], image: int) -> None:
        """Store the input current, or the payload, of an image's payload (M,)."""
        if self.limit is None:
            self.held = self.population.feed(self.through("feedforward", payload, image))
        else:
            self.held = self.hold_residual(payload, "payload")

    def received(self, image: int, step: int) -> Int64:
        """Return each neuron's (K,) input: the current, and the effect of the counts last sent."""
        if self.limit is None:
            lateral = self.population.inhibit(self.through("lateral", self.z, image))
            return np.asarray(self.held + lateral)
        total = self.through("prediction", self.z, image)
        error, beyond = residuals(self.held, total, self.scaling, self.limit, self.hold_residual)
        row = self.rows.row(image)
        if self.recording is not None and row < len(self.residual_record):
            self.residual_record[row, step] = beyond
        return self.population.feed(self.through("feedforward", error, image))

    def hold_residual(self, values: Integers, what: str) -> Int64:
        """Return `values` (M,) clipped to 24 bits; clips count for the residual neurons."""
        return self.within_range(values, what, "residual_overflowed")

    def through(self, name: str, message: Integers, image: int) -> npt.NDArray[np.int32]:
        """Return a connection's sums, and record the operations of the message."""
        synapses = self.synapses[name]
        row = self.rows.row(image)
        if name in self.traffic and row < len(self.traffic[name]):
            self.traffic[name][row] += synapses.cost(message)
        return synapses.sums(message)
