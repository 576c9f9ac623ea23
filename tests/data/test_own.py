"""The user's own images: arrays and folders, their kinds, and one-line errors."""

import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ipvae_snn.data import load, pictures
from ipvae_snn.data.part import held_out
from ipvae_snn.errors import DataError, MemoryLimitError
from ipvae_snn.storage import memory

FORMS = (
    "give uint8, floats in [0, 1], or standardised floats (|mean| <= 1, standard deviation "
    "0.2 to 5)"
)


def saved(folder: Path, array, name="mine.npy") -> Path:
    """Save an array and return the path."""
    np.save(folder / name, array)
    return folder / name


def fails(message: str):
    """Expect a DataError with exactly this message."""
    return pytest.raises(DataError, match=f"^{re.escape(message)}$")


@pytest.mark.parametrize("shape", [(3, 2, 2), (3, 2, 2, 1), (3, 4)])
def test_uint8_is_divided_by_255(tmp_path, shape):
    values = np.arange(0, 240, 20, dtype=np.uint8)
    images = load(str(saved(tmp_path, values.reshape(shape))))
    np.testing.assert_array_equal(
        images.pixels, (values.reshape(3, 4) / np.float32(255)).astype(np.float32)
    )
    assert images.kind == "unit"
    assert images.image_shape == (2, 2)
    assert images.name == "mine.npy"
    assert images.labels is None


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_floats_in_zero_to_one_are_unit(tmp_path, dtype):
    array = np.array([[[0, 0.5], [0.25, 1]]], dtype=dtype)
    images = load(str(saved(tmp_path, array)))
    assert images.kind == "unit"
    assert images.pixels.dtype == np.float32
    np.testing.assert_array_equal(images.pixels, [[0, 0.5, 0.25, 1]])


def test_other_floats_are_standardised(tmp_path):
    # Mean 0 and standard deviation sqrt((4 + 4 + 1 + 1) / 4) = 1.58, taken as they are.
    images = load(str(saved(tmp_path, np.array([[-2.0, 2, 1, -1]]))))
    assert images.kind == "standardised"
    np.testing.assert_array_equal(images.pixels, [[-2, 2, 1, -1]])


@pytest.mark.parametrize(
    ("array", "numbers"),
    [
        ([[0.0, 255, 0, 255]], "pixels from 0 to 255, mean 128, standard deviation 128"),
        ([[-0.1, 0.1, 0.1, -0.1]], "pixels from -0.1 to 0.1, mean 0, standard deviation 0.1"),
        ([[0.0, 4, 0, 4]], "pixels from 0 to 4, mean 2, standard deviation 2"),
        ([[-1e300, 1e300] * 2], "pixels from -1e+300 to 1e+300, mean 0, standard deviation 1e+300"),
    ],
)
def test_floats_of_no_known_kind(tmp_path, array, numbers):
    path = saved(tmp_path, np.array(array))
    with fails(f"{path}: {numbers}; {FORMS}"):
        load(str(path))


@pytest.mark.parametrize("dtype", ["complex128", "<U3"])
def test_other_types_are_refused(tmp_path, dtype):
    path = saved(tmp_path, np.zeros((2, 4), dtype))
    with fails(f"{path}: pixels of type {np.dtype(dtype)}; {FORMS}"):
        load(str(path))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_is_refused_with_the_image(tmp_path, bad):
    array = np.zeros((5, 4))
    array[3, 2] = bad
    path = saved(tmp_path, array)
    with fails(f"{path}: image 3 holds NaN or infinite pixels; clean the data first"):
        load(str(path))


@pytest.mark.parametrize("shape", [(4,), (3, 5), (2, 4, 5, 4), (1, 2, 2, 2, 1), ()])
def test_shapes_that_are_no_images(tmp_path, shape):
    path = saved(tmp_path, np.zeros(shape, np.uint8))
    with fails(
        f"{path}: an array of shape {shape}; give (N, height, width), (N, height, width, 1), "
        "(N, 1, height, width), colour (N, height, width, 3) or (N, 3, height, width), or (N, M) "
        "with M a square number"
    ):
        load(str(path))


@pytest.mark.parametrize("shape", [(0, 4, 4), (3, 0, 4)])
def test_empty_arrays(tmp_path, shape):
    path = saved(tmp_path, np.zeros(shape, np.uint8))
    with fails(f"{path}: an array of shape {shape} holds no image"):
        load(str(path))


