"""Networks beyond the two circuits: read-outs, moving images, LCA, and convolutions.

    python -m benchmarks.graphs [--data-root FOLDER] [--convolutional CHECKPOINT] [--quick]
    python -m benchmarks.graphs --only lava-lca

Measures the read-outs of `digits` and, where its files are, of MNIST; drifting images beside
restarting at every frame; LCA in integers beside floats and the exact lasso; and, for a
convolutional checkpoint of MNIST, 8 bits beside floats. `lava-lca`, which is measured only by name,
sets LCA beside Intel's solver in the Lava environment, if that has lava-optimization.

Writes benchmarks/results/graphs.json and the tables in docs/graphs.md, where parts that were not
measured stay as they are; with --quick it prints small figures and writes nothing.
"""

import json
from collections.abc import Collection
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import typer

from benchmarks.graphs import lava_lca, parts
from benchmarks.report import machine, table, wrapped
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
BEGIN: Final = "<!-- python -m benchmarks.graphs -->\n"
END: Final = "<!-- end -->"
MNIST: Final = "mnist-512"
READOUT, LCA, ONLINE, CONVOLUTIONAL = "readout", "lca", "online", "convolutional"
LAVA_LCA: Final = "lava-lca"
LAVA_IMAGES: Final = 30
USUAL: Final = (READOUT, LCA, ONLINE, CONVOLUTIONAL)
PARTS: Final = (*USUAL, LAVA_LCA)


class Inputs(NamedTuple):
    """Folder of the data sets, a convolutional checkpoint, and whether figures are small."""

    root: Path | None
    convolutional: Path | None
    quick: bool

    @property
    def mnist(self) -> bool:
        """Whether the files of MNIST are there."""
        return self.root is not None and (self.root / "mnist").is_dir()

    def digits(self) -> tuple[ImageSet, ImageSet]:
        """Return the images for training and for the test."""
        train = parts.images_of("digits", "train", None, 200 if self.quick else 1442)
        return train, parts.images_of("digits", "test", None, 60 if self.quick else 355)

    def images(self) -> tuple[ImageSet, ImageSet]:
        """Return those of MNIST."""
        train = parts.images_of("mnist", "train", self.root, 200 if self.quick else 10_000)
        return train, parts.images_of("mnist", "test", self.root, 60 if self.quick else 10_000)


def measured(names: Collection[str], inputs: Inputs) -> dict[str, Any]:
    """Return all figures of the parts `names` that can be measured with the data at hand."""
    result: dict[str, Any] = {}
    if LAVA_LCA in names:
        result[LAVA_LCA] = _lava_lca(inputs)
    if READOUT in names:
        digits = load_float("digits", "the benchmark")
        result[READOUT] = {"digits": parts.readout(digits, *inputs.digits())}
        if inputs.mnist:
            typer.echo("read-out of MNIST", err=True)
            network = load_float(MNIST, "the benchmark")
            result[READOUT][MNIST] = parts.readout(network, *inputs.images())
    if LCA in names:
        digits, (train, test) = load_float("digits", "the benchmark"), inputs.digits()
        result[LCA] = {"digits": parts.lca(digits, train.first(300), test.first(100), 512)}
    if ONLINE in names and inputs.mnist:
        typer.echo("drifting MNIST", err=True)
        train, test = inputs.images()
        integer = parts.integers_of(load_float(MNIST, "the benchmark"), train)
        moving = test.first(20 if inputs.quick else 100)
        result[ONLINE] = [parts.online(integer, moving, 8, steps) for steps in (4, 8, 16)]
    if CONVOLUTIONAL in names and inputs.mnist and inputs.convolutional is not None:
        typer.echo("convolutions", err=True)
        train, test = inputs.images()
        shared = load_float_network(inputs.convolutional)
        result[CONVOLUTIONAL] = parts.fidelity(
            shared, train, test.first(20 if inputs.quick else 500)
        )
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


def section(result: dict[str, Any]) -> str:
    """Return the page's tables, with their provenance."""
    figures = result["figures"]
    drawn = {
        READOUT: _readout,
        LCA: _lca,
        LAVA_LCA: lava_lca.section,
        ONLINE: _online,
        CONVOLUTIONAL: _convolutional,
    }
    blocks = [draw(figures[name]) for name, draw in drawn.items() if name in figures]
    places: dict[str, list[str]] = {}
    for name, made in result["made"].items():
        place = made["machine"]
        text = f"{made['date']} ({place['architecture']}, ipvae-snn {place['ipvae_snn']})"
        places.setdefault(text, []).append(name)
    each = "; ".join(f"{', '.join(names)} on {text}" for text, names in places.items())
    note = wrapped(f"Made by `{result['command']}`: {each}.")
    return "\n\n".join([*blocks, note]) + "\n"


