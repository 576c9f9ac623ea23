"""Old path of `ipvae_snn.ir.interpreter`, kept for one version."""

from ipvae_snn.ir.interpreter import (
    CHUNK,
    decode,
    drive,
    forward,
    held,
    integrate,
    residual,
    run,
    sample,
    steps,
)
from ipvae_snn.ir.trace import check_request

__all__ = [
    "CHUNK",
    "check_request",
    "decode",
    "drive",
    "forward",
    "held",
    "integrate",
    "residual",
    "run",
    "sample",
    "steps",
]
