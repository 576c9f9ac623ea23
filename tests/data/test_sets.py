"""The named sets: layouts, splits, faults, and the catalogue."""

import gzip
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ipvae_snn.data import load, names
from ipvae_snn.errors import DataError
from small_sets import IMAGES, LABELS, fails, idx


def write_idx(folder: Path, prefix="t10k", suffix=".gz", labels=LABELS) -> None:
    """Write a small set in MNIST's layout."""
    folder.mkdir(parents=True, exist_ok=True)
    pack = gzip.compress if suffix else bytes
    (folder / f"{prefix}-images-idx3-ubyte{suffix}").write_bytes(pack(idx(IMAGES)))
    (folder / f"{prefix}-labels-idx1-ubyte{suffix}").write_bytes(pack(idx(labels)))


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("mnist", "mnist"),
        ("mnist", "MNIST/raw"),
        ("fashion-mnist", "fashion_mnist"),
        ("fashion-mnist", "FashionMNIST/raw"),
        ("kmnist", "KMNIST/raw"),
    ],
)
@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(("split", "prefix"), [("train", "train"), ("test", "t10k")])
def test_idx_layouts(tmp_path, name, folder, suffix, split, prefix):
    write_idx(tmp_path / folder, prefix, suffix)
    images = load(name, split, data_root=tmp_path)
    np.testing.assert_array_equal(
        images.pixels, IMAGES.reshape(5, 784).astype(np.float32) / np.float32(255)
    )
    np.testing.assert_array_equal(images.labels, LABELS)
    assert (images.name, images.split, images.kind) == (name, split, "unit")
    assert images.image_shape == (28, 28)
    assert len(load(name, split, data_root=tmp_path, limit=2)) == 2


def test_root_may_be_the_folder_of_the_set(tmp_path):
    write_idx(tmp_path / "mnist")
    assert len(load("mnist", "test", data_root=tmp_path / "mnist")) == 5


def test_root_from_the_environment(tmp_path, monkeypatch):
    write_idx(tmp_path / "mnist")
    monkeypatch.setenv("IPVAE_SNN_DATA", str(tmp_path))
    assert len(load("mnist", "test")) == 5


def test_images_without_their_labels(tmp_path):
    write_idx(tmp_path / "mnist", labels=LABELS[:4])
    with fails("mnist: 5 images but 4 labels in the test split; the files do not belong together"):
        load("mnist", "test", data_root=tmp_path)


def test_missing_training_files(tmp_path):
    write_idx(tmp_path / "fashion_mnist")
    with fails(
        "fashion-mnist (train): train-images-idx3-ubyte.gz or train-images-idx3-ubyte not found in "
        f"{tmp_path}/fashion_mnist, {tmp_path}/fashion-mnist, {tmp_path}/FashionMNIST/raw, "
        f"{tmp_path}/FashionMNIST; give the folder that holds fashion_mnist/ with --data-root or "
        "IPVAE_SNN_DATA, or set IPVAE_SNN_DOWNLOAD=1 to download it (25.2 MiB from "
        "raw.githubusercontent.com)"
    ):
        load("fashion-mnist", "train", data_root=tmp_path)


def test_sets_without_a_public_source_and_without_a_root():
    with fails(
        "vanhateren (train): no data root is given for vanhateren_iml20_uint16.npz; give the "
        "folder that holds vanhateren/ with --data-root or IPVAE_SNN_DATA"
    ):
        load("vanhateren")


def test_root_that_is_no_folder(tmp_path):
    with fails(
        f"data root {tmp_path}/gone is not a folder; give the folder that holds mnist/, "
        "vanhateren/ and so on with --data-root or IPVAE_SNN_DATA"
    ):
        load("mnist", data_root=tmp_path / "gone")


