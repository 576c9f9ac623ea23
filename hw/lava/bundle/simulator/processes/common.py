"""Common parts of the Processes: checked integer Vars, the timetable, and reporting models."""

import traceback
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.variable import Var

Int64 = npt.NDArray[np.int64]
RANGE_MAX = (1 << 23) - 1  # 24 bits, signed: synaptic sums, payloads, currents, potentials


def integers(
    name: str, value: npt.ArrayLike, shape: tuple[int, ...]
) -> npt.NDArray[np.integer[Any]]:
    """Return `value` as an integer array of `shape`; TypeError or ValueError if it is not one.

    A single number is accepted for a (1,) array: a constant of the whole population.
    """
    array = np.asarray(value)
    if array.ndim == 0:
        array = array.reshape(1)
    if not np.issubdtype(array.dtype, np.integer):
        raise TypeError(f"{name} must hold integers, not {array.dtype}")
    if array.shape != shape:
        raise ValueError(f"{name} must be {shape}, not {array.shape}")
    return array


def integer_var(name: str, value: npt.ArrayLike, shape: tuple[int, ...] = (1,)) -> Any:
    """Return a Var of `shape` with the initial `value`; raises as `integers` does."""
    return Var(shape=shape, init=integers(name, value, shape))


@dataclass(frozen=True)
class Constant:
    """A Var that is constant in a run: the bits of its values, sign included, and its shape.

    shape None: one value per neuron of the population; each_input: for each connection to it.
    """

    precision: int
    shape: tuple[int, ...] | None = (1,)
    each_input: bool = False


def set_constants(
    process: Any,
    declared: Mapping[str, Constant],
    values: Mapping[str, npt.ArrayLike],
    neurons: tuple[int, ...],
    inputs: int = 0,
) -> None:
    """Give a Process one Var per declared constant; TypeError for a missing or unknown one."""
    subject = type(process).__name__
    for name in sorted(values.keys() - declared.keys()):
        raise TypeError(f"{subject}.__init__() got an unexpected keyword argument {name!r}")
    missing = [name for name in declared if name not in values]
    if missing:
        raise TypeError(f"{subject}.__init__() misses the constants {', '.join(missing)}")
    for name, constant in declared.items():
        shape = neurons if constant.shape is None else constant.shape
        shape = (max(inputs, 1), *shape) if constant.each_input else shape
        setattr(process, name, integer_var(name, values[name], shape))


def reads_constants(declared: Mapping[str, Constant]) -> Callable[[type], type]:
    """Give a model the Lava type of each declared constant.

    Values are stored in 64 bits, so that no product wraps; `precision` states the bits they
    need.
    """

    def declare(model: type) -> type:
        for name, constant in declared.items():
            setattr(model, name, LavaPyType(np.ndarray, np.int64, precision=constant.precision))
        return model

    return declare


@dataclass(frozen=True)
class Timetable:
    """Schedule of a presentation: an image has `steps` steps of `stride` time steps each.

    A presentation takes stride x steps + 2 time steps, its places. At place 0 the image arrives
    and neurons rest. z_t is sent at place 1 + stride t. The update caused by z_t is computed
    stride places later, before z_(t+1) is sampled. A moving image has `frames`, which share the
    steps; each arrives one place before the first of its steps is sampled.
    """

    steps: int
    stride: int
    frames: int = 1

    @property
    def length(self) -> int:
        """Time steps of a presentation."""
        return self.stride * self.steps + 2

    def now(self, time_step: int) -> tuple[int, int]:
        """Return the image, counted from 0, and the place of its presentation."""
        return divmod(time_step - 1, self.length)

    def sampled(self, place: int) -> int | None:
        """Return the step whose counts are sampled and sent at `place`, if any."""
        step, rest = divmod(place - 1, self.stride)
        return step if place >= 1 and rest == 0 and step < self.steps else None

    def updated(self, place: int) -> int | None:
        """Return the step whose counts move the membrane potentials at `place`, if any."""
        step, rest = divmod(place - 1, self.stride)
        return step - 1 if place > 1 and rest == 0 else None

    def arrives(self, place: int, delay: int) -> int | None:
        """Return the step whose sums arrive at `place`, `delay` places after its counts left."""
        return self.sampled(place - delay)

    def sent(self, place: int) -> int | None:
        """Return the frame that the source sends at `place`, if any."""
        return self.appears(place + 1)

    def appears(self, place: int) -> int | None:
        """Return the frame that neurons see from `place` on, if it begins there."""
        step = self.sampled(place)
        if step is None or step * self.frames % self.steps:
            return None
        return step * self.frames // self.steps


@dataclass(frozen=True)
class Rows:
    """Rows of a file for the presentations of a population: first, first + stride, ...

    Each of R replicas of a network takes every R-th image.
    """

    first: int = 0
    stride: int = 1

    def row(self, presentation: int) -> int:
        """Return the row of a presentation, counted from 0."""
        return self.first + self.stride * presentation


EVERY: Final = Rows()


# Lava is untyped where mypy runs (it needs Python 3.10), so its classes are Any there.
class ReportingModel(PyLoihiProcessModel):
    """A model that writes its errors to a file, since in Lava an error hangs the run for ever.

    Subclasses compute one time step in `step`. `reports` among the Process's parameters is the
    folder for the report `<Model>.txt`, or None: then only Lava shows the error.
    """

    overflowed: Int64  # (1,): number of values clipped to 24 bits

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        reports = proc_params.get("reports")
        self.report = Path(reports, f"{type(self).__name__}.txt") if reports else None

    @abstractmethod
    def step(self) -> None:
        """Receive, compute and send in one time step."""

    def run_spk(self) -> None:
        """Compute this time step; report an error, then raise it."""
        self.reporting(self.step)

    def reporting(self, action: Callable[[], None]) -> None:
        """Call `action`; report an error, then raise it."""
        try:
            action()
        # The one broad handler: any exception in a phase makes Lava's run() wait for ever (lava-nc
        # issues 83, 178, 231, 247, 850). The run reads the report.
        except Exception:
            if self.report is not None:
                text = f"{type(self).__name__}, time step {self.time_step}:\n"
                unfinished = self.report.with_suffix(".part")
                unfinished.write_text(text + traceback.format_exc(), encoding="utf-8")
                unfinished.replace(self.report)
            raise

    def within_range(
        self, values: npt.NDArray[np.integer[Any]], what: str, counter: str = "overflowed"
    ) -> Int64:
        """Return `values` (n,) as int64, clipped to signed 24 bits; Lava itself does not check.

        Each clip is counted in the Var `counter`. A run by run.py (with a folder for reports)
        stops with OverflowError instead: conversion proves that no clip can occur.
        """
        wide = values.astype(np.int64)
        beyond = np.abs(wide) > RANGE_MAX
        if beyond.any():
            if self.report is not None:
                worst = int(np.abs(wide).argmax())
                raise OverflowError(
                    f"the {what} of neuron {worst} is {wide[worst]}, beyond the {RANGE_MAX} of 24 "
                    "bits; the network was altered, or its proof is wrong"
                )
            setattr(self, counter, getattr(self, counter) + np.count_nonzero(beyond))
            wide = np.clip(wide, -RANGE_MAX, RANGE_MAX)
        return wide
