"""THE WAIST: the immutable integer program and its version (docs/ir.md); its rules: ir_rules.py.

The program does not know how it is stored, exported or run.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from ipvae_snn.errors import BackendError
from ipvae_snn.fixed_point import Int64
from ipvae_snn.float_network import InputKind
from ipvae_snn.sampler import SamplerTables

VERSION: Final = 2
MIN_FRACTION_BITS: Final = 4
MAX_FRACTION_BITS: Final = 16
MIN_OCTAVES: Final = 15  # potentials lie above -15 + SPLIT_OCTAVES octaves (exponent below 16)
MAX_SHIFT: Final = 40
MAX_EXTRA_BITS: Final = 8
MAX_COUNT_LIMIT: Final = 1 << 15
BLOCK_ELEMENTS: Final = 1 << 22  # weights that a check looks at together; bounds its memory

Circuit = Literal["one-layer", "two-layer"]
Int8 = npt.NDArray[np.int8]
Int16 = npt.NDArray[np.int16]
Int32 = npt.NDArray[np.int32]
Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class InputCode:
    """How an image becomes the payload of graded spikes: value = (pixel - zero_point) * scale.

    pixel is uint8; pixel - zero_point is the payload that is sent (0 is not sent).
    """

    image_shape: tuple[int, int]
    kind: InputKind
    scale: float
    zero_point: int


@dataclass(frozen=True)
class Connection:
    """Weights (K, sources) int8; the sum is scaled by multiplier (K,) and shift (K,).

    scaled = (sum * multiplier + 2**(shift - 1)) >> shift, in the held current's units.
    """

    weights: Int8
    multiplier: Int32
    shift: Int32


@dataclass(frozen=True)
class NeuronGroup:
    """Per-neuron constants (K,) int32 and the limits that all neurons share.

    bias is in units of the held current, 2**-(fraction_bits + extra_bits) octaves; so is
    self_inhibition, per spike. initial_state, state_min, state_max, update_min and excitation_max
    are in units of the membrane potential, 2**-fraction_bits octaves. Counts saturate at max_count.
    excitation_max bounds what a neuron receives apart from its own self-inhibition, so that no
    activity of the others can lift it past where its own spikes hold it (docs/numerics.md).
    """

    bias: Int32
    self_inhibition: Int32
    initial_state: Int32
    fraction_bits: int
    extra_bits: int
    state_min: int
    state_max: int
    update_min: int
    excitation_max: int
    max_count: int


@dataclass(frozen=True)
class Residual:
    """The residual neurons of a two-layer circuit: e = clip(payload - prediction, +-limit).

    prediction: weights (M, K), neurons to pixels, scaled into units of the payload.
    loop_inhibition (K,) int32: how much of what comes back through the loop is the neuron's own
    doing, a spike, in units of the held current; it only tells where excitation is bounded.
    """

    prediction: Connection
    limit: int
    loop_inhibition: Int32


@dataclass(frozen=True)
class Decoder:
    """The read-out on the host: float32(sum of weights (M, K) int16 * count) * scale (M,)."""

    weights: Int16
    scale: Float32


@dataclass(frozen=True)
class IntegerNetwork:
    """An iP-VAE as an integer program of M pixels and K neurons, in one of two circuits.

    One-layer: feedforward carries pixels once per image, lateral carries counts and is inhibitory
    where negative; its diagonal is 0, since self-inhibition is the neuron's own. Two-layer:
    lateral is None; residual neurons compare the image with what the counts predict, and
    feedforward carries the difference at every step. provenance holds text about where the
    program came from; nothing that runs depends on it.
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
        """Check every structural rule; raise ProgramError with the first that is broken."""
        from ipvae_snn.ir_rules import check  # it needs the classes of this file

        check(self)

    @property
    def circuit(self) -> Circuit:
        """Which of the two circuits it is."""
        return "one-layer" if self.residual is None else "two-layer"

    @property
    def own_inhibition(self) -> Int64:
        """How much a neuron inhibits itself a spike (K,), through the residual loop included."""
        own = self.neurons.self_inhibition.astype(np.int64)
        return own if self.residual is None else own + self.residual.loop_inhibition

    @property
    def n_pixels(self) -> int:
        """Number of pixels M."""
        return int(self.feedforward.weights.shape[1])

    @property
    def n_neurons(self) -> int:
        """Number of neurons K."""
        return int(self.feedforward.weights.shape[0])


def lateral_of(network: IntegerNetwork, who: str) -> Connection:
    """Return the lateral connection; BackendError if `who` meets a two-layer circuit."""
    if network.lateral is None:
        raise BackendError(
            f"{who} takes one-layer circuits only, and this network is a two-layer one; convert "
            "with --circuit one-layer"
        )
    return network.lateral


def feedforward_range(network: IntegerNetwork) -> tuple[int, int]:
    """Return the least and the largest payload that the feed-forward connection carries."""
    if network.residual is None:
        return payload_range(network.input)
    return -network.residual.limit, network.residual.limit


def payload_range(code: InputCode) -> tuple[int, int]:
    """Return the least and the largest payload of a graded input spike."""
    return -code.zero_point, 255 - code.zero_point


def row_blocks(weights: npt.NDArray[np.generic]) -> Iterator[slice]:
    """Yield the rows of weights (targets, sources) in blocks whose temporaries stay small."""
    rows = max(1, BLOCK_ELEMENTS // max(1, weights.shape[1]))
    for start in range(0, len(weights), rows):
        yield slice(start, start + rows)


def worst_sums(weights: Int8, low: int, high: int) -> tuple[Int64, Int64]:
    """Return per neuron the least and largest sum over all inputs with payloads in [low, high]."""
    positive, negative = np.zeros((2, len(weights)), np.int64)
    for rows in row_blocks(weights):
        block = weights[rows]
        positive[rows] = np.maximum(block, 0).sum(axis=1, dtype=np.int64)
        negative[rows] = np.minimum(block, 0).sum(axis=1, dtype=np.int64)
    return positive * low + negative * high, positive * high + negative * low


def worst_partial_sum(weights: Int8, low: int, high: int) -> Int64:
    """Return per neuron a bound on the magnitude of every partial sum, in any order of arrival.

    A partial sum takes each input or not, so payload 0 is always among the possible ones.
    """
    least, most = worst_sums(weights, min(low, 0), max(high, 0))
    return np.maximum(-least, most)


def worst_current(network: IntegerNetwork) -> Int64:
    """Return per neuron the largest magnitude that the held current can take."""
    low, high = feedforward_range(network)
    bound = worst_partial_sum(network.feedforward.weights, low, high)
    scaled = scale_sum(bound, network.feedforward) + 1
    return scaled + np.abs(network.neurons.bias.astype(np.int64))


def scale_sum(total: Int64, connection: Connection) -> Int64:
    """Return (total * multiplier + half) >> shift; total is (..., K) int64."""
    shift = connection.shift.astype(np.int64)
    half = np.left_shift(np.int64(1), shift - 1)
    return np.asarray((total * connection.multiplier.astype(np.int64) + half) >> shift)
