"""The tables of docs/graphs.md from the results of benchmarks.graphs."""

from typing import Any, Final

from benchmarks.graphs import lava_lca
from benchmarks.report import between, table, wrapped

BEGIN: Final = "<!-- python -m benchmarks.graphs -->\n"
END: Final = "<!-- end -->"
READOUT, LCA, ONLINE, CONVOLUTIONAL, COLOUR = "readout", "lca", "online", "convolutional", "colour"
LAVA_LCA: Final = "lava-lca"


def section(result: dict[str, Any]) -> str:
    """Return the page's tables, with their provenance."""
    figures = result["figures"]
    drawn = {
        READOUT: _readout,
        LCA: _lca,
        LAVA_LCA: lava_lca.section,
        ONLINE: _online,
        CONVOLUTIONAL: _convolutional,
        COLOUR: _colour,
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


def _online(networks: dict[str, Any]) -> str:
    head = [
        "network",
        "frames a pixel",
        "steps a frame",
        "R2",
        "operations",
        "restarting: steps",
        "R2",
        "operations",
        "ratio",
    ]
    cells = [
        [
            name,
            str(one["frames_per_pixel"]),
            str(one["steps"]),
            f"{one['r2']:.3f}",
            f"{one['operations']:,.0f}",
            str(one["restart_steps"]),
            f"{one['restart_r2']:.3f}",
            f"{one['restart_operations']:,.0f}",
            f"{one['restart_operations'] / one['operations']:.1f}",
        ]
        for name, rows in networks.items()
        for one in rows
    ]
    shown = "; ".join(f"{rows[0]['sequences']} of {rows[0]['data']}" for rows in networks.values())
    note = wrapped(
        f"""Test images ({shown}) that drift by four pixels, at one or more frames a pixel (mixed
        linearly), in 8 bits: means over all frames but the first. Restarting begins anew at every
        frame, with the fewest steps that reach the R2 of carrying over. Operations: synaptic ones
        of a frame, of which only pixels that change cost input."""
    )
    return f"## Moving images: carried over, and restarted\n\n{table(head, cells, 1)}\n\n{note}"


def _convolutional(one: dict[str, Any]) -> str:
    rows = [
        [form, *(f"{x:.4f}" for x in one[form]["r2"]), *(f"{x:.3f}" for x in one[form]["zeros"])]
        for form in ("float", "integer")
    ]
    head = ["", *(f"R2, step {t}" for t in one["steps"]), *(f"zeros, {t}" for t in one["steps"])]
    note = wrapped(
        f"""`mnist-conv`: {one["parameters"]:,} parameters, {one["neurons"]:,} neurons,
        {one["images"]:,} test images of MNIST, equal uniforms."""
    )
    return f"## A convolutional network in 8 bits\n\n{table(head, rows)}\n\n{note}"


def _colour(networks: dict[str, Any]) -> str:
    steps = next(iter(networks.values()))["steps"]
    head = [
        "network",
        "neurons",
        "parameters",
        *(f"R2, step {t}" for t in steps),
        *(f"MAP, {t}" for t in steps),
        *(f"zeros, {t}" for t in steps),
    ]
    rows = [
        [
            name,
            f"{one['neurons']:,}",
            f"{one['parameters']:,}",
            *(f"{x:.3f}" for part in ("r2", "r2_map", "zeros") for x in one[part]),
        ]
        for name, one in networks.items()
    ]
    images = next(iter(networks.values()))["images"]
    note = wrapped(
        f"""CIFAR-10 in colour, 32x32x3, {images:,} test images (Krizhevsky, Nair and Hinton 2009),
        trained on 4,000. The dense networks are those of the recipes `cifar10-dense-3`, of equal
        parameters, and `cifar10-dense-512`; they are not in the repository and are given with
        --dense."""
    )
    return f"## Colour\n\n{table(head, rows, 1)}\n\n{note}"


def _steps(one: dict[str, Any]) -> list[str]:
    return [f"step {t}" for t in one["steps"]]


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def with_results(text: str, result: dict[str, Any]) -> str:
    """Return the page with its tables replaced."""
    return between(text, BEGIN, END, section(result))