@pytest.mark.parametrize("key", ["images", "x", "pixels", "arr_0", "anything"])
@pytest.mark.parametrize("label_key", ["labels", "y", None])
def test_npz_keys(tmp_path, key, label_key):
    labels = {} if label_key is None else {label_key: np.array([3, 1], np.uint8)}
    np.savez(tmp_path / "a.npz", **{key: np.full((2, 4), 51, np.uint8)}, **labels)
    images = load(str(tmp_path / "a.npz"))
    np.testing.assert_array_equal(images.pixels, np.full((2, 4), np.float32(0.2)))
    if label_key is None:
        assert images.labels is None
    else:
        assert images.labels.dtype == np.int64
        np.testing.assert_array_equal(images.labels, [3, 1])


def test_npz_with_several_unnamed_arrays(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, a=np.zeros(1), b=np.zeros(1))
    with fails(
        f"{path}: which array holds the images? It has a, b; name one of them images, x, pixels "
        "or arr_0"
    ):
        load(str(path))


@pytest.mark.parametrize("labels", [np.zeros(3, int), np.zeros(2), np.zeros((2, 1), int)])
def test_labels_that_do_not_fit(tmp_path, labels):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.zeros((2, 4), np.uint8), y=labels)
    with fails(
        f"{path}: labels are {labels.dtype} of shape {labels.shape}, but 2 images need whole "
        "numbers of shape (2,)"
    ):
        load(str(path))


def test_truncated_npz(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.zeros((2, 4), np.uint8))
    path.write_bytes(path.read_bytes()[:-30])
    with fails(f"{path}: not a readable .npz file (File is not a zip file); get it again"):
        load(str(path))


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("hello")
    with fails(
        f"{path}: not a .npy or .npz file, a picture, a video, nor a folder; give one of these"
    ):
        load(str(path))


@given(count=st.integers(2, 300))
def test_holdout_is_a_partition(count):
    held = held_out("p", count)
    assert held.sum() == max(1, count // 10)
    # Spread over the file, so that images sorted by class are divided within each class.
    if count >= 10:
        np.testing.assert_array_equal(np.flatnonzero(held), np.arange(9, count, 10))
    else:
        assert held[-1]


def test_holdout_only_where_asked(tmp_path):
    path = tmp_path / "a.npz"
    values = np.repeat(10 * np.arange(25, dtype=np.uint8), 4).reshape(25, 4)
    np.savez(path, x=values, y=np.arange(25))
    for split in ("train", "test"):
        assert load(str(path), split).labels.tolist() == list(range(25))
    train, test = (load(str(path), split, holdout=True) for split in ("train", "test"))
    assert test.labels.tolist() == [9, 19]
    assert train.labels.tolist() == [i for i in range(25) if i not in (9, 19)]
    np.testing.assert_array_equal(test.pixels[:, 0], np.float32([90, 190]) / np.float32(255))
    assert load(str(path), "train", holdout=True, limit=4).labels.tolist() == [0, 1, 2, 3]


def test_one_image_cannot_be_divided(tmp_path):
    path = saved(tmp_path, np.zeros((1, 4), np.uint8))
    with fails(f"{path}: 1 image cannot be divided in training and test; give more"):
        load(str(path), holdout=True)


def picture(path: Path, array, mode=None) -> None:
    """Save an array as a picture."""
    image = Image.fromarray(np.asarray(array, np.uint8))
    (image if mode is None else image.convert(mode)).save(path)


def test_folder_in_order_of_names(tmp_path):
    picture(tmp_path / "b.png", [[10, 20, 30], [40, 50, 60]])
    picture(tmp_path / "a.bmp", [[1, 2, 3], [4, 5, 6]])
    picture(tmp_path / "c.TIF", [[255] * 3] * 2)
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / ".hidden.png").write_text("not a picture")
    images = load(str(tmp_path))
    assert images.kind == "unit"
    assert images.image_shape == (2, 3)
    expected = np.float32([[1, 2, 3, 4, 5, 6], [10, 20, 30, 40, 50, 60], [255] * 6])
    np.testing.assert_array_equal(images.pixels, expected / np.float32(255))


@pytest.mark.parametrize(
    ("colour", "grey"),
    # .299 R + .587 G + .114 B, rounded: 76.245, 149.685, 29.07.
    [((255, 0, 0), 76), ((0, 255, 0), 150), ((0, 0, 255), 29), ((51, 51, 51), 51)],
)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_colour_becomes_luminance(tmp_path, colour, grey, mode):
    Image.new("RGB", (2, 2), colour).convert(mode).save(tmp_path / "a.png")
    np.testing.assert_array_equal(
        load(str(tmp_path)).pixels, np.full((1, 4), np.float32(grey) / np.float32(255))
    )


