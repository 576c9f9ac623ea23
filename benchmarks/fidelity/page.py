"""The page and the pictures of the fidelity benchmark, made from its JSON result."""

from pathlib import Path
from typing import Any, Final

from benchmarks.report import table, wrapped
from ipvae_snn.report.picture_files import page as sheet

COLOURS: Final = {"mnist-512": "tab:blue", "vanhateren-512": "tab:orange"}
GOALS: Final = {8: 0.002, 4: 0.01}
Row = dict[str, Any]


def label(row: Row) -> str:
    """Return the bits and the circuit of a row."""
    settings = row["settings"]
    bits = f"{settings['feedforward_bits']}/{settings['lateral_bits']}"
    return f"{bits}, {settings['circuit']}"


def signed(delta: dict[str, float], scale: float = 1.0) -> str:
    """Return a difference with the half width of its interval."""
    half = scale * (delta["high"] - delta["low"]) / 2
    return f"{scale * delta['delta']:+.4f} ± {half:.4f}"


def widths(network: Row, figure: str, scale: float = 1.0) -> str:
    """Return the differences of `figure`, times `scale`, by bits, circuit and step."""
    first = network["widths"][0]["steps"]
    marks = list(first)
    floats = [f"{scale * first[mark][figure]['float']:.4f}" for mark in marks]
    rows = [["float", *floats]]
    named = [(label(row), row) for row in network["widths"]]
    named.append(("8/8, one-layer, soft clip left out", network["without_soft_clip"]))
    for name, row in named:
        cells = [signed(row["steps"][m][figure], scale) if m in row["steps"] else "" for m in marks]
        rows.append([name, *cells])
    return table(["bits, circuit", *(f"step {mark}" for mark in marks)], rows)


def circuits(network: Row) -> str:
    """Return the cost of the two circuits, at 8 and at 4 bits."""
    rows = []
    for row in network["widths"]:
        cost, settings = row["cost"], row["settings"]
        if settings["feedforward_bits"] != settings["lateral_bits"]:
            continue
        if settings["feedforward_bits"] not in (8, 4):
            continue
        rows.append(
            [
                label(row),
                f"{cost['weight_bytes'] / 1024:,.0f}",
                f"{cost['synapses'] / 1e3:,.0f}",
                f"{cost['operations_an_image'] / 1e6:.2f}",
                f"{cost['messages_an_image'] / 1e3:.1f}",
                f"{cost['machine_steps']:.0f}",
                f"{row['steps']['64']['r2']['delta']:+.4f}",
            ]
        )
    head = [
        "bits, circuit",
        "weights, KiB",
        "synapses, thousand",
        "operations, million",
        "messages, thousand",
        "machine steps",
        "R2 at step 64",
    ]
    return table(head, rows)


def sparsity(network: Row) -> str:
    """Return R2 and zeros against the share of zero lateral weights."""
    rows = []
    for row in network["sparsity"]:
        lateral = row["connections"][1]
        steps = row["steps"]
        rows.append(
            [
                f"{row['settings']['sparsity']:.0%}",
                f"{lateral['zero_share']:.1%}",
                *(signed(steps[mark]["r2"]) for mark in steps),
                f"{steps['256']['zeros']['delta']:+.4f}",
                f"{row['cost']['operations_an_image'] / 1e6:.2f}",
            ]
        )
    head = ["requested", "zero", *(f"R2 at {m}" for m in network["sparsity"][0]["steps"])]
    return table([*head, "zeros at 256", "operations, million"], rows)


def stability(network: Row) -> str:
    """Return the certificate of each width."""
    rows = []
    for row in network["widths"]:
        proof = row["certificate"]
        rows.append(
            [
                label(row),
                f"{proof['rate_cap']:.0f}",
                f"{proof['excitation']:.2f}",
                f"{proof['rate_bound']:.0e}",
                f"{proof['strengthened']} / {proof['exempt']}",
                f"{proof['smallest_eigenvalue']:.1e}",
                f"{proof['shift']:.1e}",
                f"{proof['energy_margin']:.1e}",
                f"{proof['loop_gain']:.2f}",
            ]
        )
    head = [
        "bits, circuit",
        "rate cap",
        "excitation",
        "rate bound",
        "strengthened / exempt",
        "smallest eigenvalue",
        "added",
        "energy margin",
        "loop gain",
    ]
    return table(head, rows)


