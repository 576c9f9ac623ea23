"""THE WAIST: the immutable integer program, its version and its structural rules (docs/ir.md).

The program does not know how it is stored, exported or run.
"""

from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from ipvae_snn.errors import BackendError, ProgramError
from ipvae_snn.fixed_point import ACCUMULATOR_BITS, MULTIPLIER_BITS, STATE_BITS, Int64, signed_limit
from ipvae_snn.float_network import InputKind
from ipvae_snn.sampler import MAX_PARTS_LOG2, SPLIT_OCTAVES, SamplerTables

VERSION: Final = 2
MIN_FRACTION_BITS: Final = 4
MAX_FRACTION_BITS: Final = 16
MIN_OCTAVES: Final = 15  # potentials lie above -15 + SPLIT_OCTAVES octaves (exponent below 16)
MAX_SHIFT: Final = 40
MAX_EXTRA_BITS: Final = 8
MAX_COUNT_LIMIT: Final = 1 << 15

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
        _check_shapes(self)
        _check_input(self.input)
        _check_neurons(self)
        _check_tables(self.tables)
        _check_accumulators(self)

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
            f"{who} runs one-layer circuits only, and this network is a two-layer one; convert "
            "with --circuit one-layer, or use --backend reference, compiled, torch or onnx"
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


def worst_sums(weights: Int8, low: int, high: int) -> tuple[Int64, Int64]:
    """Return per neuron the least and largest sum over all inputs with payloads in [low, high]."""
    wide = weights.astype(np.int64)
    positive, negative = np.maximum(wide, 0).sum(axis=1), np.minimum(wide, 0).sum(axis=1)
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


def _require(holds: bool | np.bool_, message: str) -> None:
    if not holds:
        raise ProgramError(message)


def _check_shapes(network: IntegerNetwork) -> None:
    _require(
        network.version == VERSION,
        f"program version {network.version} is not {VERSION}, the one that this installation runs",
    )
    _require(network.feedforward.weights.ndim == 2, "feedforward weights must have two axes (K, M)")
    k, m = network.feedforward.weights.shape
    _require(k >= 1 and m >= 1, f"a program needs neurons and pixels, not {k} and {m}")
    height, width = network.input.image_shape
    _require(height * width == m, f"image shape {height}x{width} does not give {m} pixels")
    _require(
        (network.lateral is None) != (network.residual is None),
        "a program has either a lateral connection (one-layer) or residual neurons (two-layer)",
    )
    group = network.neurons
    wanted: list[tuple[str, npt.NDArray[np.generic], tuple[int, ...], type[np.generic]]] = [
        ("bias", group.bias, (k,), np.int32),
        ("self-inhibition", group.self_inhibition, (k,), np.int32),
        ("initial state", group.initial_state, (k,), np.int32),
        ("decoder weights", network.decoder.weights, (m, k), np.int16),
        ("decoder scale", network.decoder.scale, (m,), np.float32),
    ]
    if network.residual is not None:
        wanted.append(("loop inhibition", network.residual.loop_inhibition, (k,), np.int32))
    for name, connection, targets in _connections(network):
        wanted += [
            (f"{name} weights", connection.weights, (targets, _sources(name, k, m)), np.int8),
            (f"{name} multiplier", connection.multiplier, (targets,), np.int32),
            (f"{name} shift", connection.shift, (targets,), np.int32),
        ]
    for name, array, shape, dtype in wanted:
        _require(
            array.shape == shape and array.dtype == dtype,
            f"{name} is {array.dtype}{array.shape}, but K={k}, M={m} need {np.dtype(dtype)}{shape}",
        )
    for name, connection, _ in _connections(network):
        lowest = int(connection.weights.min())
        _require(lowest >= -127, f"{name} weights reach {lowest}; a symmetric int8 stops at -127")
        multiplier, shift = connection.multiplier, connection.shift
        _require(
            multiplier.min() >= 0 and multiplier.max() < 1 << MULTIPLIER_BITS,
            f"{name} multipliers {multiplier.min()}..{multiplier.max()} leave "
            f"0..{(1 << MULTIPLIER_BITS) - 1}",
        )
        _require(
            shift.min() >= 1 and shift.max() <= MAX_SHIFT,
            f"{name} shifts {shift.min()}..{shift.max()} leave 1..{MAX_SHIFT}",
        )
    _require(
        network.lateral is None or not np.diagonal(network.lateral.weights).any(),
        "the lateral diagonal must be 0: self-inhibition is the neuron's own",
    )
    _require(
        network.residual is None or 1 <= network.residual.limit <= signed_limit(ACCUMULATOR_BITS),
        f"the residual's limit is not in 1..{signed_limit(ACCUMULATOR_BITS)}",
    )
    _require(
        np.isfinite(network.decoder.scale).all() and (network.decoder.scale >= 0).all(),
        "decoder scales must be finite and not negative",
    )


