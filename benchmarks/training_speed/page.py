"""The Markdown page of the training benchmark, generated from its JSON result."""

from typing import Any

from benchmarks.report import number, table, wrapped

NAMES = {
    "plain": "plain formulation",
    "fast": "ipvae-snn",
    "again": "ipvae-snn, other noise",
    "two": "ipvae-snn, two samples",
}
TITLES = {"patches": "Patches 16x16", "mnist": "MNIST"}


def page(results: dict[str, Any]) -> str:
    """Return the page of all settings that were measured."""
    what = wrapped(
        """The plain formulation (`benchmarks/training_speed/plain_training.py`) follows the
        paper's formulas. Every step computes the prediction in pixels and draws one relaxed sample
        for the inference and another for the loss. A sample has as many arrivals as the
        1 - 1e-3 quantile at the largest rate (at least 10). Automatic differentiation computes the
        gradient. ipvae-snn computes the lateral competition once per iteration, draws no unused
        arrival, uses one sample for both, and has an explicit gradient. Both start with the same
        network and have the same batches, schedule, optimiser and threads; each trains its own
        network, in turn, a block of iterations at a time. A third run, ipvae-snn with other noise,
        shows the difference between two runs of one formulation. A fourth draws two samples, as the
        plain formulation does; both enter its loss, and the first one the inference."""
    )
    sections = "\n".join(section(name, result) for name, result in sorted(results.items()))
    return f"# Seconds per iteration of training\n\n{what}\n\n{sections}"


def section(name: str, result: dict[str, Any]) -> str:
    """Return the measurements of one setting."""
    train, model = result["config"]["train"], result["config"]["model"]
    machine, arms = result["machine"], result["arms"]
    provenance = wrapped(
        f"""`python -m benchmarks.training_speed --setting {name} --data {result["data"]}
        --iterations {train["iterations"]} --threads {machine["threads"]}` on {result["date"]}, on
        {machine["threads"]} of {machine["cpu_cores"]} CPU cores ({machine["architecture"]}), Python
        {machine["python"]}, torch {machine["torch"]}, ipvae-snn {machine["ipvae_snn"]}. B
        {train["batch_size"]}, K {model["n_latents"]}, T {train["steps"]}, beta {train["beta"]:g},
        KL form "{train["kl"]}", {train["iterations"]:,} iterations in blocks of
        {result["block"]}."""
    )
    head = [
        "",
        "iterations",
        f"{_clock(result)} each (median)",
        "quartiles",
        "memory added (MB)",
        "arrivals drawn",
        "R2 held out",
        "zeros",
    ]
    rows = [_row(key, arm) for key, arm in arms.items()]
    notes = wrapped(
        f"""Memory is the most
         that a block of iterations added to the process. Arrivals are the
        largest number per element and sample: the plain formulation's n_exp, ipvae-snn's mean over
        elements. R2 and zeros are of exact spike counts after {train["steps"]} steps. The two
        losses have the same expected value, whether inference and loss share a sample or not;
        sharing makes the gradient noisier, so ipvae-snn ends slightly higher with one sample."""
    )
    parts = [f"## {TITLES[name]}", provenance, table(head, rows), wrapped(_verdict(result)), notes]
    parts += [
        wrapped(f"The {NAMES[key]} stopped early. {arm['stopped']}")
        for key, arm in arms.items()
        if arm["stopped"]
    ]
    return "\n\n".join(parts) + "\n"


def _clock(result: dict[str, Any]) -> str:
    """Return what was measured: the CPU time of all threads, or the time of the clock before."""
    return "CPU seconds" if result.get("clock") == "cpu" else "seconds"


def _row(key: str, arm: dict[str, Any]) -> list[str]:
    seconds, growth = arm["seconds_per_iteration"], arm["peak_growth_bytes"]
    times = ["", ""]
    if seconds is not None:
        times = [f"{seconds['median']:.4f}", f"{seconds['low']:.4f}..{seconds['high']:.4f}"]
    return [
        NAMES[key],
        f"{arm['iterations']:,}",
        *times,
        "not known" if growth is None else number(growth / 1e6, 0),
        f"{arm['arrivals']:.1f}",
        f"{arm['validation']['r2']:.3f}",
        f"{arm['validation']['zeros']:.3f}",
    ]


def _verdict(result: dict[str, Any]) -> str:
    ratio, loss, noise = (
        result[key] for key in ("ratio_per_block", "loss", "loss_with_other_noise")
    )
    if ratio is None or loss is None:
        return "Both completed too few iterations for a comparison."
    return f"""ipvae-snn took **{ratio["median"]:.1f} times** fewer {_clock(result)} per iteration,
        block by block (quartiles {ratio["low"]:.1f}..{ratio["high"]:.1f};
        {result["ratio_of_totals"]:.1f} in all). Mean loss of the last
        {loss["iterations"]} iterations of both:
        {loss["means"][0]:.2f} (plain) and {loss["means"][1]:.2f}, a difference of
        {loss["difference"]:+.2f} with a standard error of {loss["standard_error"]:.2f} over the
        batches; between ipvae-snn with two seeds of the noise it is
        {noise["difference"]:+.2f}, standard error {noise["standard_error"]:.2f}.
        {_with_two(result)}"""


def _with_two(result: dict[str, Any]) -> str:
    """Return the sentence on two samples, or nothing where they were not measured."""
    ratio, loss = result.get("ratio_with_two_samples"), result.get("loss_with_two_samples")
    if ratio is None or loss is None:
        return ""
    return f"""With two samples ipvae-snn took **{ratio["median"]:.1f} times** fewer seconds
        (quartiles {ratio["low"]:.1f}..{ratio["high"]:.1f}) than the plain formulation, with a loss
        {loss["difference"]:+.2f} from it, standard error {loss["standard_error"]:.2f}."""
