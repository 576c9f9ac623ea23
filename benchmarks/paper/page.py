"""The page of the figures, made from the stored result."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.paper.figures.catalogue import FIGURES, Figure
from benchmarks.paper.figures.rows import Json
from benchmarks.paper.pictures import PREFIX
from benchmarks.paper.published import SOURCE
from benchmarks.report import wrapped as wrap

HERE: Final = Path(__file__).parents[1]
RESULTS: Final = HERE / "results"
PAGE: Final = HERE.parent / "docs" / "paper_figures.md"
IMAGES: Final = HERE.parent / "docs" / "images"
wrapped: Final = partial(wrap, hyphens=False)
QUICK: Final = """Networks of `quick` are **trained for a look, not for comparison**: fewer neurons,
smaller batches and hundreds of times fewer iterations, with the settings of our presets for short
runs. So their differences to the published figures are those of training."""
FULL: Final = """Networks of `full` are trained by the published settings, as far as
[what differs](training.md#the-papers-settings) allows. The number of iterations stands beside each.
**Those on patches are of older patches** than ours are now
([which](paper.md#what-has-been-trained-by-the-published-settings)). A figure that none of them has
been trained for is that of `quick`, and says so."""


def result_file(preset: str) -> Path:
    """Return the stored result of a preset."""
    return RESULTS / f"paper-{preset}.json"


def stored_results() -> tuple[Json, ...]:
    """Return the stored results, that of `full` first."""
    files = (result_file(preset) for preset in ("full", "quick"))
    return tuple(json.loads(f.read_text(encoding="utf-8")) for f in files if f.is_file())


def shown(results: Sequence[Json]) -> dict[str, Json]:
    """Return the result that each figure is shown from: the first one that has it."""
    found = {}
    for name in FIGURES:
        having = [result for result in results if result["figures"].get(name)]
        if having:
            found[name] = having[0]
    return found


def page(*results: Json) -> str:
    """Return the page of results, of which the first one that has a figure shows it."""
    texts = {"full": FULL, "quick": QUICK}
    head = f"""Ours beside the published ones: {SOURCE} (`benchmarks/paper/published/`). What the
    paper says, sentence by sentence, is in [paper.md](paper.md)."""
    parts = ["# The paper's figures, ours beside the published", wrapped(head)]
    parts += [wrapped(f"{_made(one)} {texts[one['preset']]}") for one in results]
    for name, result in shown(results).items():
        is_look = len(results) > 1 and result["preset"] == "quick"
        parts.append(_section(name, FIGURES[name], result["figures"][name], is_look))
    return "\n\n".join(parts) + "\n"


def _made(result: Json) -> str:
    machine, protocol = result["machine"], result["protocol"]
    return f"""**{result["preset"]}**: made by `{result["command"]}` on {result["date"]}
    ({machine["cpu_cores"]} CPU cores, {machine["architecture"]}, ipvae-snn
    {machine["ipvae_snn"]}); all numbers are in `benchmarks/results/paper-{result["preset"]}.json`.
    Judged on {protocol["images"]:,} held-out images after {protocol["steps"]:,} steps. On MNIST,
    read-outs are fitted on {protocol["readout"]:,} images, and {protocol["per_angle"]:,} images are
    turned by each angle. Rates and operations are those of {protocol["coded"]:,} images."""


def _section(name: str, figure: Figure, rows: list[Json], is_look: bool) -> str:
    pictures = "\n\n".join(
        f"![{figure.title}](images/{PREFIX}{name}{picture.suffix}.png)"
        for picture in figure.pictures
    )
    text = f"**Of `quick`.** {figure.text}" if is_look else figure.text
    return f"## {figure.title}\n\n{wrapped(text)}\n\n{pictures}\n\n{figure.section(rows)}"
