"""Whitening: its filter, its statistics, and patches that never cross from training to test."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipvae_snn.data import load, patches, whitening
from ipvae_snn.data.request import Request
from ipvae_snn.errors import DataError


def pink(height=120, width=150, seed=0):
    """Return an image with the 1/f amplitude spectrum of natural scenes, values 0..1000."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    frequency[0, 0] = np.inf
    noise = np.fft.irfft2(
        np.fft.rfft2(rng.normal(size=(height, width))) / frequency, (height, width)
    )
    return np.expm1(5 + noise / noise.std() / 2)


def band_ratio(image):
    """Return the mean power per mode in low (.05 to .1) over middle (.2 to .3) frequencies."""
    power = np.abs(np.fft.rfft2(image - image.mean())) ** 2
    frequency = np.hypot(np.fft.fftfreq(image.shape[0])[:, None], np.fft.rfftfreq(image.shape[1]))
    low = power[(frequency > 0.05) & (frequency < 0.1)].mean()
    return low / power[(frequency > 0.2) & (frequency < 0.3)].mean()


def test_whitening_flattens_the_spectrum():
    image = pink()
    # For amplitude 1/f the power ratio of the bands is about (.25 / .075)^2 = 11 before.
    assert band_ratio(np.log1p(image)) > 8
    assert 0.5 < band_ratio(whitening.whiten(image, "x")) < 2


def test_whitening_output():
    white = whitening.whiten(pink(), "x")
    assert white.shape == (120 - 40, 150 - 40)
    assert white.dtype == np.float32
    # Divided by the local standard deviation, a homogeneous image has about unit variance.
    assert abs(white.mean()) < 0.05
    assert abs(white.std() - 1) < 0.05


def test_single_frequency_is_scaled_by_the_formula():
    # Two gratings in log intensity, equal in amplitude: 15 and 45 cycles in 150 pixels, so f = .1
    # and .3. The gain f exp(-(f / .4)^4) is .1 exp(-.0039) = .09961 and .3 exp(-.3164) = .21863;
    # their ratio, 2.195, survives the later division, which varies slowly.
    x = np.arange(150)
    grating = 0.1 * np.cos(2 * np.pi * 0.1 * x) + 0.1 * np.cos(2 * np.pi * 0.3 * x)
    white = whitening.whiten(np.expm1(3 + np.tile(grating, (120, 1))), "x")
    amplitude = np.abs(np.fft.rfft(white[40, :100]))
    assert amplitude[30] / amplitude[10] == pytest.approx(2.195, rel=0.02)


def test_local_contrast_is_evened_out():
    image = np.log1p(pink())
    image[:, 75:] = image.mean() + (image[:, 75:] - image.mean()) * 0.5
    white = whitening.whiten(np.expm1(image), "x")
    assert white[:, :40].std() / white[:, -40:].std() == pytest.approx(1, abs=0.1)


def test_contrast_does_not_depend_on_the_unit_of_light():
    image = pink() * 100  # far above the 1 of log(1 + x)
    np.testing.assert_allclose(
        whitening.whiten(image * 8, "x"), whitening.whiten(image, "x"), atol=0.02
    )


def test_images_that_cannot_be_whitened():
    with pytest.raises(
        DataError,
        match=r"^me: an image of 40x90 pixels is too small to whiten; it needs more than 40 each ",
    ):
        whitening.whiten(np.ones((40, 90)), "me")
    with pytest.raises(
        DataError,
        match=r"^me: the image has no contrast, so it cannot be whitened; leave it out$",
    ):
        whitening.whiten(np.full((90, 90), 1234), "me")


@given(count=st.integers(1, 200))
def test_draw_gives_exactly_the_count(count):
    image = np.random.default_rng(0).normal(size=(20, 20)).astype(np.float32)
    drawn = whitening.draw_patches([image], 4, count, np.random.default_rng(1))
    assert drawn.shape == (count, 16)


def test_drawn_patches_are_windows_of_the_images_in_every_place():
    # Pixel (r, c) of image i holds 1000 i + 10 r + c, so a patch shows its place in the image.
    base = (10 * np.arange(7)[:, None] + np.arange(7)).astype(np.float32)
    drawn = whitening.draw_patches([base, base + 1000], 3, 4000, np.random.default_rng(0))
    np.testing.assert_array_equal(
        drawn - drawn[:, :1], np.tile([0, 1, 2, 10, 11, 12, 20, 21, 22], (4000, 1))
    )
    corners = {1000 * i + 10 * r + c for i in range(2) for r in range(5) for c in range(5)}
    assert set(drawn[:, 0].astype(int)) == corners


