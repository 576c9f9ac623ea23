"""R2, MSE, zeros and their intervals, by hand."""

import math

import numpy as np
import pytest

from ipvae_snn.metrics import estimates, quality


def test_r2_by_hand() -> None:
    # Image 0: mean 2, total 2, error 1 -> 0.5. Image 1 is constant. Image 2: its mean -> 0.
    pixels = np.array([[1, 2, 3], [0.1, 0.1, 0.1], [0, 3, 6]], dtype=np.float32)
    shown = np.array([[1, 2, 4], [0, 0, 0], [3, 3, 3]], dtype=np.float32)
    values = quality.r2_per_image(pixels, shown)
    assert values[[0, 2]] == pytest.approx([0.5, 0.0])
    assert math.isnan(values[1])
    result = quality.r2(pixels, shown)
    assert (result.mean, result.n, result.excluded) == (0.25, 2, 1)
    # Two values 0 and 0.5: standard deviation 0.5/sqrt(2), so the mean's error is 0.25.
    assert result.high - result.mean == pytest.approx(1.959964 * 0.25, rel=1e-6)
    assert result.low == pytest.approx(0.5 - result.high)


def test_pooled_and_median_r2_by_hand() -> None:
    # Errors 1 and 18 of totals 2 and 18; the constant image adds its error and no total.
    pixels = np.array([[1, 2, 3], [0.1, 0.1, 0.1], [0, 3, 6]], dtype=np.float32)
    shown = np.array([[1, 2, 4], [0.1, 0.1, 3.1], [3, 3, 3]], dtype=np.float32)
    errors = quality.errors_per_image(pixels, shown)
    assert errors.total.tolist() == [2, 0, 18]
    assert quality.r2_pooled(errors) == pytest.approx(1 - 28 / 20)
    values = quality.r2_per_image(pixels, shown)
    assert quality.median(values) == pytest.approx(0.25)
    assert math.isnan(quality.median(values[1:2]))
    assert math.isnan(quality.r2_pooled(quality.errors_per_image(pixels[1:2], shown[1:2])))


def test_a_flat_image_ruins_the_mean_but_not_the_pooled_r2() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.standard_normal((20, 16))
    pixels[0] *= 1e-3
    shown = pixels + 0.1 * rng.standard_normal((20, 16))
    values = quality.r2_per_image(pixels, shown)
    assert np.mean(values) < -100
    assert quality.median(values) > 0.9
    assert quality.r2_pooled(quality.errors_per_image(pixels, shown)) > 0.9


def test_all_constant_images_have_no_r2() -> None:
    result = quality.r2(np.ones((2, 4), dtype=np.float32), np.zeros((2, 4), dtype=np.float32))
    assert math.isnan(result.mean)
    assert (result.n, result.excluded) == (0, 2)


def test_one_image_has_an_endless_interval() -> None:
    assert estimates.estimate(np.array([0.3])).high == math.inf


def test_interval_covers_the_mean() -> None:
    rng = np.random.default_rng(0)
    result = [estimates.estimate(rng.exponential(1.0, 400)) for _ in range(500)]
    assert 0.92 < np.mean([e.low <= 1.0 <= e.high for e in result]) < 0.98


def test_mse_and_zeros() -> None:
    assert quality.mse(np.array([[0.0, 2.0]]), np.array([[1.0, 0.0]])) == 2.5
    assert quality.zeros_fraction(np.array([[0, 1], [0, 0]])) == 0.75
