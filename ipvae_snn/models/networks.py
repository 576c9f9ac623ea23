"""Load networks from a pretrained name, a file, or a network that is already loaded."""

import os
from pathlib import Path

from ipvae_snn import pretrained
from ipvae_snn.errors import ConfigError, ConversionError, DataError, FileFormatError
from ipvae_snn.ir import files
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.models import float_network
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.models.latent_network import LatentNetwork
from ipvae_snn.storage import tensor_files

Network = FloatNetwork | IntegerNetwork
NetworkSource = Network | LatentNetwork | str | os.PathLike[str]


def network_path(text: str | os.PathLike[str]) -> Path:
    """Return a network's file, from its path or from the name of a pretrained one.

    Raises FileFormatError if it is neither.
    """
    return pretrained.network_path(os.fspath(text))


def is_checkpoint(path: Path) -> bool:
    """Return whether the safetensors file at `path` is a float checkpoint.

    Raises FileFormatError if it is missing, truncated, or neither a checkpoint nor an integer
    network.
    """
    result = tensor_files.read_format(path)
    if result not in (float_network.FORMAT, files.FORMAT):
        raise FileFormatError(
            f"{path}: its format is {result!r}, neither an ipvae-snn checkpoint nor an integer "
            "network; check the path"
        )
    return result == float_network.FORMAT


def load(source: NetworkSource) -> Network:
    """Return the network of a pretrained name, a checkpoint or an integer network's file.

    A loaded network is returned unchanged. No code from the file is executed. Raises
    FileFormatError for files that are missing, damaged or of another format, ConversionError for
    another model than the linear iP-VAE, ConfigError for an object that is no network.
    """
    if isinstance(source, Network):
        return source
    if isinstance(source, LatentNetwork):
        raise _of_other_kind(source, "this")
    if not isinstance(source, str | os.PathLike):
        raise ConfigError(
            f"{type(source).__name__} is no network; give an IntegerNetwork, a FloatNetwork, a "
            "path, or the name of a pretrained network"
        )
    path = network_path(source)
    read = float_network.load_float_network if is_checkpoint(path) else files.load_network
    return read(path)


def load_float(source: NetworkSource, purpose: str) -> FloatNetwork:
    """Return the float network of `source`; `purpose` names the operation in the error.

    Raises ConversionError for an integer network, FileFormatError for the file of one.
    """
    if isinstance(source, str | os.PathLike):
        return float_network.load_float_network(network_path(source))
    if isinstance(source, FloatNetwork):
        return source
    if isinstance(source, LatentNetwork):
        raise _of_other_kind(source, purpose)
    raise ConversionError(
        f"{purpose} needs a float network, but {source!r} is an integer one; give the "
        "checkpoint that it was converted from"
    )


def load_integer(source: NetworkSource, purpose: str) -> IntegerNetwork:
    """Return the integer network of `source`; `purpose` names the operation in the error.

    Raises ConversionError for a float network, FileFormatError for a checkpoint's file.
    """
    if isinstance(source, str | os.PathLike):
        return files.load_network(network_path(source))
    if isinstance(source, IntegerNetwork):
        return source
    if isinstance(source, LatentNetwork):
        raise _of_other_kind(source, purpose)
    raise ConversionError(
        f"{purpose} needs an integer network, but {source!r} is a float one; convert it first"
    )


def _of_other_kind(network: LatentNetwork, purpose: str) -> ConversionError:
    return ConversionError(
        f"{purpose} needs a linear iP-VAE, but this is a {network!r}, which has no integer form; "
        "evaluate and probe take it"
    )


def named(source: NetworkSource) -> str:
    """Return the network's name in a report: its file, or its representation."""
    if isinstance(source, str | os.PathLike):
        return str(network_path(source))
    return repr(source)


def check_pair(source: str, wanted: str, checkpoint: str, network: str) -> None:
    """Raise DataError if the integer network was not converted from this checkpoint.

    source: SHA-256 of the checkpoint. wanted: SHA-256 of the checkpoint that was converted.
    """
    if source != wanted:
        raise DataError(
            f"{network} was converted from a checkpoint with SHA-256 {wanted[:12] or 'unknown'}"
            f"..., but {checkpoint} has {source[:12]}...; give the one that was converted"
        )
