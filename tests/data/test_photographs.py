"""Patches of photographs: any size and depth, whole ones held out, treated alike ever after."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from photographs import folder_of, photograph
from PIL import Image

from ipvae_snn.config.preparation import Constants, Preparation
from ipvae_snn.data import load, photographs
from ipvae_snn.data.given import Selection, image_set
from ipvae_snn.errors import DataError, FileFormatError
from small_sets import fails

PATCHES = Preparation(patches=8)


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Cut few patches, so that a test takes little time."""
    monkeypatch.setattr(photographs, "COUNTS", {"train": 300, "test": 100})


def both(source, preparation=PATCHES, **options):
    """Return training and test patches, as training reads them."""
    chosen = Selection("train", preparation=preparation, holdout=True, **options)
    train = image_set(source, chosen)
    return train, image_set(source, replace(chosen, split="test", preparation=train.preparation))


def test_patches_are_whitened_and_standardised(tmp_path):
    train, test = both(folder_of(tmp_path, 6))
    assert (len(train), len(test)) == (300, 100)
    assert train.image_shape == (8, 8)
    assert train.kind == test.kind == "standardised"
    assert abs(train.pixels.mean()) < 0.1
    assert 0.8 < train.pixels.std() < 1.2
    assert train.pixels.std(axis=1).min() > 0.1
    assert train.remarks == (
        "train: 300 patches of 8x8 from 5 of 6 photographs of 70x76, whitened",
    )
    assert test.remarks == ("test: 100 patches of 8x8 from 1 of 6 photographs of 70x76, whitened",)


def test_the_test_split_is_made_of_other_photographs(tmp_path):
    folder = folder_of(tmp_path, 6)
    train, test = both(folder)
    # Every fifth photograph is held out: changing it changes the test patches alone, and changing
    # another one the training patches alone.
    Image.fromarray(photograph(100)).save(folder / "04.png")
    again, other = both(folder)
    np.testing.assert_array_equal(again.pixels, train.pixels)
    assert not np.array_equal(other.pixels, test.pixels)
    Image.fromarray(photograph(101)).save(folder / "01.png")
    changed = image_set(folder, Selection("test", preparation=again.preparation))
    np.testing.assert_array_equal(changed.pixels, other.pixels)


@given(count=st.integers(2, 60))
def test_photographs_are_divided_as_wholes(count):
    sources = [photographs.Source(str(i), list) for i in range(count)]
    held = photographs.held_out(sources, "p")
    assert sum(held) == max(1, count // 5)
    assert held[-1] if count < 5 else held[4]


def test_depths_give_nearly_the_same_patches(tmp_path):
    levels = np.stack([photograph(i) for i in range(3)])
    levels[:, 0, 0] = 255  # the brightest pixel of deep pictures is white
    first = both(levels)[0].pixels
    for other in (levels.astype(np.uint16) * 257, levels / 255.0, torch.from_numpy(levels / 9.0)):
        np.testing.assert_allclose(both(other)[0].pixels, first, atol=2e-3)
    colour = np.repeat(levels[..., None], 3, axis=3)
    np.testing.assert_allclose(both(colour)[0].pixels, first, atol=1e-6)


def test_a_mixture_of_sizes_and_depths(tmp_path):
    Image.fromarray(photograph(0)).save(tmp_path / "a.png")
    Image.fromarray(photograph(1, 90, 60)).convert("RGB").save(tmp_path / "b.jpg", quality=95)
    Image.fromarray(photograph(2).astype(np.uint16) * 16).save(tmp_path / "c.png")
    Image.fromarray(photograph(3).astype(np.float32) / 7).save(tmp_path / "d.tif")
    train, test = both(tmp_path)
    assert len(train) == 300
    assert train.remarks[0].endswith("from 3 of 4 photographs of 70x76 to 90x60, whitened")
    assert test.remarks[0].endswith("from 1 of 4 photographs of 70x76, whitened")


def test_arrays_of_several_sizes():
    train, _ = both([photograph(0), photograph(1, 90, 60), photograph(2, 60, 90)])
    assert len(train) == 300


def test_large_photographs_are_reduced(tmp_path, monkeypatch):
    monkeypatch.setattr(photographs, "LONGEST", 80)
    levels = np.stack([photograph(i, 150, 140) for i in range(2)]).astype(np.float32) + 1
    small = levels.reshape(2, 75, 2, 70, 2).mean(axis=(2, 4))
    reduced, kept = both(levels)[0], both(small * levels.max() / small.max())[0]
    assert reduced.remarks[0].endswith("of 150x140, reduced up to 2-fold, whitened")
    assert reduced.pixels.shape == kept.pixels.shape
    np.testing.assert_allclose(reduced.pixels, kept.pixels, atol=0.05)


def test_without_whitening_pixels_stay_in_zero_to_one(tmp_path):
    train, test = both(folder_of(tmp_path, 3), Preparation(8, "none"))
    assert train.kind == test.kind == "unit"
    assert train.preparation.constants.mean == 0
    whole = np.stack([photograph(i) for i in range(2)]) / np.float32(255)
    assert np.isin(train.pixels, whole).all()


def test_pictures_of_a_stack_are_photographs(tmp_path):
    parts = [Image.fromarray(photograph(i)) for i in range(3)]
    parts[0].save(tmp_path / "a.tif", save_all=True, append_images=parts[1:])
    train, _ = both(tmp_path / "a.tif")
    assert "from 2 of 3 photographs" in train.remarks[0]
    # Two files: the whole second one is held out.
    parts[0].save(tmp_path / "b.tif", save_all=True, append_images=parts[1:])
    assert "from 1 of 2 photographs" in both(tmp_path)[0].remarks[0]


def test_labels_of_photographs_are_those_of_their_patches(tmp_path):
    folder_of(tmp_path / "fern", 5)
    folder_of(tmp_path / "moss", 5)
    train, test = both(tmp_path)
    assert set(train.labels) == set(test.labels) == {0, 1}
    assert abs((test.labels == 0).mean() - 0.5) < 0.2


def test_a_network_s_constants_treat_one_photograph(tmp_path):
    train, _ = both(folder_of(tmp_path / "many", 4))
    folder_of(tmp_path / "one", 1)
    for split in ("train", "test"):
        images = load(str(tmp_path / "one"), split, preparation=train.preparation)
        assert images.preparation == train.preparation
    with fails(
        "one: 1 photograph cannot be divided in training and test; give more, since whole "
        "photographs are held out"
    ):
        load(str(tmp_path / "one"), preparation=PATCHES)


def test_images_of_the_patches_size_are_patches():
    known = Preparation(8, "olshausen", 0.0, Constants(0.0, 1.0, 0.1))
    ready = np.random.default_rng(0).standard_normal((5, 8, 8))
    images = image_set(ready, Selection(preparation=known))
    np.testing.assert_array_equal(images.pixels, ready.reshape(5, 64).astype(np.float32))


def test_a_limit_keeps_the_first_patches(tmp_path):
    folder = str(folder_of(tmp_path, 3))
    whole, part = (load(folder, preparation=PATCHES, limit=limit) for limit in (None, 20))
    np.testing.assert_array_equal(part.pixels, whole.pixels[:20])


def test_progress_names_each_photograph(tmp_path):
    seen = []
    folder_of(tmp_path, 3)
    load(str(tmp_path), preparation=PATCHES, report=lambda *now: seen.append(now))
    assert seen[0] == (f"reading photographs, {tmp_path / '00.png'}", 0, 2)
    assert seen[-1] == ("photographs read", 2, 2)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((50, 47), 9, np.uint8), ": 50x47 pixels, but whitened patches of 8x8 need 48"),
        (np.full((50, 60), 9, np.uint8), ": the image has no contrast, so it cannot be whitened"),
        (np.full((50, 60), np.nan), ": holds NaN or infinite pixels; clean the data first"),
        (np.full((50, 60), -1.0), ": pixels from -1 to -1, but light is not negative"),
    ],
)
def test_photographs_that_cannot_be_cut(array, message):
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        both([photograph(0), array, photograph(1)])
    assert str(caught.value).startswith("list: image 1:")


