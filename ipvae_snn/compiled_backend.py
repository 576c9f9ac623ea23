"""Old path of `ipvae_snn.backends.compiled`, kept for one version."""

from ipvae_snn.backends.compiled import Prepared, Progress, advance, prepare, run, start

__all__ = ["Prepared", "Progress", "advance", "prepare", "run", "start"]
