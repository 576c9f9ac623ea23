"""Parts of an integer network (docs/ir.md); each checks its own rules when constructed."""

from dataclasses import dataclass
from typing import ClassVar, Final, Literal, get_args

import numpy as np

from ipvae_snn.arrays import AnyArray, Float32, Int8, Int16, Int32, Int64
from ipvae_snn.errors import brief
from ipvae_snn.image_shape import ImageShape, shape_text
from ipvae_snn.ir.bounds import scale_sum
from ipvae_snn.ir.fixed_point import ACCUMULATOR_BITS, MULTIPLIER_BITS, STATE_BITS, signed_limit
from ipvae_snn.ir.rules import require, require_range, require_type
from ipvae_snn.ir.sampler import MAX_PARTS_LOG2, SPLIT_OCTAVES
from ipvae_snn.ir.weights import Dense, Weights

MIN_FRACTION_BITS: Final = 4
MAX_FRACTION_BITS: Final = 16
MIN_OCTAVES: Final = 15  # potentials lie above -15 + SPLIT_OCTAVES octaves (exponent below 16)
MAX_SHIFT: Final = 40
MAX_EXTRA_BITS: Final = 8
MAX_COUNT_LIMIT: Final = 1 << 15
# Scales in float32 stay far from its limits, so that no pixel and no reconstruction overflows.
MIN_INPUT_SCALE: Final = 2.0**-32
MAX_INPUT_SCALE: Final = 2.0**32
MAX_DECODER_SCALE: Final = 2.0**32

# Constants of each Poisson neuron, as they are stored.
PER_NEURON: Final = ("bias", "self_inhibition", "initial_state")

InputKind = Literal["unit", "standardised"]


@dataclass(frozen=True)
class InputCode:
    """Code of an image as the payload of graded spikes: value = (pixel - zero_point) * scale.

    pixel is uint8; pixel - zero_point is the payload that is sent (0 is not sent).
    """

    image_shape: ImageShape
    kind: InputKind
    scale: float
    zero_point: int

    def __post_init__(self) -> None:
        """Check the rules of an input code."""
        require(0 <= self.zero_point <= 255, f"zero point {self.zero_point} is not in 0..255")
        shape = shape_text(self.image_shape)
        require(
            len(self.image_shape) in (2, 3) and min(self.image_shape) >= 1,
            f"image shape {shape} holds no pixel, or is not height x width (x channels)",
        )
        require(
            MIN_INPUT_SCALE <= self.scale <= MAX_INPUT_SCALE,  # false for NaN too
            f"input scale {self.scale} must be finite and above 0, "
            f"{MIN_INPUT_SCALE:g} to {MAX_INPUT_SCALE:g}",
        )
        require(self.kind in get_args(InputKind), f"input kind {brief(self.kind)} is not known")

    @property
    def payload_range(self) -> tuple[int, int]:
        """Least and largest payload of a graded input spike."""
        return -self.zero_point, 255 - self.zero_point


@dataclass(frozen=True, repr=False)
class Synapses:
    """Weights and the scale of their sums: multiplier and shift, int32 (targets,).

    scaled = (sum * multiplier + 2**(shift - 1)) >> shift, in units of the target.
    """

    weights: Weights
    multiplier: Int32
    shift: Int32

    def __post_init__(self) -> None:
        """Check the rules of a scale; weights check themselves."""
        targets = self.weights.n_targets
        for name, array in (("multiplier", self.multiplier), ("shift", self.shift)):
            require_type(name, array, np.int32, 1)
            require(
                array.shape == (targets,),
                f"{name} has {len(array)} values for {targets} targets",
            )
        largest = (1 << MULTIPLIER_BITS) - 1
        require_range("multipliers", self.multiplier.min(), self.multiplier.max(), 0, largest)
        require_range("shifts", self.shift.min(), self.shift.max(), 1, MAX_SHIFT)

    @classmethod
    def dense(cls, matrix: Int8, multiplier: Int32, shift: Int32) -> "Synapses":
        """Return synapses whose weights are a matrix (targets, sources)."""
        return cls(Dense(matrix), multiplier, shift)

    def __repr__(self) -> str:
        """Return sizes and bits."""
        return f"Synapses({self.n_sources} -> {self.n_targets}, {self.weight_bits} bits)"

    @property
    def matrix(self) -> Int8:
        """The weights as a matrix (targets, sources)."""
        return self.weights.dense()

    @property
    def weight_bits(self) -> int:
        """Bits that the largest weight needs, its sign included."""
        return self.weights.bits

    @property
    def n_targets(self) -> int:
        """Number of targets."""
        return self.weights.n_targets

    @property
    def n_sources(self) -> int:
        """Number of sources."""
        return self.weights.n_sources

    @property
    def n_bytes(self) -> int:
        """Bytes of weights and scale."""
        return self.weights.n_bytes + self.multiplier.nbytes + self.shift.nbytes

    def scaled(self, total: Int64) -> Int64:
        """Return sums (..., targets) int64 in units of the target."""
        return scale_sum(total, self.multiplier, self.shift)

    def arrays(self) -> dict[str, AnyArray]:
        """Return what is stored, by name."""
        return {**self.weights.arrays(), "multiplier": self.multiplier, "shift": self.shift}