def test_drop_flattest_keeps_the_order_and_drops_the_lowest_tenth():
    contrast = np.array([5, 1, 9, 3, 8, 2, 7, 4, 6, 10, 12, 11, 15, 14, 13, 16, 17, 18, 19, 20.0])
    rows = np.stack([-contrast, contrast], axis=1).astype(np.float32)
    kept = whitening.drop_flattest(rows)
    np.testing.assert_array_equal(kept[:, 1], [c for c in contrast if c not in (1, 2)])
    np.testing.assert_array_equal(whitening.drop_flattest(rows[:9]), rows[:9])


def test_measure_covers_each_tile_once():
    # Ten 2x2 tiles: nine of -1, 1, 1, 1 (mean .5, sd sqrt(.75)) and one flat one of 2, dropped.
    tile = np.array([[-1, 1], [1, 1]], np.float32)
    image = np.tile(tile, (2, 5))
    image[2:, 8:] = 2
    result = whitening.measure([np.pad(image, ((0, 1), (0, 1)), constant_values=7)], 2)
    assert result.mean == pytest.approx(0.5)
    assert result.deviation == pytest.approx(0.75**0.5)
    np.testing.assert_allclose(
        result.apply(np.float32([[0.5, 0.5 + 0.75**0.5]])), [[0, 1]], atol=1e-6
    )


def test_natural_is_standardised_by_the_training_set():
    train, test = load("natural"), load("natural", "test")
    assert (len(train), len(test)) == (20_000, 4_000)
    for images in (train, test):
        assert images.kind == "standardised"
        assert images.image_shape == (16, 16)
        assert images.pixels.dtype == np.float32
        assert images.labels is None
        assert "scikit-learn" in images.citation
    assert abs(train.pixels.mean()) < 0.02
    assert abs(train.pixels.std() - 1) < 0.02
    # The held-out quarter is scaled by the same constants, so its own statistics differ a little.
    assert abs(test.pixels.mean()) < 0.15
    assert abs(test.pixels.std() - 1) < 0.15


def test_natural_is_the_same_for_a_seed_and_another_for_another():
    first = load("natural", n_patches=50, seed=3)
    np.testing.assert_array_equal(first.pixels, load("natural", n_patches=50, seed=3).pixels)
    assert not np.array_equal(first.pixels, load("natural", n_patches=50, seed=4).pixels)
    np.testing.assert_array_equal(
        load("natural", n_patches=50, seed=3, limit=7).pixels, first.pixels[:7]
    )


def fake_photographs(monkeypatch, right_seed):
    """Make `natural` cut from two images whose right-hand quarter depends on right_seed."""

    class Bunch:
        images = [  # noqa: RUF012  (a stand-in for scikit-learn's container)
            np.repeat(
                np.concatenate([pink(120, 300, seed), pink(120, 100, right_seed + seed)], axis=1)[
                    :, :, None
                ],
                3,
                axis=2,
            )
            for seed in (1, 2)
        ]

    monkeypatch.setattr(patches, "load_sample_images", Bunch)


def test_training_patches_see_no_test_pixel(monkeypatch):
    # Other pixels in the right-hand quarter leave every training patch as it was, to the last bit,
    # and change every test patch.
    result = {}
    for right_seed in (10, 20):
        fake_photographs(monkeypatch, right_seed)
        result[right_seed] = [
            load("natural", split, n_patches=200).pixels for split in ("train", "test")
        ]
    np.testing.assert_array_equal(result[10][0], result[20][0])
    assert (result[10][1] != result[20][1]).any(axis=1).all()


def test_no_training_patch_is_a_test_patch():
    train, test = load("natural", patch_size=8), load("natural", "test", patch_size=8)
    held_out = {row.tobytes() for row in test.pixels}
    assert not any(row.tobytes() in held_out for row in train.pixels)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patch_size": 1}, "natural: patch_size is 1; give 2 or more pixels"),
        ({"n_patches": 0}, "natural: n_patches is 0; give 1 or more"),
        (
            {"n_patches": 10**9},
            "natural: n_patches is 1000000000; at most 4194304 of 16x16",
        ),
        (
            {"patch_size": 200, "split": "test"},
            "natural: patches of 200x200 pixels do not fit; at most 120",
        ),
    ],
)
def test_impossible_patches(arguments, message):
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        load("natural", **arguments)