def _connections(network: IntegerNetwork) -> list[tuple[str, Connection, int]]:
    """Return the name, the connection and the number of targets of all that the circuit has."""
    found = [("feedforward", network.feedforward, network.n_neurons)]
    if network.lateral is not None:
        found.append(("lateral", network.lateral, network.n_neurons))
    if network.residual is not None:
        found.append(("prediction", network.residual.prediction, network.n_pixels))
    return found


def _sources(name: str, k: int, m: int) -> int:
    return m if name == "feedforward" else k


def _check_input(code: InputCode) -> None:
    _require(0 <= code.zero_point <= 255, f"zero point {code.zero_point} is not in 0..255")
    _require(
        np.isfinite(code.scale) and code.scale > 0,
        f"input scale {code.scale} must be finite and above 0",
    )
    _require(code.kind in ("unit", "standardised"), f"input kind {code.kind!r} is not known")


def _check_neurons(network: IntegerNetwork) -> None:
    group = network.neurons
    bits, limit = group.fraction_bits, signed_limit(STATE_BITS)
    _require(
        MIN_FRACTION_BITS <= bits <= MAX_FRACTION_BITS,
        f"fraction bits {bits} are not in {MIN_FRACTION_BITS}..{MAX_FRACTION_BITS}",
    )
    _require(
        0 <= group.extra_bits <= MAX_EXTRA_BITS,
        f"extra bits {group.extra_bits} are not in 0..{MAX_EXTRA_BITS}",
    )
    lowest = (SPLIT_OCTAVES - MIN_OCTAVES) << bits
    highest = (SPLIT_OCTAVES + MAX_PARTS_LOG2) << bits
    _require(
        lowest <= group.state_min < group.state_max <= min(highest, limit),
        f"state limits {group.state_min}..{group.state_max} leave {lowest}..{min(highest, limit)}",
    )
    widest = limit >> group.extra_bits
    _require(
        -widest <= group.update_min < 0 < group.excitation_max <= widest,
        f"update limits {group.update_min}..{group.excitation_max} leave -{widest}..{widest}, or "
        "0 is not between them",
    )
    _require(
        1 <= group.max_count <= MAX_COUNT_LIMIT,
        f"largest count {group.max_count} is not in 1..{MAX_COUNT_LIMIT}",
    )
    _require(
        group.initial_state.min() >= group.state_min
        and group.initial_state.max() <= group.state_max,
        f"initial states leave {group.state_min}..{group.state_max}",
    )
    _require(
        group.self_inhibition.min() >= 0 and network.own_inhibition.max() <= limit,
        f"self-inhibition, the loop's included, must lie in 0..{limit}",
    )
    _require(
        network.residual is None or network.residual.loop_inhibition.min() >= 0,
        "the loop's inhibition must not be negative",
    )


def _check_tables(tables: SamplerTables) -> None:
    wanted = SamplerTables()
    for name in ("coarse", "fine", "reciprocal"):
        found = getattr(tables, name)
        _require(
            np.array_equal(found, getattr(wanted, name)),
            f"table {name!r} differs from version {VERSION}'s; the file was altered",
        )


def _check_accumulators(network: IntegerNetwork) -> None:
    limit = signed_limit(ACCUMULATOR_BITS)
    for name, connection, _ in _connections(network):
        low, high = feedforward_range(network)
        if name != "feedforward":
            low, high = 0, network.neurons.max_count
        bound = worst_partial_sum(connection.weights, low, high)
        worst = int(bound.argmax())
        _require(
            bound[worst] <= limit,
            f"the {name} sum of neuron {worst} can reach {bound[worst]}, beyond the "
            f"{ACCUMULATOR_BITS}-bit accumulator's {limit}; convert with smaller weights or counts",
        )
    current = worst_current(network)
    worst = int(current.argmax())
    _require(
        current[worst] <= signed_limit(STATE_BITS),
        f"the held current of neuron {worst} can reach {current[worst]}, beyond the "
        f"{STATE_BITS}-bit {signed_limit(STATE_BITS)}; convert with fewer extra bits",
    )
