"""Networks beyond the two circuits: read-outs, moving images, LCA, and convolutions.

    python -m benchmarks.graphs [--data-root FOLDER] [--dense CHECKPOINT] [--quick]
        [--scheduler local|tcp://host:8786] [--workers N] [--resume]
    python -m benchmarks.graphs --only lava-lca

Measures the read-outs of `digits` and, where its files are, of MNIST; drifting images beside
restarting at every frame; LCA in integers beside floats and the exact lasso; `mnist-conv` in 8 bits
beside floats; and CIFAR-10 in colour, also by the dense networks that are given. `lava-lca`, which
is measured only by name, sets LCA beside Intel's solver in the Lava environment, if that has
lava-optimization.

Writes benchmarks/results/graphs.json and the tables in docs/graphs.md, where parts that were not
measured stay as they are; with --quick it prints small figures and writes nothing. Each network of
a part is a point of a sweep, and each speed of drifting images (`benchmarks/sweep.py`); `lava-lca`
runs in this process.
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
from benchmarks.sweep import Point, Resume, Scheduler, Sweep, Workers, sweep, where
from ipvae_snn.choices import choose
from ipvae_snn.data.base import ImageSet
from ipvae_snn.data.request import resolve_root
from ipvae_snn.errors import DataError
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.models.float_network import FloatNetwork, load_float_network
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

    def can_read(self, name: str) -> bool:
        """Return whether the files of a data set are there; digits come with scikit-learn."""
        return name == "digits" or (self.root is not None and (self.root / name).is_dir())

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


class Material(NamedTuple):
    """What the points need: networks, the integers of those that see drifting images, and images.

    sets: for training and for the test, by the name of the data.
    """

    floats: dict[str, FloatNetwork]
    integers: dict[str, IntegerNetwork]
    sets: dict[str, tuple[ImageSet, ImageSet]]
    quick: bool


def points_of(names: Collection[str], inputs: Inputs) -> list[Point]:
    """Return the points of the parts `names` that can be measured with the data at hand."""
    dense = [str(path) for path in inputs.dense]
    quick = inputs.quick
    points: list[Point] = []

    def add(part: str, network: str, data: str, **others: int) -> None:
        if part in names and inputs.can_read(data):
            points.append({"part": part, "network": network, "data": data, **others})

    add(READOUT, "digits", "digits")
    add(READOUT, MNIST, "mnist")
    add(LCA, "digits", "digits")
    for slower in (1, 2) if quick else (1, 2, 4, 8):
        for steps in (2, 4, 8):
            add(ONLINE, MNIST, "mnist", slower=slower, steps=steps)
    for slower in (1,) if quick else (1, 8):
        add(ONLINE, COLOURED, "cifar10", slower=slower, steps=2)
    add(CONVOLUTIONAL, SHARED, "mnist")
    for network in (COLOURED, *dense):
        add(COLOUR, network, "cifar10")
    return points


def material(points: Sequence[Point], inputs: Inputs) -> Material:
    """Load what the points need, and convert the networks that see drifting images."""
    readers = {"digits": inputs.digits, "mnist": inputs.images, "cifar10": inputs.coloured}
    sets = {data: readers[data]() for data in sorted({point["data"] for point in points})}
    floats = {name: _float(name, inputs) for name in {point["network"] for point in points}}
    moving = {point["network"]: point["data"] for point in points if point["part"] == ONLINE}
    integers = {
        name: parts.integers_of(floats[name], sets[data][0]) for name, data in moving.items()
    }
    return Material(floats, integers, sets, inputs.quick)


def _float(name: str, inputs: Inputs) -> FloatNetwork:
    if name in {str(path) for path in inputs.dense}:
        return load_float_network(Path(name))
    return load_float(name, "the benchmark")


def figures_of(given: Material, point: Point) -> Any:
    """Return the figures of one point."""
    part, name, quick = point["part"], point["network"], given.quick
    network, (train, test) = given.floats[name], given.sets[point["data"]]
    if part == READOUT:
        return parts.readout(network, train, test)
    if part == LCA:
        return parts.lca(network, train.first(300), test.first(100), 512)
    if part == CONVOLUTIONAL:
        return parts.fidelity(network, train, test.first(20 if quick else 500))
    if part == COLOUR:
        return parts.quality(network, test)
    few = {MNIST: (4, 50), COLOURED: (2, 10)}[name][0 if quick else 1]
    return parts.online(given.integers[name], test.first(few), 4, point["slower"], point["steps"])


def measured(names: Collection[str], inputs: Inputs, run: Sweep) -> dict[str, Any]:
    """Return all figures of the parts `names` that can be measured with the data at hand."""
    result: dict[str, Any] = {}
    if LAVA_LCA in names:
        result[LAVA_LCA] = _lava_lca(inputs)
    points = points_of(names, inputs)
    settings = {"quick": inputs.quick, "root": str(inputs.root)}
    figures = run.run(figures_of, points, material(points, inputs), settings)
    for point, figure in zip(points, figures, strict=True):
        part, name = point["part"], point["network"]
        if part == CONVOLUTIONAL:
            result[part] = figure
            continue
        of_part = result.setdefault(part, {})
        if part == ONLINE:
            of_part.setdefault(name, []).append(figure)
        else:
            of_part[_title(name, inputs)] = figure
    return result


def _title(network: str, inputs: Inputs) -> str:
    """Return the name of a network in the results: of a checkpoint, that of its run's folder."""
    dense = {str(path): path.parent.name for path in inputs.dense}
    return dense.get(network, network)


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
    scheduler: Scheduler = None,
    workers: Workers = None,
    resume: Resume = False,
) -> None:
    """Measure, and write or print the figures."""
    with sweep("graphs", where(scheduler, workers, resume)) as run:
        names = [choose(name, PARTS, "part") for name in only or USUAL]
        inputs = Inputs(resolve_root(data_root), dense or (), quick)
        found = {LAVA_LCA, *(point["part"] for point in points_of(names, inputs))}
        missing = [name for name in only or () if name not in found]
        if missing:
            raise DataError(
                f"{', '.join(missing)}: not measured without the files of MNIST or CIFAR-10 "
                "(--data-root)"
            )
        figures = measured(names, inputs, run)
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
