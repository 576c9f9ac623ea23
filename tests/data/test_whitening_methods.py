"""The ways to whiten patches: the paper's code step by step, and what each promises."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ipvae_snn.config.preparation import Preparation
from ipvae_snn.data import load, tile_whitening
from ipvae_snn.data.given import Selection, image_set
from ipvae_snn.data.tile_whitening import (
    MARGIN,
    MOST_MEAN,
    divide_by_contrast,
    filter_tiles,
    standardise,
    whiten_tiles,
)
from ipvae_snn.data.whitening_methods import METHODS
from ipvae_snn.errors import DataError
from tests.data.test_whitening import band_ratio, pink

WHITENED = ("olshausen", "undivided", "vafaii")


def test_the_papers_filter_on_one_frequency():
    # A tile of 8 x 8 with 2 cycles along its rows has the frequencies (2, 0) and (6, 0) of the
    # transform. The filter's ramp is -1/2, -5/14, -3/14, .. 1/2, at 2: -3/14, at 6: 5/14, at 0:
    # -1/2. So f is hypot(3/14, 1/2) = .543984 and hypot(5/14, 1/2) = .614452, with the gains
    # .543984 exp(-(1.087968)^4) = .13400 and .614452 exp(-(1.228904)^4) = .06281. The real part
    # keeps their mean, .09840.
    wave = np.tile(np.cos(2 * np.pi * 2 * np.arange(8) / 8)[:, None], (1, 8))
    np.testing.assert_allclose(filter_tiles(wave[None])[0], 0.09840 * wave, atol=2e-5)


def test_the_papers_filter_lets_a_little_of_the_mean_pass():
    # Frequency 0 gets f = hypot(1/2, 1/2) = .707107: .707107 exp(-(1.414214)^4) = .707107 exp(-4).
    even = np.full((1, 24, 24), 10.0)
    np.testing.assert_allclose(filter_tiles(even), 10 * 0.707107 * np.exp(-4), rtol=1e-5)


def test_local_contrast_of_one_pixel():
    # The window of 3 pixels weighs exp(-2), 1, exp(-2), so the middle has the share
    # b = 1 / (1 + 2 exp(-2)) = .786986 along each axis. All other pixels are outside and count 0:
    # v - b^2 v is left, and its local deviation is sqrt(b^2 (v - b^2 v)^2) = b |v - b^2 v|. The
    # quotient is 1 / b = 1.270671 whatever v is.
    for v in (0.3, -7.0):
        found = divide_by_contrast(np.full((1, 1, 1), v), window=3)
        assert found.item() == pytest.approx(np.sign(v) * 1.270671, rel=1e-6)


def test_low_local_contrast_is_divided_by_the_tiles_mean():
    # Far from the only lit pixel the deviation is 0, below its mean over the tile. At that pixel
    # (window 3, shares a = exp(-2) b = .106507 and b = .786986) the deviation is above the mean.
    tile = np.zeros((1, 15, 15))
    tile[0, 7, 7] = 1
    found = divide_by_contrast(tile, window=3)[0]
    assert (found[:4] == 0).all()
    a, b = 0.106507, 0.786986
    around = [1 - b * b, -a * b, -a * a]  # the pixel, 4 beside it, 4 at its corners
    deviation = np.sqrt(
        b * b * around[0] ** 2 + 4 * a * b * around[1] ** 2 + 4 * a * a * around[2] ** 2
    )
    assert found[7, 7] == pytest.approx(around[0] / deviation, rel=1e-5)


@given(
    seed=st.integers(0, 1000),
    scale=st.floats(1e-3, 1e6),
    side=st.sampled_from([10, 13, 24]),
)
def test_tiles_are_whitened_alone_and_to_unit_deviation(seed, scale, side):
    rng = np.random.default_rng(seed)
    tiles = rng.exponential(size=(3, side, side))
    whole = standardise(divide_by_contrast(filter_tiles(tiles)))
    np.testing.assert_allclose(whole.mean(axis=(1, 2)), 0, atol=1e-9)
    np.testing.assert_allclose(whole.std(axis=(1, 2), ddof=1), 1, rtol=1e-9)
    cut = whole[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
    mostly_mean = cut.mean(axis=(1, 2)) ** 2 >= MOST_MEAN * cut.var(axis=(1, 2))
    patches = whiten_tiles(tiles * scale)
    assert patches.shape == (3, side - 2 * MARGIN, side - 2 * MARGIN)
    # Light of another scale, or other tiles beside it, change nothing.
    np.testing.assert_allclose(patches[~mostly_mean], cut[~mostly_mean], atol=1e-5)
    assert not patches[mostly_mean].any()
    np.testing.assert_allclose(whiten_tiles(tiles[1]), patches[1], atol=1e-5)


def test_a_patch_that_is_nearly_even_becomes_zeros():
    """All contrast at the tile's edge, which is cut off: what is left is even, and not 0."""
    tile = np.full((24, 24), 100.0)
    tile[0] = 200.0
    cut = standardise(divide_by_contrast(filter_tiles(tile[None])))[
        0, MARGIN:-MARGIN, MARGIN:-MARGIN
    ]
    assert cut.mean() ** 2 > MOST_MEAN * cut.var() > 0
    assert not whiten_tiles(tile).any()


def test_chunks_change_nothing(monkeypatch):
    tiles = np.random.default_rng(0).exponential(size=(7, 12, 12))
    whole = whiten_tiles(tiles)
    monkeypatch.setattr(tile_whitening, "CHUNK", 3)
    np.testing.assert_array_equal(whiten_tiles(tiles), whole)


