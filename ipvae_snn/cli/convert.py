"""`ipvae-snn convert`: checkpoint + calibration images -> integer network and its report."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipvae_snn.cli.common import (
    DATA_HELP,
    DataRootOption,
    JsonOption,
    SeedOption,
    SplitOption,
    console,
    emit_json,
    load_images,
    network_path,
    number,
    table,
    write_json,
)

if TYPE_CHECKING:
    from ipvae_snn.conversion_report import ConversionReport
    from ipvae_snn.convert import ConversionSettings
    from ipvae_snn.data import ImageSet
    from ipvae_snn.float_network import FloatNetwork
    from ipvae_snn.ir import IntegerNetwork


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
    lateral_bits: Annotated[
        int | None, typer.Option(help="Bits of the lateral weights, where they differ.")
    ] = None,
    fraction_bits: Annotated[int, typer.Option(help="Fraction bits of the state, 4..16.")] = 12,
    images: Annotated[int, typer.Option(min=8, help="Calibration images.")] = 256,
    steps: Annotated[int, typer.Option(min=1, help="Calibration steps an image.")] = 64,
    seed: SeedOption = 0,
    split: SplitOption = "train",
    data_root: DataRootOption = None,
    report: Annotated[
        Path | None, typer.Option(help="Report file; default: OUT with .report.json.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Convert a trained network to integers; prints and writes what it cost and what is proved."""
    from ipvae_snn.convert import ConversionSettings
    from ipvae_snn.encode import check_images
    from ipvae_snn.float_network import load_float_network

    settings = ConversionSettings(
        weight_bits, weight_bits if lateral_bits is None else lateral_bits, fraction_bits
    )
    network = load_float_network(checkpoint)
    calibrate = calibrate or network.trained_on
    data = load_images(calibrate, split, data_root, images, network.image_shape[0])
    check_images(network.image_shape, network.input_kind, data.pixels, data.kind, data.name)
    _, result = convert_and_save(network, data, settings, out, report, steps=steps, seed=seed)
    if as_json:
        emit_json({"network": str(out), "report": result.as_json()})
        return
    show_report(result)
    console().print(f"[bold]{out}[/] written; next: ipvae-snn verify {out} --data {calibrate}")


def convert_and_save(
    network: "FloatNetwork", data: "ImageSet", settings: "ConversionSettings", out: Path,
    report: Path | None = None, *, steps: int, seed: int,
) -> "tuple[IntegerNetwork, ConversionReport]":  # fmt: skip
    """Calibrate on `data`, convert, and write the network and its report beside it."""
    from ipvae_snn.calibrate import calibrate
    from ipvae_snn.convert import convert
    from ipvae_snn.serialize import save_network

    calibration = calibrate(network, data.pixels, data.name, steps, seed)
    program, result = convert(network, calibration, settings)
    save_network(program, out)
    write_json(report or out.with_suffix(".report.json"), result.as_json())
    return program, result


def show_report(report: "ConversionReport") -> None:
    """Print a conversion report as tables."""
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
    stability = table("Stability", "", "float", "integer")
    stability.add_row(
        "smallest eigenvalue of the competition", number(report.float_eigenvalue),
        number(report.smallest_eigenvalue),
    )  # fmt: skip
    stability.add_row(
        "loop gain at calibrated mean rates (stable below 2)", number(report.float_loop_gain),
        number(report.loop_gain),
    )  # fmt: skip
    screen.print(stability)
    screen.print(
        f"{report.pixels_left_out} of {report.pixels} pixels never change in calibration and are "
        f"left out; potentials reach {report.calibrated_max_octaves:.2f} octaves, clamp at "
        f"{report.state_max_octaves:.2f}; counts saturate at {report.max_count}; state in "
        f"2^-{report.fraction_bits} octaves, current {report.extra_bits} bits finer "
        f"({report.calibration})"
    )
