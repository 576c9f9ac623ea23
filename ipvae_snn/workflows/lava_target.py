"""Export target `lava`: a bundle that runs in Lava's simulator of Loihi without this package.

It joins hw/ (contents and execution of a bundle) with export/ (writing it), which do not import
each other. The workflows are the lowest layer above both.
"""

from pathlib import Path
from typing import Final

from ipvae_snn.errors import BackendUnavailableError, DivergedError
from ipvae_snn.export.lava.bundle import write_bundle
from ipvae_snn.export.self_check import REQUEST, check_pixels
from ipvae_snn.export.targets import Target, Writer
from ipvae_snn.hw.lava.environment import find
from ipvae_snn.hw.lava.runner import bundle_sources, run_bundle
from ipvae_snn.hw.lava.simulation import check_network
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.equality import first_divergence
from ipvae_snn.ir.network import IntegerNetwork


def _write(network: IntegerNetwork, folder: Path) -> None:
    check_network(network)
    write_bundle(network, folder, bundle_sources())


def _check(network: IntegerNetwork, folder: Path) -> None:
    pixels = check_pixels(network)
    expected = interpreter.run(network, pixels, REQUEST)
    divergence = first_divergence(expected, run_bundle(folder, pixels, REQUEST))
    if divergence is not None:
        raise DivergedError(f"the Lava bundle is wrong: {divergence.describe()}; please report it")


def _require() -> None:
    if find() is None:
        raise BackendUnavailableError(
            "the Lava bundle cannot be checked: there is no Lava environment; make one with "
            "`ipvae-snn lava setup`, or export with --no-check"
        )


LAVA: Final = Target(
    name="lava",
    help="a bundle that runs in Lava's simulator of Loihi without ipvae-snn.",
    files=frozenset(
        ("README.md", "network.json", "network.npz", "requirements.txt", "run.py", "simulator")
    ),
    integer=Writer(_write, _check),
    refusal="Lava runs integers only",
    ready=_require,
)
