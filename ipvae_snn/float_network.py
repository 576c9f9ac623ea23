"""Old path of `ipvae_snn.models.float_network`, kept for one version."""

from ipvae_snn.ir.parts import InputKind
from ipvae_snn.models.float_network import FORMAT, VERSION, FloatNetwork, load_float_network
from ipvae_snn.storage.tensor_files import read_format, read_header

__all__ = [
    "FORMAT",
    "VERSION",
    "FloatNetwork",
    "InputKind",
    "load_float_network",
    "read_format",
    "read_header",
]