def out_of_distribution(network: Row) -> str:
    """Return the table of out-of-distribution images."""
    rows = []
    for row in network["out_of_distribution"]:
        for kind in ("float", "integer"):
            score = row[kind]
            rows.append(
                [
                    f"{row['data']}, {kind}",
                    f"{row['images']}",
                    f"{score['median']:.3f}",
                    f"{score['worst']:,.2f}",
                    f"{score['run_away']}",
                    f"{sum(row['saturated'].values()):,}" if kind == "integer" else "",
                ]
            )
    head = ["images", "number", "R2, median", "R2, worst", "run away", "saturations"]
    return table(head, rows)


def speeds(network: Row) -> str:
    """Return us per image and step, with the range."""
    rows = []
    for name, values in network["us_per_image_step"].items():
        ordered = sorted(values)
        rows.append(
            [name, f"{ordered[len(ordered) // 2]:.1f}", f"{ordered[0]:.1f}", f"{ordered[-1]:.1f}"]
        )
    return table([network["network"], "median", "least", "most"], rows)


def verdict(network: Row) -> str:
    """Return the goals, each met or missed."""
    lines = []
    for bits, goal in GOALS.items():
        for row in network["widths"]:
            settings = row["settings"]
            if (settings["feedforward_bits"], settings["lateral_bits"]) != (bits, bits):
                continue
            figures = ("r2", "zeros") if bits == 8 else ("r2",)
            worst = {
                figure: max(abs(step[figure]["delta"]) for step in row["steps"].values())
                for figure in figures
            }
            met = all(value <= goal for value in worst.values())
            differences = ", ".join(f"{name} {value:.4f}" for name, value in worst.items())
            lines.append(
                f"- {network['network']}, {label(row)}: largest difference {differences} over "
                f"steps {', '.join(row['steps'])}; the goal of {goal} is "
                f"{'met' if met else '**missed**'}"
            )
    return "\n".join(lines)


def page(result: dict[str, Any]) -> str:
    """Return the page."""
    machine, calibration = result["machine"], result["calibration"]
    provenance = wrapped(
        f"""Made by `{result["command"]}` on {result["date"]} ({machine["cpu_cores"]} CPU cores,
        {machine["architecture"]}, ipvae-snn {machine["ipvae_snn"]}); the whole result is in
        `benchmarks/results/fidelity.json`. Calibration: {calibration["images"]} training images,
        {calibration["steps"]} steps. Float and integers draw from the same uniforms; R2 and zeros
        are of the spike counts of one step; ± is the half width of the 95 % interval over images
        of the paired difference. Methods: [numerics](numerics.md)."""
    )
    parts = [f"# Integers against float\n\n{provenance}\n"]
    goals = "\n".join(verdict(network) for network in result["networks"])
    parts.append(f"## Goals\n\n{goals}\n")
    parts.append(
        "![R2 and zeros by bits and step](images/fidelity_bits.png)\n\n"
        "![R2 against sparsity](images/fidelity_sparsity.png)\n"
    )
    for network in result["networks"]:
        seconds = [row["seconds"] for row in network["widths"] if row["seconds"] is not None]
        conversion = f", a conversion {min(seconds):.1f} to {max(seconds):.1f} s" if seconds else ""
        times = wrapped(
            f"""{network["images"]} held-out images ({network["citation"]}), K =
            {network["neurons"]}, M = {network["pixels"]}. Calibration took
            {network["calibration_seconds"]:.1f} s{conversion}."""
        )
        parts.append(
            f"## {network['network']}\n\n{times}\n\nR2, float and difference:\n\n"
            f"{widths(network, 'r2')}\n\nZeros:\n\n{widths(network, 'zeros')}\n\n"
            f"Mean squared error per pixel, thousandths:\n\n{widths(network, 'mse', 1e3)}\n\n"
            f"### Two circuits\n\n{CIRCUITS}\n\n{circuits(network)}\n\n"
            f"### Sparsity\n\n8 bits; the least salient lateral weights are set to zero.\n\n"
            f"{sparsity(network)}\n\n### Stability\n\n{STABILITY}\n\n{stability(network)}\n\n"
            f"### Time\n\n{TIME}\n\n{speeds(network)}\n"
        )
        if network["out_of_distribution"]:
            parts.append(
                f"### Out-of-distribution images\n\n{ODD}\n\n{out_of_distribution(network)}\n"
            )
    return "\n".join(parts)


