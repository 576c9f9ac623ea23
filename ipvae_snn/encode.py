"""Old path of `ipvae_snn.ir.encode`, kept for one version."""

from ipvae_snn.ir.encode import (
    MAX_SATURATED,
    check_images,
    encode,
    explain_levels,
    input_code,
    levels,
)

__all__ = ["MAX_SATURATED", "check_images", "encode", "explain_levels", "input_code", "levels"]
