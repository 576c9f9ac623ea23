"""The Markdown page of the MNIST benchmark, generated from its JSON result."""

from typing import Any

from benchmarks.report import number, table, wrapped


def page(result: dict[str, Any]) -> str:
    """Return the page."""
    comparison, machine = result["comparison"], result["machine"]
    train, reference = result["trained_with"]["train"], result["onnx_reference"]
    difference = abs(comparison["rows"][0]["r2"] - comparison["rows"][1]["r2"])
    verdict = "equal" if reference["equal"] else "**different**"
    provenance = wrapped(
        f"""Made by `{result["command"]}` on {result["date"]} ({machine["cpu_cores"]} CPU cores,
        {machine["architecture"]}, Python {machine["python"]}, ipvae-snn
        {machine["ipvae_snn"]}); the whole result is in
        `benchmarks/results/mnist_float_integer.json`. Network:
        {result["network"]}, K = {result["neurons"]}, T = {train["steps"]}, beta =
        {train["beta"]:g}, KL form "{train["kl"]}". Data: {comparison["citation"]}."""
    )
    agreement = wrapped(
        f"""The float row's operations are those of a dense implementation. R2 differs by
        {difference:.4f}; spike counts equal float's in
        {100 * comparison["counts_equal"]:.2f} % of all entries, and in
        {100 * comparison["counts_equal_active"]:.2f} % of those where float's is not 0. The
        ONNX reference evaluator, on the first {reference["images"]} images: {verdict}."""
    )
    draws = wrapped(
        f"""{comparison["images"]} test images, {comparison["steps"]} steps, seed
        {comparison["seed"]}; float and integer draw from the same uniforms. R2 and
        zeros are of the last step's spike counts."""
    )
    return f"""# Float against integer on MNIST

{provenance}

## One network, every back end

{draws}

{backends(comparison["rows"])}

{agreement}

## Over steps and bits

R2 of one step's counts on the same images (both connections of the same number of bits), and the
smallest eigenvalue of the competition in nats per spike.

{curves(result)}

## Time

us per image and step on {comparison["images"]} images, whole calls; float is compiled, float64, in
Gram form. All except Lava: without the trace, in turn, median and range of five. Lava: one call
with the trace, start-up included.

{times(result)}

Energy proxies of the same network are in [energy.md](energy.md).
"""


def backends(rows: list[dict[str, Any]]) -> str:
    """Return the table of the runs."""
    agrees = {None: "same uniforms", True: "equal", False: "**different**"}
    cells = [
        [
            row["backend"],
            f"{row['r2']:.4f}",
            f"{row['zeros']:.3f}",
            number(row["spikes_per_image"], 0),
            number(row["synaptic_operations_per_image"], 0),
            "the reference" if row["backend"] == "reference" else agrees[row["equal"]],
        ]
        for row in rows
    ]
    head = ["run", "R2", "zeros", "spikes per image", "syn. ops per image", "counts and states"]
    return table(head, cells)


def curves(result: dict[str, Any]) -> str:
    """Return the table of R2 over steps and bits."""
    by_run = result["r2_over_steps"]
    steps = list(next(iter(by_run.values())))
    proof = result["conversion"]["certificate"]
    eigenvalues = {"float": proof["float_eigenvalue"], **result["eigenvalues"]}
    cells = [
        [name, *(f"{points[step]:.4f}" for step in steps), f"{eigenvalues[name]:.1e}"]
        for name, points in by_run.items()
    ]
    return table(["", *(f"step {step}" for step in steps), "smallest eigenvalue"], cells)


def times(result: dict[str, Any]) -> str:
    """Return the table of times."""
    cells = [
        [name, number(time["median"]), f"{number(time['min'])}..{number(time['max'])}"]
        for name, time in result["us_per_image_step"].items()
    ]
    lava = [row for row in result["comparison"]["rows"] if row["backend"] == "lava"]
    cells += [["lava", number(row["us_per_image_step"]), "one call"] for row in lava]
    return table(["run", "median", "range"], cells)
