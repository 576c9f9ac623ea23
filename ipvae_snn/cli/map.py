"""`ipvae-snn map`: does a network fit a chip, and where would its neurons lie?"""

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ipvae_snn.cli.options import (
    DATA_HELP,
    DataRootOption,
    JsonOption,
    LimitOption,
    SeedOption,
    SplitOption,
    StepsOption,
    network_path,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ipvae_snn.arrays import Integers, UInt8
    from ipvae_snn.hw.mapping.events import Events
    from ipvae_snn.hw.mapping.mapping import Mapping, Placed
    from ipvae_snn.ir.network import IntegerNetwork

COUNTS_AT_ONCE: Final = 1 << 24  # counts of a run that are held together; bounds memory


class InputAs(str, Enum):
    """How the image reaches the chip."""

    SPIKES = "spikes"
    BIAS = "bias"


def map_network(
    network: Annotated[Path, typer.Argument(parser=network_path, help="Integer network.")],
    profile: Annotated[
        str, typer.Option(help="A chip (see `ipvae-snn profiles`), or a path that ends in .toml.")
    ] = "loihi2",
    input_as: Annotated[
        InputAs,
        typer.Option("--source", help="Image as graded spikes, or written into the state as bias."),
    ] = InputAs.SPIKES,
    chips: Annotated[
        int | None, typer.Option(min=1, help="How many chips there are; default: as needed.")
    ] = None,
    rates: Annotated[
        Path | None, typer.Option(help="Count events in this result of `ipvae-snn run --trace`.")
    ] = None,
    data: Annotated[str | None, typer.Option(help=f"Count events on images. {DATA_HELP}")] = None,
    limit: LimitOption = 20,
    steps: StepsOption = 64,
    seed: SeedOption = 0,
    split: SplitOption = "test",
    data_root: DataRootOption = None,
    as_json: JsonOption = False,
    plot: Annotated[Path | None, typer.Option(help="Draw the placement into this PNG.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write all, each neuron's core too, into this JSON file.")
    ] = None,
) -> None:
    """Check every limit of a chip, split the network over its cores and place these on the mesh."""
    from ipvae_snn.errors import ConfigError, FileFormatError
    from ipvae_snn.hw.chips.profile import load_profile
    from ipvae_snn.hw.mapping import events as counting
    from ipvae_snn.hw.mapping import limits, mapping, report
    from ipvae_snn.ir.files import load_network
    from ipvae_snn.report.json_files import emit_json, write_json
    from ipvae_snn.report.terminal import console
    from ipvae_snn.workflows.images import is_checkpoint

    if rates is not None and data is not None:
        raise ConfigError("--rates and --data both give the events; give one of them")
    chip = load_profile(profile)
    limits.require_limits(chip)
    if is_checkpoint(network):
        raise FileFormatError(
            f"{network}: a float checkpoint; chips take integers: ipvae-snn convert {network.stem}"
        )
    program = load_network(network)
    if data is not None:
        events = _counted(program, data, split, data_root, limit, steps, seed)
    elif rates is not None:
        events = counting.from_trace(program, rates)
    else:
        events = counting.assumed(program, steps)
    with console(quiet=True).status(f"placing {network.name} on {chip.name}"):
        found = mapping.check_and_place(program, chip, input_as.value, events, chips)
    details = {"network": str(network), **mapping.as_json(found)}
    if out is not None:
        write_json(out, {**details, "core_of": mapping.cores_of_neurons(found)})
    if plot is not None and found.placed is not None:
        _draw(plot, found, found.placed, network)
    if as_json:
        emit_json(details)
    else:
        report.show(console(), found, network.name)
        for path in (out, plot if found.placed else None):
            if path is not None:
                console().print(f"{path} written", highlight=False, markup=False)
    mapping.require_fit(found, str(network))


def _draw(path: Path, found: "Mapping", placed: "Placed", network: Path) -> None:
    from ipvae_snn.hw.mapping import plot

    mesh = placed.placement.mesh
    grid = f"{mesh.columns} x {mesh.rows} tiles" + (" (assumed)" if mesh.assumed else "")
    hypothetical = "" if found.fits else "; HYPOTHETICAL: it does not fit"
    plot.picture(
        path, found, placed,
        f"{network.name} on {found.profile.name}: {placed.placement.partition.cores} cores, "
        f"{grid}{hypothetical}",
    )  # fmt: skip


def _counted(
    program: "IntegerNetwork", data: str, split: str, data_root: Path | None, limit: int,
    steps: int, seed: int,
) -> "Events":  # fmt: skip
    """Run images on the back end `compiled` and count what its neurons send."""
    from ipvae_snn.backends.compiled import run
    from ipvae_snn.hw.mapping.events import counted
    from ipvae_snn.ir.trace import RunRequest
    from ipvae_snn.report.terminal import console
    from ipvae_snn.workflows.images import load_for

    images = load_for(program, data, split, data_root, limit)
    at_once = max(1, COUNTS_AT_ONCE // (steps * program.n_neurons))

    def parts() -> "Iterator[tuple[UInt8, Integers]]":
        for start in range(0, len(images.pixels), at_once):
            pixels = images.pixels[start : start + at_once]
            trace = run(program, pixels, RunRequest(steps, seed, start, trace=True))
            if trace.counts is None:
                raise ValueError("counting needs runs with trace=True")
            yield pixels, trace.counts

    with console(quiet=True).status(f"{len(images.pixels)} images, {steps} steps"):
        return counted(program, parts(), images.floats.name)
