"""What every kind of neurons answers, and what it does in a step; states and sums are int64.

A kind is one class in one file and one line in `registry`. Its methods are pure: states go in and
come out. Shapes: N images, `size` neurons.
"""

from collections.abc import Callable
from typing import Annotated, ClassVar, Literal, Protocol

from ipvae_snn.arrays import AnyArray, Int64
from ipvae_snn.ir.shapes import PerImage, Saturated

# computes: keeps a state and sends in every step. relays: keeps none, sends at once what its sums
# make of the image. accumulates: keeps a state and sends nothing.
Role = Literal["computes", "relays", "accumulates"]
OfPopulation = Annotated[Int64, "N size"]
# Uniforms (N, size) of the part `part` of a step's draw, in [0, 2**31).
Draw = Callable[[int], OfPopulation]


class Neurons(Protocol):
    """The constants of a population's neurons, of one kind."""

    kind: ClassVar[str]
    role: ClassVar[Role]
    draws: ClassVar[bool]  # whether `send` takes uniforms

    @property
    def size(self) -> int:
        """Number of neurons."""

    @property
    def sends(self) -> tuple[int, int]:
        """Least and largest payload of a spike."""

    @property
    def n_bytes(self) -> int:
        """Bytes of all constants of the single neurons."""

    def shared(self) -> dict[str, int]:
        """Return the constants that all neurons share, by name."""

    def per_neuron(self) -> dict[str, AnyArray]:
        """Return the constants of the single neurons, by name, as they are stored."""


class Stateful(Neurons, Protocol):
    """Neurons that keep a state: they send from it, and integrate the sums of the same step."""

    def initial(self, n_images: int) -> OfPopulation:
        """Return the states when an image appears."""

    def send(self, state: OfPopulation, draw: Draw) -> OfPopulation:
        """Return the payloads that leave the states; 0 is not sent."""

    def integrate(
        self, state: OfPopulation, total: OfPopulation, sent: OfPopulation
    ) -> tuple[OfPopulation, Saturated]:
        """Return the states after the scaled sums `total`, and what saturated, by SATURATIONS."""

    def worst_current(self, once: Annotated[Int64, "size"]) -> Annotated[Int64, "size"]:
        """Return the largest magnitude of the constant part of the total.

        once: that of the sums of the image and of relays.
        """


class Relaying(Neurons, Protocol):
    """Neurons without a state, one for each pixel."""

    def relay(self, shown: OfPopulation, total: OfPopulation) -> tuple[OfPopulation, PerImage]:
        """Return the payloads for the image's payloads and the scaled sums; and how many clip."""
