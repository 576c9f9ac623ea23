"""The second moments that rounding is weighted by: of pixels, of counts, and of one given another.

A rounding error that is a fixed function of the image shifts where inference settles; one that
fluctuates from step to step averages out. So counts weigh by how they differ between images, as
far as pixels do not tell it already (the feed-forward weights can make up for that), and by
their fluctuation within an image with a smaller weight.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from sklearn.covariance import ledoit_wolf

from ipvae_snn.arrays import Bool, Float64
from ipvae_snn.conversion.calibration import Calibration

WITHIN: Final = 0.05  # weight of fluctuations from step to step; measured, docs/numerics.md
RIDGE: Final = 0.1  # of the mean variance of an active pixel, where counts are told from pixels


@dataclass(frozen=True)
class Moments:
    """Over the calibration's N images.

    pixel_mean (M,), pixel_covariance (M, M): inactive pixels are 0 there; shrunk after Ledoit and
    Wolf (2004), since M may exceed N. count_mean (K,). told (K, M): the linear regression of an
    image's mean counts on its pixels. counts (K, K): the weights of lateral rounding errors.
    between (K, K): covariance of the images' mean counts.
    """

    pixel_mean: Float64
    pixel_covariance: Float64
    count_mean: Float64
    told: Float64
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
    told = np.linalg.solve(shrunk + ridge * np.eye(len(shrunk)), cross.T).T
    untold = z - x @ told.T
    covariance = np.zeros((active.size, active.size))
    covariance[np.ix_(active, active)] = shrunk
    return Moments(
        pixel_mean=_spread(x_mean, active),
        pixel_covariance=covariance,
        count_mean=z_mean,
        told=_spread(told, active),
        counts=untold.T @ untold / len(z) + WITHIN * calibration.count_within,
        between=between,
    )


def _spread(values: Float64, active: Bool) -> Float64:
    """Return `values` (..., active) as (..., M) with 0 at the inactive pixels."""
    spread = np.zeros((*values.shape[:-1], active.size))
    spread[..., active] = values
    return spread
