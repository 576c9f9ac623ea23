"""Old path of `ipvae_snn.conversion.calibration`, kept for one version."""

from ipvae_snn.conversion.calibration import (
    CHUNK,
    MIN_IMAGES,
    RESIDUAL_ONSET,
    RESIDUAL_STRIDE,
    Calibration,
    calibrate,
)

__all__ = ["CHUNK", "MIN_IMAGES", "RESIDUAL_ONSET", "RESIDUAL_STRIDE", "Calibration", "calibrate"]