def test_kmnist_archives(tmp_path):
    (tmp_path / "kmnist").mkdir()
    np.savez(tmp_path / "kmnist" / "kmnist-test-imgs.npz", IMAGES)
    np.savez(tmp_path / "kmnist" / "kmnist-test-labels.npz", LABELS.astype(np.uint8))
    images = load("kmnist", "test", data_root=tmp_path)
    np.testing.assert_array_equal(images.pixels[1], IMAGES[1].ravel().astype(np.float32) / 255)
    np.testing.assert_array_equal(images.labels, LABELS)
    path = tmp_path / "kmnist" / "kmnist-test-imgs.npz"
    np.savez(path, IMAGES.astype(np.float32))
    with fails(
        f"{path}: arr_0 is float32 of shape (5, 28, 28), but 3-dimensional uint8 is expected; "
        "is it another file?"
    ):
        load("kmnist", "test", data_root=tmp_path)


def png(array) -> bytes:
    """Return a picture as PNG bytes."""
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    return stream.getvalue()


def write_omniglot(root: Path, content: dict[str, bytes]) -> Path:
    """Write a small archive in Omniglot's layout."""
    (root / "omniglot").mkdir(exist_ok=True)
    path = root / "omniglot" / "images_background_small1.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def test_omniglot_ink_and_split(tmp_path):
    drawing = np.ones((105, 105), bool)
    drawing[:15, :15] = False  # ink on the first 4x4 new pixels of 3.75 old ones each
    content = {
        f"set/{alphabet}/character{c:02}/{d}.png": png(drawing)
        for alphabet in ("B", "A")
        for c in range(1, 4)
        for d in range(2)
    }
    write_omniglot(tmp_path, content)
    train = load("omniglot", "train", data_root=tmp_path)
    test = load("omniglot", "test", data_root=tmp_path)
    # Characters in order: A1 A2 A3 B1 B2 B3 = 0..5; the fifth is held out.
    assert train.labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 5, 5]
    assert test.labels.tolist() == [4, 4]
    expected = np.zeros((28, 28), np.float32)
    expected[:4, :4] = 1
    np.testing.assert_array_equal(train.pixels[0].reshape(28, 28), expected)


def test_omniglot_keeps_the_amount_of_ink(tmp_path):
    drawing = np.random.default_rng(0).random((105, 105)) > 0.1
    write_omniglot(tmp_path, {"s/A/c1/1.png": png(drawing)})
    images = load("omniglot", "train", data_root=tmp_path)
    assert images.pixels.mean() == pytest.approx(1 - drawing.mean(), abs=2e-3)


def test_omniglot_faults(tmp_path):
    path = write_omniglot(tmp_path, {"readme.txt": b""})
    with fails(f"{path}: holds no drawing (alphabet/character/name.png); get it again"):
        load("omniglot", data_root=tmp_path)
    write_omniglot(tmp_path, {"s/A/c1/1.png": b"no picture"})
    with pytest.raises(DataError, match=r"small1\.zip: s/A/c1/1\.png: not a readable image"):
        load("omniglot", data_root=tmp_path)
    write_omniglot(tmp_path, {"s/A/c1/1.png": bytes(2**20 + 1)})
    with fails(f"{path}: s/A/c1/1.png is larger than a drawing can be; get it again"):
        load("omniglot", data_root=tmp_path)
    path.write_bytes(b"no archive")
    with fails(f"{path}: not a readable zip file (File is not a zip file); get it again"):
        load("omniglot", data_root=tmp_path)


