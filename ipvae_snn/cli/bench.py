"""`ipvae-snn bench`: quality, spikes, energy and time of float and integer inference."""

from pathlib import Path
from typing import Annotated, Final

import typer

from ipvae_snn.cli import completion
from ipvae_snn.cli import options as opt
from ipvae_snn.cli.command import examples, with_old_names
from ipvae_snn.cli.terminal import Limits, Screen

EXAMPLES: Final = examples(
    "bench net.safetensors --checkpoint digits --data digits",
    "bench net.safetensors --checkpoint digits --data digits --json",
)
BenchCommand: Final = with_old_names({"--energy": "--profile"})


def bench(
    network: opt.NetworkArgument,
    checkpoint: Annotated[
        Path,
        typer.Option(
            parser=opt.network_path,
            help="Float checkpoint that the network was converted from, or its pretrained name.",
            autocompletion=completion.networks,
        ),
    ],
    data: opt.DataOption,
    backends: opt.BackendsOption = "onnx",
    profile: opt.ProfileOption = "cpu-45nm",
    limit: opt.LimitOption = 100,
    steps: opt.StepsOption = 64,
    seed: opt.SeedOption = 0,
    threads: opt.ThreadsOption = None,
    split: opt.SplitOption = "test",
    data_root: opt.DataRootOption = None,
    white: opt.WhiteOption = None,
    out: opt.JsonFileOption = None,
    overwrite: opt.OverwriteOption = False,
    as_json: opt.JsonOption = False,
    quiet: opt.QuietOption = False,
    verbose: opt.VerboseOption = False,
) -> None:
    """Compare float inference with integer back ends on the same images and uniforms."""
    screen = Screen(as_json, quiet, verbose)
    with screen.working(Limits(threads=threads)) as progress:
        from ipvae_snn.workflows import back_ends as workflow

        images = workflow.ImageChoice(data, split, limit, data_root, white)
        request = workflow.RunRequest(steps, seed)
        contest = workflow.Contest(tuple(opt.listed(backends)), profile)
        file = workflow.OutputFile(out, overwrite)
        result = workflow.bench_files(checkpoint, network, images, request, contest, progress, file)
    screen.deliver(result)
    result.require_equal()
