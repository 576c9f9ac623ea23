"""`ipvae-snn convert`: checkpoint + calibration images -> integer network and its report."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipvae_snn.cli.options import (
    DATA_HELP,
    DataRootOption,
    JsonOption,
    SeedOption,
    SplitOption,
    network_path,
)

if TYPE_CHECKING:
    from rich.table import Table

    from ipvae_snn.conversion.convert import ConversionSettings
    from ipvae_snn.conversion.figures import ConversionReport
    from ipvae_snn.data import ImageSet
    from ipvae_snn.ir.network import Circuit, IntegerNetwork
    from ipvae_snn.models.float_network import FloatNetwork


def convert(
    checkpoint: Annotated[
        Path,
        typer.Argument(parser=network_path, help="RUN/model.safetensors, or a pretrained name."),
    ],
    calibrate: Annotated[
        str | None,
        typer.Option(help=DATA_HELP + " Its training split is used. Default: the data trained on."),
    ] = None,
    out: Annotated[Path, typer.Option(help="The integer network's file.")] = Path(
        "net.safetensors"
    ),
    weight_bits: Annotated[int, typer.Option(help="Bits of both connections' weights, 2..8.")] = 8,
    feedforward_bits: Annotated[
        int | None, typer.Option(help="Bits of the feed-forward weights, where they differ.")
    ] = None,
    lateral_bits: Annotated[
        int | None,
        typer.Option(help="Bits of the lateral (two-layer: prediction) weights, likewise."),
    ] = None,
    circuit: Annotated[
        str,
        typer.Option(help="one-layer (lateral competition) or two-layer (residual neurons)."),
    ] = "one-layer",
    sparsity: Annotated[
        float, typer.Option(help="Share of lateral weights to set to zero, the least salient.")
    ] = 0.0,
    fraction_bits: Annotated[int, typer.Option(help="Fraction bits of the state, 4..16.")] = 12,
    images: Annotated[int, typer.Option(min=8, help="Calibration images.")] = 2000,
    steps: Annotated[int, typer.Option(min=1, help="Calibration steps an image.")] = 48,
    seed: SeedOption = 0,
    split: SplitOption = "train",
    data_root: DataRootOption = None,
    report: Annotated[
        Path | None, typer.Option(help="Report file; default: OUT with .report.json.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Convert a trained network to integers; prints and writes what it cost and what is proved."""
    from ipvae_snn.conversion.convert import ConversionSettings
    from ipvae_snn.ir.encode import check_images
    from ipvae_snn.models.float_network import load_float_network
    from ipvae_snn.report.json_files import emit_json
    from ipvae_snn.report.terminal import console
    from ipvae_snn.workflows.images import load_images

    settings = ConversionSettings(
        weight_bits if feedforward_bits is None else feedforward_bits,
        weight_bits if lateral_bits is None else lateral_bits,
        fraction_bits,
        as_circuit(circuit),
        sparsity,
    )
    network = load_float_network(checkpoint)
    calibrate = calibrate or network.trained_on
    data = load_images(calibrate, split, data_root, images, network.image_shape[0])
    check_images(network.image_shape, network.input_kind, data.pixels, data.kind, data.name)
    with console(quiet=True).status(f"{len(data.pixels)} images, {steps} steps; then rounding"):
        _, result = convert_and_save(network, data, settings, out, report, steps=steps, seed=seed)
    if as_json:
        emit_json({"network": str(out), "report": result.as_json()})
        return
    show_report(result)
    console().print(f"[bold]{out}[/] written; next: ipvae-snn verify {out} --data {calibrate}")


def as_circuit(name: str) -> "Circuit":
    """Return the circuit called `name`; raises ConversionError for another."""
    from ipvae_snn.errors import ConversionError

    circuits: dict[str, Circuit] = {"one-layer": "one-layer", "two-layer": "two-layer"}
    if name not in circuits:
        raise ConversionError(f"no circuit is called {name!r}; there are {', '.join(circuits)}")
    return circuits[name]


