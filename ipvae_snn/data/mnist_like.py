"""MNIST and the two sets that share its files: Fashion-MNIST and Kuzushiji-MNIST."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from ipvae_snn.arrays import Array, UInt8
from ipvae_snn.data.arrays import read_idx, read_npz
from ipvae_snn.data.base import ImageSet, Split
from ipvae_snn.data.locate import Remote, require
from ipvae_snn.data.request import Request, unit_set
from ipvae_snn.errors import DataError

_IDX_PREFIX: Final[Mapping[Split, str]] = {"train": "train", "test": "t10k"}


@dataclass(frozen=True)
class Family:
    """Locations of the files of one set; md5 of the gzip files, as in torchvision's list.

    npz maps a split to the names of its image and label archives, if the set has them.
    """

    folders: tuple[str, ...]
    url: str
    md5: Mapping[str, str]
    npz: Mapping[Split, tuple[str, str]] = field(default_factory=dict)


_MNIST: Final = Family(
    ("mnist", "MNIST/raw", "MNIST"),
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    {
        "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    },
)
_FASHION: Final = Family(
    ("fashion_mnist", "fashion-mnist", "FashionMNIST/raw", "FashionMNIST"),
    # The S3 website serves plain HTTP only; the checksum protects the content.
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    {
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    },
)
_KMNIST: Final = Family(
    ("kmnist", "KMNIST/raw", "KMNIST"),
    "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
    {
        "train-images-idx3-ubyte.gz": "bdb82020997e1d708af4cf47b453dcf7",
        "train-labels-idx1-ubyte.gz": "e144d726b3acfaa3e44228e80efcd344",
        "t10k-images-idx3-ubyte.gz": "5c965bf0a639b31b8f53240b1b52f4d7",
        "t10k-labels-idx1-ubyte.gz": "7320c461ea6c1c855c0b718fb2a4b134",
    },
    npz={
        "train": ("kmnist-train-imgs.npz", "kmnist-train-labels.npz"),
        "test": ("kmnist-test-imgs.npz", "kmnist-test-labels.npz"),
    },
)


def load_mnist(request: Request) -> ImageSet:
    """Read MNIST: 28x28 digits, labels 0..9."""
    return _load(request, _MNIST)


def load_fashion_mnist(request: Request) -> ImageSet:
    """Read Fashion-MNIST: 28x28 articles, labels 0..9."""
    return _load(request, _FASHION)


def load_kmnist(request: Request) -> ImageSet:
    """Read Kuzushiji-MNIST: 28x28 characters, labels 0..9."""
    return _load(request, _KMNIST)


def _load(request: Request, family: Family) -> ImageSet:
    prefix = _IDX_PREFIX[request.split]
    npz = family.npz.get(request.split, ())
    images = _read(request, family, f"{prefix}-images-idx3-ubyte", npz[:1], 3)
    labels = _read(request, family, f"{prefix}-labels-idx1-ubyte", npz[1:], 1)
    return unit_set(request, images, labels)


def _read(
    request: Request, family: Family, stem: str, npz: tuple[str, ...], dimensions: int
) -> UInt8:
    name = f"{stem}.gz"
    remote = Remote(name, f"{family.url}{name}", family.md5[name])
    path = require(request, family.folders, (name, stem, *npz), remote)
    if path.suffix == ".npz":
        return _checked(path, read_npz(path, "arr_0", request.limit), dimensions)
    return read_idx(path, dimensions, request.limit)


def _checked(path: Path, array: Array, dimensions: int) -> UInt8:
    if array.dtype != np.uint8 or array.ndim != dimensions:
        raise DataError(
            f"{path}: arr_0 is {array.dtype} of shape {array.shape}, but {dimensions}-dimensional "
            "uint8 is expected; is it another file?"
        )
    return array
