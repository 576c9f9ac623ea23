"""`ipvae-snn evaluate`: figures of a float network by step, with intervals."""

from typing import Annotated, Final

import typer

from ipvae_snn.cli import completion
from ipvae_snn.cli import options as opt
from ipvae_snn.cli.command import examples
from ipvae_snn.cli.terminal import Screen

EXAMPLES: Final = examples(
    "evaluate digits --data digits --plots pictures -o digits.json",
    "evaluate digits --data digits --frames 8 --motion drift",
)


def evaluate(
    checkpoint: opt.CheckpointArgument,
    data: opt.DataOption,
    split: Annotated[
        str,
        typer.Option(
            help="train or test; of your own images, every tenth is in test.",
            rich_help_panel=opt.IMAGES,
            autocompletion=completion.splits,
        ),
    ] = "test",
    limit: opt.LimitOption = 1000,
    frames: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="Frames of a sequence: judge moving images, over which potentials carry over. "
            "--limit then counts sequences.",
            rich_help_panel=opt.IMAGES,
        ),
    ] = None,
    motion: opt.MotionOption = None,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Time steps T per image, default 1000; with --frames, per frame, default as in "
            "training, or 16.",
            rich_help_panel=opt.RUN,
        ),
    ] = None,
    seed: opt.SeedOption = 0,
    mean_steps: Annotated[
        int,
        typer.Option(
            min=1,
            max=opt.MAX_MEAN_STEPS,
            help="Last draws of counts whose mean is decoded.",
            rich_help_panel=opt.RUN,
        ),
    ] = 4,
    readout_train: Annotated[
        int,
        typer.Option(
            min=0,
            help="Training images of the linear read-outs of labels, ours and the paper's, which "
            "takes all 60,000 of MNIST; 0: no read-out.",
            rich_help_panel=opt.IMAGES,
        ),
    ] = 5000,
    generalise: Annotated[
        bool,
        typer.Option(
            "--generalise",
            help="Also evaluate rotated images, other 28x28 sets that are available, and grey "
            "patches of natural photographs.",
            rich_help_panel=opt.IMAGES,
        ),
    ] = False,
    per_angle: Annotated[
        int,
        typer.Option(
            min=0,
            help="With --generalise, images that are turned by each angle from 0 to 180 degrees "
            "in steps of 15; 0: none.",
            rich_help_panel=opt.IMAGES,
        ),
    ] = 200,
    threads: opt.ThreadsOption = None,
    scheduler: opt.SchedulerOption = None,
    workers: opt.WorkersOption = None,
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
    """Evaluate a float network: R2, zeros, free energy, sparseness, read-out, run-aways."""
    screen = Screen(as_json, quiet, verbose)
    with screen.working() as progress:
        from ipvae_snn.workflows import evaluate_moving as workflow

        settings = workflow.EvaluationSettings(
            split,
            limit,
            steps,
            seed,
            readout_train,
            generalise,
            threads or 1,
            data_root,
            white,
            workflow.cluster_of(scheduler, workers),
            mean_steps,
            per_angle,
        )
        result = workflow.evaluate_as_asked(
            checkpoint,
            data,
            workflow.motion_of(frames, motion),
            settings,
            pictures=opt.picture_folder(plots, plots_format),
            out=out,
            overwrite=overwrite,
            progress=progress,
        )
    screen.deliver(result)
