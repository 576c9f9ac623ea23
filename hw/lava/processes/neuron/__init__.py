"""The iP-VAE's Poisson neuron: held current, lateral competition, spike counts by inversion."""

from typing import Any

import numpy as np
import numpy.typing as npt
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

# The folder has another package name in an exported bundle.
from ..arithmetic import (
    Int64,
    check_sum,
    first_uniforms,
    integrate,
    part_uniforms,
    sample,
    scale,
)
from ..common import ReportingModel, integers

STEPS_AT_ONCE = 64  # steps whose uniforms are drawn together; bounds memory, changes no count


class Neuron(AbstractProcess):
    """A population of K Poisson neurons that infer one image after another.

    The names and units are those of the integer program (docs/ir.md). Arrays (K,): bias,
    self_inhibition, initial_state and the multiplier and shift of either connection. Population
    constants (1,): fraction_bits, extra_bits, state_min, state_max, update_min, excitation_max,
    max_count. Tables: coarse (256,), fine (256,), reciprocal (29,). Of the run, (1,): steps T of
    an image, seed, first_image. A presentation takes T + 2 time steps. reports: folder for error
    reports.

    Ports (K,): a_in is the feed-forward sum, l_in the lateral one; s_out sends the spike counts,
    v_out the membrane potential after the update of this time step.
    """

    def __init__(
        self,
        *,
        bias: npt.ArrayLike,
        self_inhibition: npt.ArrayLike,
        initial_state: npt.ArrayLike,
        feedforward_multiplier: npt.ArrayLike,
        feedforward_shift: npt.ArrayLike,
        lateral_multiplier: npt.ArrayLike,
        lateral_shift: npt.ArrayLike,
        fraction_bits: npt.ArrayLike,
        extra_bits: npt.ArrayLike,
        state_min: npt.ArrayLike,
        state_max: npt.ArrayLike,
        update_min: npt.ArrayLike,
        excitation_max: npt.ArrayLike,
        max_count: npt.ArrayLike,
        coarse: npt.ArrayLike,
        fine: npt.ArrayLike,
        reciprocal: npt.ArrayLike,
        steps: npt.ArrayLike,
        seed: npt.ArrayLike,
        first_image: npt.ArrayLike,
        reports: str,
        name: str = "neuron",
    ) -> None:
        super().__init__(name=name, reports=reports)
        shape = np.shape(bias)
        self.a_in, self.l_in = InPort(shape=shape), InPort(shape=shape)
        self.s_out, self.v_out = OutPort(shape=shape), OutPort(shape=shape)

        def var(title: str, value: npt.ArrayLike, wanted: tuple[int, ...] = (1,)) -> Var:
            return Var(shape=wanted, init=integers(title, value, wanted))

        self.bias = var("bias", bias, shape)
        self.self_inhibition = var("self_inhibition", self_inhibition, shape)
        self.initial_state = var("initial_state", initial_state, shape)
        self.feedforward_multiplier = var("feedforward_multiplier", feedforward_multiplier, shape)
        self.feedforward_shift = var("feedforward_shift", feedforward_shift, shape)
        self.lateral_multiplier = var("lateral_multiplier", lateral_multiplier, shape)
        self.lateral_shift = var("lateral_shift", lateral_shift, shape)
        self.fraction_bits = var("fraction_bits", fraction_bits)
        self.extra_bits = var("extra_bits", extra_bits)
        self.state_min = var("state_min", state_min)
        self.state_max = var("state_max", state_max)
        self.update_min = var("update_min", update_min)
        self.excitation_max = var("excitation_max", excitation_max)
        self.max_count = var("max_count", max_count)
        self.coarse = var("coarse", coarse, (256,))
        self.fine = var("fine", fine, (256,))
        self.reciprocal = var("reciprocal", reciprocal, (29,))
        self.steps = var("steps", steps)
        self.seed = var("seed", seed)
        self.first_image = var("first_image", first_image)
        # State: membrane potential, held current, and the counts last sent.
        self.v = var("v", initial_state, shape)
        self.current = var("current", np.zeros(shape, np.int64), shape)
        self.z = var("z", np.zeros(shape, np.int64), shape)


