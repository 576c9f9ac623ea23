"""The Markdown page of the MNIST benchmark, made from its JSON result."""

from typing import Any


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table, the first column to the left and the others to the right."""
    rule = ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *rows))


def number(value: float | None, digits: int = 1) -> str:
    """Return a number, or "not published" where there is none."""
    return "not published" if value is None else f"{value:,.{digits}f}"


def page(result: dict[str, Any]) -> str:
    """Return the page."""
    found = result["comparison"]
    machine = result["machine"]
    rows = []
    for row in found["rows"]:
        agrees = {None: "same uniforms", True: "equal", False: "**different**"}[row["equal"]]
        rows.append(
            [
                row["backend"], f"{row['r2']:.4f}", f"{row['zeros']:.3f}",
                number(row["spikes_per_image"], 0),
                number(row["synaptic_operations_per_image"], 0),
                number(row["us_per_image_step"]),
                "the oracle" if row["backend"] == "reference" else agrees,
            ]
        )  # fmt: skip
    reference = result["onnx_reference"]
    steps = list(next(iter(result["r2_over_steps"].values())))
    curve = [
        [name, *(f"{points[t]:.4f}" for t in steps),
         number(result["eigenvalues"].get(name), 2) if name in result["eigenvalues"] else
         number(result["conversion"]["float_eigenvalue"], 2)]
        for name, points in result["r2_over_steps"].items()
    ]  # fmt: skip
    times = [
        [name, number(t["median"]), f"{number(t['min'])}..{number(t['max'])}"]
        for name, t in result["us_per_image_step"].items()
    ]
    energy = [
        [row["profile"], number(row["float_nj"]), number(row["integer_nj"]), row["source"]]
        for row in result["energy"]
    ]
    difference = abs(found["rows"][0]["r2"] - found["rows"][1]["r2"])
    train = result["recipe"]["train"]
    verdict = "equal" if reference["equal"] else "**different**"
    head = [
        "run", "R2", "zeros", "spikes an image", "syn. ops an image", "us an image-step",
        "counts and states",
    ]  # fmt: skip
    return f"""# Float against integer on MNIST

Made by `{result["command"]}` on {result["date"]} ({machine["cpu_cores"]} CPU cores,
{machine["architecture"]}, Python {machine["python"]}, ipvae-snn {result["ipvae_snn"]}); the whole
result is in `benchmarks/results/mnist_float_integer.json`. Network: K = {result["neurons"]},
trained by `benchmarks/recipes/mnist.toml` ({train["iterations"]:,} iterations of
{train["batch_size"]} images, T = {train["steps"]}, beta = {train["beta"]:g}). It is a quick network
to compare number formats with, not one that meets the paper's figures. Data: {found["citation"]}.

## One network, every back end

{found["images"]} test images, {found["steps"]} steps, seed {found["seed"]}; float and integer draw
from the same uniforms. R2 and zeros are of the last step's spike counts; time is of one call,
start-up included.

{table(head, rows)}

The float row's operations are those of a dense implementation. R2 differs by {difference:.4f};
spike counts equal float's in {100 * found["counts_equal"]:.2f} % of all places, in
{100 * found["counts_equal_active"]:.2f} % of those where float's is not 0. The ONNX reference
evaluator, on the first {reference["images"]} images: {verdict}.

## Over steps and bits

R2 of one step's counts on the same images (both connections of the same number of bits), and the
smallest eigenvalue of the competition.

{table(["", *(f"step {t}" for t in steps), "smallest eigenvalue"], curve)}

## Time

us an image-step on {found["images"]} images, whole calls without the trace, taken in turn; median
and range of five.

{table(["run", "median", "range"], times)}

## Energy proxies

Operations times published energies an operation, nJ an image. A proxy compares traffic; it is not
a measurement, and each profile's caveat in `hw/profiles/` says what it leaves out. The float
column is dense fp32 arithmetic.

{table(["profile", "float", "integer", "source"], energy)}
"""
