"""Pictures: they are written whole, have the size that they should, and show what was given."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ipvae_snn.report import plots


def ink(path: Path) -> float:
    """Return the share of pixels that are not white."""
    with Image.open(path) as picture:
        return float((np.asarray(picture.convert("L")) < 250).mean())


def test_tiles_place_every_image_once() -> None:
    """Three 2x2 images in two columns; each scaled by its own peak, gaps empty."""
    rows = np.array([[1.0, 2, 3, 4], [-4, 0, 0, 2], [0, 0, 0, 0]])
    sheet = plots.tiles(rows, (2, 2), 2)
    assert sheet.shape == (7, 7)
    np.testing.assert_allclose(sheet[1:3, 1:3], [[0.25, 0.5], [0.75, 1.0]])
    np.testing.assert_allclose(sheet[1:3, 4:6], [[-1, 0], [0, 0.5]])
    np.testing.assert_allclose(sheet[4:6, 1:3], 0)
    assert np.isnan(sheet[0]).all()
    assert np.isnan(sheet[4:6, 4:6]).all()


def test_all_pictures_are_drawn(tmp_path: Path) -> None:
    """Each has ink, and nothing else is left in the folder."""
    rng = np.random.default_rng(0)
    phi = rng.normal(size=(16, 10)).astype(np.float32)
    plots.dictionary(tmp_path / "dictionary.png", phi, (4, 4), np.arange(10))
    originals = rng.normal(size=(3, 16))
    plots.reconstructions(
        tmp_path / "reconstructions.png", originals, {1: originals, 4: originals}, (4, 4), "Title"
    )
    counts = rng.poisson(0.3, (12, 10))
    plots.raster(tmp_path / "raster.png", counts, "Title")
    curve = [(0.1 * t, 0.1 * t - 0.05, 0.1 * t + 0.05) for t in range(8)]
    plots.r2_over_steps(tmp_path / "r2.png", {"integer": curve, "float": curve}, "Title")
    names = {p.name for p in tmp_path.iterdir()}
    assert names == {"dictionary.png", "reconstructions.png", "raster.png", "r2.png"}
    for name in names:
        assert 0.005 < ink(tmp_path / name) < 0.95, name


def test_a_raster_shows_more_ink_for_more_spikes(tmp_path: Path) -> None:
    """A fault on purpose: a plot that ignores its data would not pass."""
    few, many = np.zeros((20, 30), int), np.zeros((20, 30), int)
    few[3, 4] = 1
    many[:, :] = 3
    plots.raster(tmp_path / "few.png", few, "x")
    plots.raster(tmp_path / "many.png", many, "x")
    assert ink(tmp_path / "many.png") > 2 * ink(tmp_path / "few.png")


def test_a_picture_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """A wrong shape raises before anything is written."""
    with pytest.raises(ValueError, match="reshape"):
        plots.dictionary(tmp_path / "d.png", np.ones((5, 2), np.float32), (4, 4), np.ones(2))
    assert list(tmp_path.iterdir()) == []
