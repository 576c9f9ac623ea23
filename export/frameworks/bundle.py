"""Write a folder for snnTorch or Norse: the network's file, a script that loads it, a README."""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template
from typing import Final

import ipvae_snn
from ipvae_snn.ir.encode import explain_levels
from ipvae_snn.ir.files import save_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.parts import InputCode
from ipvae_snn.ir.start import refuse_start
from ipvae_snn.storage.atomic import atomic_folder, write_text

NETWORK: Final = "network.safetensors"
SCRIPT: Final = "load.py"
README: Final = "README.md"


@dataclass(frozen=True)
class Framework:
    """Parts that differ between the frameworks: names, and pieces of the script and README.

    run is the body of `run(layer, pixels, steps)`; example is shown in the README.
    """

    title: str
    framework: str
    module: str
    layer: str
    imports: str
    run: str
    example: str


_SNNTORCH_RUN = """
    mem, key = layer.init_iterative_poisson()
    counts = []
    for _ in range(steps):
        spk, mem, key = layer(pixels, mem, key)
        counts.append(spk)
    return torch.stack(counts, dim=1)
"""
_SNNTORCH_EXAMPLE = """
    from load import load

    layer = load(seed=0, init_hidden=True)
    readout = torch.nn.Linear($neurons, 10), snn.Leaky(beta=0.9, init_hidden=True)
    net = torch.nn.Sequential(layer, *readout)
    snntorch.utils.reset(net)                   # the next images start at step 0
    for _ in range(64):
        spk = net(pixels)                       # (N, $pixels)
"""
_NORSE_RUN = """
    counts, _ = norse.Lift(layer)(pixels.expand(steps, *pixels.shape))
    return counts.transpose(0, 1)
"""
_NORSE_EXAMPLE = """
    from load import load

    model = norse.SequentialState(load(seed=0), torch.nn.Linear($neurons, 10), norse.LICell())
    state = None                                # the next images start at step 0
    for _ in range(64):
        voltage, state = model(pixels, state)   # (N, $pixels)
"""
FRAMEWORKS: Final = {
    "snntorch": Framework(
        title="snnTorch neuron",
        framework="snnTorch",
        module="snntorch_neuron",
        layer="IterativePoisson",
        imports="",
        run=_SNNTORCH_RUN,
        example=_SNNTORCH_EXAMPLE,
    ),
    "norse": Framework(
        title="Norse cell",
        framework="Norse",
        module="norse_cell",
        layer="IterativePoissonCell",
        imports="import norse.torch as norse\n",
        run=_NORSE_RUN,
        example=_NORSE_EXAMPLE,
    ),
}


def write_framework_bundle(network: IntegerNetwork, out: Path, name: str) -> None:
    """Write the folder `out` for the framework `name` of FRAMEWORKS, whole or not at all.

    Raises BackendError for a network with a start, which layers cannot hold.
    """
    # Imported here: it takes torch, which a declared target must not.
    from ipvae_snn.frameworks.networks import NO_START

    refuse_start(network.start, *NO_START)
    with atomic_folder(out) as folder:
        save_network(network, folder / NETWORK)
        write_text(folder / SCRIPT, _filled("load.txt", network, FRAMEWORKS[name]))
        write_text(folder / README, _filled("readme.md", network, FRAMEWORKS[name]))


def _filled(template: str, network: IntegerNetwork, framework: Framework) -> str:
    """Return a template of this folder with its $names replaced."""
    shape = network.input.image_shape
    values = {
        "neurons": str(network.n_neurons),
        "pixels": str(network.n_pixels),
        "size": " x ".join(map(str, shape)),
        "axes": ", ".join(map(str, shape)),
        "levels": explain_levels(network.input),
        "spike": _explain_spike(network.input),
        "toolkit": f"ipvae-snn {ipvae_snn.__version__}",
    }
    pieces = {
        name: Template(text.lstrip("\n")).substitute(values)
        for name, text in vars(framework).items()
    }
    text = (resources.files("ipvae_snn.export.frameworks") / template).read_text(encoding="utf-8")
    return Template(text).substitute(values | pieces)


def _explain_spike(code: InputCode) -> str:
    if code.kind == "unit":
        return "is a white pixel and 0 a black one"
    return "is a pixel one standard deviation above the mean, and 0 the mean"
