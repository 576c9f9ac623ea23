"""Catalogue of data sets by name, and the function that loads any of them."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from ipvae_snn.choices import nearest
from ipvae_snn.config.preparation import Preparation
from ipvae_snn.data.base import ImageSet, Split
from ipvae_snn.data.own_request import Fits, OwnRequest, any_size
from ipvae_snn.data.request import Report, Request, resolve_download, resolve_root, silent
from ipvae_snn.errors import DataError
from ipvae_snn.storage.names import home_path

Loader = Callable[[Request], ImageSet]


@dataclass(frozen=True)
class Source:
    """A named data set.

    n_train and n_test are its published sizes (for patches: the number cut by default). Fewer
    images are loaded if the files hold fewer. Embedded sets need no file. Downloadable sets are
    fetched if files are missing and the caller allows it. loader is "module:function", resolved at
    first use so that a list of names costs no heavy import. colour: whether it has colours to keep.
    """

    name: str
    summary: str
    n_train: int
    n_test: int
    citation: str
    loader: str
    embedded: bool = False
    downloadable: bool = False
    colour: bool = False

    def resolve(self) -> Loader:
        """Import and return the function that reads the set."""
        module, _, function = self.loader.partition(":")
        return cast(Loader, getattr(importlib.import_module(module), function))


_SOURCES: Final[tuple[Source, ...]] = (
    Source(
        "natural",
        "whitened patches of the two photographs that scikit-learn ships",
        20_000,
        4_000,
        "Photographs by Zheng Xiao Ya (china.jpg) and dany13 (flower.jpg), CC BY 2.0, as shipped "
        "with scikit-learn (Pedregosa et al. 2011); whitening after Olshausen & Field (1996)",
        "ipvae_snn.data.patches:load_natural",
        embedded=True,
    ),
    Source(
        "digits",
        "8x8 handwritten digits that scikit-learn ships",
        1_442,
        355,
        "Alpaydin & Kaynak (1998), UCI optical recognition of handwritten digits, as shipped with "
        "scikit-learn (Pedregosa et al. 2011)",
        "ipvae_snn.data.digits:load_digits",
        embedded=True,
    ),
    Source(
        "mnist",
        "28x28 handwritten digits",
        60_000,
        10_000,
        "LeCun, Bottou, Bengio & Haffner (1998), Gradient-based learning applied to document "
        "recognition",
        "ipvae_snn.data.mnist_like:load_mnist",
        downloadable=True,
    ),
    Source(
        "fashion-mnist",
        "28x28 articles of clothing",
        60_000,
        10_000,
        "Xiao, Rasul & Vollgraf (2017), Fashion-MNIST, arXiv 1708.07747 (MIT)",
        "ipvae_snn.data.mnist_like:load_fashion_mnist",
        downloadable=True,
    ),
    Source(
        "kmnist",
        "28x28 cursive Japanese characters",
        60_000,
        10_000,
        "Clanuwat et al. (2018), Deep learning for classical Japanese literature, ROIS-CODH "
        "(CC BY-SA 4.0)",
        "ipvae_snn.data.mnist_like:load_kmnist",
        downloadable=True,
    ),
    Source(
        "omniglot",
        "28x28 handwritten characters of five alphabets; test characters never occur in training",
        2_180,
        540,
        "Lake, Salakhutdinov & Tenenbaum (2015), Human-level concept learning (MIT)",
        "ipvae_snn.data.omniglot:load_omniglot",
        downloadable=True,
    ),
    Source(
        "vanhateren",
        "whitened patches of natural images; the last images are held out",
        50_000,
        10_000,
        "van Hateren & van der Schaaf (1998), Independent component filters of natural images; "
        "whitening after Olshausen & Field (1996)",
        "ipvae_snn.data.patches:load_vanhateren",
    ),
    Source(
        "cifar10",
        "32x32 photographs of objects, grey luminance or --colour",
        50_000,
        10_000,
        "Krizhevsky (2009), Learning multiple layers of features from tiny images",
        "ipvae_snn.data.cifar10:load_cifar10",
        colour=True,
    ),
    *(
        Source(
            f"celeba{suffix}",
            f"{side}x{side} faces, grey luminance or --colour",
            162_770,
            19_962,
            "Liu, Luo, Wang & Tang (2015), Deep learning face attributes in the wild; cut to 148 "
            "pixels as in Larsen et al. (2016), Autoencoding beyond pixels, arXiv 1512.09300",
            f"ipvae_snn.data.celeba:load_celeba{suffix.replace('-', '_')}",
            colour=True,
        )
        for suffix, side in (("", 64), ("-128", 128))
    ),
)


def names() -> tuple[Source, ...]:
    """Return the named data sets with their summary, sizes and citation."""
    return _SOURCES


def load(
    name_or_path: str,
    split: Split = "train",
    data_root: Path | None = None,
    limit: int | None = None,
    patch_size: int = 16,
    n_patches: int | None = None,
    seed: int = 0,
    *,
    download: bool | None = None,
    holdout: bool = False,
    preparation: Preparation | None = None,
    report: Report = silent,
    fits: Fits = any_size,
    colour: bool = False,
) -> ImageSet:
    """Load a named data set, or the user's own .npy file, .npz file or folder of images.

    A name of `names()` takes precedence over a path; write ./mnist for a folder of that name. Sets
    in files are searched under data_root, else under IPVAE_SNN_DATA. Public files that are missing
    are downloaded (over https, with size and SHA-256 checked, to the user's cache) if download is
    True, or if it is None and IPVAE_SNN_DOWNLOAD is 1. limit keeps the first images. patch_size
    (pixels), n_patches and seed (drawing positions) apply to `natural` and `vanhateren` only. A
    user's own images are all returned for either split, unless holdout is set: then every tenth
    image is "test" and the others are "train". preparation applies to the user's own images:
    photographs are cut into patches, of which each split has its own photographs; of `natural` and
    `vanhateren` it says how they are whitened. report receives
    the progress of reading them. fits: raises DataError, before all of the user's own images are
    read, for a size that is of no use. colour: keep the colours of images that have them, instead
    of their grey luminance.

    Raises DataError (one line) for unknown names, missing or damaged files and impossible values.
    """
    if split not in ("train", "test"):
        raise DataError(f"split {split!r} is not known; give 'train' or 'test'")
    if limit is not None and limit < 1:
        raise DataError(f"{name_or_path}: a limit of {limit} images leaves none; give 1 or more")
    if seed < 0:
        raise DataError(f"{name_or_path}: the seed is {seed}; give 0 or more")
    known = {source.name: source for source in _SOURCES}
    source = known.get(name_or_path)
    if source is None:
        own = OwnRequest(split, holdout, preparation or Preparation(), report, limit, fits, colour)
        return _load_own(name_or_path, own).first(limit)
    if colour and not source.colour:
        raise DataError(
            f"{source.name}: a set of grey images, but colours are asked for, by --colour "
            "(data.colour) or by a network of images in colour; choose "
            f"{', '.join(other.name for other in _SOURCES if other.colour)} or your own images"
        )
    root = resolve_root(data_root)
    request = Request(
        name=source.name,
        citation=source.citation,
        split=split,
        root=root,
        download=resolve_download(download),
        limit=limit,
        patch_size=patch_size,
        n_patches=n_patches,
        seed=seed,
        colour=colour,
        report=report,
        whiten=(preparation or Preparation()).whiten,
    )
    return source.resolve()(request).first(limit)


def is_named(text: str) -> bool:
    """Return whether `text` is the name of a data set, and no path."""
    return any(source.name == text for source in _SOURCES)


def existing_path(text: str) -> Path:
    """Return the path of a user's own images; DataError if nothing is there."""
    path = home_path(text)
    if not text or not path.exists():
        known = [source.name for source in _SOURCES]
        name = nearest(text, known)
        hint = f"did you mean {name}? " if name else ""
        raise DataError(
            f"{text!r} is neither a data set nor an existing path; {hint}"
            f"known sets: {', '.join(known)}; or give a .npy or .npz file or a folder of images"
        )
    return path


def _load_own(text: str, request: OwnRequest) -> ImageSet:
    path = existing_path(text)
    # Imported here, since it imports Pillow, which a list of names does not need.
    from ipvae_snn.data.own import load_own

    return load_own(path, request)
