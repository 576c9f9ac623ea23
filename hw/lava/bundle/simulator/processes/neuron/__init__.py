"""The iP-VAE's Poisson neuron: input current, lateral competition, spike counts by inversion."""

import numpy as np
import numpy.typing as npt
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

# The folder has another package name in an exported bundle.
from ..arithmetic import Int64
from ..arrivals import Input
from ..common import EVERY, Constant, Rows, integer_var, reads_constants
from ..recording import WHOLE, Place
from ..stateful import StatefulModel, set_population

# Names and units are those of the integer network (docs/ir.md); run constants come last.
CONSTANTS = {
    "bias": Constant(24, None),
    "self_inhibition": Constant(24, None),
    "loop_inhibition": Constant(24, None),
    "initial_state": Constant(24, None),
    "multiplier": Constant(16, None, each_input=True),
    "shift": Constant(7, None, each_input=True),
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
    "stride": Constant(12),
    "frames": Constant(21),
    "seed": Constant(33),
    "first_image": Constant(33),
    "image_stride": Constant(33),
    "first_uniform": Constant(32),
}


class Neuron(AbstractProcess):
    """A population of K Poisson neurons that infer one image after another.

    constants: one value or array for each of CONSTANTS, by name; multiplier and shift have a row
    for each connection in `inputs`. loop_inhibition is 0 where no residual neurons are. Of the run:
    steps T per image in all, stride (1, the default, in a one-layer circuit, 2 in a two-layer one),
    frames that share the steps (default 1), seed, first_image and image_stride: for the random
    draws, the images have the indices first_image, first_image + image_stride, ... in the data set;
    first_uniform: index of the first neuron among all that draw.

    Ports (K,): in_0, in_1, ... receive the sums of the connections in `inputs`, in this order;
    s_out sends the spike counts.

    host: the host writes the Var `current`, at the second time step of a presentation or frame;
    then `inputs` lists no connection from the image. scheduled: receive and send only at the time
    steps of the timetable (all neighbours too), instead of at every one. record: folder of result
    files (recording.py), or None; place: this population's part of them, rows: its images there.
    reports: folder for error reports, or None.

    State to read back: v (membrane potential), current, z (counts last sent), saturated (4,): how
    often a count, the excitation, the inhibition and a potential met their bounds, and overflowed
    (1,): how often a sum or current was clipped to 24 bits. sums, waiting: see stateful.py.
    """

    def __init__(
        self,
        *,
        inputs: tuple[Input, ...],
        host: bool = False,
        rows: Rows = EVERY,
        scheduled: bool = False,
        record: str | None = None,
        place: Place = WHOLE,
        reports: str | None = None,
        name: str = "neuron",
        **constants: npt.ArrayLike,
    ) -> None:
        super().__init__(
            name=name,
            inputs=inputs,
            host=host,
            rows=rows,
            scheduled=scheduled,
            record=record,
            place=place,
            reports=reports,
        )
        shape = np.shape(constants.get("bias", ()))
        defaults = {"image_stride": 1, "first_uniform": 0}
        set_population(self, CONSTANTS, {**defaults, **constants}, shape, inputs)
        self.s_out = OutPort(shape=shape)
        # State: membrane potential, input current, the counts last sent, and the sums so far.
        each = (max(len(inputs), 1), *shape)
        self.v = integer_var("v", constants["initial_state"], shape)
        self.current = integer_var("current", np.zeros(shape, np.int64), shape)
        self.z = integer_var("z", np.zeros(shape, np.int64), shape)
        self.sums = integer_var("sums", np.zeros(each, np.int64), each)
        self.waiting = integer_var("waiting", np.zeros(shape, np.int64), shape)
        self.saturated = integer_var("saturated", np.zeros(4, np.int64), (4,))
        self.overflowed = integer_var("overflowed", 0)


@implements(proc=Neuron, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
@reads_constants(CONSTANTS)
class NeuronModel(StatefulModel):
    """Fixed-point model, equal to the interpreter count by count."""

    KIND = "poisson"
    NAMES = tuple(CONSTANTS)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    v: Int64 = LavaPyType(np.ndarray, np.int64, precision=24)
    current: Int64 = LavaPyType(np.ndarray, np.int64, precision=24)
    z: Int64 = LavaPyType(np.ndarray, np.int64, precision=17)
    sums: Int64 = LavaPyType(np.ndarray, np.int64, precision=24)
    waiting: Int64 = LavaPyType(np.ndarray, np.int64, precision=32)
    saturated: Int64 = LavaPyType(np.ndarray, np.int64, precision=32)
    overflowed: Int64 = LavaPyType(np.ndarray, np.int64, precision=32)
