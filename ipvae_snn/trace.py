"""Old path of `ipvae_snn.ir.trace`, kept for one version."""

from ipvae_snn.ir.trace import SATURATIONS, RunRequest, Trace, check_request, counts_of, states_of
from ipvae_snn.storage.array_files import save_arrays

__all__ = [
    "SATURATIONS",
    "RunRequest",
    "Trace",
    "check_request",
    "counts_of",
    "save_arrays",
    "states_of",
]
