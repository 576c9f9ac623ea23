"""`ipvae-snn evaluate`: a float network's figures of merit over steps, with intervals."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ipvae_snn.cli.options import (
    DATA_HELP,
    DataRootOption,
    JsonOption,
    LimitOption,
    SeedOption,
    StepsOption,
    network_path,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from ipvae_snn.data import ImageSet
    from ipvae_snn.evaluation.evaluate import Evaluated, EvaluationRequest
    from ipvae_snn.evaluation.generalisation import OtherSets
    from ipvae_snn.evaluation.readout import Readout
    from ipvae_snn.evaluation.report import Report
    from ipvae_snn.models.float_network import FloatNetwork

SHOWN: Final = 4  # images in the picture of reconstructions
PICTURES: Final = ("convergence.png", "reconstructions.png", "dictionary.png")


def evaluate(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            parser=network_path, help="Float checkpoint (model.safetensors), or pretrained name."
        ),
    ],
    data: Annotated[str, typer.Option(help=DATA_HELP)],
    split: Annotated[
        str,
        typer.Option(help="train or test; of one's own images every tenth is test, as in train."),
    ] = "test",
    limit: LimitOption = 1000,
    steps: StepsOption = 1000,
    seed: SeedOption = 0,
    readout_train: Annotated[
        int,
        typer.Option(min=0, help="Training images for the linear read-out of labels; 0: none."),
    ] = 5000,
    generalise: Annotated[
        bool,
        typer.Option(
            "--generalise", help="Also rotated images and the other 28x28 sets that are found."
        ),
    ] = False,
    plots: Annotated[Path | None, typer.Option(help="Folder for pictures.")] = None,
    out: Annotated[Path | None, typer.Option(help="Also write the result as JSON.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads; no figure changes.")] = 1,
    data_root: DataRootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge a float network: R2, zeros, free energy, sparseness, read-out, run-aways."""
    from ipvae_snn.errors import FileFormatError
    from ipvae_snn.evaluation.evaluate import request_of
    from ipvae_snn.models.checkpoint import load_checkpoint_config
    from ipvae_snn.models.float_network import load_float_network
    from ipvae_snn.report.json_files import emit_json, write_json
    from ipvae_snn.report.terminal import console
    from ipvae_snn.workflows.images import is_checkpoint

    if not is_checkpoint(checkpoint):
        raise FileFormatError(
            f"{checkpoint}: an integer network, but evaluate judges a float checkpoint "
            "(model.safetensors); use ipvae-snn bench for the integer network"
        )
    network = load_float_network(checkpoint)
    request = request_of(load_checkpoint_config(checkpoint), steps, seed, threads)
    source = Source(split, data_root, network.image_shape[0])
    screen = console(quiet=as_json)
    plan = _plan(source, network, data, limit, readout_train, generalise)
    report = _carry_out(plan, network, request, checkpoint, plots, screen)
    if out is not None:
        write_json(out, report.as_json())
    if as_json:
        emit_json(report.as_json())
    else:
        report.show(screen)


@dataclass(frozen=True)
class Source:
    """Where images come from: the split, the folder of public sets, the side of patches."""

    split: str
    data_root: Path | None
    side: int

    def load(self, name: str, limit: int | None, split: str | None = None) -> "ImageSet":
        """Return images of the split, with a part of one's own images held out for "test"."""
        from ipvae_snn.data import load
        from ipvae_snn.workflows.images import as_split

        wanted = as_split(split or self.split)
        return load(name, wanted, self.data_root, limit, patch_size=self.side, holdout=True)


@dataclass(frozen=True)
class Plan:
    """The images to run: those judged, those for the read-out (or why none), other sets."""

    images: "ImageSet"
    training: "ImageSet | str"
    others: "OtherSets | None"

    @property
    def total(self) -> int:
        """How many images there are in all."""
        training = 0 if isinstance(self.training, str) else len(self.training)
        others = self.others.found if self.others else ()
        return len(self.images) + training + sum(map(len, others))


