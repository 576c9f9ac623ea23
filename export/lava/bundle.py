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

STATE_UNIT: Final = "membrane potential after the last step: "
LABELS: Final = """\
| `--labels labels.npy` | (N,) whole numbers: prints the accuracy of the read-out |
"""
SCORES: Final = """\
| scores | (N, T, {scores}) int32 | scores of the classes after each step |
| classes | (N,) int32 | label of the largest score after the last step |
"""


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
    stride = stride_of(network)
    return Template(template).substitute(
        title=f"Spiking iP-VAE, {size} pixels, {network.n_neurons} neurons",
        neurons=network.n_neurons,
        pixels=network.n_pixels,
        size=size,
        axes=", ".join(map(str, shape)),
        state=STATE_UNIT + _unit(network),
        levels=explain_levels(network.input),
        graph=_graph(network),
        presentation="T + 2" if stride == 1 else f"{stride}T + 2",
        label_option=LABELS if network.n_scores else "",
        score_rows=SCORES.format(scores=network.n_scores) if network.n_scores else "",
        toolkit=f"ipvae-snn {ipvae_snn.__version__}",
    )


def stride_of(network: IntegerNetwork) -> int:
    """Return the time steps of a step in Lava: synapses on the longest way between states."""
    depths: dict[str, int] = {}
    for one in network.relays:
        before = (depths.get(each.source, 0) for each in network.into(one.name))
        depths[one.name] = 1 + max(before, default=0)
    return 1 + max(depths.values(), default=0)


def _unit(network: IntegerNetwork) -> str:
    """Return the unit of the states, if all neurons share one."""
    units = {one.neurons.shared().get("fraction_bits") for one in network.computing}
    if len(units) == 1 and None not in units:
        return f"log2 of the rate, in units of 2^-{units.pop()}"
    return "of Poisson neurons log2 of the rate, in units of 2^-`fraction_bits` (`network.json`)"


def _graph(network: IntegerNetwork) -> str:
    """Return a drawing of a circuit, and a line for each connection that it does not show."""
    drawing = CIRCUITS.get(network.circuit, "")
    scored = {one.name for one in network.accumulating}
    lines = [
        f"    {one.source} -> Dense ({one.name}) -> {one.target}"
        for one in network.connections
        if not drawing or one.target in scored
    ]
    if network.start is not None:
        one = network.start
        lines.append(f"    {one.source} -> Dense ({one.name}) -> first potentials of {one.target}")
    return "\n".join(([drawing] if drawing else []) + lines)
