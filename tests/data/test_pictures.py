"""Picture files of every kind: seen as they look, or refused in one line that names them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from ipvae_snn.data import load, pictures
from ipvae_snn.data.pictures import read_frames
from ipvae_snn.errors import DataError
from small_sets import fails

GREY = np.random.default_rng(0).integers(0, 256, (6, 5)).astype(np.uint8)


def ink(alpha, level: int = 0) -> Image.Image:
    """Return ink of one level, seen where alpha is not 0."""
    pixels = np.full((*alpha.shape, 4), level, np.uint8)
    pixels[..., 3] = alpha
    return Image.fromarray(pixels)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "webp"])
def test_ink_on_transparent_is_seen_on_white(tmp_path, mode):
    alpha = np.where(GREY > 127, 255, 0).astype(np.uint8)
    image = ink(alpha)
    path = tmp_path / "a.png"
    if mode == "LA":
        image.convert("LA").save(path)
    elif mode == "PA":
        paletted = Image.fromarray((alpha == 0).astype(np.uint8)).convert("P")
        paletted.putpalette([0, 0, 0, 9, 9, 9])
        paletted.save(path, transparency=b"\xff\x00")
    elif mode == "webp":
        path = tmp_path / "a.webp"
        image.save(path, lossless=True)
    else:
        image.save(path)
    (frame,) = read_frames(path)
    assert frame.on_white
    np.testing.assert_array_equal(frame.values, 255 - alpha)
    images = load(str(tmp_path))
    assert "transparent pictures, seen on white: 1" in images.remarks


def test_grey_with_one_transparent_level(tmp_path):
    Image.fromarray(np.array([[7, 0], [255, 0]], np.uint8)).save(tmp_path / "a.png", transparency=7)
    np.testing.assert_array_equal(read_frames(tmp_path / "a.png")[0].values, [[255, 0], [255, 0]])


def test_ink_that_is_not_seen_on_white_is_refused(tmp_path):
    path = tmp_path / "a.png"
    ink(np.where(GREY > 127, 255, 0), 255).save(path)
    with fails(
        f"{path}: a transparent picture of which nothing is seen on a white ground; save it on a "
        "ground of another colour"
    ):
        read_frames(path)


def test_opaque_alpha_changes_nothing(tmp_path):
    Image.fromarray(GREY).convert("RGBA").save(tmp_path / "a.png")
    (frame,) = read_frames(tmp_path / "a.png")
    assert not frame.on_white
    np.testing.assert_array_equal(frame.values, GREY)


@pytest.mark.parametrize("suffix", ["tif", "gif", "webp", "png"])
def test_every_picture_of_a_stack_is_read(tmp_path, suffix):
    parts = [Image.fromarray(np.roll(GREY, k, 0)) for k in range(4)]
    path = tmp_path / f"a.{suffix}"
    lossless = {"lossless": True} if suffix == "webp" else {}
    parts[0].save(path, save_all=True, append_images=parts[1:], **lossless)
    frames = read_frames(path)
    assert len(frames) == 4
    for k, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.values, np.roll(GREY, k, 0))
    images = load(str(path))
    assert len(images) == 4
    assert images.remarks[0].startswith("images: 4 of 6x5 from 1 files, levels ")


def test_labels_of_a_stack_are_those_of_its_file(tmp_path):
    for name, count in (("cat", 2), ("dog", 3)):
        (tmp_path / name).mkdir()
        parts = [Image.fromarray(np.roll(GREY, k, 0)) for k in range(count)]
        parts[0].save(tmp_path / name / "a.tif", save_all=True, append_images=parts[1:])
    assert load(str(tmp_path)).labels.tolist() == [0, 0, 1, 1, 1]


def test_previews_in_a_jpeg_are_not_images(tmp_path):
    path = tmp_path / "a.jpg"
    main = Image.fromarray(GREY)
    main.save(path, format="MPO", save_all=True, append_images=[main.resize((2, 2))])
    with Image.open(path) as image:
        assert image.n_frames == 2
    (frame,) = read_frames(path)
    assert frame.values.shape == GREY.shape


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "deep.tif"])
@pytest.mark.parametrize(
    ("orientation", "turned"),
    [
        (6, Image.Transpose.ROTATE_90),
        (8, Image.Transpose.ROTATE_270),
        (3, Image.Transpose.ROTATE_180),
        (2, Image.Transpose.FLIP_LEFT_RIGHT),
    ],
)
def test_orientation_of_the_camera_is_applied(tmp_path, suffix, orientation, turned):
    ramp = np.add.outer(np.arange(0, 160, 10), np.arange(0, 80, 10)).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    lossy = {"quality": 100} if suffix in ("jpg", "webp") else {}
    ramp = ramp.astype(np.uint16) if suffix == "deep.tif" else ramp
    Image.fromarray(ramp).transpose(turned).save(path, exif=exif, **lossy)
    (frame,) = read_frames(path)
    assert frame.values.shape == ramp.shape
    assert np.abs(frame.values.astype(int) - ramp).max() <= 8


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK"])
def test_modes_that_look_the_same(tmp_path, mode):
    levels = np.where(GREY > 127, 255, 0).astype(np.uint8)
    Image.fromarray(levels).convert(mode).save(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_frames(tmp_path / "a.tif")[0].values, levels)


@pytest.mark.parametrize("mode", ["1", "L"])
def test_tiff_in_which_zero_is_white(tmp_path, mode):
    levels = np.where(GREY > 127, 255, 0).astype(np.uint8)
    image = Image.fromarray(levels).convert(mode)
    image.save(tmp_path / "a.tif", tiffinfo={262: 0})
    with Image.open(tmp_path / "a.tif") as written:
        assert written.tag_v2[262] == 0
    stored = read_frames(tmp_path / "a.tif")[0].values
    np.testing.assert_array_equal(stored, pictures.frame_of(image, "a").values)


def tiff(values, bits: int, photometric: int = 1, sample: int = 1, width: int = 2) -> bytes:
    """Return a little-endian TIFF of one strip of rows of `width` pixels."""
    data = values.tobytes()
    entries = [
        (256, 4, width),
        (257, 4, values.shape[0]),
        (258, 3, bits),
        (259, 3, 1),
        (262, 3, photometric),
        (273, 4, 8),
        (277, 3, 1),
        (278, 4, values.shape[0]),
        (279, 4, len(data)),
        (339, 3, sample),
    ]
    table = b"".join(
        tag.to_bytes(2, "little")
        + kind.to_bytes(2, "little")
        + (1).to_bytes(4, "little")
        + value.to_bytes(4, "little")
        for tag, kind, value in entries
    )
    start = (8 + len(data)).to_bytes(4, "little")
    return b"II*\0" + start + data + len(entries).to_bytes(2, "little") + table + bytes(4)


def test_deep_tiff_in_which_zero_is_white(tmp_path):
    values = np.array([[0, 65535], [1000, 2]], "<u2")
    (tmp_path / "a.tif").write_bytes(tiff(values, 16, photometric=0))
    (frame,) = read_frames(tmp_path / "a.tif")
    np.testing.assert_array_equal(frame.values, 65535 - values)
    assert frame.white == 65535


def test_twelve_bit_tiff(tmp_path):
    packed = np.array([[0xFF, 0xF0, 0x00], [0x00, 0x18, 0x00]], np.uint8)
    (tmp_path / "a.tif").write_bytes(tiff(packed, 12))
    (frame,) = read_frames(tmp_path / "a.tif")
    np.testing.assert_array_equal(frame.values, [[4095, 0], [1, 2048]])
    assert frame.white == 4095
    assert load(str(tmp_path)).remarks[0].endswith("levels 0..4095 of 4095")


def test_float_tiff(tmp_path):
    values = np.array([[0, 0.5], [0.25, 1]], "<f4")
    (tmp_path / "a.tif").write_bytes(tiff(values, 32, sample=3))
    np.testing.assert_array_equal(load(str(tmp_path)).pixels, values.reshape(1, 4))
    (tmp_path / "a.tif").write_bytes(tiff(values, 32, photometric=0, sample=3))
    with fails(
        f"{tmp_path / 'a.tif'}: floats of which the smallest is white (WhiteIsZero); save it so "
        "that the smallest is black"
    ):
        load(str(tmp_path))


def test_wide_tiff_does_not_say_what_is_white(tmp_path):
    Image.fromarray(GREY.astype(np.int32)).save(tmp_path / "a.tif")
    assert read_frames(tmp_path / "a.tif")[0].white is None
    with pytest.raises(DataError, match=r"a\.tif: pixels of type int32 .*--white 255 \(data"):
        load(str(tmp_path))


def test_twelve_bits_in_a_deep_png_are_refused(tmp_path):
    values = np.array([[0, 4080], [1024, 16]], np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a\.png: the largest value of all is 4080, nearly black"):
        load(str(tmp_path))


def test_files_of_eight_and_sixteen_bits_together(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "a.png")
    Image.fromarray(GREY.astype(np.uint16) * 257).save(tmp_path / "b.png")
    pixels = load(str(tmp_path)).pixels
    np.testing.assert_allclose(pixels[0], pixels[1], atol=1e-7)


def test_pgm_of_twelve_bits(tmp_path):
    (tmp_path / "a.PGM").write_text("P2 2 1 4095 0 4095")
    np.testing.assert_array_equal(load(str(tmp_path)).pixels, [[0, 1]])


def test_formats_that_start_programs_are_not_opened(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    Image.init()
    assert "EPS" in Image.OPEN
    with pytest.raises(DataError, match=r"a\.png: not a readable image \(cannot identify"):
        read_frames(path)


def test_stack_that_needs_too_much_memory(tmp_path, monkeypatch):
    parts = [Image.fromarray(np.roll(GREY, k, 0)) for k in range(4)]
    parts[0].save(tmp_path / "a.tif", save_all=True, append_images=parts[1:])
    monkeypatch.setattr(pictures, "MAX_BYTES", 100)
    with fails(
        f"{tmp_path / 'a.tif'}: 4 pictures of 6x5 pixels need 120 bytes; at most 100, give fewer "
        "or smaller ones"
    ):
        read_frames(tmp_path / "a.tif")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    suffix=st.sampled_from(["png", "jpg", "bmp", "tif", "gif", "webp", "pgm"]),
    changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=8),
    kept=st.integers(0, 600),
)
def test_damage_is_one_line_that_names_the_file(tmp_path, suffix, changes, kept):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(GREY).save(path)
    data = bytearray(path.read_bytes()[:kept])
    for place, value in changes:
        if data:
            data[place % len(data)] = value
    Path(path).write_bytes(data)
    message = ""
    try:
        assert all(frame.values.ndim == 2 for frame in read_frames(path))
    except DataError as error:
        message = str(error)
    assert not message or message.startswith(str(path))
    assert "\n" not in message
