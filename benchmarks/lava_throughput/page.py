"""The Markdown page of the Lava throughput benchmark, generated from its JSON result."""

from typing import Any

import numpy as np

from benchmarks.report import number, table, wrapped


def quartiles(values: list[float]) -> tuple[float, float, float]:
    """Return the lower quartile, the median and the upper quartile."""
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    return float(low), float(middle), float(high)


def ratios(result: dict[str, Any], ours: str, stock: str | None = None) -> list[float]:
    """Return the ratio of our time steps per second to the stock network's, by round."""
    theirs = result["runs"][stock or result["stock"]]["ms_a_time_step"]
    mine = result["runs"][ours]["ms_a_time_step"]
    return [a / b for a, b in zip(theirs, mine, strict=True)]


def page(result: dict[str, Any]) -> str:
    """Return the page."""
    machine = result["machine"]
    provenance = wrapped(
        f"""Made by `{result["command"]}` on {result["date"]} ({machine["cpu_cores"]} CPU cores,
        {machine["architecture"]}, {result["lava"]}, ipvae-snn {machine["ipvae_snn"]}); the whole
        result is in `benchmarks/results/lava_throughput.json`."""
    )
    unrolling = wrapped(
        f"""Ours is `{result["network"]}` at 8 bits, K = {result["neurons"]}, M =
        {result["pixels"]}: the image's connection ({result["pixels"]} x {result["neurons"]}), the
        neurons' own (lateral, or prediction and back), the Poisson neurons and the recording of
        their counts, {result["images"]} MNIST test images of {result["steps"]} steps in one run.
        On average {100 * result["active"]:.0f} % of the neurons spike per step, with
        {result["spikes_a_step"]:.0f} spikes in all. The stock network is
        `hw/lava/stock_network.py`: LIF, Dense, LIF of lava-nc in fixed point with default
        settings. The same share of the first LIFs fires, and nothing is recorded."""
    )
    timing = wrapped(
        f"""Each network runs in its own processes, in turn, for {result["rounds"]} rounds. The time
        per time step is that between the ends of the first and the last time step of a run,
        divided by their number. A ratio compares runs of one round. Quartiles are over rounds; the
        machine did other work, so absolute times vary more than ratios."""
    )
    goal = wrapped(
        f"""The goal is {result["goal"]} of the stock network's time steps per second
        (`{result["stock"]}`, the same share active). {verdict(result)}"""
    )
    replicas = wrapped(
        """Replicas (`--replicas`) are copies of the one-layer network, fused, in one run, each with
        its share of the images; the results are the same. They proceed from time step to time step
        together, so they gain only from parallel work on different cores."""
    )
    return f"""# Throughput in Lava's simulator

{provenance}

{unrolling}

{timing}

## Time per time step

{times(result)}

A two-layer circuit's step takes two time steps. "Spikes": the image comes as graded spikes through
the image's connection; "bias": the host writes the input currents or payloads. "Parts": each
population and connection is a process, and they exchange messages; "fused": the network is one
process.

## Ratio to the stock network's speed

{goal}

{comparison(result)}

## Replicas

{replicas}

{parallel(result)}
"""


def verdict(result: dict[str, Any]) -> str:
    """Return the runs of ours that reach the goal, or miss it."""
    reached = [
        name for name in result["ours"] if quartiles(ratios(result, name))[1] >= result["goal"]
    ]
    if len(reached) == len(result["ours"]):
        return "All reach it."
    missed = "; ".join(name for name in result["ours"] if name not in reached)
    return f"**Not reached** by: {missed}."


def times(result: dict[str, Any]) -> str:
    """Return the table of ms per time step and of start-up."""
    rows = []
    for name, timings in result["runs"].items():
        low, middle, high = quartiles(timings["ms_a_time_step"])
        start = quartiles(timings["start_up_s"])[1]
        rows.append(
            [
                name,
                f"{middle:.3f}",
                f"{low:.3f}..{high:.3f}",
                number(1e3 / middle, 0),
                number(start),
            ]
        )
    head = ["run", "ms, median", "quartiles", "time steps per second", "start-up and end, s"]
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
    return table(["ours", *(f"to {name}" for name in stocks)], rows)


def parallel(result: dict[str, Any]) -> str:
    """Return the table of replicas."""
    one = quartiles(result["replicas"]["1"])[1]
    rows = []
    for count, speeds in result["replicas"].items():
        low, middle, high = quartiles(speeds)
        cells = [number(middle, 0), f"{number(low, 0)}..{number(high, 0)}", f"{middle / one:.2f}"]
        rows.append([count, *cells])
    return table(["replicas", "time steps per second, all", "quartiles", "ratio to one run"], rows)
