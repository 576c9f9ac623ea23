"""Second moments that weight rounding errors: of pixels, of counts, and of counts given pixels.

A rounding error that is a fixed function of the image shifts where inference settles. One that
fluctuates from step to step averages out. So counts are weighted by their covariance between
images, without the part that pixels predict (feed-forward weights compensate that part), plus their
covariance within an image at a smaller weight.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from sklearn.covariance import ledoit_wolf

from ipvae_snn.arrays import Bool, Float64
from ipvae_snn.conversion.calibration import Calibration

WITHIN: Final = 0.05  # weight of fluctuations from step to step; measured, docs/numerics.md
RIDGE: Final = 0.1  # of the mean variance of an active pixel, in the regression on pixels


@dataclass(frozen=True)
class Moments:
    """Moments over the N images of calibration.

    pixel_mean (M,), pixel_covariance (M, M): 0 at inactive pixels; shrunk after Ledoit and Wolf
    (2004), since M may exceed N. count_mean (K,). regression (K, M): linear regression of an
    image's mean counts on its pixels. counts (K, K): weights of lateral rounding errors. between
    (K, K): covariance of the images' mean counts.
    """

    pixel_mean: Float64
    pixel_covariance: Float64
    count_mean: Float64
    regression: Float64
    counts: Float64
    between: Float64


def second_moments(calibration: Calibration) -> Moments:
    """Return the moments of `calibration`."""
    active = calibration.active
    x = calibration.pixels[:, active].astype(np.float64)
    z = calibration.mean_counts
    x_mean, z_mean = x.mean(axis=0), z.mean(axis=0)
    x, z = x - x_mean, z - z_mean
    between = z.T @ z / len(z)
    cross = z.T @ x / len(z)
    shrunk, _ = ledoit_wolf(x, assume_centered=True)
    ridge = RIDGE * np.trace(shrunk) / len(shrunk)
    regression = np.linalg.solve(shrunk + ridge * np.eye(len(shrunk)), cross.T).T
    residual = z - x @ regression.T
    covariance = np.zeros((active.size, active.size))
    covariance[np.ix_(active, active)] = shrunk
    return Moments(
        pixel_mean=_spread(x_mean, active),
        pixel_covariance=covariance,
        count_mean=z_mean,
        regression=_spread(regression, active),
        counts=residual.T @ residual / len(z) + WITHIN * calibration.count_within,
        between=between,
    )


def _spread(values: Float64, active: Bool) -> Float64:
    """Return `values` (..., active) as (..., M) with 0 at the inactive pixels."""
    spread = np.zeros((*values.shape[:-1], active.size))
    spread[..., active] = values
    return spread
