"""ipvae-snn: train an iP-VAE, convert it to integers, run it with equal results everywhere.

import ipvae_snn as snn

network = snn.convert("digits").network                    # a pretrained name, or a path
result = snn.run(network, images, steps=64, trace=True)    # images: an array (N, 8, 8), say
snn.plots.raster(result.trace).figure.savefig("raster.png")
snn.export(network, "onnx", "digits-onnx")

docs/python.md describes all functions. Modules load at first use (PEP 562), so that importing this
package costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ipvae_snn import api
    from ipvae_snn.api import TrainingResult as TrainingResult
    from ipvae_snn.api import compare as compare
    from ipvae_snn.api import convert as convert
    from ipvae_snn.api import energy as energy
    from ipvae_snn.api import evaluate as evaluate
    from ipvae_snn.api import evaluate_moving as evaluate_moving
    from ipvae_snn.api import export as export
    from ipvae_snn.api import import_network as import_network
    from ipvae_snn.api import probe as probe
    from ipvae_snn.api import run as run
    from ipvae_snn.api import train as train
    from ipvae_snn.api import verify as verify
    from ipvae_snn.data.base import ImageSet as ImageSet
    from ipvae_snn.errors import IpvaeError as IpvaeError
    from ipvae_snn.ir import files
    from ipvae_snn.ir.network import IntegerNetwork as IntegerNetwork
    from ipvae_snn.ir.trace import Trace as Trace
    from ipvae_snn.models.float_network import FloatNetwork as FloatNetwork
    from ipvae_snn.models.networks import load as load
    from ipvae_snn.workflows import pictures

    map = api.map_network
    save = files.save_network
    plots = pictures

__version__ = "0.1.0"

# name -> its module; "module:name" if it has another name there; "module:" for the module itself
_FACE: Final = {
    **dict.fromkeys(("compare", "convert", "energy", "evaluate", "export"), "ipvae_snn.api"),
    "evaluate_moving": "ipvae_snn.api",
    **dict.fromkeys(("import_network", "probe", "run", "train", "verify"), "ipvae_snn.api"),
    "TrainingResult": "ipvae_snn.api",
    "map": "ipvae_snn.api:map_network",
    "load": "ipvae_snn.models.networks",
    "save": "ipvae_snn.ir.files:save_network",
    "plots": "ipvae_snn.workflows.pictures:",
    "FloatNetwork": "ipvae_snn.models.float_network",
    "ImageSet": "ipvae_snn.data.base",
    "IntegerNetwork": "ipvae_snn.ir.network",
    "IpvaeError": "ipvae_snn.errors",
    "Trace": "ipvae_snn.ir.trace",
}
__all__ = [*sorted(_FACE), "__version__"]


def __getattr__(name: str) -> Any:
    """Load a public name at its first use."""
    if name not in _FACE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, named, other = _FACE[name].partition(":")
    loaded = importlib.import_module(module)
    if named and not other:  # the module itself
        return loaded
    return getattr(loaded, other or name)


def __dir__() -> list[str]:
    """Return the public names, for completion."""
    return sorted(__all__)
