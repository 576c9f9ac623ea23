"""`ipvae-snn compare`: how far integer inference is from float inference on the same uniforms."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ipvae_snn.cli.bench import check_pair
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
    from ipvae_snn.comparison.attribution import Attribution
    from ipvae_snn.comparison.figures import Fidelity

# A pair of runs and the single steps between them take as long as about this many float runs.
PAIR_RUNS: Final = 3


def compare(
    checkpoint: Annotated[
        Path, typer.Argument(parser=network_path, help="Float checkpoint, or pretrained name.")
    ],
    network: Annotated[
        Path, typer.Argument(parser=network_path, help="The integer network made of it.")
    ],
    data: Annotated[str, typer.Option(help=DATA_HELP)],
    limit: LimitOption = 100,
    steps: StepsOption = 64,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds; intervals need two.")] = 5,
    seed: SeedOption = 0,
    attribution: Annotated[
        bool,
        typer.Option(help="Also put each tensor of the program into the float network, alone."),
    ] = True,
    plots: Annotated[Path | None, typer.Option(help="Folder for pictures.")] = None,
    out: Annotated[Path | None, typer.Option(help="Also write the result as JSON.")] = None,
    threads: Annotated[
        int, typer.Option(min=1, envvar="IPVAE_SNN_THREADS", help="CPU threads; no figure changes.")
    ] = 2,
    split: SplitOption = "test",
    data_root: DataRootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell how far integer inference is from float inference on the same uniforms, and why."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    from threadpoolctl import threadpool_limits

    from ipvae_snn.comparison.attribution import attribute, runs
    from ipvae_snn.comparison.measure import measure
    from ipvae_snn.comparison.paired_runs import Pair
    from ipvae_snn.comparison.report import Report
    from ipvae_snn.errors import FileFormatError
    from ipvae_snn.ir.files import load_network
    from ipvae_snn.models.checkpoint import load_checkpoint_config
    from ipvae_snn.models.float_network import load_float_network
    from ipvae_snn.report.json_files import emit_json, write_json
    from ipvae_snn.report.terminal import console
    from ipvae_snn.workflows.images import is_checkpoint, load_for

    if not is_checkpoint(checkpoint):
        raise FileFormatError(
            f"{checkpoint}: an integer network; give the float checkpoint that it came from "
            "first, and then the integer network"
        )
    floats, program = load_float_network(checkpoint), load_network(network)
    check_pair(floats.source, program.provenance.get("checkpoint_sha256", ""), checkpoint, network)
    images = load_for(program, data, split, data_root, limit)
    pair = Pair(floats, program, images.floats.pixels, images.pixels)
    keys = tuple(range(seed, seed + seeds))
    pair.check(steps, keys)
    form = load_checkpoint_config(checkpoint).train.kl
    screen = console(quiet=as_json)
    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"),
        TimeElapsedColumn(),
    )  # fmt: skip
    begun = time.perf_counter()
    of_each = len(images.pixels) * steps * seeds
    # Products of this size gain nothing from the threads of BLAS and torch, which wait spinning.
    with threadpool_limits(1), Progress(*columns, console=screen, refresh_per_second=2) as bar:
        total = of_each * (PAIR_RUNS + (runs(pair) if attribution else 0))
        task = bar.add_task("float and integer runs", total=total)
        fidelity = measure(
            pair, steps, keys, form, threads, lambda n: bar.advance(task, PAIR_RUNS * n)
        )
        causes = None
        if attribution:
            bar.update(task, description="one tensor at a time")
            causes = attribute(pair, steps, keys, threads, lambda n: bar.advance(task, n))
    report = Report(
        checkpoint=str(checkpoint),
        checkpoint_sha256=floats.source,
        network=str(network),
        circuit=program.circuit,
        fraction_bits=program.neurons.fraction_bits,
        neurons=program.n_neurons,
        data=images.floats.name,
        citation=images.floats.citation,
        images=len(images.pixels),
        saturated_pixels=images.saturated,
        kl_form=form,
        fidelity=fidelity,
        attribution=causes,
        plots=draw(plots, fidelity, causes, images.floats.name) if plots else (),
        seconds=time.perf_counter() - begun,
    )
    if out is not None:
        write_json(out, report.as_json())
    if as_json:
        emit_json(report.as_json())
    else:
        report.show(screen)


def draw(
    folder: Path, fidelity: "Fidelity", causes: "Attribution | None", name: str
) -> tuple[str, ...]:
    """Draw the pictures into `folder` and return their paths."""
    from ipvae_snn.comparison import plots as fidelity_plots

    title = f"Float and integer inference on {name}"
    made = []
    for file, picture in (
        ("quality.png", fidelity_plots.quality),
        ("counts.png", fidelity_plots.counts),
        ("agreement.png", fidelity_plots.agreement),
        ("state_error.png", fidelity_plots.state_error),
    ):
        picture(folder / file, fidelity, title)
        made.append(str(folder / file))
    if causes is not None:
        path = folder / "attribution.png"
        fidelity_plots.attribution(path, causes, fidelity, title)
        made.append(str(path))
    return tuple(made)
