"""Images that are read part by part are those that are read at once, and refused alike."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ipvae_snn.config.preparation import Preparation
from ipvae_snn.data import streams
from ipvae_snn.data.given import Selection, image_set
from ipvae_snn.data.streams import ImageStream, image_stream
from ipvae_snn.errors import DataError, DataWarning


def whole(stream: ImageStream, size: int) -> np.ndarray:
    parts = [
        stream.part(first, min(first + size, len(stream))).pixels
        for first in range(0, len(stream), size)
    ]
    return np.concatenate(parts)


def stored(kind: str, n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    match kind:
        case "uint8" | "uint16":
            most = np.iinfo(kind).max
            array = rng.integers(0, most + 1, (n, 4, 3)).astype(kind)
            array[rng.integers(n)] = most
            return array
        case "bool":
            return rng.integers(0, 2, (n, 4, 3)).astype(bool)
        case "unit":
            array = rng.uniform(0, 1, (n, 4, 3)).astype(np.float32)
            array[rng.integers(n)] = 1.0 + 5e-6  # rounding
            return array
        case _:
            return rng.standard_normal((n, 4, 3)) + rng.standard_normal((n, 1, 1)) * 0.1


@given(
    st.sampled_from(["uint8", "uint16", "bool", "unit", "standardised"]),
    st.integers(20, 40),
    st.integers(1, 50),
    st.sampled_from([None, 1, 15]),
    st.integers(0, 9),
)
def test_parts_are_the_whole(
    tmp_path_factory: pytest.TempPathFactory,
    kind: str,
    n: int,
    size: int,
    limit: int | None,
    seed: int,
) -> None:
    path = tmp_path_factory.mktemp("s") / "mine.npy"
    np.save(path, stored(kind, n, seed))
    selection = Selection(limit=limit)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # a part of few images may look dark
        try:
            expected = image_set(str(path), selection)
        except DataError:
            with pytest.raises(DataError):
                image_stream(str(path), selection)
            return
        stream = image_stream(str(path), selection)
    facts = [(one.kind, one.image_shape, len(one), one.name) for one in (stream, expected)]
    assert facts[0] == facts[1]
    np.testing.assert_array_equal(whole(stream, size), expected.pixels)
    assert stream.remarks == expected.remarks


BROKEN = {
    "nan": (np.full((5, 4, 3), np.nan), "image 0 holds NaN"),
    "dark": (np.full((5, 4, 3), 3, np.uint8), "image 0: the largest value of all is 3"),
    "nearly": (np.linspace(-0.05, 1, 60).reshape(5, 4, 3), "nearly in [0, 1]"),
    "far": (np.linspace(0, 900, 60).reshape(5, 4, 3), "mean 450"),
    "text": (np.full((5, 4, 3), "a"), "pixels of type <U1"),
    "int64": (np.full((5, 4, 3), 9), "no value is known to be white"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_refused_at_once_is_refused_in_parts(tmp_path: Path, name: str) -> None:
    array, said = BROKEN[name]
    np.save(tmp_path / "mine.npy", array)
    for read in (image_set, image_stream):
        with pytest.raises(DataError) as caught:
            read(str(tmp_path / "mine.npy"), Selection())
        assert said in str(caught.value)


def test_dark_images_among_others_are_taken(tmp_path: Path) -> None:
    array = np.zeros((9, 4, 3), np.uint8)
    array[7] = 200
    np.save(tmp_path / "mine.npy", array)
    stream = image_stream(str(tmp_path / "mine.npy"), Selection())
    np.testing.assert_array_equal(
        whole(stream, 2), image_set(str(tmp_path / "mine.npy"), Selection()).pixels
    )


def test_a_file_is_mapped_anew_for_each_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read of one map would stay in the process's memory."""
    np.save(tmp_path / "mine.npy", stored("uint8", 30, 0))
    opened, read = [], streams.read_raw
    monkeypatch.setattr(streams, "read_raw", lambda *given: opened.append(1) or read(*given))
    stream = image_stream(str(tmp_path / "mine.npy"), Selection())
    before = len(opened)
    whole(stream, 10)
    assert len(opened) == before + 3


def test_white_and_labels_of_an_npz(tmp_path: Path) -> None:
    images = np.arange(60, dtype=np.uint8).reshape(5, 4, 3)
    np.savez(tmp_path / "mine.npz", images=images, labels=np.arange(5))
    selection = Selection(preparation=Preparation(white=100.0), limit=4)
    stream = image_stream(str(tmp_path / "mine.npz"), selection)
    expected = image_set(str(tmp_path / "mine.npz"), selection)
    np.testing.assert_array_equal(whole(stream, 3), expected.pixels)
    labels = stream.part(1, 3).labels
    assert labels is not None
    assert labels.tolist() == [1, 2]


def test_a_digest_tells_images_apart(tmp_path: Path) -> None:
    array = stored("uint8", 30, 1)
    digests = []
    for change in (0, 0, 1):
        array[17, 2, 1] += change
        np.save(tmp_path / f"{len(digests)}.npy", array)
        digests.append(image_stream(str(tmp_path / f"{len(digests)}.npy"), Selection()).digest)
    assert digests[0] == digests[1] != digests[2]


def pictures(folder: Path, n: int = 6, suffix: str = "png") -> Path:
    folder.mkdir()
    for index, values in enumerate(stored("uint8", n, 2)):
        Image.fromarray(values).save(folder / f"{index}.{suffix}")
    return folder


def test_a_folder_is_read_file_by_file(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "mine")
    (folder / "labels.csv").write_text("".join(f"{i}.png,{i % 2}\n" for i in range(6)))
    expected = image_set(folder, Selection(limit=5))
    stream = image_stream(folder, Selection(limit=5))
    assert not stream.whole
    np.testing.assert_array_equal(whole(stream, 2), expected.pixels)
    assert stream.labels is not None
    np.testing.assert_array_equal(stream.labels, expected.labels)
    digest = stream.digest
    (folder / "2.png").rename(folder / "2b.png")
    (folder / "labels.csv").unlink()
    assert image_stream(folder, Selection(limit=5)).digest != digest


def test_later_pictures_are_checked_when_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "PROBED", 3)
    folder = pictures(tmp_path / "mine")
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(folder / "4.png")
    frames = [Image.fromarray(np.full((4, 3), 90 * i, np.uint8)) for i in range(2)]
    frames[0].save(folder / "5.png", save_all=True, append_images=frames[1:])
    stream = image_stream(folder, Selection())
    assert len(stream.part(0, 4)) == 4
    with pytest.raises(DataError, match=r"4.png: 5x5 pixels, but 0.png has 4x3"):
        stream.part(4, 5)
    with pytest.raises(DataError, match=r"5.png: holds 2 pictures, but a folder that is read file"):
        stream.part(5, 6)


@pytest.mark.parametrize("suffix", ["tif", "gif"])
def test_formats_of_several_pictures_are_loaded_as_a_whole(tmp_path: Path, suffix: str) -> None:
    folder = pictures(tmp_path / "mine", suffix=suffix)
    stream = image_stream(folder, Selection())
    assert stream.whole
    np.testing.assert_array_equal(whole(stream, 4), image_set(folder, Selection()).pixels)


def test_named_sets_and_arrays_in_memory() -> None:
    named = image_stream("digits", Selection(limit=7))
    assert named.whole
    assert (len(named), named.image_shape) == (7, (8, 8))
    array = stored("unit", 6, 3)
    np.testing.assert_array_equal(
        whole(image_stream(array, Selection()), 4), image_set(array, Selection()).pixels
    )
