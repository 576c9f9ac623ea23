"""`ipvae-snn run`: run images through one back end; write the result to a file or a folder."""

from enum import Enum
from pathlib import Path
from typing import Annotated, Final

import typer

from ipvae_snn.cli import completion
from ipvae_snn.cli import options as opt
from ipvae_snn.cli.command import examples
from ipvae_snn.cli.terminal import Limits, Screen

EXAMPLES: Final = examples(
    "run net.safetensors --data images.npy --backend onnx -o out.npz",
    "run net.safetensors --data images.npy --limit 1000000 -o results",
)


LARGE: Final = "Large runs, into a folder"


class OnOverflow(str, Enum):
    """Reaction to saturation, which is counted in either case."""

    ERROR = "error"
    SATURATE = "saturate"


def run(
    network: opt.AnyNetworkArgument,
    data: opt.DataOption,
    backend: Annotated[
        str | None,
        typer.Option(
            help="compiled (the fastest on a CPU, and the default), reference, onnx, "
            "onnx-reference, torch, torch-cuda, triton, lava or lava-fused; float for a "
            "checkpoint.",
            rich_help_panel=opt.RUN,
            autocompletion=completion.back_ends,
        ),
    ] = None,
    limit: opt.LimitOption = 100,
    steps: opt.StepsOption = 64,
    seed: opt.SeedOption = 0,
    decode: opt.DecodeOption = None,
    stop: opt.StopOption = None,
    first_image: Annotated[
        int,
        typer.Option(
            min=0,
            help="Index that keys the first image's random draws.",
            rich_help_panel=opt.RUN,
        ),
    ] = 0,
    frames: opt.FramesOption = None,
    motion: opt.MotionOption = None,
    on_overflow: Annotated[
        OnOverflow,
        typer.Option(
            help="error: fail, and write no result, if any neuron saturates.",
            rich_help_panel=opt.RUN,
        ),
    ] = OnOverflow.SATURATE,
    threads: opt.ThreadsOption = None,
    timeout: opt.TimeoutOption = None,
    stall: opt.StallOption = None,
    split: opt.SplitOption = "test",
    data_root: opt.DataRootOption = None,
    white: opt.WhiteOption = None,
    out: Annotated[
        Path,
        typer.Option(
            *opt.OUT_NAMES,
            parser=opt.output_path,
            metavar="PATH",
            help="Result: one file (NAME.npz), or a folder (NAME) for any number of images.",
            rich_help_panel=opt.RESULTS,
        ),
    ] = Path("result.npz"),
    overwrite: opt.OverwriteOption = False,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Continue the run in the folder.", rich_help_panel=LARGE),
    ] = False,
    chunk: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Images at a time; default: as many as take some 100 MB.",
            rich_help_panel=LARGE,
        ),
    ] = None,
    scheduler: opt.SchedulerOption = None,
    workers: opt.WorkersOption = None,
    trace: Annotated[
        bool,
        typer.Option(
            "--trace",
            help="Also write counts and states of every step.",
            rich_help_panel=opt.RESULTS,
        ),
    ] = False,
    as_json: opt.JsonOption = False,
    quiet: opt.QuietOption = False,
    verbose: opt.VerboseOption = False,
) -> None:
    """Run images through a network and write spike counts, states and reconstructions."""
    screen = Screen(as_json, quiet, verbose)
    with screen.working(Limits(out, timeout, stall, threads)) as progress:
        from ipvae_snn.workflows import run_moving as workflow

        images = workflow.ImageChoice(data, split, limit, data_root, white)
        request = workflow.RunRequest(steps, seed, first_image, trace)
        chunking = workflow.Chunking(resume, chunk, scheduler, workers)
        options = workflow.RunOptions(
            backend,
            out,
            on_overflow is OnOverflow.ERROR,
            overwrite,
            chunking,
            workflow.asked_decoding(decode),
            workflow.asked_stop(stop),
        )
        result = workflow.run_as_asked(
            network, images, request, options, workflow.motion_of(frames, motion), progress
        )
    screen.deliver(result)