CIRCUITS: Final = wrapped(
    """Over 64 steps of 50 images. Operations: one for each synapse that an event reaches. The
    two-layer circuit needs 2 M K weights and no K x K ones, takes two machine steps per step of
    the model (counts to residual neurons, residuals back) and sends residuals at every step."""
)
STABILITY: Final = wrapped(
    """Nats per spike unless stated otherwise. Rate bound: on the probability per step that a neuron
    passes the rate cap, whatever the image (must be at most 1e-06). Strengthened: neurons with more
    self-inhibition to keep that bound. Exempt: neurons whose self-inhibition is so weak
    that they cannot overshoot. Added: self-inhibition of every neuron that keeps the energy margin
    nonnegative. Loop gain: at calibrated mean rates (must be below 2)."""
)
TIME: Final = wrapped(
    """us per image and step, one thread, 100 images, 64 steps, taken in turn. float64: the compiled
    float reference on the same uniforms; the others: the back end `compiled`, 8 bits."""
)
ODD: Final = wrapped(
    """After 256 steps; an image has run away if its R2 is below -1. The 8-bit one-layer
    circuit, calibrated on MNIST; saturations are neuron-steps, of all kinds."""
)


def pictures(result: dict[str, Any], folder: Path) -> None:
    """Draw differences by bits and step, and R2 against sparsity."""
    with sheet(folder / "fidelity_bits.png", 8.0, 5.4) as figure:
        grid = figure.subplots(2, 2, sharex=True)
        for column, network in enumerate(result["networks"]):
            for line, name in enumerate(("r2", "zeros")):
                axes = grid[line][column]
                for row in network["widths"]:
                    settings = row["settings"]
                    if settings["feedforward_bits"] != settings["lateral_bits"]:
                        continue
                    bits = settings["feedforward_bits"]
                    steps = [int(mark) for mark in row["steps"]]
                    values = [step[name]["delta"] for step in row["steps"].values()]
                    style = "-" if settings["circuit"] == "one-layer" else "--"
                    axes.plot(
                        steps,
                        values,
                        style,
                        marker="o",
                        markersize=3,
                        label=label(row),
                        color=f"C{(8, 6, 5, 4, 3, 2).index(bits)}",
                    )
                axes.axhline(0.0, color="grey", linewidth=0.6)
                axes.set_xscale("log", base=4)
                axes.set_xticks([16, 64, 256, 1000], ["16", "64", "256", "1000"])
                axes.minorticks_off()
                axes.set_ylabel(f"{'R2' if name == 'r2' else name}, integer - float")
                if line == 0:
                    axes.set_title(network["network"])
                else:
                    axes.set_xlabel("step")
        handles, names = grid[0][0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=4, frameon=False)
    with sheet(folder / "fidelity_sparsity.png", 6.4, 3.6) as figure:
        axes = figure.subplots()
        for network in result["networks"]:
            rows = [network["widths"][0], *network["sparsity"]]
            shares = [row["connections"][1]["zero_share"] for row in rows]
            for mark, style in (("16", ":"), ("64", "-"), ("256", "--")):
                axes.plot(
                    shares,
                    [row["steps"][mark]["r2"]["delta"] for row in rows],
                    style,
                    marker="o",
                    markersize=3,
                    color=COLOURS[network["network"]],
                    label=f"{network['network']}, step {mark}",
                )
        axes.axhline(0.0, color="grey", linewidth=0.6)
        axes.set_xlabel("share of zero lateral weights")
        axes.set_ylabel("R2, integer - float")
        axes.legend(frameon=False, fontsize=8)
