"""Old path of `ipvae_snn.conversion.convert`, kept for one version; callable as `api.convert`."""

from ipvae_snn.callable_module import make_callable
from ipvae_snn.conversion.convert import HEADROOM_OCTAVES, MORE_OCTAVES, RARE, WEAK_SHARE, convert
from ipvae_snn.conversion.decoders import DECODER_LEVELS
from ipvae_snn.conversion.settings import MAX_WEIGHT_BITS, MIN_WEIGHT_BITS, ConversionSettings
from ipvae_snn.conversion.ways import DECODER_RIDGE

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
