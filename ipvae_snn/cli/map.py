"""`ipvae-snn map`: check a network against a chip's limits, and place its neurons."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ipvae_snn.cli.options import (
    DATA_HELP,
    DataRootOption,
    JsonOption,
    LimitOption,
    OverwriteOption,
    SeedOption,
    SplitOption,
    StepsOption,
    network_path,
    output_path,
)
from ipvae_snn.cli.rendering import deliver, line


class InputAs(str, Enum):
    """Form of the image at the chip's input."""

    SPIKES = "spikes"
    BIAS = "bias"


def map_network(
    network: Annotated[Path, typer.Argument(parser=network_path, help="Integer network.")],
    profile: Annotated[
        str, typer.Option(help="Chip (see `ipvae-snn profiles`), or a .toml file.")
    ] = "loihi2",
    input_as: Annotated[
        InputAs,
        typer.Option("--source", help="Image as graded spikes, or written into the state as bias."),
    ] = InputAs.SPIKES,
    chips: Annotated[
        int | None, typer.Option(min=1, help="Number of chips. Default: as many as needed.")
    ] = None,
    rates: Annotated[
        Path | None,
        typer.Option(help="Result of `ipvae-snn run --trace` whose events are counted."),
    ] = None,
    data: Annotated[str | None, typer.Option(help=f"Count events on images. {DATA_HELP}")] = None,
    limit: LimitOption = 20,
    steps: StepsOption = 64,
    seed: SeedOption = 0,
    split: SplitOption = "test",
    data_root: DataRootOption = None,
    as_json: JsonOption = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            parser=output_path,
            metavar="FILE",
            help="File for a picture of the placement (PNG, SVG or PDF).",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            parser=output_path,
            metavar="FILE",
            help="JSON file for all figures and each neuron's core.",
        ),
    ] = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Check every limit of a chip, split the network over its cores, and place the cores."""
    from ipvae_snn.workflows import mapping as workflow

    chip = workflow.ChipSettings(profile, input_as.value, chips)
    events = workflow.EventSettings(rates, data, split, limit, steps, seed, data_root)
    with line(as_json=True) as progress:
        result = workflow.map_network(
            network,
            chip,
            events,
            picture=plot,
            out=out,
            overwrite=overwrite,
            progress=progress,
        )
    deliver(result, as_json)
    result.require_fit()
