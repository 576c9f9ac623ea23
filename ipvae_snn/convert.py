"""Old path of `ipvae_snn.conversion.convert`, kept for one version; callable as `api.convert`."""

from ipvae_snn.callable_module import make_callable
from ipvae_snn.conversion.convert import (
    DECODER_LEVELS,
    DECODER_RIDGE,
    HEADROOM_OCTAVES,
    MAX_WEIGHT_BITS,
    MIN_WEIGHT_BITS,
    MORE_OCTAVES,
    RARE,
    WEAK_SHARE,
    ConversionSettings,
    convert,
)

__all__ = [
    "DECODER_LEVELS",
    "DECODER_RIDGE",
    "HEADROOM_OCTAVES",
    "MAX_WEIGHT_BITS",
    "MIN_WEIGHT_BITS",
    "MORE_OCTAVES",
    "RARE",
    "WEAK_SHARE",
    "ConversionSettings",
    "convert",
]

make_callable(__name__)
