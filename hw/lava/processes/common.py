"""What the Processes here share: checked integer Vars, and models that report their errors."""

import traceback
from abc import abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from lava.magma.core.model.py.model import PyLoihiProcessModel


def integers(
    name: str, value: npt.ArrayLike, shape: tuple[int, ...]
) -> npt.NDArray[np.integer[Any]]:
    """Return `value` as an integer array of `shape`; TypeError or ValueError if it is none.

    A single number stands for the (1,) array of a constant that a whole population shares.
    """
    array = np.asarray(value)
    if array.ndim == 0:
        array = array.reshape(1)
    if not np.issubdtype(array.dtype, np.integer):
        raise TypeError(f"{name} must hold integers, not {array.dtype}")
    if array.shape != shape:
        raise ValueError(f"{name} must be {shape}, not {array.shape}")
    return array


# Lava is untyped where mypy runs (it needs Python 3.10), so its classes are Any there.
class ReportingModel(PyLoihiProcessModel):
    """A model whose errors end in a file instead of a hanging run.

    Subclasses name their ports and compute one time step; `reports` among the Process's
    parameters is the folder for the report `<Process>.txt`.
    """

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.report = Path(proc_params["reports"], f"{type(self).__name__}.txt")
        self.failed = False

    @abstractmethod
    def ports(self) -> tuple[list[Any], list[Any]]:
        """Return the ports to receive from and those to send to, in order."""

    @abstractmethod
    def step(self, *received: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.integer[Any]], ...]:
        """Return what to send in this time step."""

    def run_spk(self) -> None:
        """Receive, compute and send once; after an error, send zeros."""
        inputs, outputs = self.ports()
        received = [port.recv() for port in inputs]
        sent: tuple[npt.NDArray[np.integer[Any]], ...] = ()
        if not self.failed:
            try:
                sent = self.step(*received)
            # The one broad handler: whatever leaves run_spk hangs Lava's run() for ever (lava-nc
            # issues 83, 178, 231, 247, 850). The report is how the run learns of it.
            except Exception:
                self.failed = True
                text = f"{type(self).__name__}, time step {self.time_step}:\n"
                unfinished = self.report.with_suffix(".part")
                unfinished.write_text(text + traceback.format_exc(), encoding="utf-8")
                unfinished.replace(self.report)
        if self.failed:
            sent = tuple(np.zeros(port.shape, dtype=np.int32) for port in outputs)
        for port, data in zip(outputs, sent, strict=True):
            port.send(data)
