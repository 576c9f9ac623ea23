"""Networks beyond the two circuits: read-outs, moving images, LCA, and convolutions.

    python -m benchmarks.graphs [--data-root FOLDER] [--dense CHECKPOINT] [--quick]
    python -m benchmarks.graphs --only lava-lca

Measures the read-outs of `digits` and, where its files are, of MNIST; drifting images beside
restarting at every frame; LCA in integers beside floats and the exact lasso; `mnist-conv` in 8 bits
beside floats; and CIFAR-10 in colour, also by the dense networks that are given. `lava-lca`, which
is measured only by name, sets LCA beside Intel's solver in the Lava environment, if that has
lava-optimization.

Writes benchmarks/results/graphs.json and the tables in docs/graphs.md, where parts that were not
measured stay as they are; with --quick it prints small figures and writes nothing.
"""

import json
from collections.abc import Collection, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import typer

from benchmarks.graphs import lava_lca, parts
from benchmarks.graphs.page import (
    COLOUR,
    CONVOLUTIONAL,
    LAVA_LCA,
    LCA,
    ONLINE,
    READOUT,
    with_results,
)
from benchmarks.report import machine
from ipvae_snn.choices import choose
from ipvae_snn.data.base import ImageSet
from ipvae_snn.data.request import resolve_root
from ipvae_snn.errors import IpvaeError
from ipvae_snn.models.float_network import load_float_network
from ipvae_snn.models.networks import load_float
from ipvae_snn.storage.atomic import write_text

HERE: Final = Path(__file__).parents[1]
RESULT: Final = HERE / "results" / "graphs.json"
PAGE: Final = HERE.parent / "docs" / "graphs.md"
MNIST, SHARED, COLOURED = "mnist-512", "mnist-conv", "cifar10-colour"
LAVA_IMAGES: Final = 30
USUAL: Final = (READOUT, LCA, ONLINE, CONVOLUTIONAL, COLOUR)
PARTS: Final = (*USUAL, LAVA_LCA)


class Inputs(NamedTuple):
    """Folder of the data sets, checkpoints of dense networks of CIFAR-10, and small figures."""

    root: Path | None
    dense: Sequence[Path]
    quick: bool

    def has(self, name: str) -> bool:
        """Return whether the files of a data set are there."""
        return self.root is not None and (self.root / name).is_dir()

    def digits(self) -> tuple[ImageSet, ImageSet]:
        """Return the images for training and for the test."""
        train = parts.images_of("digits", "train", None, 200 if self.quick else 1442)
        return train, parts.images_of("digits", "test", None, 60 if self.quick else 355)

    def images(self) -> tuple[ImageSet, ImageSet]:
        """Return those of MNIST."""
        train = parts.images_of("mnist", "train", self.root, 200 if self.quick else 10_000)
        return train, parts.images_of("mnist", "test", self.root, 60 if self.quick else 10_000)

    def coloured(self) -> tuple[ImageSet, ImageSet]:
        """Return those of CIFAR-10 in colour."""
        train = parts.images_of("cifar10", "train", self.root, 40 if self.quick else 400, True)
        return train, parts.images_of("cifar10", "test", self.root, 10 if self.quick else 200, True)


def measured(names: Collection[str], inputs: Inputs) -> dict[str, Any]:
    """Return all figures of the parts `names` that can be measured with the data at hand."""
    result: dict[str, Any] = {}
    if LAVA_LCA in names:
        result[LAVA_LCA] = _lava_lca(inputs)
    if READOUT in names:
        digits = load_float("digits", "the benchmark")
        result[READOUT] = {"digits": parts.readout(digits, *inputs.digits())}
        if inputs.has("mnist"):
            typer.echo("read-out of MNIST", err=True)
            network = load_float(MNIST, "the benchmark")
            result[READOUT][MNIST] = parts.readout(network, *inputs.images())
    if LCA in names:
        digits, (train, test) = load_float("digits", "the benchmark"), inputs.digits()
        result[LCA] = {"digits": parts.lca(digits, train.first(300), test.first(100), 512)}
    if ONLINE in names and inputs.has("mnist"):
        result[ONLINE] = _online(inputs)
    if CONVOLUTIONAL in names and inputs.has("mnist"):
        typer.echo("convolutions", err=True)
        train, test = inputs.images()
        shared = load_float(SHARED, "the benchmark")
        result[CONVOLUTIONAL] = parts.fidelity(
            shared, train, test.first(20 if inputs.quick else 500)
        )
    if COLOUR in names and inputs.has("cifar10"):
        typer.echo("colour", err=True)
        _, test = inputs.coloured()
        networks = {COLOURED: load_float(COLOURED, "the benchmark")}
        networks |= {path.parent.name: load_float_network(path) for path in inputs.dense}
        result[COLOUR] = {name: parts.quality(one, test) for name, one in networks.items()}
    return result


