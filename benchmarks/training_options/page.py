"""The tables of docs/training.md, generated from the JSON result."""

import statistics
from pathlib import Path
from typing import Any, Final

from benchmarks.report import between, table, timed, wrapped

PAGE: Final = Path(__file__).parents[2] / "docs" / "training.md"
BEGIN, END = "<!-- training_options: begin -->\n", "<!-- training_options: end -->"
TITLES: Final = {"patches": "Patches 16x16", "mnist": "MNIST"}
HEAD: Final = (
    "relaxation and last temperature",
    "CPU seconds (least)",
    "free energy at T",
    "R2 at T",
    "zeros at T",
    "median R2 at 1,000",
    "zeros at 1,000",
    "R2 of 8 bits at 1,000",
    "reach the clip",
)


def with_results(text: str, results: dict[str, Any]) -> str:
    """Return the page with its tables replaced."""
    sections = "\n".join(section(name, result) for name, result in results.items())
    return between(text, BEGIN, END, sections)


def section(name: str, result: dict[str, Any]) -> str:
    """Return the table of one setting, with where it comes from."""
    place, seeds = result["machine"], result["seeds"]
    means = f"Mean of {seeds} seeds and, after +-, half their range" if seeds > 1 else "One seed"
    note = wrapped(
        f"""{TITLES[name]}: `{result["command"]}` on {result["date"]} (one thread of
        {place["cpu_cores"]} CPU cores, {place["architecture"]}, shared with other work). K
        {result["neurons"]}, B {result["batch_size"]}, T {result["steps"]}, beta
        {result["beta"]:g}, {result["iterations"]:,} iterations. {means};
        {result["images"]:,} held-out images; nats per image."""
    )
    rows = [_row(option, runs) for option, runs in result["runs"].items()]
    return f"{note}\n\n{table(HEAD, rows)}\n"


def _row(option: str, runs: list[dict[str, Any]]) -> list[str]:
    def mean(key: str, digits: int) -> str:
        return f"{statistics.fmean(run[key] for run in runs):.{digits}f}"

    def spread(key: str, digits: int) -> str:
        values = [run[key] for run in runs]
        half = f" +- {(max(values) - min(values)) / 2:.{digits}f}" if len(values) > 1 else ""
        return f"{mean(key, digits)}{half}"

    return [
        option,
        timed(min((run["seconds"] for run in runs if run["seconds"] is not None), default=None)),
        spread("free_energy", 1),
        mean("r2", 3),
        mean("zeros", 3),
        mean("r2_median_late", 3),
        mean("zeros_late", 3),
        mean("r2_integer", 3),
        f"{100 * statistics.fmean(run['reached_clip'] for run in runs):g} %",
    ]