def test_palette_with_transparency_warns_of_nothing(tmp_path):
    image = Image.new("P", (2, 2), 1)
    image.putpalette([0, 0, 0, 51, 51, 51])
    image.save(tmp_path / "a.png", transparency=b"\x00\x80")
    # Half of 51 and half of the white ground: 51 * 128/255 + 255 * 127/255 = 152.6.
    seen = np.full((1, 4), np.float32(153) / np.float32(255))
    np.testing.assert_array_equal(load(str(tmp_path)).pixels, seen)


def test_sixteen_bit_grey(tmp_path):
    Image.fromarray(np.array([[0, 65535], [13107, 0]], np.uint16)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(load(str(tmp_path)).pixels, np.float32([[0, 1, 0.2, 0]]))


def test_folder_faults_name_the_file(tmp_path):
    with pytest.raises(DataError, match=r"holds no image file \(\.apng, .*, \.gif, .*\)$"):
        load(str(tmp_path))
    picture(tmp_path / "a.png", np.zeros((2, 3)))
    picture(tmp_path / "b.png", np.zeros((3, 2)))
    with fails(
        f"{tmp_path / 'b.png'}: 3x2 pixels, but a.png has 2x3; give images of one size, or cut "
        "patches from photographs (train --patches 16)"
    ):
        load(str(tmp_path))
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:40])
    with pytest.raises(DataError, match=r"b\.png: not a readable image \([^\n]*fix or remove it$"):
        load(str(tmp_path))
    (tmp_path / "b.png").write_text("plain text")
    with pytest.raises(DataError, match=r"b\.png: not a readable image \(cannot identify"):
        load(str(tmp_path))
    Image.new("LAB", (3, 2)).save(tmp_path / "b.tif")
    (tmp_path / "b.png").unlink()
    with fails(
        f"{tmp_path / 'b.tif'}: the pixel mode LAB is not supported; save it as 8-bit grey or "
        "colour"
    ):
        load(str(tmp_path))


@pytest.mark.parametrize("limit", [90, 40])  # above the limit Pillow warns, at twice it refuses
def test_decompression_bomb(tmp_path, monkeypatch, limit):
    picture(tmp_path / "a.png", np.zeros((10, 10)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(
        DataError, match=r"a\.png: not a readable image \(Image size \(100 pixels\) exceeds limit"
    ):
        load(str(tmp_path))


def test_folder_that_needs_too_much_memory(tmp_path, monkeypatch):
    picture(tmp_path / "a.png", np.zeros((2, 3)))
    picture(tmp_path / "b.png", np.zeros((2, 3)))
    monkeypatch.setenv("IPVAE_SNN_MEMORY", "71")
    message = (
        f"{tmp_path}: 2 images of 2x3: needs 72 B of memory, but 71 B is allowed; give fewer "
        "images (--limit; of train, --set data.limit=N), or set IPVAE_SNN_MEMORY (as 16G, or off)"
    )
    with pytest.raises(MemoryLimitError, match=f"^{re.escape(message)}$"):
        load(str(tmp_path))


@pytest.mark.parametrize(("dtype", "each"), [(np.uint8, 6), (np.uint16, 16)])
def test_the_memory_that_is_required_is_what_reading_takes(tmp_path, monkeypatch, dtype, each):
    level = np.iinfo(dtype).max
    for index in range(6):
        Image.fromarray(np.full((400, 500), level - index, dtype)).save(tmp_path / f"{index}.png")
    asked: list[int] = []
    monkeypatch.setattr(memory, "require", lambda needed, *_: asked.append(needed))
    load(str(tmp_path))  # imports
    tracemalloc.start()
    load(str(tmp_path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert set(asked) == {6 * 400 * 500 * each}
    assert 0.6 * asked[0] < peak < 1.2 * asked[0]


def test_reader_reports_the_name_it_was_given(tmp_path):
    picture(tmp_path / "a.png", [[0, 255]])
    np.testing.assert_array_equal(pictures.read_unit(tmp_path / "a.png", "who"), [[0, 1]])
    with fails("who: cannot be read (No such file or directory); fix or remove it"):
        pictures.read_unit(tmp_path / "gone.png", "who")
