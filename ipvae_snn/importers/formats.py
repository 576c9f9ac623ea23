"""Formats of foreign files: how each is recognised and read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from ipvae_snn.choices import choose
from ipvae_snn.errors import ConfigError, FileFormatError
from ipvae_snn.importers import dictionaries, iterative_vae, plain_arrays, poisson_vae
from ipvae_snn.importers.draft import Draft, Source
from ipvae_snn.importers.named_arrays import NamedArrays, listed
from ipvae_snn.importers.torch_files import read_torch
from ipvae_snn.storage import foreign


@dataclass(frozen=True)
class Format:
    """A format: its source in words, and a reader for each kind of file that may hold it."""

    summary: str
    readers: Mapping[str, Callable[[Source], Draft]]


FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        "ip-vae": Format(
            "checkpoint of the iP-VAE's authors (Vafaii et al. 2025)",
            {foreign.TORCH: iterative_vae.read},
        ),
        "poisson-vae": Format(
            "checkpoint of a P-VAE (Vafaii et al. 2024) with a linear decoder",
            {foreign.TORCH: poisson_vae.read},
        ),
        "scikit-learn": Format(
            "dictionary of scikit-learn: an estimator (.skops) or components_ (.npy)",
            {foreign.SKOPS: dictionaries.read_estimator, foreign.NPY: dictionaries.read_components},
        ),
        "lca-pytorch": Format(
            "state dictionary of an LCA-PyTorch layer",
            {foreign.TORCH: dictionaries.read_lca},
        ),
        "arrays": Format(
            "phi (.npy), or phi, log_sigma, u0, log_bias, log_lr (.npz)",
            {foreign.NPY: plain_arrays.read, foreign.NPZ: plain_arrays.read},
        ),
    }
)
# The tensor by which a PyTorch file is recognised, and the reader of its tensors.
_BY_TENSOR: Final[Mapping[str, tuple[str, Callable[[Source, NamedArrays], Draft]]]] = (
    MappingProxyType(
        {
            iterative_vae.SIGNATURE: ("ip-vae", iterative_vae.draft_of),
            poisson_vae.SIGNATURE: ("poisson-vae", poisson_vae.draft_of),
            dictionaries.LCA_SIGNATURE: ("lca-pytorch", dictionaries.draft_of_lca),
        }
    )
)


def read(source: Source, name: str | None = None) -> tuple[str, Draft]:
    """Return the format's name and the network of a foreign file.

    name: the format, by default recognised from the file's content. Raises ConfigError for an
    unknown format, FileFormatError if the file is of none or of several, and the reader's errors.
    """
    if name is not None:
        choose(name, FORMATS, "format", ConfigError)
    path = source.path
    if not path.is_file():
        what = "a folder; name the file in it" if path.is_dir() else "no such file; check the path"
        raise FileFormatError(f"{path}: {what}")
    kind = foreign.kind_of(path)
    able = [one for one, described in FORMATS.items() if kind in described.readers]
    if kind is None or not able:
        raise FileFormatError(_unreadable(source, kind))
    if name is None and kind == foreign.TORCH:
        return _recognised(source)
    if name is None and len(able) > 1:
        raise FileFormatError(
            f"{path}: {kind} may be components_ (K, M) of scikit-learn or phi (M, K); say which "
            f"with --format {' or --format '.join(able)}"
        )
    chosen = name or able[0]
    if chosen not in able:
        raise FileFormatError(
            f"{path}: {kind}, but {chosen} is read from {' or '.join(FORMATS[chosen].readers)}; "
            f"such a file may be {' or '.join(able)}"
        )
    return chosen, FORMATS[chosen].readers[kind](source)


def _recognised(source: Source) -> tuple[str, Draft]:
    tensors = read_torch(source.path)
    for tensor, (name, draft_of) in _BY_TENSOR.items():
        if tensor in tensors:
            return name, draft_of(source, tensors)
    raise FileFormatError(
        f"{source.path}: of no known format: none of {', '.join(_BY_TENSOR)} is among its tensors "
        f"({listed(tensors.arrays)}); save the dictionary as phi with numpy.savez"
    )


def _unreadable(source: Source, kind: str | None) -> str:
    advice = (
        "save the dictionary with numpy.save, an estimator with skops, or a state dictionary with "
        "torch.save"
    )
    if kind == foreign.PICKLE:
        return (
            f"{source.path}: {kind}, which is never loaded, since loading executes code of the "
            f"file; {advice}"
        )
    return f"{source.path}: {kind or 'a file of no known format'}; {advice}"
