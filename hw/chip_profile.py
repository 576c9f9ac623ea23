"""Old path of `ipvae_snn.hw.chips.profile`, kept for one version."""

from ipvae_snn.hw.chips.profile import ChipProfile, load_profile

__all__ = ["ChipProfile", "load_profile"]
