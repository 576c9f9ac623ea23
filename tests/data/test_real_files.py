"""The real files of the public sets, where IPVAE_SNN_DATA names their folder."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from ipvae_snn.data import load, mnist_like

REAL = os.environ.get("IPVAE_SNN_DATA")
needs_files = pytest.mark.skipif(REAL is None, reason="IPVAE_SNN_DATA names no folder of data sets")


@needs_files
@pytest.mark.parametrize(
    ("name", "split", "count", "mean", "sd", "first_labels"),
    [
        # Mean and standard deviation of MNIST's training pixels: the well-known .1307 and .3081.
        ("mnist", "train", 60_000, 0.1307, 0.3081, [5, 0, 4, 1, 9]),
        ("mnist", "test", 10_000, 0.1325, 0.3105, [7, 2, 1, 0, 4]),
        ("fashion-mnist", "test", 10_000, 0.2868, 0.3524, [9, 2, 1, 1, 6]),
        ("kmnist", "test", 10_000, 0.1846, 0.3416, [2, 9, 3, 8, 3]),
        ("omniglot", "train", 2_180, 0.0767, 0.2311, [0] * 5),
        ("omniglot", "test", 540, 0.0741, 0.2277, [4] * 5),
        ("cifar10", "train", 4_000, 0.4805, 0.2394, [6, 9, 9, 4, 1]),
        ("cifar10", "test", 1_000, 0.4856, 0.2387, [3, 8, 8, 0, 6]),
    ],
)
def test_real_files(name, split, count, mean, sd, first_labels):
    images = load(name, split, data_root=Path(REAL))
    assert len(images) == count
    assert images.pixels.mean(dtype=np.float64) == pytest.approx(mean, abs=6e-5)
    assert images.pixels.std(dtype=np.float64) == pytest.approx(sd, abs=6e-5)
    assert images.labels[:5].tolist() == first_labels


@needs_files
@pytest.mark.parametrize("folder", ["mnist", "fashion_mnist"])
def test_real_files_have_the_published_checksums(folder):
    family = {"mnist": mnist_like._MNIST, "fashion_mnist": mnist_like._FASHION}[folder]
    result = sorted((Path(REAL) / folder).glob("*.gz"))
    assert result
    for path in result:
        content = family.files[path.name]
        assert path.stat().st_size == content.size
        assert hashlib.sha256(path.read_bytes()).hexdigest() == content.sha256


@needs_files
@pytest.mark.slow
def test_real_vanhateren():
    train = load("vanhateren", "train", data_root=Path(REAL))
    test = load("vanhateren", "test", data_root=Path(REAL))
    assert (len(train), len(test)) == (50_000, 10_000)
    assert abs(train.pixels.mean()) < 0.01
    assert abs(train.pixels.std() - 1) < 0.01
    assert abs(test.pixels.mean()) < 0.05
    assert abs(test.pixels.std() - 1) < 0.05
