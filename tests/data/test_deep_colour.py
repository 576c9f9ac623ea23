"""Colour of 16 bits, and numbers in TIFF files that Pillow reads in part or not at all."""

import itertools

import numpy as np
import pytest
from picture_files import Tiff, chunk, png, tiff
from PIL import Image

from ipvae_snn.config.preparation import Constants, Preparation
from ipvae_snn.data import load
from ipvae_snn.data.array_images import LUMINANCE
from ipvae_snn.data.pictures import read_frames
from ipvae_snn.errors import DataError, DataWarning
from small_sets import fails

DEEP = np.random.default_rng(0).integers(0, 65536, (21, 35, 4)).astype(np.uint16)
COLOUR = DEEP[..., :3]
GREY = (DEEP[..., 0] >> 8).astype(np.uint8)


CONSTANTS = Constants(0.0, 1.0, 0.0)


def light(values, white: int = 65535):
    """Return the luminance of colours (H, W, 3) or (H, W, 4), on white, in whole numbers."""
    grey = values[..., :3].astype(np.float64) @ np.array(LUMINANCE)
    if values.shape[2] == 4:
        opaque = values[..., 3] / 65535
        grey = grey * opaque + white * (1 - opaque)
    return np.rint(grey)


def only(path, data: bytes):
    """Write a file and return its only picture."""
    path.write_bytes(data)
    (frame,) = read_frames(path)
    return frame


@pytest.mark.parametrize("channels", [3, 4])
def test_all_bits_of_a_png(tmp_path, channels):
    frame = only(tmp_path / "a.png", png(DEEP[..., :channels]))
    np.testing.assert_array_equal(frame.values, light(DEEP[..., :channels]))
    assert (frame.white, frame.on_white, frame.reduced) == (65535, channels == 4, False)


@pytest.mark.parametrize(
    ("order", "tile", "deflate"), list(itertools.product("<>", (0, 16), (False, True)))
)
def test_all_bits_of_a_tiff(tmp_path, order, tile, deflate):
    layout = Tiff(order, 8, tile, deflate=deflate)
    frame = only(tmp_path / "a.tif", tiff(COLOUR, layout))
    np.testing.assert_array_equal(frame.values, light(COLOUR))
    alpha = Tiff(order, 8, tile, deflate=deflate, tags={338: [2]})
    frame = only(tmp_path / "b.tif", tiff(DEEP, alpha))
    np.testing.assert_array_equal(frame.values, light(DEEP))
    assert frame.on_white


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_all_bits_of_a_pixmap(tmp_path, bits):
    values, white = COLOUR >> (16 - bits), (1 << bits) - 1
    data = b"P6\n# a remark\n35 21\n%d\n" % white + values.astype(">u2").tobytes()
    frame = only(tmp_path / "a.ppm", data)
    np.testing.assert_array_equal(frame.values, light(values))
    assert frame.white == white
    with pytest.raises(DataError, match=r"a\.ppm: not a readable image \(a sample of 65535, above"):
        only(
            tmp_path / "a.ppm",
            data[:-2] + b"\xff\xff" if bits < 16 else b"P6 1 1 999 " + b"\xff" * 6,
        )


def test_deep_colours_of_one_grey_are_that_grey(tmp_path):
    grey = np.arange(0, 65536, 97, dtype=np.uint16)[:600].reshape(20, 30)
    frame = only(tmp_path / "a.png", png(np.stack([grey] * 3, 2)))
    np.testing.assert_array_equal(frame.values, grey)


def test_one_transparent_colour(tmp_path):
    key = b"".join(int(one).to_bytes(2, "big") for one in COLOUR[3, 4])
    frame = only(tmp_path / "a.png", png(COLOUR, chunk(b"tRNS", key)))
    expected = light(COLOUR)
    expected[3, 4] = 65535
    np.testing.assert_array_equal(frame.values, expected)
    assert frame.on_white


def test_deep_colour_is_turned_as_the_camera_was(tmp_path):
    frame = only(tmp_path / "a.tif", tiff(COLOUR, Tiff(tags={274: [6]})))
    np.testing.assert_array_equal(frame.values, np.rot90(light(COLOUR), -1))
    exif = Image.Exif()
    exif[274] = 6
    tags = chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    frame = only(tmp_path / "a.png", png(COLOUR, tags))
    np.testing.assert_array_equal(frame.values, np.rot90(light(COLOUR), -1))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.png", png(DEEP[..., :2])),
        ("a.tif", tiff(COLOUR, Tiff(planar=True, deflate=True))),
        ("a.ppm", b"P3 1 1 65535 9000 40000 65535\n"),
    ],
)
def test_bits_that_are_left_out_are_warned_of(tmp_path, name, data):
    frame = only(tmp_path / name, data)
    assert (frame.values.dtype, frame.reduced) == (np.uint8, True)
    text = rf"{name}: 16-bit colour of which the upper 8 bits are"
    with pytest.warns(DataWarning, match=text) as said:
        load(str(tmp_path))
    assert len(said) == 1


