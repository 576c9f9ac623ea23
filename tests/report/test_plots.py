"""Pictures: complete files of the right size that show their data."""

import base64
import io
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from ipvae_snn.errors import ConfigError
from ipvae_snn.report import picture_files, plots, rasters
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


def test_tiles_in_colour_keep_each_elements_hue() -> None:
    """One scale for the three channels of an element: 0 stays grey, and signs stay."""
    rows = np.array([[4.0, 0, -2, 0, 0, 0], [0, 0, 0, 0, 0.5, 0.25]])
    sheet = plots.tiles(rows, (1, 2, 3), 2)
    assert sheet.shape == (3, 7, 3)
    np.testing.assert_allclose(sheet[1, 1:3], [[1, 0, -0.5], [0, 0, 0]])
    np.testing.assert_allclose(sheet[1, 4:6], [[0, 0, 0], [0, 1, 0.5]])
    assert np.isnan(sheet[0]).all()


def test_a_picture_in_colour_has_grey_at_0_and_its_frames_apart() -> None:
    picture = np.array([[[-1.0, 0, 1], [np.nan, np.nan, np.nan], [9, -9, 0]]])
    axes = plots.show(Figure().add_subplot(), picture, -1, 1)
    shown = np.asarray(axes.images[0].get_array())
    np.testing.assert_allclose(shown[0, 0], [0, 0.5, 1])
    np.testing.assert_allclose(shown[0, 1], to_rgb(plots.FRAME))
    np.testing.assert_allclose(shown[0, 2], [1, 0, 0.5])


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_other_channels_stand_side_by_side(channels: int) -> None:
    image = np.arange(2 * 3 * channels, dtype=float)
    drawn = plots.picture_of(image, (2, 3, channels))
    assert drawn.shape == (2, 3 * channels)
    whole = image.reshape(2, 3, channels)
    for channel in range(channels):
        part = drawn[:, 3 * channel : 3 * channel + 3]
        np.testing.assert_array_equal(part, whole[..., channel])


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
    folder = picture_files.PictureFolder(tmp_path)
    report = picture_files.save_all(
        (Picture(name, "Title", draw, (6.0, 4.0)) for name, draw in drawn.items()), folder
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
        with picture_files.page(tmp_path / f"{name}.png", *rasters.RASTER_SIZE) as figure:
            rasters.raster(figure.add_subplot(), counts, "x")
    assert ink(tmp_path / "many.png") > 2 * ink(tmp_path / "few.png")


def test_a_picture_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """A wrong shape raises before anything is written."""
    with (
        pytest.raises(ValueError, match="reshape"),
        picture_files.page(tmp_path / "d.png", *plots.DICTIONARY_SIZE) as figure,
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
    report = picture_files.save(Picture("curve", "A curve", curve, plots.CURVES_SIZE), path)
    assert report.path == path
    assert path.read_bytes().startswith(begins)


def elements(figure: Figure) -> Axes:
    """Draw 4 elements of 4x4 pixels, 6 inches wide."""
    phi = np.random.default_rng(0).normal(size=(16, 4)).astype(np.float32)
    return plots.dictionary(figure.add_subplot(), phi, (4, 4), np.arange(4))


@pytest.mark.parametrize("draw", [curve, elements])
@pytest.mark.parametrize("form", ["png", "svg", "pdf"])
def test_a_picture_drawn_again_is_the_same_file(
    tmp_path: Path, form: str, draw: Callable[[Figure], Axes]
) -> None:
    picture = Picture("it", "A picture", draw, plots.DICTIONARY_SIZE)
    folders = [picture_files.picture_folder(tmp_path / name, form) for name in "ab"]
    written = [
        path.read_bytes()
        for folder in folders
        if folder
        for (path,) in [[one.path for one in picture_files.save_all([picture], folder) if one.path]]
    ]
    assert len(written) == 2
    assert written[0] == written[1]
    assert picture_files.is_picture(tmp_path / "a" / f"it.{form}")
    assert b"Date" not in written[0]


def test_an_image_in_an_svg_has_enough_pixels_and_its_text_is_sharp(tmp_path: Path) -> None:
    """A pixel of an element is many in the file, so that its edges stay where they belong."""
    picture = Picture("it", "A picture", elements, plots.DICTIONARY_SIZE)
    path = picture_files.save(picture, tmp_path / "it.svg").path
    assert path is not None
    root = ElementTree.parse(path).getroot()
    image = next(root.iter("{http://www.w3.org/2000/svg}image"))
    data = image.attrib["{http://www.w3.org/1999/xlink}href"].partition("base64,")[2]
    with Image.open(io.BytesIO(base64.b64decode(data))) as drawn:
        assert min(drawn.size) > picture_files.VECTOR_DPI * 4
        columns = np.asarray(drawn.convert("L"))[drawn.height // 2]
    assert (np.diff(columns.astype(int)) != 0).sum() <= 11  # nothing between two pixels is blurred
    assert sum(1 for _ in root.iter("{http://www.w3.org/2000/svg}path")) > 10


@pytest.mark.parametrize("name", ["curve.bmp9", "curve.txt", "curve"])
def test_an_unknown_suffix_is_one_line_and_draws_nothing(tmp_path: Path, name: str) -> None:
    def never(figure: Figure) -> None:
        raise AssertionError("drawn before the suffix was checked")

    path = tmp_path / name
    with pytest.raises(ConfigError) as caught:
        picture_files.save(Picture("curve", "A curve", never, (1.0, 1.0)), path)
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