def write_cifar(root: Path, batches=(0, 50), count=51_000, size=(1000, 1024)) -> Path:
    """Write batches whose pixels are all (batch + 1) % 256, with labels i % 10."""
    folder = root / "cifar10"
    folder.mkdir(exist_ok=True)
    for batch in batches:
        picture = np.full((*size, 3), batch + 1, np.uint8)
        picture[0, :32] = 255  # the first row of the first image
        Image.fromarray(picture).save(folder / f"cifar10_batch_{batch}.png")
    np.savez(folder / "cifar10_labels_51000.npz", labels=(np.arange(count) // 7 % 10).astype("u1"))
    return folder


def test_cifar10_batches(tmp_path):
    write_cifar(tmp_path, (2, 0, 50))
    train = load("cifar10", "train", data_root=tmp_path)
    test = load("cifar10", "test", data_root=tmp_path)
    assert (len(train), len(test)) == (2000, 1000)
    assert train.image_shape == (32, 32)
    assert train.pixels[0, 31] == 1
    assert train.pixels[0, 32] == np.float32(1) / np.float32(255)
    assert (train.pixels[1:1000] == np.float32(1) / np.float32(255)).all()
    assert (train.pixels[1001:] == np.float32(3) / np.float32(255)).all()
    index = np.concatenate([np.arange(1000), np.arange(2000, 3000)])
    np.testing.assert_array_equal(train.labels, index // 7 % 10)
    np.testing.assert_array_equal(test.labels, np.arange(50_000, 51_000) // 7 % 10)
    assert len(load("cifar10", "train", data_root=tmp_path, limit=1001)) == 1001


def test_cifar10_faults(tmp_path):
    folder = write_cifar(tmp_path, (50,), count=50_999)
    with fails(
        f"cifar10 (train): no cifar10_batch_B.png with B 0 to 49 in {folder}; put one there"
    ):
        load("cifar10", "train", data_root=tmp_path)
    with fails(
        f"{folder}/cifar10_labels_51000.npz: labels of shape (50999,) do not reach batch 50; "
        "the files do not belong together"
    ):
        load("cifar10", "test", data_root=tmp_path)
    write_cifar(tmp_path, (50,), size=(10, 1024))
    with fails(
        f"{folder}/cifar10_batch_50.png: 1024 x 10 pixels, but a batch has 1024 x 1000; "
        "is it another file?"
    ):
        load("cifar10", "test", data_root=tmp_path)


def test_digits_are_split_within_each_class():
    train, test = load("digits"), load("digits", "test")
    assert (len(train), len(test)) == (1442, 355)
    assert train.image_shape == (8, 8)
    counts = np.stack([np.bincount(s.labels, minlength=10) for s in (train, test)])
    assert np.abs(counts[1] / counts.sum(axis=0) - 0.2).max() < 0.005
    # The first image of the file, a zero, begins 0 0 5 13 9 1 0 0 (of 16).
    np.testing.assert_array_equal(
        train.pixels[0, :8], np.float32([0, 0, 5, 13, 9, 1, 0, 0]) / np.float32(16)
    )
    # No index is in both: the multisets add up to the whole file.
    from sklearn.datasets import load_digits

    whole = np.sort(load_digits().data.astype(np.float32) / np.float32(16), axis=0)
    both = np.sort(np.concatenate([train.pixels, test.pixels]), axis=0)
    np.testing.assert_array_equal(both, whole)


def test_catalogue():
    assert [source.name for source in names()] == [
        "natural",
        "digits",
        "mnist",
        "fashion-mnist",
        "kmnist",
        "omniglot",
        "vanhateren",
        "cifar10",
        "celeba",
        "celeba-128",
    ]
    for source in names():
        assert callable(source.resolve())
        assert source.summary
        assert source.citation
    assert {s.name for s in names() if s.embedded} == {"natural", "digits"}


@pytest.mark.parametrize("name", ["natural", "digits"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_embedded_sets_have_the_sizes_of_the_catalogue(name, split):
    source = next(s for s in names() if s.name == name)
    images = load(name, split)
    assert len(images) == {"train": source.n_train, "test": source.n_test}[split]
    assert images.citation == source.citation


def test_unknown_name():
    known = ", ".join(source.name for source in names())
    with fails(
        f"'Fashion_MNIST' is neither a data set nor an existing path; did you mean fashion-mnist? "
        f"known sets: {known}; or give a .npy or .npz file or a folder of images"
    ):
        load("Fashion_MNIST")
    with pytest.raises(DataError, match=r"^'' is neither a data set nor an existing path; known"):
        load("")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "valid"}, "split 'valid' is not known; give 'train' or 'test'"),
        ({"limit": 0}, "digits: a limit of 0 images leaves none; give 1 or more"),
        ({"seed": -1}, "digits: the seed is -1; give 0 or more"),
    ],
)
def test_impossible_arguments(arguments, message):
    with fails(message):
        load("digits", **arguments)


def test_a_list_of_names_imports_nothing_heavy():
    code = (
        "import sys, ipvae_snn.data as d; d.names();"
        "print([m for m in ('sklearn','scipy','PIL','pooch','torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
