"""The model card of a pretrained network, generated from its recipe's result."""

from typing import Any, Final

from benchmarks.recipe.integers import integer_table
from benchmarks.report import table, wrapped
from ipvae_snn.config.settings import Config

# Published figures for comparison: Vafaii, Galor and Yates (2025), inference of 1,000 steps.
PAPER: Final[dict[str, dict[str, float]]] = {
    "mnist": {"r2": 0.951, "mse": 0.00438, "zeros": 0.844, "readout": 0.964},
    "vanhateren": {"r2": 0.827, "zeros": 0.775, "corner": 0.284},
}
# Recipes that start from a network that comes with the package.
SHIPPED: Final = {
    "mnist-512-sparse": "mnist-512",
    "vanhateren-512-lean": "vanhateren-512",
}
CAP: Final = 3.5  # soft clips below it are caps of the rate, 33 spikes
TERMS: Final[dict[str, str]] = {
    "vanhateren": " The images are for scientific, non-commercial use.",
}


def card(result: dict[str, Any], config: Config) -> str:
    """Return the card as Markdown."""
    evaluation, train, data = result["evaluation"], config.train, config.data.name
    place, half = result["machine"], result["half_precision"]
    steps = (
        f"T = {train.steps}"
        if not train.steps_start
        else f"T from {train.steps_start} to {train.steps}"
    )
    after = result["after"]
    before = f", with the recipes before it ({after} and on)," if after else ""
    if after in SHIPPED.values():
        before = f" from the pretrained {after},"
    about = wrapped(
        f"""A float iP-VAE (Vafaii, Galor and Yates, *Brain-like Variational Inference*, NeurIPS
        2025) with K = {result["evaluation"]["neurons"]} neurons and a linear decoder.
        {_sparse(config)}Dictionary in half precision, which changes R2 by
        {abs(half["r2_single"]["mean"] - half["r2_half"]["mean"]):.5f}; all figures are for
        this file."""
    )
    trained = " ".join(
        f"""`{result["command"]}`: {result["iterations"]:,} iterations of {train.batch_size}
        images, {steps}, beta = {train.beta:g}, KL form "{result["kl"]}", seed {train.seed};
        {result["training_seconds"] / 60:.0f} minutes{before} on {place["threads"]} core of
        {place["cpu_cores"]} ({place["architecture"]}, shared with other work), torch
        {place["torch"]}, {result["date"]}.""".split()
    )
    generalisation = _generalisation(evaluation)
    figures = result.get("integers")
    integers = f"\n{integer_table(figures)}\n" if figures else ""
    tested = f"{evaluation['images']:,} test images, {evaluation['steps']} steps"
    return f"""# {result["recipe"]}

{about}

- **Data**: {data}, the training split. {evaluation["citation"]}.{TERMS.get(data, "")}
- **Recipe**: {trained}
- **Use**: {_use(result["recipe"], config)}

## Figures

{tested}, one seed; 95 % intervals over images.

{_figures(evaluation, PAPER.get(data, {}))}

{_run_away(evaluation, config)}

## Over steps

{_moments(evaluation)}
{integers}{generalisation}"""


def _use(name: str, config: Config) -> str:
    """Return the commands that use the network; one trained for a few steps takes as many."""
    few = config.model.dictionary == "untied"
    steps = f" --steps {config.train.steps}" if few else ""
    decoding = " --decode mean:4" if few else ""
    return (
        f"`ipvae-snn run {name} --data {config.data.name}{steps}`, "
        f"`ipvae-snn convert {name}{steps}{decoding}`"
    )


def _sparse(config: Config) -> str:
    """Return a sentence on weights of inference of their own; nothing if there are none."""
    if config.model.dictionary != "untied":
        return ""
    t = config.train
    return (
        "Inference has weights of its own, made sparse while it was trained for few steps: "
        f"{t.lateral_sparsity:.0%} of the lateral and {t.feedforward_sparsity:.0%} of the "
        f"feed-forward weights were removed, and a message costs {t.message_price:g} nats. "
        + (f"{t.composites:.0%} of every batch were composites of images. " if t.composites else "")
    )


