"""Images in colour: arrays, pictures, photographs, CIFAR-10 and CelebA keep their colours."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from photographs import photograph
from PIL import Image

from ipvae_snn.config.preparation import Preparation
from ipvae_snn.data import load, photographs
from ipvae_snn.data.array_images import as_stack
from ipvae_snn.data.given import Selection, image_set
from ipvae_snn.data.pictures import read_frames
from ipvae_snn.data.rotate import rotated
from ipvae_snn.errors import DataError, MemoryLimitError
from ipvae_snn.storage import memory
from small_sets import fails

COLOUR = Selection(colour=True)
LEVELS = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3), np.uint8)
EXPECTED = (LEVELS / np.float32(255)).astype(np.float32).reshape(5, -1)


@pytest.mark.parametrize(
    "source",
    [LEVELS, np.moveaxis(LEVELS, 3, 1), torch.tensor(np.moveaxis(LEVELS, 3, 1)), list(LEVELS)],
)
def test_arrays_keep_their_colours_side_by_side(source):
    images = image_set(source, COLOUR)
    assert images.image_shape == (4, 6, 3)
    np.testing.assert_array_equal(images.pixels, EXPECTED)
    assert "4x6x3" in images.remarks[0]


def test_without_the_option_colour_is_luminance():
    images = image_set(LEVELS)
    assert images.image_shape == (4, 6)
    light = np.rint(LEVELS @ np.array([0.299, 0.587, 0.114]))
    np.testing.assert_array_equal(images.pixels * 255, light.reshape(5, -1))


@given(st.lists(st.integers(1, 6), min_size=4, max_size=4))
def test_the_axis_of_the_colours_is_never_a_guess(shape):
    """Of any (N, a, b, c): colours last, colours second, both (refused), or none (refused)."""
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    last, second = shape[3] == 3, shape[1] == 3
    if last == second:
        with pytest.raises(DataError, match="second or in the last" if last else "no colours"):
            as_stack("x", array, colour=True)
    else:
        stack = as_stack("x", array, colour=True)
        np.testing.assert_array_equal(stack, array if last else array.transpose(0, 2, 3, 1))


@pytest.mark.parametrize("shape", [(5, 4, 6), (5, 4, 6, 1), (5, 1, 4, 6), (5, 48), (5, 4, 6, 4)])
def test_grey_arrays_are_no_colours(shape):
    with pytest.raises(DataError, match=r"holds no colours, which are .*; give colours, or leave"):
        image_set(np.zeros(shape, np.uint8), COLOUR)


def saved(folder: Path, count: int = 4) -> Path:
    folder.mkdir(exist_ok=True)
    for index in range(count):
        Image.fromarray(LEVELS[index]).save(folder / f"{index}.png")
    return folder


def test_pictures_of_a_folder(tmp_path):
    images = image_set(saved(tmp_path / "p"), COLOUR)
    assert images.image_shape == (4, 6, 3)
    np.testing.assert_array_equal(images.pixels, EXPECTED[:4])
    assert images.remarks == (
        f"images: 4 of 4x6x3 from 4 files, levels {LEVELS[:4].min()}..{LEVELS[:4].max()} of 255",
    )


def test_grey_pictures_among_colours_are_named(tmp_path):
    folder = saved(tmp_path / "p")
    Image.fromarray(LEVELS[4, ..., 0]).save(folder / "grey.png")
    images = image_set(folder, COLOUR)
    assert images.remarks[1] == "grey pictures, the same in all colours: 1"
    last = images.pixels[4].reshape(4, 6, 3) * 255
    np.testing.assert_array_equal(last, np.repeat(LEVELS[4, ..., :1], 3, axis=2))


def test_palettes_and_transparency_are_seen_in_colour(tmp_path):
    paper = np.zeros((2, 2, 4), np.uint8)
    paper[0] = (200, 100, 0, 255)
    paper[1] = (200, 100, 0, 0)
    Image.fromarray(paper).save(tmp_path / "t.png")
    (seen,) = read_frames(tmp_path / "t.png", colour=True)
    assert seen.on_white
    np.testing.assert_array_equal(seen.values[:, 0], [[200, 100, 0], [255, 255, 255]])
    Image.fromarray(paper[:1, :, :3]).quantize(4).save(tmp_path / "p.png")
    (palette,) = read_frames(tmp_path / "p.png", colour=True)
    np.testing.assert_array_equal(palette.values[0, 0], [200, 100, 0])
    assert not palette.repeated


def test_deep_colours_keep_all_bits(tmp_path):
    values = np.random.default_rng(1).integers(0, 65536, (3, 2, 3), np.uint16)
    heading = b"P6\n2 3\n65535\n"
    (tmp_path / "a.ppm").write_bytes(heading + values.astype(">u2").tobytes())
    (frame,) = read_frames(tmp_path / "a.ppm", colour=True)
    np.testing.assert_array_equal(frame.values, values)
    assert frame.white == 65535


def test_a_picture_of_another_size_is_refused(tmp_path):
    folder = saved(tmp_path / "p")
    Image.fromarray(LEVELS[4, :3]).save(folder / "9.png")
    with pytest.raises(DataError, match=r"9\.png: 3x6 pixels, but 0\.png has 4x6"):
        image_set(folder, COLOUR)


@pytest.fixture
def coloured(tmp_path, monkeypatch):
    """Six photographs in colour, of which few patches are cut."""
    monkeypatch.setattr(photographs, "COUNTS", {"train": 200, "test": 50})
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(6):
        channels = [photograph(3 * index + c, 70, 76) for c in range(3)]
        Image.fromarray(np.stack(channels, axis=2)).save(folder / f"{index}.png")
    return folder


@pytest.mark.parametrize(("whiten", "kind"), [("none", "unit"), ("olshausen", "standardised")])
def test_patches_of_photographs_in_colour(coloured, whiten, kind):
    wanted = Selection("train", holdout=True, preparation=Preparation(8, whiten), colour=True)
    train = image_set(coloured, wanted)
    test = image_set(coloured, replace(wanted, split="test", preparation=train.preparation))
    assert train.image_shape == test.image_shape == (8, 8, 3)
    assert (len(train), len(test), train.kind) == (200, 50, kind)
    assert train.remarks[0].startswith("train: 200 patches of 8x8x3 from 5 of 6 photographs of 70x")


def test_patches_without_whitening_are_cuts_of_the_photograph(coloured):
    wanted = Selection("train", holdout=True, preparation=Preparation(8, "none"), colour=True)
    patch = image_set(coloured, wanted).pixels[0].reshape(8, 8, 3)
    windows = [
        np.lib.stride_tricks.sliding_window_view(np.asarray(Image.open(path)), (8, 8, 3))
        for path in sorted(coloured.iterdir())
    ]
    levels = np.rint(patch * 255).astype(np.uint8)
    assert any((each == levels).all(axis=(2, 3, 4, 5)).any() for each in windows)


def test_each_channel_is_whitened_by_itself(coloured):
    """A photograph of one channel three times has three times the patches of that channel."""
    for path in coloured.iterdir():
        channel = np.asarray(Image.open(path))[..., :1]
        Image.fromarray(np.repeat(channel, 3, axis=2)).save(path)
    wanted = Selection("train", holdout=True, preparation=Preparation(8), colour=True)
    patches = image_set(coloured, wanted).pixels.reshape(-1, 64, 3)
    np.testing.assert_array_equal(patches[..., 0], patches[..., 1])
    np.testing.assert_array_equal(patches[..., 0], patches[..., 2])
    grey = image_set(coloured, replace(wanted, colour=False))
    assert abs(grey.pixels.std() - patches.std()) < 0.1


def test_a_photograph_without_contrast_in_one_colour(coloured):
    path = coloured / "0.png"
    flat = np.array(Image.open(path))
    flat[..., 2] = 9
    Image.fromarray(flat).save(path)
    wanted = Selection("train", holdout=True, preparation=Preparation(8), colour=True)
    with pytest.raises(DataError, match=r"0\.png, blue: the image has no contrast"):
        image_set(coloured, wanted)


def test_rotation_turns_all_channels_alike():
    images = image_set(LEVELS, COLOUR)
    turned = rotated(images, seed=3)
    assert turned.image_shape == (4, 6, 3)
    whole = turned.pixels.reshape(5, 4, 6, 3)
    for channel in range(3):
        alone = image_set(LEVELS[..., channel])
        expected = rotated(alone, seed=3).pixels.reshape(5, 4, 6)
        np.testing.assert_allclose(whole[..., channel], expected, atol=1e-6)


def test_cifar10_in_colour_and_grey(tmp_path):
    folder = tmp_path / "cifar10"
    folder.mkdir()
    values = np.random.default_rng(2).integers(0, 256, (1000, 1024, 3), np.uint8)
    Image.fromarray(values).save(folder / "cifar10_batch_50.png")
    np.savez(folder / "cifar10_labels_51000.npz", labels=np.zeros(51_000, np.uint8))
    images = load("cifar10", "test", data_root=tmp_path, colour=True, limit=7)
    assert images.image_shape == (32, 32, 3)
    expected = (values[:7] / np.float32(255)).astype(np.float32).reshape(7, -1)
    np.testing.assert_array_equal(images.pixels, expected)
    assert load("cifar10", "test", data_root=tmp_path).image_shape == (32, 32)


@pytest.mark.parametrize("name", ["digits", "natural", "mnist"])
def test_grey_sets_have_no_colours(name):
    with fails(
        f"{name}: a set of grey images, but colours are asked for, by --colour (data.colour) or by "
        "a network of images in colour; choose cifar10, celeba, celeba-128 or your own images"
    ):
        load(name, colour=True)


PARTS = (0, 2, 0, 1, 0, 2)


def write_celeba(table: Path, pictures: Path, size=(178, 218)) -> None:
    """Write six faces in the layout of the official archive: a left half and a frame."""
    for folder in (table, pictures):
        folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{number + 1:06}.jpg {part}" for number, part in enumerate(PARTS)]
    (table / "list_eval_partition.txt").write_text("\n".join(lines) + "\n")
    for number in range(len(PARTS)):
        face = np.zeros((size[1], size[0], 3), np.uint8)
        face[40:188, 15:163] = (40 * number, 128, 90)
        face[40:188, 15:89] = (200, 40 * number, 20)
        path = pictures / f"{number + 1:06}.jpg"
        Image.fromarray(face).save(path, quality=95, subsampling=0)


@pytest.mark.parametrize(
    ("table", "pictures"),
    [
        ("celeba", "celeba/img_align_celeba"),
        ("CelebA/Eval", "CelebA/Img/img_align_celeba"),
    ],
)
@pytest.mark.parametrize(("name", "side"), [("celeba", 64), ("celeba-128", 128)])
def test_celeba_in_the_archives_layout(tmp_path, table, pictures, name, side):
    write_celeba(tmp_path / table, tmp_path / pictures)
    images = load(name, "train", data_root=tmp_path, colour=True)
    assert images.image_shape == (side, side, 3)
    assert len(images) == 3
    assert len(load(name, "test", data_root=tmp_path, colour=True)) == 2
    whole = np.rint(images.pixels * 255).reshape(3, side, side, 3)
    # The crop holds the two halves and nothing of the black frame.
    for row, number in enumerate((0, 2, 4)):
        left, right = whole[row, :, : side // 2 - 4], whole[row, :, side // 2 + 4 :]
        assert np.abs(left[2:-2, 2:] - [200, 40 * number, 20]).max() <= 6
        assert np.abs(right[2:-2, :-2] - [40 * number, 128, 90]).max() <= 6
    assert load(name, "train", data_root=tmp_path).image_shape == (side, side)


def test_celeba_reads_no_more_than_the_limit(tmp_path):
    write_celeba(tmp_path / "celeba", tmp_path / "celeba" / "img_align_celeba")
    for number in (3, 5):
        (tmp_path / "celeba" / "img_align_celeba" / f"{number:06}.jpg").unlink()
    assert len(load("celeba", "train", data_root=tmp_path, limit=1)) == 1
    with pytest.raises(DataError, match=r"000003\.jpg: cannot be read"):
        load("celeba", "train", data_root=tmp_path, limit=2)


def test_celeba_asks_for_memory_before_it_reads(tmp_path, monkeypatch):
    write_celeba(tmp_path / "celeba", tmp_path / "celeba" / "img_align_celeba")
    needed = 3 * 64 * 64 * 3 * 4
    monkeypatch.setenv(memory.VARIABLE, str(needed - 1))
    (tmp_path / "celeba" / "img_align_celeba" / "000001.jpg").unlink()
    with pytest.raises(MemoryLimitError, match="celeba: 3 images of 64x64x3"):
        load("celeba", "train", data_root=tmp_path, colour=True)


@pytest.mark.parametrize("line", ["000001.jpg", "000001.jpg 3", "../1.jpg 0", "a b 0"])
def test_a_damaged_partition(tmp_path, line):
    write_celeba(tmp_path / "celeba", tmp_path / "celeba" / "img_align_celeba")
    table = tmp_path / "celeba" / "list_eval_partition.txt"
    table.write_text(f"000001.jpg 0\n{line}\n")
    with pytest.raises(DataError, match=re.escape(f"{table}, line 2: {line!r}")):
        load("celeba", data_root=tmp_path)


def test_celeba_faults(tmp_path):
    write_celeba(tmp_path / "celeba", tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"no folder img_align_celeba beside it; unpack"):
        load("celeba", data_root=tmp_path)
    write_celeba(tmp_path / "celeba", tmp_path / "celeba" / "img_align_celeba", (200, 218))
    with pytest.raises(DataError, match=r"000001\.jpg: 200x218 pixels, but the aligned"):
        load("celeba", data_root=tmp_path)
    table = tmp_path / "celeba" / "list_eval_partition.txt"
    table.write_text("000001.jpg 1\n")
    with fails(f"{table}: names no picture of the train split (0)"):
        load("celeba", data_root=tmp_path)