@pytest.mark.parametrize("light", [0.0, 1.0, 4095.0])
def test_tiles_of_equal_light_become_zeros(light):
    assert not whiten_tiles(np.full((2, 12, 12), light)).any()


def test_tiles_without_contrast_are_not_drawn():
    half = np.zeros((60, 60), np.float32)
    half[:, 30:] = np.random.default_rng(0).exponential(size=(60, 30))
    method = METHODS["vafaii"]
    standard = method.standard([half], 8)
    drawn = method.drawn_with_contrast(
        [half], 8, 300, np.random.default_rng(1), standard.least_contrast
    )
    assert drawn.shape == (300, 64)
    assert drawn.std(axis=1).min() > 0.01
    assert (drawn.mean(axis=1) ** 2 < MOST_MEAN * drawn.var(axis=1)).all()


@pytest.mark.parametrize(
    ("name", "low", "high"),
    # The paper's filter passes oblique frequencies best, so it goes beyond a flat spectrum.
    [("olshausen", 0.4, 2.5), ("undivided", 0.4, 2.5), ("vafaii", 0.1, 0.5)],
)
def test_whitening_flattens_the_spectrum_of_patches(name, low, high):
    """Low over middle frequencies: 11 before (amplitude 1/f), about 1 after."""
    method, size = METHODS[name], 32
    images = [method.image(pink(300, 300, seed), "x") for seed in range(3)]
    rng = np.random.default_rng(0)
    patches = method.draw(images, size, 400, rng).reshape(-1, size, size)
    ratios = [band_ratio(patch) for patch in patches if patch.std() > 0]
    assert low < np.median(ratios) < high
    raw = METHODS["none"].draw([np.log1p(pink(300, 300, 0))], size, 400, rng)
    assert np.median([band_ratio(one) for one in raw.reshape(-1, size, size)]) > 5


@pytest.mark.parametrize("name", WHITENED)
def test_named_patches_are_standardised_and_say_how(name):
    prepared = Preparation(whiten=name)
    train = load("natural", n_patches=3000, preparation=prepared)
    test = load("natural", "test", n_patches=500, preparation=prepared)
    assert train.kind == "standardised"
    assert abs(train.pixels.mean()) < 0.05
    assert abs(train.pixels.std() - 1) < 0.06
    if name == "olshausen":  # the sets' first way needs no record
        assert train.preparation is test.preparation is None
        return
    assert train.preparation is not None
    assert (train.preparation.patches, train.preparation.whiten) == (16, name)
    assert train.preparation == test.preparation  # the training images' constants
    assert train.remarks == (f"train: patches of 16x16 of natural, whitened ({name})",)
    # What a checkpoint records cuts the same patches.
    again = image_set("natural", Selection("test", preparation=train.preparation))
    np.testing.assert_array_equal(
        again.pixels[:1], load("natural", "test", preparation=prepared).pixels[:1]
    )


def test_the_division_is_what_undivided_leaves_out():
    """Contrast varies between places, so undivided patches have the heavier tails."""

    def kurtosis(name):
        pixels = load("natural", n_patches=3000, preparation=Preparation(whiten=name)).pixels
        return (pixels.astype(float) ** 4).mean() / (pixels.astype(float) ** 2).mean() ** 2 - 3

    assert kurtosis("undivided") > kurtosis("olshausen") + 1


def test_natural_patches_without_whitening_are_grey():
    images = load(
        "natural", "test", patch_size=28, n_patches=200, preparation=Preparation(whiten="none")
    )
    assert (images.kind, images.image_shape) == ("unit", (28, 28))
    assert images.pixels.min() >= 0
    assert 0.8 < images.pixels.max() <= 1
    assert images.pixels.std(axis=1).min() > 0.01  # flat ones are left out
    assert "whitening" not in images.citation


def test_photographs_are_whitened_by_the_papers_way(tmp_path):
    for index in range(5):
        light = np.clip(pink(60, 70, index) / 8, 0, 255).astype(np.uint8)
        Image.fromarray(light).save(tmp_path / f"{index}.png")
    prepared = Preparation(8, "vafaii")
    train = load(str(tmp_path), "train", holdout=True, preparation=prepared, limit=200)
    assert train.preparation is not None
    assert train.preparation.constants is not None
    assert train.kind == "standardised"
    assert train.remarks[0].endswith("whitened (vafaii)")
    assert abs(train.pixels.std() - 1) < 0.1
    test = load(str(tmp_path), "test", holdout=True, preparation=train.preparation, limit=50)
    assert test.preparation == train.preparation


def test_photographs_smaller_than_a_tile_are_refused(tmp_path):
    light = np.random.default_rng(0).integers(0, 255, (3, 15, 40)).astype(np.uint8)
    with pytest.raises(
        DataError, match=r"15x40 pixels, but whitened patches of 8x8 need 16 or more"
    ):
        image_set(light, Selection("train", preparation=Preparation(8, "vafaii")))


def test_each_channel_of_a_tile_is_whitened_by_itself():
    method = METHODS["vafaii"]
    image = np.random.default_rng(0).exponential(size=(40, 40, 3)).astype(np.float32)
    colour = method.draw([image], 6, 5, np.random.default_rng(1)).reshape(5, 6, 6, 3)
    for channel in range(3):
        grey = method.draw([image[:, :, channel]], 6, 5, np.random.default_rng(1))
        np.testing.assert_allclose(colour[..., channel], grey.reshape(5, 6, 6), atol=1e-6)
