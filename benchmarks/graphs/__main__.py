"""Networks beyond the two circuits: read-outs, moving images, LCA, and convolutions.

    python -m benchmarks.graphs [--data-root FOLDER] [--convolutional CHECKPOINT] [--quick]

Measures the read-outs of `digits` and, where its files are, of MNIST; drifting images beside
restarting at every frame; LCA in integers beside floats and the exact lasso; and, for a
convolutional checkpoint of MNIST, 8 bits beside floats. Writes benchmarks/results/graphs.json and
the tables in docs/graphs.md; with --quick it prints small figures and writes nothing.
"""

import json
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from benchmarks.graphs import parts
from benchmarks.report import machine, table, wrapped
from ipvae_snn.data.request import resolve_root
from ipvae_snn.models.float_network import load_float_network
from ipvae_snn.models.networks import load_float
from ipvae_snn.storage.atomic import write_text

HERE: Final = Path(__file__).parents[1]
RESULT: Final = HERE / "results" / "graphs.json"
PAGE: Final = HERE.parent / "docs" / "graphs.md"
BEGIN: Final = "<!-- python -m benchmarks.graphs -->\n"
END: Final = "<!-- end -->"
MNIST: Final = "mnist-512"


def measured(root: Path | None, convolutional: Path | None, quick: bool) -> dict[str, Any]:
    """Return all figures that can be measured with the data at hand."""
    small, many = (60, 200) if quick else (355, 10_000)
    digits = load_float("digits", "the benchmark")
    train = parts.images_of("digits", "train", None, 200 if quick else 1442)
    test = parts.images_of("digits", "test", None, small)
    result: dict[str, Any] = {
        "readout": {"digits": parts.readout(digits, train, test)},
        "lca": {"digits": parts.lca(digits, train.first(300), test.first(100), 512)},
    }
    if root is None or not (root / "mnist").is_dir():
        return result
    network = load_float(MNIST, "the benchmark")
    train = parts.images_of("mnist", "train", root, many)
    test = parts.images_of("mnist", "test", root, small if quick else 10_000)
    typer.echo("read-out of MNIST", err=True)
    result["readout"][MNIST] = parts.readout(network, train, test)
    typer.echo("drifting MNIST", err=True)
    integer = parts.integers_of(network, train)
    moving = test.first(20 if quick else 100)
    result["online"] = [parts.online(integer, moving, 8, steps) for steps in (4, 8, 16)]
    if convolutional is not None:
        typer.echo("convolutions", err=True)
        shared = load_float_network(convolutional)
        result["convolutional"] = parts.fidelity(shared, train, test.first(20 if quick else 500))
    return result


def section(result: dict[str, Any]) -> str:
    """Return the page's tables, with their provenance."""
    figures, place = result["figures"], result["machine"]
    blocks = [_readout(figures["readout"]), _lca(figures["lca"])]
    if "online" in figures:
        blocks.append(_online(figures["online"]))
    if "convolutional" in figures:
        blocks.append(_convolutional(figures["convolutional"]))
    note = wrapped(
        f"""Made by `{result["command"]}` on {result["date"]} ({place["architecture"]}, ipvae-snn
        {place["ipvae_snn"]})."""
    )
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
    quick: Annotated[bool, typer.Option("--quick", help="Small figures; write nothing.")] = False,
) -> None:
    """Measure, and write or print the figures."""
    result = {
        "command": "python -m benchmarks.graphs",
        "date": date.today().isoformat(),
        "machine": machine(),
        "figures": measured(resolve_root(data_root), convolutional, quick),
    }
    if quick:
        typer.echo(json.dumps(result, indent=2))
        return
    write_text(RESULT, json.dumps(result, indent=2) + "\n")
    write_text(PAGE, with_results(PAGE.read_text(encoding="utf-8"), result))
    typer.echo(f"wrote {RESULT} and {PAGE}")


if __name__ == "__main__":
    typer.run(main)
