"""Write a Lava bundle: a folder that needs only Python 3.10, numpy and lava-nc to run."""

from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Final

import ipvae_snn
from ipvae_snn.ir.encode import explain_levels
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.plain_files import write_bundle_files
from ipvae_snn.storage.atomic import atomic_folder

README: Final = "README.md"
CIRCUITS: Final = {
    "one-layer": """\
    image source -> Dense (feed-forward) -> neurons -> results
                                            |     ^
                                            v     |
                                         Dense (lateral)""",
    "two-layer": """\
    image source -> residual neurons -> Dense (feed-forward) -> neurons -> results
                            ^                                      |
                            |                                      v
                            +--------- Dense (prediction) <--------+""",
}


def write_bundle(network: IntegerNetwork, out: Path, sources: Mapping[str, str]) -> None:
    """Write `network` and `sources` (file name -> text) as the folder `out`, whole or not at all.

    The sources are hw.lava.runner.bundle_sources(), passed in by the caller, since export/ must not
    import hw/. Their README.md is a template; its $names are replaced here. An existing folder at
    `out` is replaced.
    """
    texts = dict(sources)
    texts[README] = fill_readme(network, texts[README])
    with atomic_folder(out) as folder:
        write_bundle_files(network, folder, texts)


def fill_readme(network: IntegerNetwork, template: str) -> str:
    """Return the bundle's README for `network`; KeyError if the template has an unknown name."""
    shape = network.input.image_shape
    size = " x ".join(map(str, shape))
    return Template(template).substitute(
        title=f"Spiking iP-VAE, {size} pixels, {network.n_neurons} neurons",
        neurons=network.n_neurons,
        pixels=network.n_pixels,
        size=size,
        axes=", ".join(map(str, shape)),
        fraction_bits=network.neurons.fraction_bits,
        levels=explain_levels(network.input),
        circuit=CIRCUITS[network.circuit],
        presentation="T + 2" if network.residual is None else "2T + 2",
        toolkit=f"ipvae-snn {ipvae_snn.__version__}",
    )