@implements(proc=Neuron, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class NeuronModel(ReportingModel):
    """Fixed-point model, equal to the interpreter count by count.

    Vars are held in 64 bits, so that no product of theirs wraps; `precision` says what they need.
    """

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    l_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    v_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    bias: Int64 = LavaPyType(np.ndarray, np.int64, precision=24)
    self_inhibition: Int64 = LavaPyType(np.ndarray, np.int64, precision=24)
    initial_state: Int64 = LavaPyType(np.ndarray, np.int64, precision=24)
    feedforward_multiplier: Int64 = LavaPyType(np.ndarray, np.int64, precision=16)
    feedforward_shift: Int64 = LavaPyType(np.ndarray, np.int64, precision=7)
    lateral_multiplier: Int64 = LavaPyType(np.ndarray, np.int64, precision=16)
    lateral_shift: Int64 = LavaPyType(np.ndarray, np.int64, precision=7)
    fraction_bits: Int64 = LavaPyType(np.ndarray, np.int64, precision=6)
    extra_bits: Int64 = LavaPyType(np.ndarray, np.int64, precision=5)
    state_min: Int64 = LavaPyType(np.ndarray, np.int64, precision=24)
    state_max: Int64 = LavaPyType(np.ndarray, np.int64, precision=24)
    update_min: Int64 = LavaPyType(np.ndarray, np.int64, precision=24)
    excitation_max: Int64 = LavaPyType(np.ndarray, np.int64, precision=24)
    max_count: Int64 = LavaPyType(np.ndarray, np.int64, precision=17)
    coarse: Int64 = LavaPyType(np.ndarray, np.int64, precision=33)
    fine: Int64 = LavaPyType(np.ndarray, np.int64, precision=33)
    reciprocal: Int64 = LavaPyType(np.ndarray, np.int64, precision=32)
    steps: Int64 = LavaPyType(np.ndarray, np.int64, precision=21)
    seed: Int64 = LavaPyType(np.ndarray, np.int64, precision=33)
    first_image: Int64 = LavaPyType(np.ndarray, np.int64, precision=33)
    v: Int64 = LavaPyType(np.ndarray, np.int64, precision=24)
    current: Int64 = LavaPyType(np.ndarray, np.int64, precision=24)
    z: Int64 = LavaPyType(np.ndarray, np.int64, precision=17)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.uniforms: Int64 = np.empty((0, 0), dtype=np.int64)

    def ports(self) -> tuple[list[Any], list[Any]]:
        """Receive both sums, send counts and potentials."""
        return [self.a_in, self.l_in], [self.s_out, self.v_out]

    def step(self, *received: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.integer[Any]], ...]:
        """Return the counts and the membrane potentials of this time step.

        Places in a presentation: 0 rests (the image is on its way), 1 takes the feed-forward sum
        and samples z_0, p samples z_(p-1) after the update that z_(p-2) caused, T + 1 makes the
        last update. A sum that arrives elsewhere belongs to nothing and is dropped.
        """
        steps = int(self.steps[0])
        image, place = divmod(self.time_step - 1, steps + 2)
        if place == 1:
            self._appear(received[0])
        elif place > 1:
            self._compete(received[1])
        if 1 <= place <= steps:
            self.z = self._sample(int(self.first_image[0]) + image, place - 1)
        else:
            self.z = np.zeros_like(self.z)
        return self.z, self.v

    def _appear(self, total: npt.NDArray[np.int32]) -> None:
        """Start afresh with the current that an image causes."""
        scaled = scale(
            check_sum(total, "feedforward"), self.feedforward_multiplier, self.feedforward_shift
        )
        self.current = scaled + self.bias
        self.v = self.initial_state.copy()

    def _compete(self, total: npt.NDArray[np.int32]) -> None:
        """Update the membrane potential for the counts that were sent a time step ago."""
        scaled = scale(check_sum(total, "lateral"), self.lateral_multiplier, self.lateral_shift)
        self.v = integrate(
            self.v,
            self.current + scaled,
            self.self_inhibition * self.z,
            int(self.extra_bits[0]),
            (int(self.update_min[0]), int(self.excitation_max[0])),
            (int(self.state_min[0]), int(self.state_max[0])),
        )

    def _sample(self, image: int, step: int) -> Int64:
        """Draw the counts of one step; `image` is the index within the data set."""
        seed, row = int(self.seed[0]), step % STEPS_AT_ONCE
        if row == 0:
            n_steps = min(STEPS_AT_ONCE, int(self.steps[0]) - step)
            self.uniforms = first_uniforms(seed, image, step, n_steps, self.v.size)

        def draw(part: Int64, neuron: Int64) -> Int64:
            return part_uniforms(seed, image, step, part, neuron)

        return sample(
            self.v,
            self.uniforms[row],
            draw,
            int(self.fraction_bits[0]),
            int(self.max_count[0]),
            (self.coarse, self.fine, self.reciprocal),
        )
