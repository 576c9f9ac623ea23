"""The front on natural patches: R2 of a code against what it costs, counted as on MNIST.

    python -m benchmarks.operating_points.patches --data-root FOLDER
        [--scheduler local|tcp://host:8786] [--workers N] [--resume]

Writes benchmarks/results/operating_points_patches.json, docs/operating_points_patches.md and its
picture.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from benchmarks.operating_points.__main__ import (
    CODES,
    as_text,
    material,
    measured,
    points_of,
    result_of,
    rounded,
)
from benchmarks.operating_points.page import (
    ALL,
    ENERGY,
    EQUAL,
    all_points,
    energies_table,
    levels_table,
    wrapped,
)
from benchmarks.operating_points.pictures import draw, energy_of, legend
from benchmarks.sweep import Resume, Scheduler, Workers, sweep, where
from ipvae_snn.report.picture_files import page as sheet
from ipvae_snn.report.terminal import console
from ipvae_snn.storage.atomic import write_text

HERE: Final = Path(__file__).parents[1]
RESULT: Final = HERE / "results" / "operating_points_patches.json"
PAGE: Final = HERE.parent / "docs" / "operating_points_patches.md"
MODULE: Final = "benchmarks.operating_points.patches"
DATA: Final = "vanhateren"
DICTIONARY: Final = "vanhateren-512"
NETWORKS: Final = tuple(f"{DICTIONARY}-{name}" for name in ("fine", "lean", "least"))
WIDTHS: Final[Mapping[str, tuple[int, ...]]] = {CODES[0]: (128, 256), CODES[1]: (64, 128, 256)}
COMPONENTS: Final = (32, 64, 100, 139, 180)
PENALTIES: Final = (0.1, 0.5)
LEVELS: Final = (0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
PIXELS: Final = 256
LEVEL: Final = 0.8  # of the table of energies
SHOWN: Final = (4, 8, 12, 16, 32, 64)


def main(
    data_root: Annotated[Path | None, typer.Option(envvar="IPVAE_SNN_DATA")] = None,
    limit: Annotated[int, typer.Option(min=20, help="Held-out patches.")] = 500,
    scheduler: Scheduler = None,
    workers: Workers = None,
    resume: Resume = False,
) -> None:
    """Measure and write the results, the page and its picture."""
    with sweep("operating_points_patches", where(scheduler, workers, resume)) as run:
        given = material(
            NETWORKS, data_root, limit, lambda what: run.display(what, 0, 0), DATA, DICTIONARY, ()
        )
        points = points_of(given.floats, WIDTHS, COMPONENTS, PENALTIES)
        rows = measured(run, given, points, limit)
        result = rounded(
            result_of(given, points, rows, MODULE) | {"command": f"python -m {MODULE}"}
        )
        write_text(RESULT, as_text(result))
        redraw()
    console(quiet=True).print(f"{RESULT} and {PAGE} written")


def redraw() -> None:
    """Make the page and the picture anew from the stored results."""
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    with sheet(PAGE.parent / "images" / "operating_points_patches.png", 9.0, 4.9) as figure:
        left, right = figure.subplots(1, 2)
        draw(left, result, DATA, lambda each: each.operations)
        left.set_xlabel("synaptic operations per image, by events")
        draw(right, result, DATA, energy_of("loihi1-sanafe"))
        right.set_xlabel("loihi1-sanafe: least dynamic proxy, microjoule per image")
        legend(figure, left)
    write_text(PAGE, page(result))


def page(result: Mapping[str, Any]) -> str:
    """Return the page."""
    points: Sequence[dict[str, Any]] = result["points"]
    machine, images = result["machine"], points[0]["data"][DATA]["images"]
    neurons = result["networks"][DICTIONARY]["neurons"]
    head = wrapped(
        f"""Made by `{result["command"]}` on {result["date"]} (Python {machine["python"]}, ipvae-snn
        {machine["ipvae_snn"]}); every number is in `benchmarks/results/{RESULT.name}`. {images:,}
        held-out patches of 16x16 pixels of {DATA} ({result["data"][DATA]}); ± is half the 95 %
        interval over patches. Everything is counted as in [what a given R2
        costs](operating_points.md), which explains the words; encoders and LCA take the dictionary
        of {DICTIONARY}. Whitened patches have hardly a zero: every pixel sends, so that dense
        feed-forward weights of {neurons} neurons cost {neurons * PIXELS:,} operations."""
    )
    parts = [
        f"# What a given R2 costs on natural patches\n\n{head}",
        "![R2 against operations and energy](images/operating_points_patches.png)",
        f"## At equal R2\n\n{EQUAL}\n\n{levels_table(points, DATA, LEVELS)}",
        f"## Energy at R2 {LEVEL}\n\n{ENERGY}\n\n{energies_table(points, DATA, LEVEL)}",
        f"## All points\n\n{ALL}\n\n{all_points(points, DATA, SHOWN)}",
    ]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    typer.run(main)
