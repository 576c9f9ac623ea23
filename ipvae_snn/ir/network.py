"""The integer network: immutable and versioned (docs/ir.md).

This module does not depend on how a network is stored, exported or run. The parts check their own
rules (parts.py); the rules that relate parts to one another are here.
"""

from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from ipvae_snn.arrays import Array
from ipvae_snn.errors import BackendError
from ipvae_snn.ir.bounds import worst_partial_sum
from ipvae_snn.ir.fixed_point import ACCUMULATOR_BITS, STATE_BITS, signed_limit
from ipvae_snn.ir.parts import (
    Connection,
    Decoder,
    InputCode,
    NeuronGroup,
    Residual,
    require,
    require_type,
)
from ipvae_snn.ir.sampler import SamplerTables
from ipvae_snn.ir.shapes import OfNeurons

VERSION: Final = 2

Circuit = Literal["one-layer", "two-layer"]


@dataclass(frozen=True, repr=False)
class IntegerNetwork:
    """An iP-VAE as a network of integers with M pixels and K neurons, in one of two circuits.

    One-layer: feedforward carries pixels once per image. lateral carries counts and is inhibitory
    where negative; its diagonal is 0, since self-inhibition is a constant of the neuron. Two-layer:
    lateral is None. Residual neurons compare the image with the prediction from the counts, and
    feedforward carries the difference at every step. provenance holds text about the origin of the
    network; no result depends on it.
    """

    input: InputCode
    feedforward: Connection
    lateral: Connection | None
    neurons: NeuronGroup
    decoder: Decoder
    residual: Residual | None = None
    tables: SamplerTables = field(default_factory=SamplerTables)
    provenance: dict[str, str] = field(default_factory=dict)
    version: int = VERSION

    def __post_init__(self) -> None:
        """Check the rules that relate parts; raise ProgramError with the first one broken."""
        require(
            self.version == VERSION,
            f"network version {self.version} is not {VERSION}, the one that this installation runs",
        )
        require(
            (self.lateral is None) != (self.residual is None),
            "a network has either a lateral connection (one-layer) or residual neurons (two-layer)",
        )
        self._check_shapes()
        require(
            self.lateral is None or not np.diagonal(self.lateral.weights).any(),
            "the lateral diagonal must be 0: self-inhibition is a constant of the neuron",
        )
        limit = signed_limit(STATE_BITS)
        require(
            self.own_inhibition.max() <= limit,
            f"self-inhibition, the loop's included, must lie in 0..{limit}",
        )
        self._check_tables()
        self._check_sums()

    def __repr__(self) -> str:
        """Return shape, circuit, bits of each connection's weights, and bytes."""
        height, width = self.input.image_shape
        bits = ", ".join(f"{name} {c.weight_bits} bits" for name, c in self.connections.items())
        return (
            f"IntegerNetwork({height}x{width} pixels, {self.n_neurons} neurons, {self.circuit}, "
            f"{bits}, {self.n_bytes:,} bytes)"
        )

    def _check_shapes(self) -> None:
        """Check that all parts are of M pixels and K neurons."""
        k, m = self.n_neurons, self.n_pixels
        height, width = self.input.image_shape
        require(height * width == m, f"image shape {height}x{width} does not give {m} pixels")
        group, residual = self.neurons, self.residual
        wanted: list[tuple[str, Array, tuple[int, ...]]] = [
            ("bias", group.bias, (k,)),
            ("self-inhibition", group.self_inhibition, (k,)),
            ("initial state", group.initial_state, (k,)),
            ("decoder weights", self.decoder.weights, (m, k)),
            ("decoder scale", self.decoder.scale, (m,)),
        ]
        if self.lateral is not None:
            wanted.append(("lateral weights", self.lateral.weights, (k, k)))
        if residual is not None:
            wanted.append(("loop inhibition", residual.loop_inhibition, (k,)))
            wanted.append(("prediction weights", residual.prediction.weights, (m, k)))
        for name, array, shape in wanted:
            require(
                array.shape == shape,
                f"{name} is {array.dtype}{array.shape}, but K={k}, M={m} need {array.dtype}{shape}",
            )

    def _check_tables(self) -> None:
        """Check that the sampler's tables are those of this version."""
        wanted = SamplerTables()
        for name in ("coarse", "fine", "reciprocal"):
            given: Array = getattr(self.tables, name)
            require_type(f"table {name!r}", given, np.int64, 1)
            require(
                np.array_equal(given, getattr(wanted, name)),
                f"table {name!r} differs from version {VERSION}'s; the file was altered",
            )

    def _check_sums(self) -> None:
        """Check that no sum can leave its accumulator, and no current the state's format."""
        limit = signed_limit(ACCUMULATOR_BITS)
        for name, (connection, low, high) in self.payloads.items():
            bound = worst_partial_sum(connection.weights, low, high)
            worst = int(bound.argmax())
            require(
                bound[worst] <= limit,
                f"the {name} sum of neuron {worst} can reach {bound[worst]}, beyond the "
                f"{ACCUMULATOR_BITS}-bit accumulator's {limit}; convert with smaller weights or "
                "counts",
            )
        current = self.worst_current
        worst = int(current.argmax())
        require(
            current[worst] <= signed_limit(STATE_BITS),
            f"the input current of neuron {worst} can reach {current[worst]}, beyond the "
            f"{STATE_BITS}-bit {signed_limit(STATE_BITS)}; convert with fewer extra bits",
        )

    @property
    def connections(self) -> dict[str, Connection]:
        """The connections by name, in the order in which a step uses them first."""
        return {name: connection for name, (connection, _, _) in self.payloads.items()}

    @property
    def payloads(self) -> dict[str, tuple[Connection, int, int]]:
        """Connections by name, each with the least and the largest payload that it carries."""
        low, high = self.feedforward_range
        result = {"feedforward": (self.feedforward, low, high)}
        if self.lateral is not None:
            result["lateral"] = (self.lateral, 0, self.neurons.max_count)
        if self.residual is not None:
            result["prediction"] = (self.residual.prediction, 0, self.neurons.max_count)
        return result

    @property
    def feedforward_range(self) -> tuple[int, int]:
        """Least and largest payload that the feed-forward connection carries."""
        if self.residual is None:
            return self.input.payload_range
        return -self.residual.limit, self.residual.limit

    @property
    def worst_current(self) -> OfNeurons:
        """Largest magnitude that each neuron's input current can take."""
        low, high = self.feedforward_range
        bound = worst_partial_sum(self.feedforward.weights, low, high)
        scaled = self.feedforward.scaled(bound) + 1
        return scaled + np.abs(self.neurons.bias.astype(np.int64))

    @property
    def circuit(self) -> Circuit:
        """Kind of circuit."""
        return "one-layer" if self.residual is None else "two-layer"

    @property
    def own_inhibition(self) -> OfNeurons:
        """Self-inhibition per spike (K,), the residual loop included."""
        own = self.neurons.self_inhibition.astype(np.int64)
        return own if self.residual is None else own + self.residual.loop_inhibition

    @property
    def n_bytes(self) -> int:
        """Bytes of all parameters, without the sampler's tables, which every network shares."""
        parts: list[object] = [*self.connections.values(), self.neurons, self.decoder]
        parts += [self.residual] if self.residual else []
        values = [value for part in parts for value in vars(part).values()]
        return sum(value.nbytes for value in values if isinstance(value, np.ndarray))

    @property
    def n_pixels(self) -> int:
        """Number of pixels M."""
        return int(self.feedforward.weights.shape[1])

    @property
    def n_neurons(self) -> int:
        """Number of neurons K."""
        return int(self.feedforward.weights.shape[0])


def lateral_of(network: IntegerNetwork, subject: str) -> Connection:
    """Return the lateral connection; a two-layer circuit raises BackendError naming `subject`."""
    if network.lateral is None:
        raise BackendError(
            f"{subject} takes one-layer circuits only, and this network is a two-layer one; "
            "convert with --circuit one-layer"
        )
    return network.lateral
