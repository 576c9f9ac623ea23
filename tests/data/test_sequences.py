"""Sequences of frames: drift, films in arrays and files, and what is held out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ipvae_snn.config.preparation import Preparation
from ipvae_snn.data.base import ImageSet
from ipvae_snn.data.given import Selection
from ipvae_snn.data.own_sequences import as_films, sequence_set
from ipvae_snn.data.sequences import Moving, Sequences, consecutive, drifting
from ipvae_snn.errors import DataError, MemoryLimitError
from ipvae_snn.storage import memory
from small_sets import fails

FILM = Moving(3, "video")
ALL = Selection("test")


def images(n: int, shape=(3, 4), labels: bool = False) -> ImageSet:
    pixels = np.arange(1, n * np.prod(shape) + 1, dtype=np.float32).reshape(n, -1)
    return ImageSet(
        "ramp", "test", pixels / pixels.max(), shape, "unit", np.arange(n) if labels else None
    )


def ramp(*shape: int) -> np.ndarray:
    """Return uint8 images whose first pixel counts the frames from 1, and others up to 255."""
    values = np.random.default_rng(0).integers(20, 256, shape, np.uint8)
    values.reshape(-1, *shape[-2:])[:, 0, 0] = np.arange(1, np.prod(shape[:-2]) + 1)
    return values


def numbers(sequences: Sequences) -> list[list[int]]:
    """Return the first pixel of every frame, as `ramp` counts them."""
    return np.rint(sequences.pixels[:, :, 0] * 255).astype(int).tolist()


@given(st.integers(1, 9), st.integers(2, 5), st.integers(1, 3))
def test_drift_keeps_the_image_in_the_middle_in_grey_and_in_colour(n, frames, channels):
    still = images(n, (3, 4, channels), labels=True)
    moved = drifting(still, frames)
    assert (len(moved), moved.frames, moved.pixels.shape) == (n, frames, (n, frames, 12 * channels))
    np.testing.assert_array_equal(moved.pixels[:, frames // 2], still.pixels)
    np.testing.assert_array_equal(moved.labels, still.labels)
    for channel in range(channels):
        alone = still.pixels.reshape(n, 3, 4, channels)[..., channel].reshape(n, -1)
        grey = drifting(ImageSet("one", "test", alone, (3, 4), "unit"), frames).pixels
        whole = moved.pixels.reshape(n, frames, 12, channels)
        np.testing.assert_array_equal(whole[..., channel], grey)


def test_drift_asks_for_its_memory_first(monkeypatch):
    monkeypatch.setenv(memory.VARIABLE, "1000")
    with pytest.raises(MemoryLimitError, match="ramp: 5 images as 7 frames of 3x4: needs"):
        drifting(images(5), 7)


def test_sequences_are_whole():
    with pytest.raises(DataError, match="7 images are no whole number of sequences of 3 frames"):
        Sequences(images(7), 3)
    kept = consecutive(images(7, labels=True), 3)
    assert len(kept) == 2
    np.testing.assert_array_equal(kept.labels, [0, 3])
    assert len(kept.first(1)) == 1
    assert repr(kept) == "Sequences(ramp, 2 of 3 unit frames of 3x4)"


@pytest.mark.parametrize("frames", [0, 1, 1025])
def test_a_number_of_frames_out_of_range(frames):
    with fails(f"sequences of {frames} frames are not possible; give 2 to 1024"):
        sequence_set(images(5), ALL, Moving(frames, "video"))


def test_films_of_an_array_are_cut_into_runs():
    sequences = sequence_set(ramp(2, 8, 4, 5), ALL, FILM)
    assert numbers(sequences) == [[1, 2, 3], [4, 5, 6], [9, 10, 11], [12, 13, 14]]
    (remark,) = sequences.images.remarks
    assert remark.startswith("sequences: 4 of 3 frames of 4x5 from 2 films of 8, levels 1..255")
    assert numbers(sequence_set(ramp(2, 8, 4, 5), Selection("test", 3), FILM))[2:] == [[9, 10, 11]]


def test_images_without_an_axis_of_frames_are_one_film():
    assert numbers(sequence_set(ramp(8, 4, 5), ALL, FILM)) == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize("order", ["last", "second"])
def test_films_in_colour(order):
    values = np.random.default_rng(1).integers(0, 256, (2, 3, 4, 5, 3), np.uint8)
    given_ = values if order == "last" else np.moveaxis(values, 4, 2)
    sequences = sequence_set(given_, Selection("test", colour=True), FILM)
    assert sequences.images.image_shape == (4, 5, 3)
    expected = (values / np.float32(255)).astype(np.float32).reshape(2, 3, -1)
    np.testing.assert_array_equal(sequences.pixels, expected)
    grey = sequence_set(given_, ALL, FILM)
    assert grey.images.image_shape == (4, 5)


def test_three_frames_or_three_colours_is_no_guess():
    with pytest.raises(DataError, match="may be films of 3 frames or images of 3 colours"):
        sequence_set(ramp(6, 3, 4, 5), ALL, FILM)
    assert numbers(sequence_set(ramp(2, 3, 4, 5)[..., None], ALL, FILM)) == [[1, 2, 3], [4, 5, 6]]


@given(st.lists(st.integers(1, 5), min_size=3, max_size=5), st.booleans())
def test_as_films_keeps_every_value_in_order(shape, colour):
    array = np.arange(np.prod(shape)).reshape(shape)
    try:
        films = as_films("x", array, colour)
    except DataError:
        assert not colour
        assert (len(shape), shape[1]) == (4, 3)
        return
    np.testing.assert_array_equal(films.frames.ravel(), array.ravel())
    assert films.number * films.length == len(films.frames)


def test_films_that_are_too_short():
    with fails(
        "images: 2 frames of a film make no sequence of 3; give longer films, or fewer frames"
    ):
        sequence_set(ramp(4, 2, 4, 5), ALL, FILM)


def test_labels_of_films(tmp_path):
    np.savez(tmp_path / "a.npz", images=ramp(2, 6, 4, 5), labels=[7, 9])
    sequences = sequence_set(tmp_path / "a.npz", ALL, FILM)
    np.testing.assert_array_equal(sequences.labels, [7, 7, 9, 9])
    np.savez(tmp_path / "b.npz", images=ramp(2, 6, 4, 5), labels=[7, 9, 8])
    with pytest.raises(DataError, match="2 images need whole numbers"):
        sequence_set(tmp_path / "b.npz", ALL, FILM)


@pytest.mark.parametrize("films", [1, 4, 10, 21])
@pytest.mark.parametrize("limit", [None, 2])
def test_films_are_held_out_whole_and_one_alone_by_its_runs(films, limit):
    values = ramp(films, 12, 4, 5) if films > 1 else ramp(12, 4, 5)
    white = Preparation(white=300)
    parts = {
        split: sequence_set(
            values.astype(np.uint16),
            Selection(split, limit, holdout=True, preparation=white),
            FILM,
        )
        for split in ("train", "test")
    }
    seen = {
        split: np.rint(part.pixels[:, 0, 0] * 300).astype(int) - 1 for split, part in parts.items()
    }
    unit = 12 if films > 1 else 3
    held = {split: set((first // unit).tolist()) for split, first in seen.items()}
    assert not held["train"] & held["test"]
    count = films if films > 1 else 4
    assert max(held["test"]) == (count - 1 if count < 10 else 9 if limit else count // 10 * 10 - 1)
    if limit is None:
        assert held["train"] | held["test"] == set(range(count))
    else:
        assert {len(part) for part in parts.values()} <= {1, 2}


def write(folder, values) -> None:
    folder.mkdir(parents=True)
    for index, frame in enumerate(values):
        Image.fromarray(frame).save(folder / f"{index:02}.png")


def test_folders_of_pictures_and_stacks_are_films(tmp_path):
    values = ramp(5, 5, 4, 5)
    for index in range(2):
        write(tmp_path / "all" / f"scene {index}", values[index])
    stack = [Image.fromarray(frame) for frame in values[2]]
    stack[0].save(tmp_path / "all" / "scene 1" / "z.tif", save_all=True, append_images=stack[1:])
    sequences = sequence_set(tmp_path / "all", ALL, FILM)
    assert numbers(sequences) == [[1, 2, 3], [6, 7, 8], [11, 12, 13]]
    np.testing.assert_array_equal(sequences.labels, [0, 1, 1])
    assert sequences.images.path == tmp_path / "all"
    assert sequences.images.remarks[0].startswith("sequences: 3 of 3 frames of 4x5 from 3 films")


def test_no_frame_is_read_beyond_the_limit(tmp_path):
    write(tmp_path / "film", ramp(9, 4, 5))
    (tmp_path / "film" / "06.png").write_bytes(b"damaged")
    assert len(sequence_set(tmp_path / "film", Selection("test", 2), FILM)) == 2
    with pytest.raises(DataError, match=r"06\.png: not a readable image"):
        sequence_set(tmp_path / "film", ALL, FILM)


def test_faults_of_folders(tmp_path):
    write(tmp_path / "film", ramp(2, 4, 5))
    with pytest.raises(DataError, match="no film in it has 3 frames"):
        sequence_set(tmp_path / "film", ALL, FILM)
    with pytest.raises(DataError, match="is neither a data set nor an existing path"):
        sequence_set(tmp_path / "nothing", ALL, FILM)
    with pytest.raises(DataError, match="patches of 8 pixels lie anywhere and do not move"):
        sequence_set(tmp_path / "film", Selection(preparation=Preparation(8)), FILM)


def test_named_sets_and_items_give_consecutive_images():
    sequences = sequence_set("digits", Selection("test", 4), FILM)
    assert len(sequences) == 4
    items = list(ramp(7, 4, 5))
    assert numbers(sequence_set(items, ALL, FILM)) == [[1, 2, 3], [4, 5, 6]]
    films = list(ramp(2, 4, 4, 5))
    assert numbers(sequence_set(films, ALL, FILM)) == [[1, 2, 3], [5, 6, 7]]


def test_videos_are_films_of_their_own(tmp_path):
    av = pytest.importorskip("av")
    for name, level in (("a.mkv", 40), ("b.mkv", 160)):
        with av.open(str(tmp_path / name), "w") as container:
            stream = container.add_stream("ffv1", rate=25)
            stream.width, stream.height, stream.pix_fmt = 16, 12, "gray"
            for index in range(5):
                frame = np.full((12, 16), level + index, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "gray")))
            container.mux(stream.encode())
    sequences = sequence_set(tmp_path, ALL, FILM)
    assert numbers(sequences) == [[40, 41, 42], [160, 161, 162]]
    one = sequence_set(tmp_path / "a.mkv", Selection(colour=True), FILM)
    assert one.images.image_shape == (12, 16, 3)
