"""`ipvae-snn run`: run images through one back end, and write the result to an npz file."""

from enum import Enum
from pathlib import Path
from typing import Annotated, Final

import typer

from ipvae_snn.cli import completion
from ipvae_snn.cli.command import examples
from ipvae_snn.cli.options import (
    OUT_NAMES,
    RESULTS,
    RUN,
    AnyNetworkArgument,
    DataOption,
    DataRootOption,
    JsonOption,
    LimitOption,
    OverwriteOption,
    QuietOption,
    SeedOption,
    SplitOption,
    StallOption,
    StepsOption,
    ThreadsOption,
    TimeoutOption,
    VerboseOption,
    WhiteOption,
    output_path,
)
from ipvae_snn.cli.terminal import Limits, Screen

EXAMPLES: Final = examples(
    "run net.safetensors --data digits --limit 10 --steps 32",
    "run net.safetensors --data images.npy --backend onnx -o out.npz",
)


class OnOverflow(str, Enum):
    """Reaction to saturation, which is counted in either case."""

    ERROR = "error"
    SATURATE = "saturate"


def run(
    network: AnyNetworkArgument,
    data: DataOption,
    backend: Annotated[
        str | None,
        typer.Option(
            help="compiled (the fastest on a CPU, and the default), reference, onnx, "
            "onnx-reference, torch, torch-cuda, lava or lava-fused; float for a checkpoint.",
            rich_help_panel=RUN,
            autocompletion=completion.back_ends,
        ),
    ] = None,
    limit: LimitOption = 100,
    steps: StepsOption = 64,
    seed: SeedOption = 0,
    first_image: Annotated[
        int,
        typer.Option(
            min=0,
            help="Index that keys the first image's random draws.",
            rich_help_panel=RUN,
        ),
    ] = 0,
    on_overflow: Annotated[
        OnOverflow,
        typer.Option(
            help="error: fail, and write no result, if any neuron saturates.", rich_help_panel=RUN
        ),
    ] = OnOverflow.SATURATE,
    threads: ThreadsOption = None,
    timeout: TimeoutOption = None,
    stall: StallOption = None,
    split: SplitOption = "test",
    data_root: DataRootOption = None,
    white: WhiteOption = None,
    out: Annotated[
        Path,
        typer.Option(
            *OUT_NAMES,
            parser=output_path,
            metavar="FILE",
            help="Result file.",
            rich_help_panel=RESULTS,
        ),
    ] = Path("result.npz"),
    overwrite: OverwriteOption = False,
    trace: Annotated[
        bool,
        typer.Option(
            "--trace",
            help="Also write counts and states of every step.",
            rich_help_panel=RESULTS,
        ),
    ] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Run images through a network and write spike counts, states and reconstructions."""
    screen = Screen(as_json, quiet, verbose)
    with screen.working(Limits(out, timeout, stall, threads)) as progress:
        from ipvae_snn.workflows import run as workflow

        images = workflow.ImageChoice(data, split, limit, data_root, white)
        request = workflow.RunRequest(steps, seed, first_image, trace)
        options = workflow.RunOptions(backend, out, on_overflow is OnOverflow.ERROR, overwrite)
        result = workflow.run_file(network, images, request, options, progress)
    screen.deliver(result)
