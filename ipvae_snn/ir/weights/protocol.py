"""What every kind of weights answers; sums are exact, in int64."""

from typing import Annotated, ClassVar, Protocol

from ipvae_snn.arrays import AnyArray, Int8, Int16, Int64
from ipvae_snn.ir.shapes import OfSources, OfTargets


class Weights(Protocol):
    """Weights from `n_sources` to `n_targets`, signed: int8, or int16 in a decoder."""

    kind: ClassVar[str]

    @property
    def n_targets(self) -> int:
        """Number of targets."""

    @property
    def n_sources(self) -> int:
        """Number of sources."""

    @property
    def bits(self) -> int:
        """Bits that the largest weight needs, its sign included."""

    @property
    def stored_bits(self) -> int:
        """Bits of a weight as it is stored: 8, or 16 in a decoder."""

    @property
    def n_bytes(self) -> int:
        """Bytes that the weights take as they are stored."""

    def sums(self, payload: Annotated[Int64, "N sources"]) -> Annotated[Int64, "N targets"]:
        """Return the exact sums that a payload causes."""

    def worst_sums(self, low: int, high: int) -> tuple[OfTargets, OfTargets]:
        """Return the least and the largest sum per target, over payloads in [low, high]."""

    def fan_in(self) -> OfTargets:
        """Return the number of weights of each target that are not 0."""

    def fan_out(self) -> OfSources:
        """Return the number of weights of each source that are not 0."""

    def dense(self) -> Annotated[Int8 | Int16, "targets sources"]:
        """Return all weights as a matrix."""

    def arrays(self) -> dict[str, AnyArray]:
        """Return the arrays that the weights are stored as, by name."""

    def shared(self) -> dict[str, int]:
        """Return the numbers that are stored beside the arrays, by name."""

    def diagonal(self) -> OfSources:
        """Return the weight of each source to the target of its own index; sizes are equal."""
