"""Old path of `ipvae_snn.backends.compiled`, kept for one version."""

from ipvae_snn.backends.compiled import Prepared, advance, prepare, run, start
from ipvae_snn.kernels.rows import Progress

__all__ = ["Prepared", "Progress", "advance", "prepare", "run", "start"]