def _online(inputs: Inputs) -> dict[str, Any]:
    typer.echo("drifting images", err=True)
    train, test = inputs.images()
    integer = parts.integers_of(load_float(MNIST, "the benchmark"), train)
    moving = test.first(4 if inputs.quick else 50)
    result = {
        MNIST: [
            parts.online(integer, moving, 4, slower, steps)
            for slower in ((1, 2) if inputs.quick else (1, 2, 4, 8))
            for steps in (2, 4, 8)
        ]
    }
    if inputs.has("cifar10"):
        train, test = inputs.coloured()
        integer = parts.integers_of(load_float(COLOURED, "the benchmark"), train)
        moving = test.first(2 if inputs.quick else 10)
        result[COLOURED] = [
            parts.online(integer, moving, 4, slower, 2)
            for slower in ((1,) if inputs.quick else (1, 8))
        ]
    return result


def _lava_lca(inputs: Inputs) -> dict[str, Any]:
    python, version = lava_lca.solver_python()
    typer.echo(f"LCA beside Intel's, in {python}: some 10 minutes", err=True)
    network = load_float("digits", "the benchmark")
    train, test = inputs.digits()
    few = test.first(2 if inputs.quick else LAVA_IMAGES)
    solver = lava_lca.solved_in_lava(python)
    rows = lava_lca.compared(network, train.first(300), few, solver)
    return {"version": version, "rows": rows}


def merged(before: dict[str, Any], figures: dict[str, Any], made: dict[str, Any]) -> dict[str, Any]:
    """Return the result with the figures of some parts replaced, and `made`, their provenance.

    A network's read-out that was not measured stays, and so does every other part.
    """
    new = dict(figures)
    if READOUT in new:
        new[READOUT] = {**before["figures"].get(READOUT, {}), **new[READOUT]}
    return {
        "command": "python -m benchmarks.graphs",
        "made": {**before["made"], **dict.fromkeys(new, made)},
        "figures": {**before["figures"], **new},
    }


def main(
    data_root: Annotated[
        Path | None, typer.Option(help="Folder of the data sets; default: IPVAE_SNN_DATA.")
    ] = None,
    dense: Annotated[
        list[Path] | None,
        typer.Option(help="Checkpoint of a dense network of CIFAR-10 in colour; may be repeated."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Part to measure; may be repeated: {', '.join(PARTS)}. Default: all but "
            f"{LAVA_LCA}, which needs lava-optimization in the Lava environment."
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Small figures; write nothing.")] = False,
) -> None:
    """Measure, and write or print the figures."""
    try:
        names = [choose(name, PARTS, "part") for name in only or USUAL]
        figures = measured(names, Inputs(resolve_root(data_root), dense or (), quick))
    except IpvaeError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    missing = [name for name in only or () if name not in figures]
    if missing:
        typer.echo(
            f"error: {', '.join(missing)}: not measured without the files of MNIST or CIFAR-10 "
            "(--data-root)",
            err=True,
        )
        raise typer.Exit(1)
    if quick:
        typer.echo(json.dumps(figures, indent=2))
        return
    made = {"date": date.today().isoformat(), "machine": machine()}
    result = merged(json.loads(RESULT.read_text(encoding="utf-8")), figures, made)
    write_text(RESULT, json.dumps(result, indent=2) + "\n")
    write_text(PAGE, with_results(PAGE.read_text(encoding="utf-8"), result))
    typer.echo(f"wrote {RESULT} and {PAGE}")


if __name__ == "__main__":
    typer.run(main)
