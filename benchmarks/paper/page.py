"""The page of the figures, made from the stored result."""

from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.paper.figures import FIGURES, Figure
from benchmarks.paper.pictures import PREFIX
from benchmarks.paper.published import SOURCE
from benchmarks.paper.rows import Json
from benchmarks.report import wrapped as wrap

HERE: Final = Path(__file__).parents[1]
RESULTS: Final = HERE / "results"
PAGE: Final = HERE.parent / "docs" / "paper_figures.md"
IMAGES: Final = HERE.parent / "docs" / "images"
wrapped: Final = partial(wrap, hyphens=False)
QUICK: Final = """**These networks are trained for a look, not for comparison**: fewer neurons,
smaller batches and hundreds of times fewer iterations, with the settings of our presets for short
runs. So the differences to the published figures are those of training. `--preset full` trains by
the published settings."""
FULL: Final = """The networks are trained by the published settings, as far as
[what differs](training.md#the-papers-settings) allows. The number of iterations
stands beside each."""


def result_file(preset: str) -> Path:
    """Return the stored result of a preset."""
    return RESULTS / f"paper-{preset}.json"


def shown_file() -> Path:
    """Return the stored result that the page shows: that of `full`, if there is one."""
    full = result_file("full")
    return full if full.is_file() else result_file("quick")


def page(result: Json) -> str:
    """Return the page."""
    machine, protocol = result["machine"], result["protocol"]
    text = QUICK if result["preset"] == "quick" else FULL
    head = wrapped(
        f"""Made by `{result["command"]}` on {result["date"]} ({machine["cpu_cores"]} CPU cores,
        {machine["architecture"]}, ipvae-snn {machine["ipvae_snn"]}); all numbers are in
        `benchmarks/results/paper-{result["preset"]}.json`. Published figures: {SOURCE}
        (`benchmarks/paper/published/`). Judged on {protocol["images"]:,} held-out images after
        {protocol["steps"]:,} steps. On MNIST, read-outs are fitted on {protocol["readout"]:,}
        images, and {protocol["per_angle"]:,} images are turned by each angle. Rates and operations
        are those of {protocol["coded"]:,} images. What the paper says, sentence by sentence, is in
        [paper.md](paper.md)."""
    )
    parts = [f"# The paper's figures, ours beside the published\n\n{head}", wrapped(text)]
    parts += [_section(name, FIGURES[name], rows) for name, rows in result["figures"].items()]
    return "\n\n".join(parts) + "\n"


def _section(name: str, figure: Figure, rows: list[Json]) -> str:
    pictures = "\n\n".join(
        f"![{figure.title}](images/{PREFIX}{name}{picture.suffix}.png)"
        for picture in figure.pictures
    )
    return f"## {figure.title}\n\n{wrapped(figure.text)}\n\n{pictures}\n\n{figure.section(rows)}"