def convert_and_save(
    network: "FloatNetwork", data: "ImageSet", settings: "ConversionSettings", out: Path,
    report: Path | None = None, *, steps: int, seed: int,
) -> "tuple[IntegerNetwork, ConversionReport]":  # fmt: skip
    """Calibrate on `data`, convert, and write the network and its report beside it."""
    from ipvae_snn.conversion.calibration import calibrate
    from ipvae_snn.conversion.convert import convert
    from ipvae_snn.ir.files import save_network
    from ipvae_snn.report.json_files import write_json

    calibration = calibrate(network, data.pixels, data.name, steps, seed)
    program, result = convert(network, calibration, settings)
    save_network(program, out)
    write_json(report or out.with_suffix(".report.json"), result.as_json())
    return program, result


def show_report(report: "ConversionReport") -> None:
    """Print a conversion report as tables."""
    from ipvae_snn.report.terminal import console, table

    screen = console()
    parts = report.connections
    rows = table("Connections", "", *(part.name for part in parts))
    for label, cells in (
        ("scale, least", [f"{part.scale_min:.3g}" for part in parts]),
        ("scale, median", [f"{part.scale_median:.3g}" for part in parts]),
        ("scale, largest", [f"{part.scale_max:.3g}" for part in parts]),
        ("clipped weights", [f"{part.clipped_share:.3%}" for part in parts]),
        ("weights of 0", [f"{part.zero_share:.1%}" for part in parts]),
        ("bits used, least", [f"{part.bits_used_min}" for part in parts]),
        ("bits used, median", [f"{part.bits_used_median:.0f}" for part in parts]),
        ("rounding error, median row", [f"{part.relative_error_median:.2%}" for part in parts]),
        ("rounding error, worst row", [f"{part.relative_error_max:.2%}" for part in parts]),
    ):
        rows.add_row(label, *cells)
    screen.print(rows)
    proof = table("Proved for every image and every count", "", "worst case", "limit", "share")
    for bound in report.bounds:
        proof.add_row(
            f"{bound.name} (neuron {bound.neuron})", f"{bound.worst:,}", f"{bound.limit:,}",
            f"{100 * bound.worst / bound.limit:.1f} %",
        )  # fmt: skip
    screen.print(proof)
    screen.print(_certificate(report))
    sampler = report.sampler
    screen.print(
        f"{report.circuit} circuit; {report.pixels_left_out} of {report.pixels} pixels never "
        "change in calibration and are left out; potentials reach "
        f"{report.calibrated_max_octaves:.2f} "
        f"octaves, clamp at {report.state_max_octaves:.2f}; counts saturate at {report.max_count} "
        f"(chance at the cap {sampler.count_tail:.1g}); state in 2^-{report.fraction_bits} "
        f"octaves, current {report.extra_bits} bits finer; the sampler is within "
        f"{sampler.total_variation_16:.1g} of Poisson up to rate 16, {sampler.total_variation:.1g} "
        f"up to the cap ({report.calibration})",
        highlight=False,
    )


def _certificate(report: "ConversionReport") -> "Table":
    """Return what is proved and measured about stability."""
    from ipvae_snn.report.terminal import number, table

    proof = report.certificate
    rows = table("Stability, in nats a spike", "", "found", "must be")
    rows.add_row(
        "chance a step to pass the rate cap",
        f"{proof.barrier:.1g}", f"at most {proof.barrier_limit:.0g}",
    )  # fmt: skip
    rows.add_row("  rate cap, spikes a step", number(proof.rate_cap, 0), "")
    rows.add_row("  largest excitation, nats", number(proof.excitation), "")
    rows.add_row("  neurons inhibited more for it", f"{proof.raised}", "")
    rows.add_row("  neurons too weak to overshoot", f"{proof.gentle}", "")
    rows.add_row(
        f"energy margin up to {proof.energy_rate:.0f} spikes a step",
        f"{proof.energy_margin:.1g}", "not below 0",
    )  # fmt: skip
    rows.add_row(
        "  self-inhibition added for it", f"{proof.shift:.1g}",
        f"(a neuron has {proof.own_inhibition:.3g})",
    )  # fmt: skip
    rows.add_row(
        "  smallest eigenvalue",
        f"{proof.smallest_eigenvalue:.1g}", f"(float {proof.float_eigenvalue:.1g})",
    )  # fmt: skip
    rows.add_row(
        "loop gain at calibrated rates", number(proof.loop_gain),
        f"below 2 (float {proof.float_loop_gain:.3f})",
    )  # fmt: skip
    return rows