def _readout(networks: dict[str, Any]) -> str:
    rows = [
        [name, form, f"{one['fitted_on']:,}", f"{one['images']:,}", *map(_percent, one[form])]
        for name, one in networks.items()
        for form in ("float", "integer")
    ]
    head = [
        "network",
        "read-out",
        "fitted on",
        "test images",
        *_steps(next(iter(networks.values()))),
    ]
    return f"## Read-out: share of right classes\n\n{table(head, rows, 2)}"


def _lca(networks: dict[str, Any]) -> str:
    rows = [
        [
            f"{one['penalty']:g}",
            *(f"{one[form]['cost']:.4f}" for form in ("float", "integer", "lasso")),
            *(f"{one[form]['zeros']:.3f}" for form in ("float", "integer", "lasso")),
        ]
        for one in networks["digits"]
    ]
    head = ["lambda", "cost, float", "integer", "exact lasso", "zeros, float", "integer", "lasso"]
    steps = networks["digits"][0]["steps"]
    return (
        f"## LCA: cost of the codes of `digits` after {steps} steps, 8 bits\n\n{table(head, rows)}"
    )


def _online(rows: list[dict[str, Any]]) -> str:
    head = ["steps a frame", "R2", "operations", "restarting: steps", "R2", "operations", "ratio"]
    cells = [
        [
            str(one["steps"]),
            f"{one['r2']:.3f}",
            f"{one['operations']:,.0f}",
            str(one["restart_steps"]),
            f"{one['restart_r2']:.3f}",
            f"{one['restart_operations']:,.0f}",
            f"{one['restart_operations'] / one['operations']:.1f}",
        ]
        for one in rows
    ]
    note = wrapped(
        f"""{rows[0]["sequences"]} sequences of {rows[0]["frames"]} frames of MNIST that drift by a
        pixel, through `{MNIST}` in 8 bits: means over all frames but the first. Restarting begins
        anew at every frame, with the least power of two of steps that reaches the R2 of carrying
        over. Operations: synaptic ones of a frame, of which only pixels that change cost input."""
    )
    return f"## Moving images: carried over, and restarted\n\n{table(head, cells)}\n\n{note}"


def _convolutional(one: dict[str, Any]) -> str:
    rows = [
        [form, *(f"{x:.4f}" for x in one[form]["r2"]), *(f"{x:.3f}" for x in one[form]["zeros"])]
        for form in ("float", "integer")
    ]
    head = ["", *(f"R2, step {t}" for t in one["steps"]), *(f"zeros, {t}" for t in one["steps"])]
    note = wrapped(
        f"""MNIST, {one["parameters"]:,} parameters, {one["neurons"]:,} neurons, {one["images"]:,}
        test images, equal uniforms. The checkpoint is not in the repository: it is the last of the
        recipes `mnist-conv`, with half of its step size, since it runs away on 1 of 100 images
        after 1,000 steps otherwise; give one with --convolutional."""
    )
    return f"## A convolutional network in 8 bits\n\n{table(head, rows)}\n\n{note}"


def _steps(one: dict[str, Any]) -> list[str]:
    return [f"step {t}" for t in one["steps"]]


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def with_results(text: str, result: dict[str, Any]) -> str:
    """Return the page with its tables replaced."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}{section(result)}{END}{after}"


def main(
    data_root: Annotated[
        Path | None, typer.Option(help="Folder of the data sets; default: IPVAE_SNN_DATA.")
    ] = None,
    convolutional: Annotated[
        Path | None, typer.Option(help="Checkpoint of a convolutional network of MNIST.")
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
        figures = measured(names, Inputs(resolve_root(data_root), convolutional, quick))
    except IpvaeError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    missing = [name for name in only or () if name not in figures]
    if missing:
        typer.echo(
            f"error: {', '.join(missing)}: not measured without the files of MNIST (--data-root) "
            "and, for convolutions, a checkpoint (--convolutional)",
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
