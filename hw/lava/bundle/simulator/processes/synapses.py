"""Fast model of Lava's stock `Dense`: the same sums, computed from active sources only.

Not in a Process's folder, since the Process is Lava's. Name it in a run configuration:
exception_proc_model_map={Dense: SynapsesModel}.
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
from lava.proc.dense.process import Dense
from lava.utils.weightutils import clip_weights, determine_sign_mode, truncate_weights

from .common import EVERY, ReportingModel, Rows
from .weights import Synapses, synapses_of


@implements(proc=Dense, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class SynapsesModel(ReportingModel):
    """Fixed-point model of Dense that equals Lava's PyDenseModelBitAcc sum by sum.

    It saturates at 32 bits where that one wraps. Further keyword arguments of Dense, which Lava
    passes on: `reports`, a folder for error reports; `places` = (first, stride, last, length):
    messages come only at these places of every presentation of `length` time steps, and their
    sums are received one time step later, by agreement of both ends (without it: every time step
    has a message and sums, as in Lava); `record`, with `places`: a .npy file (N, 3) int64 for the
    messages, synaptic operations, and those by payload of every presentation, in `rows`.
    """

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    a_buff: npt.NDArray[np.int32] = LavaPyType(np.ndarray, np.int32, precision=24)
    weights: npt.NDArray[np.int32] = LavaPyType(np.ndarray, np.int32, precision=8)
    num_message_bits: npt.NDArray[np.int64] = LavaPyType(np.ndarray, int, precision=5)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.places: tuple[int, int, int, int] | None = proc_params.get("places")
        path = proc_params.get("record")
        self.rows: Rows = proc_params.get("rows", EVERY)
        self.record = np.load(Path(path), mmap_mode="r+") if path else None
        self.synapses: Synapses | None = None

    def prepare(self) -> Synapses:
        """Truncate the weights as Lava does."""
        options = self.proc_params
        mode = options.get("sign_mode") or determine_sign_mode(self.weights)
        weights = clip_weights(self.weights, mode, num_bits=8)
        self.weights = truncate_weights(weights, mode, options.get("num_weight_bits", 8))
        self.synapses = synapses_of(self.weights, int(options.get("weight_exp", 0)))
        return self.synapses

    def step(self) -> None:
        """Send sums and receive messages: a_out is one time step behind s_in."""
        if self.places is None:
            self.a_out.send(self.a_buff)
            self.a_buff = self.sums()
            return
        first, stride, last, length = self.places
        presentation, place = divmod(self.time_step - 1, length)
        if first <= place <= last and (place - first) % stride == 0:
            # Sent now and received one time step later, so the receiver never waits.
            self.a_out.send(self.sums(presentation))

    def sums(self, presentation: int = 0) -> npt.NDArray[np.int32]:
        """Return the sums of the message that arrives now, and record its operations."""
        synapses = self.synapses or self.prepare()
        message = self.s_in.recv()
        if not self.num_message_bits[0]:
            message = message.astype(bool).astype(np.int32)
        if self.record is not None and self.places is not None:
            row = self.rows.row(presentation)
            if row < len(self.record):
                self.record[row] += synapses.cost(message)
        return synapses.sums(message)
