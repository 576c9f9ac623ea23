"""The Markdown page of the Lava throughput benchmark, made from its JSON result."""

from typing import Any

import numpy as np

from benchmarks.report import number, table, wrapped


def quartiles(values: list[float]) -> tuple[float, float, float]:
    """Return the lower quartile, the median and the upper quartile."""
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    return float(low), float(middle), float(high)


def ratios(result: dict[str, Any], ours: str, stock: str | None = None) -> list[float]:
    """Return our time steps a second, of the stock network's, round by round."""
    theirs = result["runs"][stock or result["stock"]]["ms_a_time_step"]
    mine = result["runs"][ours]["ms_a_time_step"]
    return [a / b for a, b in zip(theirs, mine, strict=True)]


def page(result: dict[str, Any]) -> str:
    """Return the page."""
    machine = result["machine"]
    report = wrapped(
        f"""Made by `{result["command"]}` on {result["date"]} ({machine["cpu_cores"]} CPU cores,
        {machine["architecture"]}, {result["lava"]}, ipvae-snn {machine["ipvae_snn"]}); the whole
        result is in `benchmarks/results/lava_throughput.json`."""
    )
    unrolling = wrapped(
        f"""Ours is `{result["network"]}` at 8 bits, K = {result["neurons"]}, M =
        {result["pixels"]}: the image's connection ({result["pixels"]} x {result["neurons"]}), the
        neurons' own (lateral, or prediction and back), the Poisson neurons and the recording of
        their counts, {result["images"]} MNIST test images of {result["steps"]} steps in one run.
        In the mean {100 * result["active"]:.0f} % of the neurons send in a step,
        {result["spikes_a_step"]:.0f} spikes in all. The stock network is
        `hw/lava/stock_network.py`: LIF, Dense, LIF of lava-nc in fixed point, as they come, with
        as large a share of the first LIFs firing, and nothing recorded."""
    )
    timing = wrapped(
        f"""Each network runs in processes of its own, in turn, {result["rounds"]} rounds. A time
        step's time is that between the ends of the first and the last time step of a run, divided
        by their number. A ratio is formed within a round. Quartiles are over rounds; the machine
        did other work, so absolute times vary more than ratios."""
    )
    goal = wrapped(
        f"""The goal is {result["goal"]} of the stock network's time steps a second
        (`{result["stock"]}`, the same share active). {verdict(result)}"""
    )
    replicas = wrapped(
        """Replicas (`--replicas`) are copies of the one-layer network, fused, in one run, each with
        its share of the images; the results are the same. They go from time step to time step
        together, so they gain by what they compute at the same time on different cores."""
    )
    return f"""# Throughput in Lava's simulator

{report}

{unrolling}

{timing}

## Time of a time step

{times(result)}

A two-layer circuit's step takes two time steps. "Spikes": the image comes as graded spikes through
the image's connection; "bias": the host writes what it causes. "Parts": each population and
connection is a process, and they exchange messages; "fused": the network is one process.

## Of the stock network's speed

{goal}

{comparison(result)}

## Replicas

{replicas}

{parallel(result)}
"""


def verdict(result: dict[str, Any]) -> str:
    """Return which of our runs reach the goal."""
    reached = [
        name for name in result["ours"] if quartiles(ratios(result, name))[1] >= result["goal"]
    ]
    if len(reached) == len(result["ours"]):
        return "All reach it."
    missed = "; ".join(name for name in result["ours"] if name not in reached)
    return f"**Not reached** by: {missed}."


def times(result: dict[str, Any]) -> str:
    """Return the table of ms a time step and of start-up."""
    rows = []
    for name, found in result["runs"].items():
        low, middle, high = quartiles(found["ms_a_time_step"])
        start = quartiles(found["start_up_s"])[1]
        rows.append(
            [
                name,
                f"{middle:.3f}",
                f"{low:.3f}..{high:.3f}",
                number(1e3 / middle, 0),
                number(start),
            ]
        )
    head = ["run", "ms, median", "quartiles", "time steps a second", "start-up and end, s"]
    return table(head, rows)


def comparison(result: dict[str, Any]) -> str:
    """Return the table of ratios to each stock network."""
    stocks = [name for name in result["runs"] if name not in result["ours"]]
    rows = []
    for name in result["ours"]:
        cells = []
        for one in stocks:
            low, middle, high = quartiles(ratios(result, name, one))
            cells.append(f"{middle:.2f} ({low:.2f}..{high:.2f})")
        rows.append([name, *cells])
    return table(["ours", *(f"of {name}" for name in stocks)], rows)


def parallel(result: dict[str, Any]) -> str:
    """Return the table of replicas."""
    one = quartiles(result["replicas"]["1"])[1]
    rows = []
    for count, speeds in result["replicas"].items():
        low, middle, high = quartiles(speeds)
        cells = [number(middle, 0), f"{number(low, 0)}..{number(high, 0)}", f"{middle / one:.2f}"]
        rows.append([count, *cells])
    return table(["replicas", "time steps a second, all", "quartiles", "of one run"], rows)