@pytest.mark.parametrize(("patches", "more"), [(0, 5), (8, 4)])
def test_many_files_make_one_warning(tmp_path, patches, more):
    for index in range(6):
        (tmp_path / f"{index}.png").write_bytes(png(np.roll(DEEP[..., :2], index, 0)))
    (tmp_path / "6.png").write_bytes(png(GREY))
    with pytest.warns(DataWarning, match=rf"0\.png and {more} more: 16-bit colour") as said:
        load(str(tmp_path), preparation=Preparation(patches, "none", constants=CONSTANTS))
    assert len(said) == 1


def test_upper_bits_of_planes(tmp_path):
    frame = only(tmp_path / "a.tif", tiff(COLOUR, Tiff(planar=True, deflate=True)))
    shallow = only(tmp_path / "b.png", png((COLOUR >> 8).astype(np.uint8)))
    np.testing.assert_array_equal(frame.values, shallow.values)


@pytest.mark.parametrize(
    "layout",
    [
        Tiff(rows=4),
        Tiff(">", rows=5, deflate=True),
        Tiff(tile=16),
        Tiff(tile=16, deflate=True),
        Tiff(big=True),
        Tiff(rows=3, tags={278: [3]}),
        Tiff(tags={278: [2**32 - 1]}),
        Tiff(tags={262: [0]}),
    ],
)
def test_layouts_of_a_tiff_look_alike(tmp_path, layout):
    frame = only(tmp_path / "a.tif", tiff(GREY, layout))
    white_is_zero = layout.tags.get(262) == [0]
    np.testing.assert_array_equal(frame.values, 255 - GREY if white_is_zero else GREY)


@pytest.mark.parametrize("deflate", [False, True])
def test_planes_of_eight_bits(tmp_path, deflate):
    layout = Tiff(rows=4, planar=True, deflate=deflate)
    frame = only(tmp_path / "a.tif", tiff(np.stack([GREY] * 3, 2), layout))
    np.testing.assert_array_equal(frame.values, GREY)


@pytest.mark.parametrize(
    ("dtype", "pixels"),
    [
        ("f2", "1 x 16-bit floats"),
        ("f8", "1 x 64-bit floats"),
        ("u8", "1 x 64-bit whole numbers"),
        ("i8", "1 x 64-bit signed numbers"),
    ],
)
def test_numbers_that_are_not_supported_are_named(tmp_path, dtype, pixels):
    (tmp_path / "a.tif").write_bytes(tiff(GREY.astype(dtype)))
    with fails(
        f"{tmp_path / 'a.tif'}: a TIFF file with {pixels} per pixel, which is not supported, or "
        "damaged; save it as 8-bit or 16-bit grey or colour, or 32-bit floats in grey"
    ):
        read_frames(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("values", "layout", "fault"),
    [
        (GREY.view(np.int8), Tiff(), "signed bytes; save them as unsigned ones or as 16 bits"),
        (COLOUR, Tiff(planar=True), "16-bit colours in separate planes; save them interleaved"),
    ],
)
def test_numbers_that_would_be_read_as_others(tmp_path, values, layout, fault):
    (tmp_path / "a.tif").write_bytes(tiff(values, layout))
    with fails(f"{tmp_path / 'a.tif'}: not a readable image ({fault}); fix or remove it"):
        read_frames(tmp_path / "a.tif")


def test_signed_numbers_of_sixteen_bits_have_no_white(tmp_path):
    (tmp_path / "a.tif").write_bytes(tiff(GREY.astype(np.int16)))
    with pytest.raises(DataError, match="pixels of type int32 from 0 to 255, and no value is kno"):
        load(str(tmp_path))


@pytest.mark.parametrize("tags", [{254: 1}, {254: 4}, {255: 2}])
def test_smaller_copies_in_a_tiff_are_no_images(tmp_path, tags):
    small = Image.fromarray(GREY[::2, ::2])
    info = Image.Exif()
    for tag, value in tags.items():
        info[tag] = value
    pages = [Image.fromarray(GREY), small]
    path = tmp_path / "a.tif"
    small.encoderinfo = {"tiffinfo": info}
    pages[0].save(path, save_all=True, append_images=pages[1:])
    with Image.open(path) as image:
        assert image.n_frames == 2
        image.seek(1)
        assert tags.items() <= dict(image.tag_v2).items()
    (frame,) = read_frames(path)
    np.testing.assert_array_equal(frame.values, GREY)