def _figures(result: dict[str, Any], paper: dict[str, float]) -> str:
    last = result["final"]
    named = [
        ("R2 of one sample", last["r2"], "r2", 4),
        ("R2 of the MAP read-out", last["r2_map"], "", 4),
        ("MSE per pixel", last["mse"], "mse", 5),
        ("zeros", last["zeros"], "zeros", 4),
        ("distance to the ideal corner", last["corner"], "corner", 4),
        ("spikes per step", last["spikes"], "", 1),
        (f'free energy, nats (KL form "{result["kl_form"]}")', last["free_energy"], "", 1),
        ("lifetime sparseness", result["lifetime_sparseness"], "", 3),
        ("population sparseness", result["population_sparseness"], "", 3),
    ]
    readout = result["readout"]
    if readout["skipped"] is None:
        # Results from before there were two read-outs have ours alone.
        beside = "" if readout.get("paper") else "readout"
        fitted = f"({readout['fitted_on']:,} images)"
        named.append((f"linear read-out {fitted}", readout["accuracy"], beside, 4))
        if readout.get("paper"):
            accuracy = readout["paper"]["accuracy"]
            named.append((f"read-out of the paper {fitted}", accuracy, "readout", 4))
    rows = [
        [
            name,
            f"{value['mean']:.{digits}f}",
            f"{value['low']:.{digits}f} to {value['high']:.{digits}f}",
            f"{paper[key]:g}" if key in paper else "",
        ]
        for name, value, key, digits in named
    ]
    head = ["", "mean", "95 %", "paper"] if paper else ["", "mean", "95 %"]
    return table(head, [row[: len(head)] for row in rows])


def is_capped(config: Config) -> bool:
    """Return whether the soft clip bounds the rates by design, and not only those that run away."""
    return config.model.clip < CAP


def _run_away(result: dict[str, Any], config: Config) -> str:
    if is_capped(config):
        return wrapped(
            f"""The soft clip of training, {config.model.clip:g}, bounds the rates by design: none
            is above {result["largest_rate"]:.0f} spikes, and potentials come within a nat of it.
            Worst image's R2 {result["final"]["worst_r2"]:.3f}."""
        )
    return wrapped(
        f"""Images whose potentials came within a nat of the clip at any step: \
        {100 * result["reached_clip"]["mean"]:g} %. Largest rate at any step
        {result["largest_rate"]:.0f} spikes; worst image's R2 {result["final"]["worst_r2"]:.3f}."""
    )


def _moments(result: dict[str, Any]) -> str:
    rows = [
        [
            str(m["step"]),
            f"{m['r2']['mean']:.4f}",
            f"{m['r2_map']['mean']:.4f}",
            f"{m['zeros']['mean']:.4f}",
            f"{m['spikes']['mean']:.0f}",
        ]
        for m in result["moments"]
        if m["step"]
    ]
    return table(["step", "R2", "R2 MAP", "zeros", "spikes per step"], rows)


def _generalisation(result: dict[str, Any]) -> str:
    if not result["generalisation"]:
        return ""
    rows = [
        [
            name,
            f"{e['images']:,}",
            f"{e['final']['r2']['mean']:.4f}",
            f"{e['final']['r2_map']['mean']:.4f}",
            f"{e['final']['zeros']['mean']:.4f}",
            f"{100 * e['reached_clip']['mean']:g} %",
        ]
        for name, e in result["generalisation"]["sets"].items()
    ]
    left = "".join(
        f"\nLeft out: {name} ({reason}).\n"
        for name, reason in result["generalisation"]["left_out"].items()
    )
    head = ["data", "images", "R2", "R2 MAP", "zeros", "reach the clip"]
    turned = _turned(result["generalisation"].get("by_angle"))
    return f"\n## Out-of-distribution images\n\n{table(head, rows)}\n{turned}{left}"


def _turned(by_angle: list[dict[str, Any]] | None) -> str:
    """Return the table of turned images; nothing for results without."""
    if not by_angle:
        return ""
    rows = [
        [str(one["angle"]), *(f"{one[name]['mean']:.4f}" for name in ("r2", "r2_map", "zeros"))]
        for one in by_angle
    ]
    head = ["degrees", "R2", "R2 MAP", "zeros"]
    return f"\nThe first {by_angle[0]['images']} images, turned:\n\n{table(head, rows)}\n"
