"""Damaged pictures of every format: refused in one line or read whole, and nothing is printed."""

import io
import logging
import threading
import warnings

import numpy as np
import pytest
from picture_files import Tiff, chunk, png, tiff
from PIL import Image

from ipvae_snn.data.given import image_set
from ipvae_snn.data.libtiff import errors_of_libtiff
from ipvae_snn.data.pictures import read_frames
from ipvae_snn.errors import DataError
from small_sets import fails

NOISE = np.random.default_rng(0).integers(0, 256, (3, 20, 14)).astype(np.uint8)
GREY = Image.fromarray(NOISE[0])
COLOUR = Image.fromarray(np.moveaxis(NOISE, 0, 2))
STACK = {"save_all": True, "append_images": [Image.fromarray(one) for one in NOISE[1:]]}


def saved(image: Image.Image, form: str, **options) -> bytes:
    """Return a picture as a file of the format."""
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


FILES = {
    "grey.png": saved(GREY, "PNG"),
    "animation.png": saved(GREY, "PNG", **STACK),
    "grey.jpg": saved(GREY, "JPEG"),
    "progressive.jpg": saved(COLOUR, "JPEG", progressive=True),
    "animation.gif": saved(GREY, "GIF", **STACK),
    "colour.webp": saved(COLOUR, "WEBP"),
    "animation.webp": saved(GREY, "WEBP", lossless=True, **STACK),
    "colour.bmp": saved(COLOUR, "BMP"),
    "colour.ppm": saved(COLOUR, "PPM"),
    "bits.pbm": saved(GREY.convert("1"), "PPM"),
    "raw.tif": saved(COLOUR, "TIFF"),
    "lzw.tif": saved(GREY, "TIFF", compression="tiff_lzw", **STACK),
    "jpeg.tif": saved(COLOUR, "TIFF", compression="jpeg"),
    "packbits.tif": saved(COLOUR, "TIFF", compression="packbits"),
    "fax.tif": saved(GREY.convert("1"), "TIFF", compression="group4"),
    "deflate.tif": tiff(NOISE[0], Tiff(rows=6, deflate=True)),
    "tiles.tif": tiff(NOISE[0], Tiff(tile=16)),
    "deep.tif": tiff(NOISE.astype(np.uint16).transpose(1, 2, 0) * 250, Tiff(rows=6)),
    "deep.png": png(NOISE.astype(np.uint16).transpose(1, 2, 0) * 250),
    "deep.ppm": b"P6 14 20 65535\n" + bytes(2) * (14 * 20 * 3),
}


@pytest.fixture(autouse=True)
def nothing_is_printed(capfd):
    """Fail if a test prints, by Python or by a library that writes to the terminal itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
    assert not logging.getLogger("PIL").handlers
    assert capfd.readouterr() == ("", "")


def read_or_refuse(path):
    """Return the values of a file's pictures, None if one line refuses it."""
    message = ""
    try:
        return [frame.values for frame in read_frames(path)]
    except DataError as error:
        message = str(error)
    assert message.startswith(str(path))
    assert "\n" not in message
    return None


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_anywhere_is_refused_or_read_whole(tmp_path, name):
    data, path = FILES[name], tmp_path / name
    path.write_bytes(data)
    whole = [frame.values for frame in read_frames(path)]
    near_the_end = range(max(0, len(data) - 12), len(data))
    for kept in {*range(0, len(data), max(1, len(data) // 40)), *near_the_end}:
        path.write_bytes(data[:kept])
        found = read_or_refuse(path)
        assert found is None or len(found) == len(whole), kept
        assert all(map(np.array_equal, found or [], whole)), kept


@pytest.mark.parametrize("name", FILES)
def test_changed_bytes_print_nothing(tmp_path, name):
    rng, path = np.random.default_rng(1), tmp_path / name
    for _ in range(40):
        data = bytearray(FILES[name])
        for place in rng.integers(0, len(data), 3):
            data[place] = rng.integers(256)
        path.write_bytes(data)
        assert read_or_refuse(path) != []


@pytest.mark.parametrize("name", ["grey.png", "deep.png", "animation.png"])
def test_every_changed_byte_of_a_png_is_found(tmp_path, name):
    path = tmp_path / name
    for place in range(8, len(FILES[name]) - 12, 7):  # but those of the empty chunk at its end
        data = bytearray(FILES[name])
        data[place] ^= 1
        path.write_bytes(data)
        with pytest.raises(DataError, match=r"not a readable image \("):
            read_frames(path)


@pytest.mark.parametrize(
    ("layout", "fault"),
    [
        (Tiff(rows=6, tags={273: [8]}), "has 1 of 4 strips"),
        (Tiff(rows=6, deflate=True, tags={279: [9, 0, 9, 9]}), "strip 2 of 4 is empty"),
        (Tiff(tile=16, tags={324: [8, 0]}), "tile 2 of 2 is empty"),
        (Tiff(tags={279: [90_000]}), "strip 1 of 1 ends at byte 90008 of"),
        (Tiff(rows=6, planar=True, tags={273: [8, 9, 10, 11]}), "has 4 of 12 strips"),
    ],
)
def test_missing_parts_of_a_tiff_are_named(tmp_path, layout, fault):
    values = NOISE.transpose(1, 2, 0) if layout.planar else NOISE[0]
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(values, layout))
    with pytest.raises(DataError, match=rf"^{path}: not a readable image \({fault}"):
        read_frames(path)


def test_what_libtiff_says_is_the_reason(tmp_path):
    data = bytearray(FILES["deflate.tif"])
    data[12] ^= 255
    path = tmp_path / "a.tif"
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"a\.tif: not a readable image \(ZIPDecode: .*; fix or"):
        read_frames(path)


def test_threads_take_turns_with_libtiff():
    said: list[list[str]] = []

    def read() -> None:
        damaged = bytearray(FILES["deflate.tif"])
        damaged[12] ^= 255
        with errors_of_libtiff() as messages, pytest.raises(OSError, match="decoder error"):
            Image.open(io.BytesIO(damaged)).load()
        said.append(messages)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(messages) for messages in said] == [1] * 4


def test_an_animation_with_a_damaged_count_is_no_single_picture(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png(NOISE[0], chunk(b"acTL", bytes(8))))
    with fails(
        f"{path}: not a readable image (Invalid APNG, will use default PNG image if possible); fix "
        "or remove it"
    ):
        read_frames(path)


def test_damaged_metadata_of_a_photograph_do_no_harm(tmp_path):
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[0x010E] = "a description of some length"
    GREY.save(path, exif=exif.tobytes()[:-20])
    (frame,) = read_frames(path)
    assert frame.values.shape == (20, 14)


def test_a_damaged_picture_that_the_caller_opened(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(FILES["grey.jpg"][:-200])
    with (
        Image.open(path) as image,
        pytest.raises(DataError, match=r"^a picture of mode L: not a readable image \(image file"),
    ):
        image_set([image])


def test_an_empty_file(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"")
    with fails(f"{tmp_path / 'a.jpg'}: not a readable image (the file is empty); fix or remove it"):
        read_frames(tmp_path / "a.jpg")
