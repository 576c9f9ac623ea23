"""The Markdown page of the benchmark of large runs, generated from its JSON result."""

from typing import Any

from benchmarks.report import number, table, wrapped

MEGABYTE = 1e6


def page(result: dict[str, Any]) -> str:
    """Return the page."""
    made = result["machine"]
    what = wrapped(
        f"""Made by `{result["command"]}` on {result["date"]} ({made["cpu_cores"]} CPU cores,
        {made["architecture"]}, Python {made["python"]}, ipvae-snn {made["ipvae_snn"]}); the whole
        result is in `benchmarks/results/streaming.json`. {result["images"]:,} images of 28x28
        pixels (digits, made larger and shifted) in one .npy file of
        {result["images"] * result["pixels"] / MEGABYTE:,.0f} MB went through `ipvae-snn run` into a
        folder, with a network of {result["neurons"]} neurons, {result["steps"]} steps, on
        {result["backend"]}, {result["chunk"]:,} images at a time. The result takes
        {result["bytes"] / MEGABYTE:,.0f} MB."""
    )
    rows = [
        ("whole run", *_cells(result["whole"])),
        ("killed by SIGKILL", *_cells(result["killed"])),
        ("resumed", *_cells(result["resumed"])),
    ]
    head = ("", "seconds", "peak of memory (MB)")
    equal = "is equal to" if result["equal"] else "DIFFERS from"
    after = wrapped(
        f"""Seconds are those of the whole command. The resumed run went on after
        {result["resumed"]["images_before"]:,} images; every array that it left {equal} the whole
        run's, byte for byte. {_tenth(result["whole"]["tenth"])}"""
    )
    return f"# A large run\n\n{what}\n\n{table(head, rows)}\n\n{after}\n"


def _cells(run: dict[str, Any]) -> tuple[str, str]:
    return number(run["seconds"]), number(run["peak_bytes"] / MEGABYTE, 0)


def _tenth(tenth: dict[str, float] | None) -> str:
    """Return what the bar said after a tenth of the images."""
    if tenth is None:
        return "The run was too short for its bar to show a tenth."
    off = 100 * (tenth["shown_s"] / tenth["left_s"] - 1)
    return (
        f"After a tenth of the images ({tenth['percent']:.0f} %) the bar said "
        f"{tenth['shown_s']:,.0f} s left; {tenth['left_s']:,.1f} s were ({off:+.0f} %)."
    )