def _plan(
    source: Source, network: "FloatNetwork", data: str, limit: int, readout_train: int,
    generalise: bool,
) -> Plan:  # fmt: skip
    """Load everything first, so that what is missing shows before the long run."""
    from ipvae_snn.evaluation.generalisation import other_sets
    from ipvae_snn.ir.encode import check_images

    images = source.load(data, limit)
    check_images(network.image_shape, network.input_kind, images.pixels, images.kind, images.name)
    others = other_sets(images, lambda name: source.load(name, limit)) if generalise else None
    return Plan(images, _training_images(source, data, images, readout_train), others)


def _training_images(
    source: Source, data: str, images: "ImageSet", readout_train: int
) -> "ImageSet | str":
    """Return the images to fit the read-out on, or why there is no read-out."""
    from ipvae_snn.errors import DataError
    from ipvae_snn.evaluation.readout import unfit_reason

    if readout_train == 0:
        return "none was asked for (--readout-train 0)"
    if images.labels is None:
        return f"{images.name} has no labels"
    if source.split == "train":
        return "the images judged are training images; give --split test"
    try:
        training = source.load(data, readout_train, "train")
    except DataError as error:
        return str(error)
    return unfit_reason(training.labels, images.labels) or training


def _carry_out(
    plan: Plan, network: "FloatNetwork", request: "EvaluationRequest", checkpoint: Path,
    plots: Path | None, screen: "Console",
) -> "Report":  # fmt: skip
    """Run all images of the plan behind one progress bar, fit the read-out and draw."""
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from ipvae_snn.evaluation.evaluate import evaluate
    from ipvae_snn.evaluation.report import Report

    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"),
        TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=screen, refresh_per_second=2) as bar:
        task = bar.add_task("", total=plan.total * request.steps)

        def judge(images: "ImageSet", shown: int = 0) -> "Evaluated":
            bar.update(task, description=f"{len(images)} images of {images.name}")
            return evaluate(
                network, images, request, shown=shown, report=lambda n: bar.advance(task, n)
            )

        begun = time.perf_counter()
        judged = judge(plan.images, SHOWN if plots else 0)
        seconds = time.perf_counter() - begun
        others = None
        if plan.others is not None:
            others = {images.name: judge(images).evaluation for images in plan.others.found}
        readout = _readout(plan, judged, network, request, bar, task)
        bar.update(task, description="done")
    return Report(
        checkpoint=str(checkpoint),
        checkpoint_sha256=network.source,
        trained_on=network.trained_on,
        evaluation=judged.evaluation,
        readout=readout,
        others=others,
        left_out=plan.others.left_out if plan.others else None,
        plots=_draw(plots, network, plan.images, judged) if plots else (),
        seconds=seconds,
    )


def _readout(
    plan: Plan, judged: "Evaluated", network: "FloatNetwork", request: "EvaluationRequest",
    bar: "Progress", task: "TaskID",
) -> "Readout | str":  # fmt: skip
    from ipvae_snn.evaluation.evaluate import final_rates
    from ipvae_snn.evaluation.readout import linear_readout

    training, labels = plan.training, plan.images.labels
    if isinstance(training, str) or training.labels is None or labels is None:
        return str(training)
    bar.update(task, description=f"{len(training)} training images for the read-out")
    rates = final_rates(network, training, request, lambda n: bar.advance(task, n))
    bar.update(task, description="linear read-out")
    return linear_readout(rates, training.labels, judged.rates, labels)


def _draw(
    folder: Path, network: "FloatNetwork", images: "ImageSet", judged: "Evaluated"
) -> tuple[str, ...]:
    """Draw the pictures into `folder` and return their paths."""
    from ipvae_snn.evaluation import plots as evaluation_plots

    paths = [folder / name for name in PICTURES]
    shape = network.image_shape
    evaluation_plots.convergence(paths[0], judged.evaluation)
    evaluation_plots.reconstructions(
        paths[1], images.pixels[:SHOWN], judged.samples, judged.maps, shape,
        f"Images of {images.name} and what the spikes and rates of a step decode to",
    )  # fmt: skip
    evaluation_plots.dictionary_by_use(paths[2], network.phi, shape, judged.rates)
    return tuple(map(str, paths))
