"""The LCA neuron: a leaky integrator with a soft threshold (docs/ir.md)."""

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
    "threshold": Constant(24, None),
    "multiplier": Constant(16, None, each_input=True),
    "shift": Constant(7, None, each_input=True),
    "leak_shift": Constant(5),
    "payload_shift": Constant(6),
    "max_payload": Constant(16),
    "state_max": Constant(24),
    "steps": Constant(21),
    "stride": Constant(12),
    "frames": Constant(21),
}


class Lca(AbstractProcess):
    """A population of K LCA neurons that infer one image after another.

    constants: one value or array for each of CONSTANTS, by name. Ports, the other parameters and
    the state to read back are those of the Process `Neuron`; s_out sends the payloads.
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
        name: str = "lca",
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
        shape = np.shape(constants.get("threshold", ()))
        set_population(self, CONSTANTS, constants, shape, inputs)
        self.s_out = OutPort(shape=shape)
        # State: membrane potential, input current, the payloads last sent, and the sums so far.
        each = (max(len(inputs), 1), *shape)
        self.v = integer_var("v", np.zeros(shape, np.int64), shape)
        self.current = integer_var("current", np.zeros(shape, np.int64), shape)
        self.z = integer_var("z", np.zeros(shape, np.int64), shape)
        self.sums = integer_var("sums", np.zeros(each, np.int64), each)
        self.waiting = integer_var("waiting", np.zeros(shape, np.int64), shape)
        self.saturated = integer_var("saturated", np.zeros(4, np.int64), (4,))
        self.overflowed = integer_var("overflowed", 0)


@implements(proc=Lca, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
@reads_constants(CONSTANTS)
class LcaModel(StatefulModel):
    """Fixed-point model, equal to the interpreter payload by payload."""

    KIND = "lca"
    NAMES = tuple(CONSTANTS)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    v: Int64 = LavaPyType(np.ndarray, np.int64, precision=24)
    current: Int64 = LavaPyType(np.ndarray, np.int64, precision=24)
    z: Int64 = LavaPyType(np.ndarray, np.int64, precision=16)
    sums: Int64 = LavaPyType(np.ndarray, np.int64, precision=24)
    waiting: Int64 = LavaPyType(np.ndarray, np.int64, precision=32)
    saturated: Int64 = LavaPyType(np.ndarray, np.int64, precision=32)
    overflowed: Int64 = LavaPyType(np.ndarray, np.int64, precision=32)
