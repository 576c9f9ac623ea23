"""The accumulator: it adds up what reaches it while an image is shown (docs/ir.md)."""

from typing import Any

import numpy as np
import numpy.typing as npt
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.type import LavaPyType
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
    "multiplier": Constant(16, None, each_input=True),
    "shift": Constant(7, None, each_input=True),
    "steps": Constant(21),
    "stride": Constant(12),
    "frames": Constant(21),
}


class Accumulator(AbstractProcess):
    """A population of accumulators, whose states v (n,) are the scores of classes.

    constants: one value or array for each of CONSTANTS, by name. Ports, the other parameters and
    the state to read back are those of the Process `Neuron`; but nothing is sent.
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
        name: str = "accumulator",
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
        set_population(self, CONSTANTS, constants, shape, inputs)
        # State: scores, input current, and the sums so far.
        each = (max(len(inputs), 1), *shape)
        self.v = integer_var("v", np.zeros(shape, np.int64), shape)
        self.current = integer_var("current", np.zeros(shape, np.int64), shape)
        self.sums = integer_var("sums", np.zeros(each, np.int64), each)
        self.waiting = integer_var("waiting", np.zeros(shape, np.int64), shape)
        self.saturated = integer_var("saturated", np.zeros(4, np.int64), (4,))
        self.overflowed = integer_var("overflowed", 0)


@implements(proc=Accumulator, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
@reads_constants(CONSTANTS)
class AccumulatorModel(StatefulModel):
    """Fixed-point model, equal to the interpreter score by score."""

    KIND = "accumulator"
    NAMES = tuple(CONSTANTS)
    v: Int64 = LavaPyType(np.ndarray, np.int64, precision=24)
    current: Int64 = LavaPyType(np.ndarray, np.int64, precision=24)
    sums: Int64 = LavaPyType(np.ndarray, np.int64, precision=24)
    waiting: Int64 = LavaPyType(np.ndarray, np.int64, precision=32)
    saturated: Int64 = LavaPyType(np.ndarray, np.int64, precision=32)
    overflowed: Int64 = LavaPyType(np.ndarray, np.int64, precision=32)

    def prepare(self) -> None:
        """Read the constants once."""
        super().prepare()
        self.z = np.zeros(self.v.shape, np.int64)

    def emit(self, payload: npt.NDArray[np.integer[Any]]) -> None:
        """Send nothing."""
