"""Pretrained networks of the package: found by name, each with a model card."""

from importlib import resources
from pathlib import Path
from typing import Final

from ipvae_snn.choices import nearest
from ipvae_snn.errors import FileFormatError

SUFFIX: Final = ".safetensors"
CHECKPOINT: Final = "model.safetensors"  # in the folder of a training run


def folder() -> Path:
    """Return the folder of the networks and their cards."""
    return Path(str(resources.files("ipvae_snn.pretrained")))


def names() -> list[str]:
    """Return the names of the networks, sorted."""
    return sorted(file.name.removesuffix(SUFFIX) for file in folder().glob(f"*{SUFFIX}"))


def card(name: str) -> Path:
    """Return the path of the model card of `name`."""
    return folder() / f"{name}.md"


def network_path(text: str) -> Path:
    """Return the path `text`, or the file of the pretrained network of that name.

    A folder of a training run stands for its checkpoint.
    An existing path takes precedence over a name; write ./mnist-512 for a file of that name.
    Raises FileFormatError if it is neither.
    """
    path = Path(text)
    if (path / CHECKPOINT).is_file():
        return path / CHECKPOINT
    if path.exists():
        return path
    known = names()
    if text in known:
        return folder() / f"{text}{SUFFIX}"
    name = nearest(text, known)
    hint = f"; did you mean {name}?" if name else ""
    listed = ", ".join(known) or "none"
    raise FileFormatError(
        f"{text}: no such file, nor a pretrained network (there are {listed}){hint}; check the "
        "path, or create it first"
    )