def vanhateren_request(root, split):
    """Return a request for patches of the files under root."""
    return Request("vanhateren", "c", split, root, False, None, 16, 100, 0)


def write_vanhateren(root, images):
    """Write a small file in van Hateren's layout."""
    (root / "vanhateren").mkdir(exist_ok=True)
    np.savez(root / "vanhateren" / "vanhateren_iml20_uint16.npz", images=images)


def test_vanhateren_holds_out_the_last_fifth(tmp_path):
    images = np.stack([pink(90, 100, seed) for seed in range(10)]).astype(np.uint16)
    write_vanhateren(tmp_path, images)
    train = patches.load_vanhateren(vanhateren_request(tmp_path, "train"))
    test = patches.load_vanhateren(vanhateren_request(tmp_path, "test"))
    assert len(train) == len(test) == 100
    # Other last images (8 and 9) leave the training set alone and change all of the test set ...
    changed = images.copy()
    changed[8:] = images[7::-1][:2]
    # ... and the invalid margin of 2 rows and 4 columns counts for nothing.
    changed[:, :2], changed[:, -2:], changed[:, :, :4], changed[:, :, -4:] = 0, 9999, 9999, 0
    write_vanhateren(tmp_path, changed)
    np.testing.assert_array_equal(
        patches.load_vanhateren(vanhateren_request(tmp_path, "train")).pixels, train.pixels
    )
    other = patches.load_vanhateren(vanhateren_request(tmp_path, "test"))
    assert (other.pixels != test.pixels).any(axis=1).all()


@pytest.mark.parametrize("whiten", ["olshausen", "vafaii"])
def test_vanhateren_by_photograph(tmp_path, whiten):
    """Of five images one is held out: its set is the test set. Each image has its own set."""
    images = np.stack([pink(90, 100, seed) for seed in range(5)]).astype(np.uint16)
    write_vanhateren(tmp_path, images)
    request = replace(vanhateren_request(tmp_path, "test"), whiten=whiten)
    each = patches.vanhateren_photographs(request)
    assert [len(one) for one in each] == [100] * 5
    np.testing.assert_array_equal(each[-1].pixels, patches.load_vanhateren(request).pixels)
    images[4] = images[4, ::-1]
    write_vanhateren(tmp_path, images)
    again = patches.vanhateren_photographs(request)
    for index in range(4):
        np.testing.assert_array_equal(again[index].pixels, each[index].pixels)
    assert (again[4].pixels != each[4].pixels).any()


def test_vanhateren_of_another_type(tmp_path):
    write_vanhateren(tmp_path, np.zeros((4, 90, 90)))
    path = tmp_path / "vanhateren" / "vanhateren_iml20_uint16.npz"
    with pytest.raises(
        DataError,
        match="^"
        + re.escape(
            f"{path}: images are float64 of shape (4, 90, 90), but uint16 (N, H, W) with N of 2 or "
            "more is expected; is it another file?"
        ),
    ):
        patches.load_vanhateren(vanhateren_request(tmp_path, "train"))


def test_flat_patches_are_drawn_again() -> None:
    """Half of the picture is even: with a least contrast no patch of it is left."""
    picture = np.zeros((64, 128), np.float32)
    picture[:, 64:] = np.random.default_rng(0).normal(size=(64, 64))
    plain = whitening.draw_patches([picture], 8, 200, np.random.default_rng(1))
    lively = whitening.draw_patches([picture], 8, 200, np.random.default_rng(1), 0.3)
    assert (plain.std(axis=1) < 0.3).mean() > 0.2
    assert lively.std(axis=1).min() >= 0.3
    assert len(lively) == 200


def test_a_picture_that_is_flat_everywhere_is_refused() -> None:
    """Redrawing ends."""
    with pytest.raises(DataError, match=r"11 of 11 still have a contrast below 0\.3 after 60"):
        whitening.draw_patches(
            [np.zeros((32, 32), np.float32)], 8, 10, np.random.default_rng(1), 0.3
        )
