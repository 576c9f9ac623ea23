"""The iP-VAE's Poisson neuron: input current, lateral competition, spike counts by inversion."""

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
from ..common import (
    EVERY,
    Constant,
    ReportingModel,
    Rows,
    Timetable,
    integer_var,
    reads_constants,
    set_constants,
)
from ..population import PoissonPopulation
from ..recording import Recording

# Names and units are those of the integer network (docs/ir.md); run constants come last.
CONSTANTS = {
    "bias": Constant(24, None),
    "self_inhibition": Constant(24, None),
    "loop_inhibition": Constant(24, None),
    "initial_state": Constant(24, None),
    "feedforward_multiplier": Constant(16, None),
    "feedforward_shift": Constant(7, None),
    "lateral_multiplier": Constant(16, None),
    "lateral_shift": Constant(7, None),
    "fraction_bits": Constant(6),
    "extra_bits": Constant(5),
    "state_min": Constant(24),
    "state_max": Constant(24),
    "update_min": Constant(24),
    "excitation_max": Constant(24),
    "max_count": Constant(17),
    "coarse": Constant(33, (256,)),
    "fine": Constant(33, (256,)),
    "reciprocal": Constant(32, (29,)),
    "steps": Constant(21),
    "stride": Constant(3),
    "seed": Constant(33),
    "first_image": Constant(33),
    "image_stride": Constant(33),
}


class Neuron(AbstractProcess):
    """A population of K Poisson neurons that infer one image after another.

    constants: one value or array for each of CONSTANTS, by name. loop_inhibition is 0 in a
    one-layer circuit. Of the run: steps T per image, stride (1, the default, in a one-layer
    circuit, 2 in a two-layer one), seed, first_image and image_stride: for the random draws, the
    images have the indices first_image, first_image + image_stride, ... in the data set.

    Ports (K,): a_in is the feed-forward sum, l_in the lateral one; s_out sends the spike counts.

    held: source of the input current. "spikes": a_in at the second time step of a presentation;
    "bias": the host writes the Var `current` at the first; "residual": a_in is the drive itself,
    at every step. scheduled: receive and send only at the time steps of the timetable (all
    neighbours too), instead of at every one. record: folder of result files (recording.py), or
    None; rows: this population's rows there.
    reports: folder for error reports, or None.

    State to read back: v (membrane potential), current, z (counts last sent), saturated (4,): how
    often a count, the excitation, the inhibition and a potential met their bounds, and overflowed
    (1,): how often a sum or current was clipped to 24 bits.
    """

    def __init__(
        self,
        *,
        held: str = "spikes",
        rows: Rows = EVERY,
        scheduled: bool = False,
        record: str | None = None,
        reports: str | None = None,
        name: str = "neuron",
        **constants: npt.ArrayLike,
    ) -> None:
        super().__init__(
            name=name, held=held, rows=rows, scheduled=scheduled, record=record, reports=reports
        )
        if held not in ("spikes", "bias", "residual"):
            raise ValueError(f"held must be 'spikes', 'bias' or 'residual', not {held!r}")
        shape = np.shape(constants.get("bias", ()))
        self.a_in, self.l_in = InPort(shape=shape), InPort(shape=shape)
        self.s_out = OutPort(shape=shape)
        set_constants(self, CONSTANTS, {"stride": 1, "image_stride": 1, **constants}, shape)
        # State: membrane potential, input current, and the counts last sent.
        self.v = integer_var("v", constants["initial_state"], shape)
        self.current = integer_var("current", np.zeros(shape, np.int64), shape)
        self.z = integer_var("z", np.zeros(shape, np.int64), shape)
        self.saturated = integer_var("saturated", np.zeros(4, np.int64), (4,))
        self.overflowed = integer_var("overflowed", 0)


@implements(proc=Neuron, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
@reads_constants(CONSTANTS)
class NeuronModel(ReportingModel):
    """Fixed-point model, equal to the interpreter count by count."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    l_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    steps: Int64
    stride: Int64
    v: Int64 = LavaPyType(np.ndarray, np.int64, precision=24)
    current: Int64 = LavaPyType(np.ndarray, np.int64, precision=24)
    z: Int64 = LavaPyType(np.ndarray, np.int64, precision=17)
    saturated: Int64 = LavaPyType(np.ndarray, np.int64, precision=32)
    overflowed: Int64 = LavaPyType(np.ndarray, np.int64, precision=32)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.held: str = proc_params["held"]
        self.scheduled: bool = proc_params["scheduled"]
        folder = proc_params["record"]
        self.recording = Recording(Path(folder), proc_params["rows"]) if folder else None
        self.ready = False

    def on_var_update(self) -> None:
        """Read the constants again after the host has set some."""
        self.ready = False

    def prepare(self) -> None:
        """Read the constants once: reading Vars costs more than the arithmetic."""
        self.table = Timetable(int(self.steps[0]), int(self.stride[0]))
        constants = {name: getattr(self, name) for name in CONSTANTS}
        self.population = PoissonPopulation(constants, self.within_range)
        self.silence = np.zeros(self.v.shape, np.int32)
        self.ready = True

    def step(self) -> None:
        """Receive, update, sample, send; record last, while the synapses compute.

        Places in a presentation, with a stride of 1: 0 rests (the image is in transit), 1 receives
        the feed-forward sum and samples z_0, p samples z_(p-1) after the update caused by z_(p-2),
        T + 1 computes the last update. Sums that arrive at other places are discarded.
        """
        if not self.ready:
            self.prepare()
        image, place = self.table.now(self.time_step)
        moved, drawn = self.table.updated(place), self.table.sampled(place)
        drive, lateral = self.receive(place, moved is not None)
        if place == 1:
            self.appear(drive)
        before, saturated = self.z, (0, 0, 0, 0)
        if moved is not None:
            received = self.received(drive, lateral)
            self.v, saturated = self.population.compete(self.v, before, received)
        if drawn is not None:
            self.z = self.population.spike(self.v, image, drawn)
            self.s_out.send(self.z)
        elif not self.scheduled:
            self.s_out.send(self.silence)
        self.saturated = self.saturated + saturated
        if self.recording is not None:
            self.recording.step(
                self.time_step, image, moved, drawn, before, self.z, self.v, saturated
            )
        if drawn is not None and drawn + 1 < self.table.steps:
            self.population.look_ahead(image, drawn + 1)

    def receive(self, place: int, moving: bool) -> tuple[npt.NDArray[np.int32], ...]:
        """Return the feed-forward and the lateral sums of this time step, where there are any."""
        drive = lateral = self.silence
        residual = self.held == "residual"
        if not self.scheduled or (moving if residual else place == 1 and self.held == "spikes"):
            drive = self.a_in.recv()
        if not self.scheduled or (moving and not residual):
            lateral = self.l_in.recv()
        return drive, lateral

    def appear(self, drive: npt.NDArray[np.int32]) -> None:
        """Reset the state, and set the input current of a new image."""
        if self.held == "spikes":
            self.current = self.population.feed(drive)
        elif self.held == "bias":
            self.current = self.within_range(self.current, "current set by the host")
        self.v = self.population.initial_state.copy()

    def received(self, drive: npt.NDArray[np.int32], lateral: npt.NDArray[np.int32]) -> Int64:
        """Return the input current plus the lateral input caused by the counts last sent."""
        if self.held == "residual":
            self.current = self.population.feed(drive)
            return self.current
        return self.current + self.population.inhibit(lateral)