@dataclass(frozen=True, repr=False)
class NeuronGroup:
    """Poisson neurons: constants (K,) int32 of each, and the limits that all share.

    bias is in units of the input current, 2**-(fraction_bits + extra_bits) octaves; so is
    self_inhibition, per spike. initial_state, state_min, state_max, update_min and excitation_max
    are in units of the membrane potential, 2**-fraction_bits octaves. Counts saturate at max_count.
    excitation_max bounds what a neuron receives apart from its own self-inhibition. Then no
    activity of the others can lift it above the level at which its own spikes hold it
    (docs/numerics.md). loop_inhibition: what a spike of the neuron takes from its own total through
    residual neurons, in the unit of self_inhibition; None where there are none. It serves only to
    bound excitation.
    """

    kind: ClassVar[str] = "poisson"
    keeps_state: ClassVar[bool] = True

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
    loop_inhibition: Int32 | None = None

    def __post_init__(self) -> None:
        """Check the rules of a neuron group."""
        for name, array in self.per_neuron().items():
            require_type(name.replace("_", " "), array, np.int32, 1)
        bits, extra, limit = self.fraction_bits, self.extra_bits, signed_limit(STATE_BITS)
        require(
            MIN_FRACTION_BITS <= bits <= MAX_FRACTION_BITS,
            f"fraction bits {bits} are not in {MIN_FRACTION_BITS}..{MAX_FRACTION_BITS}",
        )
        require(0 <= extra <= MAX_EXTRA_BITS, f"extra bits {extra} are not in 0..{MAX_EXTRA_BITS}")
        self._require_limits()
        require(
            1 <= self.max_count <= MAX_COUNT_LIMIT,
            f"largest count {self.max_count} is not in 1..{MAX_COUNT_LIMIT}",
        )
        lowest, highest = self.initial_state.min(), self.initial_state.max()
        require(
            lowest >= self.state_min and highest <= self.state_max,
            f"initial states leave {self.state_min}..{self.state_max}",
        )
        require(
            self.self_inhibition.min() >= 0 and self.self_inhibition.max() <= limit,
            f"self-inhibition must lie in 0..{limit}",
        )
        if self.loop_inhibition is not None:
            require_type("loop inhibition", self.loop_inhibition, np.int32, 1)
            require(self.loop_inhibition.min() >= 0, "the loop's inhibition must not be negative")

    def __repr__(self) -> str:
        """Return size and limits, in octaves."""
        unit = 2.0**-self.fraction_bits
        return (
            f"NeuronGroup({len(self.bias)} neurons, potential {self.state_min * unit:g} to "
            f"{self.state_max * unit:g} octaves in 2^-{self.fraction_bits}, counts to "
            f"{self.max_count})"
        )

    @property
    def size(self) -> int:
        """Number of neurons K."""
        return len(self.bias)

    @property
    def sends(self) -> tuple[int, int]:
        """Least and largest spike count."""
        return 0, self.max_count

    @property
    def n_bytes(self) -> int:
        """Bytes of the constants of the single neurons."""
        loop = 0 if self.loop_inhibition is None else self.loop_inhibition.nbytes
        return loop + sum(array.nbytes for array in self.per_neuron().values())

    @property
    def own_inhibition(self) -> Int64:
        """Self-inhibition per spike (K,), the residual loop included."""
        own = self.self_inhibition.astype(np.int64)
        return own if self.loop_inhibition is None else own + self.loop_inhibition

    def shared(self) -> dict[str, int]:
        """Return the constants that all neurons share, by name, in the order of the fields."""
        own = {*PER_NEURON, "loop_inhibition"}
        return {name: int(value) for name, value in vars(self).items() if name not in own}

    def per_neuron(self) -> dict[str, Int32]:
        """Return the constants (K,) of the single neurons, by name."""
        return {name: getattr(self, name) for name in PER_NEURON}

    def _require_limits(self) -> None:
        """Check the limits of the state and of its update against their formats."""
        limit = signed_limit(STATE_BITS)
        lowest = (SPLIT_OCTAVES - MIN_OCTAVES) << self.fraction_bits
        highest = min((SPLIT_OCTAVES + MAX_PARTS_LOG2) << self.fraction_bits, limit)
        require(
            lowest <= self.state_min < self.state_max <= highest,
            f"state limits {self.state_min}..{self.state_max} leave {lowest}..{highest}",
        )
        widest = limit >> self.extra_bits
        require(
            -widest <= self.update_min < 0 < self.excitation_max <= widest,
            f"update limits {self.update_min}..{self.excitation_max} leave -{widest}..{widest}, "
            "or 0 is not between them",
        )


@dataclass(frozen=True)
class ResidualNeurons:
    """`size` neurons that send e = clip(payload - what reaches them, +-limit) in every step.

    payload: of the pixel with the same index, kept while the image is shown.
    """

    kind: ClassVar[str] = "residual"
    keeps_state: ClassVar[bool] = False

    size: int
    limit: int

    def __post_init__(self) -> None:
        """Check the rules of residual neurons."""
        largest = signed_limit(ACCUMULATOR_BITS)
        require(1 <= self.limit <= largest, f"the residual's limit is not in 1..{largest}")

    @property
    def sends(self) -> tuple[int, int]:
        """Least and largest difference."""
        return -self.limit, self.limit

    @property
    def n_bytes(self) -> int:
        """They have no constants of their own."""
        return 0


@dataclass(frozen=True, repr=False)
class Decoder:
    """The read-out on the host: float32(sum of weights (M, K) int16 * count) * scale (M,)."""

    weights: Int16
    scale: Float32

    def __repr__(self) -> str:
        """Return sizes."""
        return f"Decoder({self.weights.shape[1]} -> {self.weights.shape[0]}, int16)"

    def __post_init__(self) -> None:
        """Check the rules of a decoder."""
        require_type("decoder weights", self.weights, np.int16, 2)
        require_type("decoder scale", self.scale, np.float32, 1)
        require(
            ((self.scale >= 0) & (self.scale <= MAX_DECODER_SCALE)).all(),
            f"decoder scales must be finite, not negative, and at most {MAX_DECODER_SCALE:g}",
        )
