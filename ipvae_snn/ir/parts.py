"""Parts of an integer network (docs/ir.md); each checks its own rules when constructed."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np

from ipvae_snn.arrays import AnyArray, Float32, Int8, Int16, Int32, Int64, Integers
from ipvae_snn.errors import brief
from ipvae_snn.image_shape import ImageShape, shape_text
from ipvae_snn.ir.bounds import scale_sum
from ipvae_snn.ir.decoding import SAMPLE, Decoding
from ipvae_snn.ir.fixed_point import MULTIPLIER_BITS
from ipvae_snn.ir.rules import require, require_range, require_type
from ipvae_snn.ir.weights import Dense, Weights

NEURONS: Final = "neurons"  # the population of a circuit that computes
WEIGHT_BITS: Final = 8
MAX_SHIFT: Final = 40
# Scales in float32 stay far from its limits, so that no pixel and no reconstruction overflows.
MIN_INPUT_SCALE: Final = 2.0**-32
MAX_INPUT_SCALE: Final = 2.0**32
MAX_DECODER_SCALE: Final = 2.0**32

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
        require(
            self.weights.stored_bits == WEIGHT_BITS,
            f"weights are int{self.weights.stored_bits}, but those of synapses must be "
            f"int{WEIGHT_BITS}",
        )
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
        return self.weights.dense().astype(np.int8, copy=False)

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
class Decoder:
    """The reconstruction, on the host: float32(weights of up to 16 bits * payload) * scale (M,).

    source: the population that it reads. decoding: what it reads of it, and when.
    """

    weights: Weights
    scale: Float32
    source: str = NEURONS
    decoding: Decoding = SAMPLE

    def __post_init__(self) -> None:
        """Check the rules of a decoder."""
        require_type("decoder scale", self.scale, np.float32, 1)
        require(
            self.scale.shape == (self.weights.n_targets,),
            f"decoder scale is float32{self.scale.shape}, but M={self.weights.n_targets} needs "
            f"float32{(self.weights.n_targets,)}",
        )
        require(
            bool(((self.scale >= 0) & (self.scale <= MAX_DECODER_SCALE)).all()),
            f"decoder scales must be finite, not negative, and at most {MAX_DECODER_SCALE:g}",
        )

    @classmethod
    def dense(cls, matrix: Int16, scale: Float32, source: str = NEURONS) -> "Decoder":
        """Return a decoder whose weights are a matrix (M, K) int16."""
        require_type("decoder weights", matrix, np.int16, 2)
        return cls(Dense(matrix), scale, source)

    def __repr__(self) -> str:
        """Return sizes."""
        sizes = f"{self.weights.n_sources} -> {self.weights.n_targets}"
        return f"Decoder({sizes}, int16, {self.decoding})"

    @property
    def matrix(self) -> Int16:
        """The weights as a matrix (M, K)."""
        return self.weights.dense().astype(np.int16, copy=False)

    @property
    def n_bytes(self) -> int:
        """Bytes of weights and scale."""
        return self.weights.n_bytes + self.scale.nbytes

    def decode(self, payload: Integers, divisor: int = 1) -> Float32:
        """Return the reconstruction (N, M) of payloads (N, K): counts, or numbers like them.

        divisor: payload of one spike, at most 2**12, so that float32 holds it.
        """
        total = self.weights.sums(payload.astype(np.int64))
        return total.astype(np.float32) / np.float32(divisor) * self.scale