def test_one_colour_picture_is_not_taken_for_many(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((60, 70, 3), np.uint8))
    for preparation in (PATCHES, None):
        with pytest.raises(DataError, match=r"shape \(60, 70, 3\) looks like one colour picture"):
            load(str(tmp_path / "a.npy"), preparation=preparation)


def test_one_grey_picture_is_not_taken_for_rows(tmp_path):
    np.save(tmp_path / "a.npy", photograph(0, 64, 64))
    with pytest.raises(DataError, match=r"shape \(64, 64\); give \(N, height, width\)"):
        load(str(tmp_path / "a.npy"), preparation=PATCHES)


@given(
    patches=st.sampled_from([0, 2, 16, 256]),
    whiten=st.sampled_from(["olshausen", "none"]),
    white=st.floats(0, 1e6),
    numbers=st.none() | st.tuples(st.floats(-9, 9), st.floats(1e-3, 9), st.floats(0, 9)),
)
def test_preparation_is_written_and_read(patches, whiten, white, numbers):
    constants = None if numbers is None else Constants(*numbers)
    preparation = Preparation(patches, whiten, white, constants)
    assert Preparation.from_text(preparation.as_text(), "a") == preparation


@pytest.mark.parametrize(
    "change",
    [
        ('"patches": 8', '"patches": 1'),
        ('"patches": 8', '"patches": 100000'),
        ('"patches": 8', '"patches": true'),
        ('"olshausen"', '"other"'),
        ('"white": 0.0', '"white": NaN'),
        ('"white": 0.0', '"white": 1e999'),
        ('"deviation": 1.0', '"deviation": 0'),
        ('"mean": 0.0, ', ""),
        ("}", "", 1),
        ("{", "[" * 5000 + "{", 1),
    ],
)
def test_damaged_preparations_are_one_line(change):
    text = Preparation(8, "olshausen", 0.0, Constants(0.0, 1.0, 0.1)).as_text()
    damaged = text.replace(*change)
    assert damaged != text
    with pytest.raises(FileFormatError, match=r"^a: the preparation of its images") as caught:
        Preparation.from_text(damaged, "a")
    assert len(str(caught.value)) < 250


def test_the_path_may_end_in_a_slash(tmp_path):
    folder_of(tmp_path / "photos", 2)
    assert load(f"{tmp_path}/photos/", preparation=PATCHES).name == Path("photos").name
