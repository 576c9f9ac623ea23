"""Images of a Python user: each kind of source gives the same set, all else a one-line error."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from ipvae_snn.data.given import Selection, image_set
from ipvae_snn.errors import DataError

LEVELS = np.random.default_rng(0).integers(0, 256, (25, 6, 4)).astype(np.uint8)
LABELS = np.arange(25) % 3
EXPECTED = (LEVELS / np.float32(255)).reshape(25, 24).astype(np.float32)


class Pictures(Dataset[Any]):
    """A map-style set of PIL pictures with labels, as torchvision's are without a transform."""

    def __len__(self) -> int:
        return len(LEVELS)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        return Image.fromarray(LEVELS[index]), int(LABELS[index])


class Stream(IterableDataset[Any]):
    """An endless set: the limit must bound the number of images read."""

    def __iter__(self) -> Iterator[torch.Tensor]:
        while True:
            yield torch.from_numpy(LEVELS[0])


def loader(**options: Any) -> DataLoader[Any]:
    """Return batches of torch's order of axes, with labels."""
    images = torch.from_numpy(LEVELS)[:, None]
    return DataLoader(TensorDataset(images, torch.from_numpy(LABELS)), batch_size=7, **options)


SOURCES = {
    "array": LEVELS,
    "channel last": LEVELS[..., None],
    "channel first": LEVELS[:, None],
    "float array": LEVELS / 255.0,
    "tensor": torch.from_numpy(LEVELS),
    "tensor with gradient": (torch.from_numpy(LEVELS) / 255).requires_grad_(),
    "Dataset": TensorDataset(torch.from_numpy(LEVELS)),
    "Dataset of pictures": Pictures(),
    "DataLoader": loader(),
    "list of arrays": list(LEVELS),
    "generator": (image for image in LEVELS),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_every_kind_of_source_gives_the_same_images(kind: str) -> None:
    result = image_set(SOURCES[kind])
    assert (result.image_shape, result.kind, len(result)) == ((6, 4), "unit", 25)
    np.testing.assert_allclose(result.pixels, EXPECTED, rtol=0, atol=1e-7)


@pytest.mark.parametrize("kind", ["Dataset of pictures", "DataLoader"])
def test_labels_come_along(kind: str) -> None:
    labels = image_set(SOURCES[kind]).labels
    assert labels is not None
    np.testing.assert_array_equal(labels, LABELS)


def test_a_path_and_a_name_are_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", LEVELS)
    for source in (tmp_path / "a.npy", str(tmp_path / "a.npy")):
        np.testing.assert_array_equal(image_set(source).pixels, EXPECTED)
    assert image_set("digits", Selection(limit=3)).image_shape == (8, 8)


@pytest.mark.parametrize("limit", [1, 7, 8, 25])
def test_a_limit_keeps_the_first_images(limit: int) -> None:
    for source in (LEVELS, TensorDataset(torch.from_numpy(LEVELS)), loader()):
        result = image_set(source, Selection(limit=limit))
        np.testing.assert_array_equal(result.pixels, EXPECTED[:limit])


def test_no_more_is_read_than_is_asked_for() -> None:
    assert len(image_set(Stream(), Selection(limit=3))) == 3
    assert len(image_set(DataLoader(Stream(), batch_size=2), Selection(limit=3))) == 3


def test_a_tenth_is_held_out_where_asked() -> None:
    parts = [image_set(LEVELS, Selection(split, holdout=True)) for split in ("train", "test")]
    assert [len(part) for part in parts] == [23, 2]
    np.testing.assert_array_equal(parts[1].pixels, EXPECTED[9::10])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (3, "images of type int are not understood; give a data set's name, a path, an array"),
        ({"x": LEVELS}, "images of type dict are not understood"),
        (None, "images of type NoneType are not understood"),
        ([], "list: yields no image"),
        ([LEVELS[0], LEVELS[0, :3]], "list: yields images of shapes (3, 4), (6, 4); give images"),
        (np.zeros((2, 4, 4, 5), np.uint8), "images: an array of shape (2, 4, 4, 5); give (N, "),
        (
            np.zeros((2, 3, 4), int),
            "images: pixels of type int64 from 0 to 0, and no value is known",
        ),
        (np.full((2, 3, 4), np.nan), "images: image 0 holds NaN or infinite pixels"),
        ("digit", "'digit' is neither a data set nor an existing path; did you mean digits?"),
        ([object()], "list: an array of shape (1,); give (N, height, width)"),
    ],
)
def test_all_else_is_one_clear_line(source: Any, message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        image_set(source)
    assert "\n" not in str(caught.value)


def test_pictures_of_a_dataset_are_seen_as_they_look() -> None:
    # Ten colours of a palette are not the levels 0 to 9.
    paletted = [Image.fromarray(image).convert("P", colors=16) for image in LEVELS[:3]]
    transparent = Image.new("RGBA", (4, 6), (0, 0, 0, 0))
    transparent.putpixel((1, 2), (0, 0, 0, 255))
    shown = image_set([*paletted, transparent]).pixels
    for pixels, picture in zip(shown, paletted, strict=False):
        grey = np.asarray(picture.convert("L")) / np.float32(255)
        np.testing.assert_array_equal(pixels, grey.reshape(-1))
    assert (shown[3] == 0).sum() == 1
    assert (shown[3] == 1).sum() == 23
