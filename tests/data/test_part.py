"""A limit is applied before images are read and converted, and too many are refused."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ipvae_snn.data import load
from ipvae_snn.data.arrays import read_idx, read_npy, read_npz
from ipvae_snn.data.base import Split
from ipvae_snn.data.given import Selection, image_set
from ipvae_snn.data.part import Part
from ipvae_snn.errors import MemoryLimitError
from ipvae_snn.storage import memory
from small_sets import idx

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 4, 3), np.uint8)


def folder(place: Path, images: Any) -> Path:
    place.mkdir()
    for i, image in enumerate(images):
        Image.fromarray(image).save(place / f"{i:03d}.png")
    return place


def npy(place: Path, images: Any) -> Path:
    np.save(place.with_suffix(".npy"), images)
    return place.with_suffix(".npy")


def npz(place: Path, images: Any) -> Path:
    np.savez_compressed(place.with_suffix(".npz"), images=images)
    return place.with_suffix(".npz")


KINDS = (folder, npy, npz)


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("holdout", [False, True])
@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("limit", [1, 3, 36, 100, None])
def test_a_limited_part_is_the_first_of_the_whole_part(
    make: Any, holdout: bool, split: Split, limit: int | None, tmp_path: Path
) -> None:
    path = str(make(tmp_path / "mine", IMAGES))
    whole = load(path, split, holdout=holdout)
    part = load(path, split, limit=limit, holdout=holdout)
    np.testing.assert_array_equal(part.pixels, whole.pixels[:limit], strict=True)
    given_array = image_set(IMAGES, Selection(split, limit, holdout=holdout))
    np.testing.assert_array_equal(part.pixels, given_array.pixels, strict=True)


@given(count=st.integers(2, 200), limit=st.integers(1, 250), test=st.booleans())
def test_rows_are_those_of_the_split(count: int, limit: int, test: bool) -> None:
    every = np.arange(count)
    whole = every[Part("test" if test else "train", True).rows("s", count)]
    part = every[Part("test" if test else "train", True, limit).rows("s", count)]
    assert part.tolist() == whole[:limit].tolist()
    assert every[Part(limit=limit).rows("s", count)].tolist() == list(range(min(limit, count)))


def test_pictures_beyond_the_limit_are_not_opened(tmp_path: Path) -> None:
    path = folder(tmp_path / "mine", IMAGES[:3])
    (path / "999.png").write_bytes(b"not a picture")
    assert len(load(str(path), limit=3)) == 3


def test_a_large_npy_is_mapped(tmp_path: Path) -> None:
    """A file of 1 TiB with holes, of which ten images are wanted."""
    path = tmp_path / "large.npy"
    shape = (2**40 // 64, 8, 8)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|u1", "fortran_order": False, "shape": shape}
        )
        file.write(IMAGES.tobytes()[:64])
        file.truncate(file.tell() - 64 + 2**40)
    images = load(str(path), limit=10)
    assert images.pixels.shape == (10, 64)
    assert (
        images.pixels[0].tolist()
        == (IMAGES.reshape(-1)[:64] / np.float32(255)).astype(np.float32).tolist()
    )
    assert not isinstance(images.pixels, np.memmap)
    with pytest.raises(MemoryLimitError) as caught:
        load(str(path))
    said = str(caught.value)
    assert said.startswith(f"{path}: 17179869184 images of 8x8: needs 4 TiB of memory, but ")
    assert "; give fewer images (--limit; of train, --set data.limit=N), or set " in said


def test_the_pixels_of_a_mapped_file_are_a_copy(tmp_path: Path) -> None:
    """Else a file that changes, or ends, would change a run, or end it."""
    path = npy(tmp_path / "mine", IMAGES.astype(np.float32) / 256)
    images = load(str(path))
    before = images.pixels.copy()
    path.write_bytes(path.read_bytes()[:200])
    np.testing.assert_array_equal(images.pixels, before)


@pytest.mark.parametrize("packed", [False, True])
def test_an_idx_file_is_read_up_to_the_limit(packed: bool, tmp_path: Path) -> None:
    path = tmp_path / "images"
    content = idx(IMAGES)
    path.write_bytes(gzip.compress(content) if packed else content)
    for limit in (1, 7, 40, 50):
        np.testing.assert_array_equal(read_idx(path, 3, limit), IMAGES[:limit], strict=True)
    path.write_bytes(content[:100])  # cut off, but after the images that are wanted
    np.testing.assert_array_equal(read_idx(path, 3, 7), IMAGES[:7])


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_of_an_npz_is_read_up_to_the_limit(order: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=np.asarray(IMAGES, order=order))
    assert len(read_npz(path, "x", 5)) == (5 if order == "C" else 40)
    np.testing.assert_array_equal(read_npz(path, "x", 5)[:5], IMAGES[:5])


def test_an_empty_npy_is_read(tmp_path: Path) -> None:
    assert read_npy(npy(tmp_path / "none", np.zeros((0, 4, 4), np.uint8))).shape == (0, 4, 4)


@pytest.mark.parametrize("make", KINDS)
def test_too_many_images_are_refused_and_fewer_are_not(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(make(tmp_path / "mine", IMAGES))
    # Bytes; 20 images of 4x3 take 960 as float32, and pictures 480 as they are read.
    needed, shown = (1440, "1.41 KiB") if make is folder else (960, "960 B")
    monkeypatch.setenv(memory.VARIABLE, str(needed - 1))
    with pytest.raises(
        MemoryLimitError, match=rf": 20 images of 4x3: needs {shown} of memory, but"
    ):
        load(path, limit=20)
    assert len(load(path, limit=19)) == 19
