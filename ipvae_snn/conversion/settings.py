"""Settings of a conversion."""

from dataclasses import dataclass
from typing import Final

from ipvae_snn.errors import ConversionError
from ipvae_snn.ir.circuits import Circuit
from ipvae_snn.ir.decoding import SAMPLE, Decoding
from ipvae_snn.ir.neurons.poisson import MAX_FRACTION_BITS, MIN_FRACTION_BITS

MIN_WEIGHT_BITS: Final = 2
MAX_WEIGHT_BITS: Final = 8


@dataclass(frozen=True)
class ConversionSettings:
    """Settings of a conversion.

    feedforward_bits, lateral_bits: weight bits (2..8) of the feed-forward connection, and of the
    lateral (two-layer circuit: prediction) connection. fraction_bits: of the potential (4..16).
    sparsity: share of lateral weights set to zero, in [0, 1). decoding: of the reconstruction.
    """

    feedforward_bits: int = 8
    lateral_bits: int = 8
    fraction_bits: int = 12
    circuit: Circuit = "one-layer"
    sparsity: float = 0.0
    decoding: Decoding = SAMPLE

    def __post_init__(self) -> None:
        """Raise ConversionError for settings that an integer network cannot have."""
        for name, bits in (
            ("feedforward", self.feedforward_bits),
            ("lateral", self.lateral_bits),
        ):
            if not MIN_WEIGHT_BITS <= bits <= MAX_WEIGHT_BITS:
                raise ConversionError(
                    f"{name} weights of {bits} bits are not possible; an integer network holds "
                    f"signed weights of {MIN_WEIGHT_BITS} to {MAX_WEIGHT_BITS} bits"
                )
        if not MIN_FRACTION_BITS <= self.fraction_bits <= MAX_FRACTION_BITS:
            raise ConversionError(
                f"{self.fraction_bits} fraction bits are not possible; "
                f"give {MIN_FRACTION_BITS} to {MAX_FRACTION_BITS}"
            )
        if not 0.0 <= self.sparsity < 1.0:
            raise ConversionError(
                f"a sparsity of {self.sparsity} is not possible; give a share from 0 to below 1"
            )
        if self.sparsity and self.circuit == "two-layer":
            raise ConversionError(
                "a two-layer circuit has no lateral weights to set to zero; leave --sparsity out, "
                "or convert with --circuit one-layer"
            )
