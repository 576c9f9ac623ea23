"""Pictures: complete files of the right size that show their data."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from ipvae_snn.errors import ConfigError
from ipvae_snn.report import plots, rasters
from ipvae_snn.report.document import Picture
from ipvae_snn.report.plots import Bar


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
    assert np.isnan(sheet[4:6, 3]).all()
    np.testing.assert_array_equal(sheet[4:6, 4:6], 1)  # nothing to draw: the page's white


def test_all_pictures_are_drawn(tmp_path: Path) -> None:
    """Each has ink, and nothing else is left in the folder."""
    rng = np.random.default_rng(0)
    phi = rng.normal(size=(16, 10)).astype(np.float32)
    originals = rng.normal(size=(3, 16))
    counts = rng.poisson(0.3, (12, 10))
    curve = [(0.1 * t, 0.1 * t - 0.05, 0.1 * t + 0.05) for t in range(8)]
    bars = [Bar("a chip", 1.0, 2.0), Bar("a minimum", 3.0, None), Bar("unknown", None, None)]
    decoded = {1: originals, 4: originals}
    drawn: dict[str, Callable[[Figure], Axes | Figure]] = {
        "dictionary": lambda f: plots.dictionary(f.add_subplot(), phi, (4, 4), np.arange(10)),
        "reconstructions": lambda f: plots.reconstructions(f, originals, decoded, (4, 4), "Title"),
        "raster": lambda f: rasters.raster(f.add_subplot(), counts, "Title"),
        "potentials": lambda f: rasters.raster_and_potentials(
            f, np.arange(10), counts, rng.normal(size=(12, 10)), "Title"
        ),
        "r2": lambda f: plots.r2_over_steps(f.add_subplot(), {"a": curve, "b": curve}, "Title"),
        "ranges": lambda f: plots.ranges(f.add_subplot(), bars, "Title", "microjoule"),
    }
    report = plots.save_all(
        (Picture(name, "Title", draw, (6.0, 4.0)) for name, draw in drawn.items()), tmp_path
    )
    names = {p.name for p in tmp_path.iterdir()}
    assert names == {picture.path.name for picture in report if picture.path}
    assert names == {f"{name}.png" for name in drawn}
    for name in names:
        assert 0.005 < ink(tmp_path / name) < 0.95, name


def test_a_raster_shows_more_ink_for_more_spikes(tmp_path: Path) -> None:
    """A fault on purpose: a plot that ignores its data would not pass."""
    few, many = np.zeros((20, 30), int), np.zeros((20, 30), int)
    few[3, 4] = 1
    many[:, :] = 3
    for name, counts in (("few", few), ("many", many)):
        with plots.page(tmp_path / f"{name}.png", *rasters.RASTER_SIZE) as figure:
            rasters.raster(figure.add_subplot(), counts, "x")
    assert ink(tmp_path / "many.png") > 2 * ink(tmp_path / "few.png")


def test_a_picture_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """A wrong shape raises before anything is written."""
    with (
        pytest.raises(ValueError, match="reshape"),
        plots.page(tmp_path / "d.png", *plots.DICTIONARY_SIZE) as figure,
    ):
        plots.dictionary(figure.add_subplot(), np.ones((5, 2), np.float32), (4, 4), np.ones(2))
    assert list(tmp_path.iterdir()) == []


def curve(figure: Figure) -> Axes:
    return plots.r2_over_steps(figure.add_subplot(), {"a": [(0.1, 0.0, 0.2), (0.5, 0.4, 0.6)]}, "T")


@pytest.mark.parametrize(
    ("suffix", "begins"),
    [
        (".png", b"\x89PNG"),
        (".PNG", b"\x89PNG"),
        (".svg", b"<?xml"),
        (".svgz", b"\x1f\x8b"),
        (".pdf", b"%PDF"),
        (".eps", b"%!PS-Adobe-3.0 EPSF"),
        (".ps", b"%!PS-Adobe"),
        (".jpg", b"\xff\xd8"),
        (".jpeg", b"\xff\xd8"),
        (".tif", b"II*"),
        (".tiff", b"II*"),
        (".webp", b"RIFF"),
    ],
)
def test_the_suffix_gives_the_format(tmp_path: Path, suffix: str, begins: bytes) -> None:
    path = tmp_path / f"curve{suffix}"
    report = plots.save(Picture("curve", "A curve", curve, plots.CURVES_SIZE), path)
    assert report.path == path
    assert path.read_bytes().startswith(begins)


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_a_picture_drawn_again_is_the_same_file(tmp_path: Path, suffix: str) -> None:
    picture = Picture("curve", "A curve", curve, plots.CURVES_SIZE)
    first, second = (plots.save(picture, tmp_path / f"{name}{suffix}") for name in "ab")
    assert first.path is not None
    assert second.path is not None
    assert first.path.read_bytes() == second.path.read_bytes()


@pytest.mark.parametrize("name", ["curve.bmp9", "curve.txt", "curve"])
def test_an_unknown_suffix_is_one_line_and_draws_nothing(tmp_path: Path, name: str) -> None:
    def never(figure: Figure) -> None:
        raise AssertionError("drawn before the suffix was checked")

    path = tmp_path / name
    with pytest.raises(ConfigError) as caught:
        plots.save(Picture("curve", "A curve", never, (1.0, 1.0)), path)
    assert str(caught.value) == (
        f"{path}: no picture can be written with the suffix {path.suffix!r}; end the name in one "
        "of .png, .svg, .svgz, .pdf, .eps, .ps, .jpg, .jpeg, .tif, .tiff, .webp"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ((0.2, 0.8), (0.17, 0.83)),
        ((0.0, 1.0), (0.0, 1.0)),
        ((-3.0, float("nan")), (0.0, 1.0)),
        ((0.5, 0.5), (0.499, 0.501)),
    ],
)
def test_limits_follow_the_data_inside_their_range(
    data: tuple[float, float], expected: tuple[float, float]
) -> None:
    assert plots.span(*data, 0.0, 1.0) == pytest.approx(expected)


def test_an_axis_of_r2_starts_at_0_or_below_the_data() -> None:
    assert plots.r2_limits(0.3) == (0.0, 1.0)
    assert plots.r2_limits(-0.4) == pytest.approx((-0.47, 1.0))
    assert plots.r2_limits(-15e6) == (-1.0, 1.0)


def test_a_title_takes_the_lines_that_it_needs() -> None:
    figure = Figure(figsize=(2.0, 2.0))
    plots.heading(figure, "a title of far more than one line of two inches")
    assert figure.get_suptitle().count("\n") == 1
