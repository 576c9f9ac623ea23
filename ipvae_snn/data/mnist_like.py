"""MNIST and the two sets that share its files: Fashion-MNIST and Kuzushiji-MNIST."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from ipvae_snn.arrays import Array, UInt8
from ipvae_snn.data.arrays import read_idx, read_npz
from ipvae_snn.data.base import ImageSet, Split
from ipvae_snn.data.locate import Remote, require
from ipvae_snn.data.request import Request, unit_set
from ipvae_snn.errors import DataError

_IDX_PREFIX: Final[Mapping[Split, str]] = {"train": "train", "test": "t10k"}


class Content(NamedTuple):
    """Bytes and SHA-256 of a public file, as in the list of tensorflow-datasets."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Family:
    """Locations of the files of one set, and the contents of its gzip files.

    npz maps a split to the names of its image and label archives, if the set has them.
    """

    folders: tuple[str, ...]
    url: str
    files: Mapping[str, Content]
    npz: Mapping[Split, tuple[str, str]] = field(default_factory=dict)


_MNIST: Final = Family(
    ("mnist", "MNIST/raw", "MNIST"),
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    {
        "train-images-idx3-ubyte.gz": Content(
            9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
        ),
        "train-labels-idx1-ubyte.gz": Content(
            28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
        ),
        "t10k-images-idx3-ubyte.gz": Content(
            1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
        ),
        "t10k-labels-idx1-ubyte.gz": Content(
            4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
        ),
    },
)
_FASHION: Final = Family(
    ("fashion_mnist", "fashion-mnist", "FashionMNIST/raw", "FashionMNIST"),
    # The authors' repository; their S3 website serves plain HTTP only.
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    {
        "train-images-idx3-ubyte.gz": Content(
            26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"
        ),
        "train-labels-idx1-ubyte.gz": Content(
            29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"
        ),
        "t10k-images-idx3-ubyte.gz": Content(
            4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"
        ),
        "t10k-labels-idx1-ubyte.gz": Content(
            5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"
        ),
    },
)
_KMNIST: Final = Family(
    ("kmnist", "KMNIST/raw", "KMNIST"),
    "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
    {
        "train-images-idx3-ubyte.gz": Content(
            18_165_135, "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"
        ),
        "train-labels-idx1-ubyte.gz": Content(
            29_497, "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"
        ),
        "t10k-images-idx3-ubyte.gz": Content(
            3_041_136, "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"
        ),
        "t10k-labels-idx1-ubyte.gz": Content(
            5_120, "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"
        ),
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
    remote = Remote(name, f"{family.url}{name}", *family.files[name])
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
