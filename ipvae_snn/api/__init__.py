"""Python interface of `import ipvae_snn`: the workflows, for notebooks and other programs.

A network is a pretrained name, a checkpoint, the file of an integer network, or a loaded network.
Images are a data set's name, a path, an array, a tensor, a Dataset or a DataLoader (`data.given`).
Nothing is printed, and files are written only if a path is given; an existing file of another kind
is replaced only with `overwrite`, and an input never. `progress(what, done, total)` is
called during the work; total is 0 if it is not known.

Each part loads at its first use (PEP 562): running a network needs nothing of training.
"""

import importlib
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ipvae_snn.api.conversion import convert as convert
    from ipvae_snn.api.conversion import export as export
    from ipvae_snn.api.conversion import map_network as map_network
    from ipvae_snn.api.judging import compare as compare
    from ipvae_snn.api.judging import energy as energy
    from ipvae_snn.api.judging import evaluate as evaluate
    from ipvae_snn.api.judging import evaluate_moving as evaluate_moving
    from ipvae_snn.api.probing import probe as probe
    from ipvae_snn.api.running import run as run
    from ipvae_snn.api.running import verify as verify
    from ipvae_snn.api.training import TrainingResult as TrainingResult
    from ipvae_snn.api.training import import_network as import_network
    from ipvae_snn.api.training import train as train
    from ipvae_snn.models.networks import load as load

_HOMES: Final = MappingProxyType(
    {
        "TrainingResult": "ipvae_snn.api.training",
        "compare": "ipvae_snn.api.judging",
        "convert": "ipvae_snn.api.conversion",
        "energy": "ipvae_snn.api.judging",
        "evaluate": "ipvae_snn.api.judging",
        "evaluate_moving": "ipvae_snn.api.judging",
        "export": "ipvae_snn.api.conversion",
        "import_network": "ipvae_snn.api.training",
        "load": "ipvae_snn.models.networks",
        "map_network": "ipvae_snn.api.conversion",
        "probe": "ipvae_snn.api.probing",
        "run": "ipvae_snn.api.running",
        "train": "ipvae_snn.api.training",
        "verify": "ipvae_snn.api.running",
    }
)
__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    """Load a function at its first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """Return the public names, for completion."""
    return sorted(__all__)
