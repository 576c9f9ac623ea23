"""Old path of `ipvae_snn.ir.interpreter`, kept for one version."""

from ipvae_snn.ir.circuit_steps import drive, forward, held, residual, sample
from ipvae_snn.ir.interpreter import CHUNK, decode, run, steps
from ipvae_snn.ir.trace import check_request

__all__ = [
    "CHUNK",
    "check_request",
    "decode",
    "drive",
    "forward",
    "held",
    "residual",
    "run",
    "sample",
    "steps",
]
