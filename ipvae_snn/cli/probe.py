"""`ipvae-snn probe`: a network's neurons under gratings, bars, noise and images."""

from typing import Annotated, Final

import typer

from ipvae_snn.cli import completion
from ipvae_snn.cli import options as opt
from ipvae_snn.cli.command import examples
from ipvae_snn.cli.terminal import Limits, Screen

EXAMPLES: Final = examples(
    "probe vanhateren-512 --plots pictures -o probe.json",
    "probe mnist-512 --stimulus recombination --data kmnist",
)


def probe(
    network: opt.AnyNetworkArgument,
    stimulus: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="Comma-separated: gabor, gratings, contrast, plaids, noise, bar, sparsification, "
            "recombination, prior; or all.",
            rich_help_panel=opt.RUN,
            autocompletion=completion.stimuli,
        ),
    ] = "all",
    neurons: Annotated[
        int,
        typer.Option(
            min=1,
            help="Neurons that are recorded, chosen by the seed among those that a Gabor function "
            "describes.",
            rich_help_panel=opt.RUN,
        ),
    ] = 16,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Time steps of a grating, default 128; of an image of sparsification and "
            "recombination, default 512.",
            rich_help_panel=opt.RUN,
        ),
    ] = None,
    seed: opt.SeedOption = 0,
    threads: opt.ThreadsOption = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Images of sparsification and recombination. Default: the set that the network "
            "was trained on.",
            rich_help_panel=opt.IMAGES,
            autocompletion=completion.data,
        ),
    ] = None,
    split: opt.SplitOption = "test",
    limit: opt.LimitOption = 100,
    data_root: opt.DataRootOption = None,
    white: opt.WhiteOption = None,
    plots: opt.PlotsOption = None,
    plots_format: opt.PlotsFormatOption = opt.PlotsFormat.PNG,
    out: opt.JsonFileOption = None,
    overwrite: opt.OverwriteOption = False,
    as_json: opt.JsonOption = False,
    quiet: opt.QuietOption = False,
    verbose: opt.VerboseOption = False,
) -> None:
    """Probe neurons of a network of any kind: Gabor fits, tuning, latency, masking, bars."""
    screen = Screen(as_json, quiet, verbose)
    with screen.working(Limits(threads=threads)) as progress:
        from ipvae_snn.workflows import probe as workflow

        settings = workflow.ProbeSettings(
            tuple(opt.listed(stimulus)),
            neurons,
            steps,
            seed,
            data,
            split,
            limit,
            data_root,
            white,
        )
        result = workflow.probe(
            network,
            settings,
            pictures=opt.picture_folder(plots, plots_format),
            out=out,
            overwrite=overwrite,
            progress=progress,
        )
    screen.deliver(result)
