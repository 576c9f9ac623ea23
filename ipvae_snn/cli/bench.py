"""`ipvae-snn bench`: float against integer on the same images: quality, spikes, energy, time."""

from pathlib import Path
from typing import Annotated

import typer

from ipvae_snn.cli.options import (
    DATA_HELP,
    DataRootOption,
    JsonOption,
    LimitOption,
    SeedOption,
    SplitOption,
    StepsOption,
    listed,
    network_path,
)
from ipvae_snn.cli.terminal import watching


def bench(
    network: Annotated[Path, typer.Argument(parser=network_path, help="Integer network.")],
    checkpoint: Annotated[Path, typer.Option(help="The float checkpoint that it came from.")],
    data: Annotated[str, typer.Option(help=DATA_HELP)],
    backends: Annotated[str, typer.Option(help="Comma-separated back ends to compare.")] = "onnx",
    energy: Annotated[
        str, typer.Option(help="A profile with energies (see `profiles`), or a path of a .toml.")
    ] = "cpu-45nm",
    limit: LimitOption = 100,
    steps: StepsOption = 64,
    seed: SeedOption = 0,
    split: SplitOption = "test",
    out: Annotated[Path | None, typer.Option(help="Also write the result as JSON.")] = None,
    data_root: DataRootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare float inference with integer back ends on the same images and uniforms."""
    from ipvae_snn.ir.files import load_network
    from ipvae_snn.ir.trace import RunRequest
    from ipvae_snn.models.float_network import load_float_network
    from ipvae_snn.report.json_files import emit_json, write_json
    from ipvae_snn.report.terminal import console
    from ipvae_snn.workflows.back_ends import as_table, compare_backends, footnote, require_equal
    from ipvae_snn.workflows.images import load_for

    floats, program = load_float_network(checkpoint), load_network(network)
    check_pair(floats.source, program.provenance.get("checkpoint_sha256", ""), checkpoint, network)
    images = load_for(program, data, split, data_root, limit)
    names = listed(backends)
    screen = console(quiet=as_json)
    request = RunRequest(steps, seed, trace=True)
    with watching(screen) as status:
        comparison = compare_backends(
            floats, program, images, request, names, energy, status.update
        ).comparison
    if out is not None:
        write_json(out, comparison.as_json())
    if as_json:
        emit_json(comparison.as_json())
    else:
        screen.print(as_table(comparison))
        screen.print(
            f"{footnote(comparison)}\nspike counts equal to float in "
            f"{100 * comparison.counts_equal:.2f} % of all places, "
            f"{100 * comparison.counts_equal_active:.2f} % where float is not 0",
            highlight=False,
        )
    require_equal(comparison)


def check_pair(source: str, wanted: str, checkpoint: Path, network: Path) -> None:
    """Raise DataError if the integer network was not converted from this checkpoint."""
    from ipvae_snn.errors import DataError

    if source != wanted:
        raise DataError(
            f"{network} was converted from a checkpoint with SHA-256 {wanted[:12] or 'unknown'}"
            f"..., but {checkpoint} has {source[:12]}...; give the one that it came from"
        )
