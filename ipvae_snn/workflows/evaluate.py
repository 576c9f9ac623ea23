"""Evaluate a float network: figures, read-out, out-of-distribution images, pictures."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from ipvae_snn.arrays import Float32
from ipvae_snn.config.preparation import Preparation
from ipvae_snn.data import ImageSet
from ipvae_snn.data.given import ImageSource, Selection, image_set
from ipvae_snn.errors import DataError, FileFormatError
from ipvae_snn.evaluation import evaluate as evaluation
from ipvae_snn.evaluation import plots
from ipvae_snn.evaluation.evaluate import (
    Evaluated,
    Spread,
    final_rates,
    here,
)
from ipvae_snn.evaluation.generalisation import NATURAL, OtherSets, other_sets
from ipvae_snn.evaluation.parts import MEAN_STEPS, EvaluationRequest, recorded_steps
from ipvae_snn.evaluation.readout import (
    Readout,
    linear_readout,
    paper_readout,
    unfit_reason,
)
from ipvae_snn.evaluation.report import Report
from ipvae_snn.ir.encode import check_images
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.models.latent_module import load_any
from ipvae_snn.models.latent_network import LatentNetwork
from ipvae_snn.models.networks import NetworkSource, load, named
from ipvae_snn.progress import Progress, Steps, ignore
from ipvae_snn.report.document import Picture
from ipvae_snn.report.json_files import write_json
from ipvae_snn.report.picture_files import PictureFolder, save_all
from ipvae_snn.workflows.cluster import ClusterChoice, connected
from ipvae_snn.workflows.estimates import Shape, require_evaluation
from ipvae_snn.workflows.evaluate_cluster import spread_on
from ipvae_snn.workflows.image_choice import ImageChoice, noted
from ipvae_snn.workflows.images import described
from ipvae_snn.workflows.moving import warn_if_still
from ipvae_snn.workflows.outputs import (
    EVALUATION,
    check_outputs,
    outputs,
    picture_outputs,
    save_or_spare,
)
from ipvae_snn.workflows.results import ReportResult

Float = TypeVar("Float", bound=FloatNetwork | LatentNetwork)

SHOWN: Final = 4  # images in the picture of reconstructions
PICTURES: Final = ("convergence", "reconstructions", "dictionary")
ROTATION: Final = "rotation"
PER_ANGLE: Final = 200  # images, which leave R2 a 95 % interval of about .01 on MNIST


@dataclass(frozen=True)
class EvaluationSettings:
    """Images, steps and parts of an evaluation.

    steps: None for 1000, of each frame of a sequence for those that a frame had in training, or 16.
    readout_train: training images for the linear read-out of labels, 0 for none. generalise: also
    evaluate rotated images, the other 28x28 sets that are available, and grey patches of natural
    photographs. per_angle: then also turn so many of the first images by each angle from 0 to 180
    degrees, 0 for none. threads: CPU threads; they
    change no figure. white: of the user's own images, as in `ImageChoice`. cluster: on whose
    workers the images run, which changes no figure; None for this process. mean_steps: number of
    last draws whose mean is decoded.
    """

    split: str = "test"
    limit: int = 1000
    steps: int | None = None
    seed: int = 0
    readout_train: int = 5000
    generalise: bool = False
    threads: int = 1
    data_root: Path | None = None
    white: float | None = None
    cluster: ClusterChoice | None = None
    mean_steps: int = MEAN_STEPS
    per_angle: int = PER_ANGLE

    @property
    def pictures(self) -> tuple[str, ...]:
        """Names of the pictures of an evaluation."""
        return (*PICTURES, ROTATION) if self.generalise and self.per_angle else PICTURES


DEFAULT: Final = EvaluationSettings()
STEPS: Final = 1000


@dataclass(frozen=True)
class Plan:
    """Images to run: evaluated ones, those for the read-out (or why there is none), other sets."""

    images: ImageSet
    training: ImageSet | str = "not requested"
    others: OtherSets | None = None

    @property
    def total(self) -> int:
        """Total number of images."""
        training = 0 if isinstance(self.training, str) else len(self.training)
        return len(self.images) + training + sum(map(len, self.sets))

    @property
    def sets(self) -> tuple[ImageSet, ...]:
        """All sets of out-of-distribution images, the turned ones last."""
        others = self.others
        return (*others.found, *others.by_angle.values()) if others else ()


class EvaluationResult(ReportResult[Report]):
    """Evaluation of a float network."""


def evaluate(
    source: NetworkSource,
    data: ImageSource,
    settings: EvaluationSettings = DEFAULT,
    *,
    pictures: PictureFolder | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    progress: Progress = ignore,
) -> EvaluationResult:
    """Evaluate a float network on the images `data`.

    pictures: folder for pictures. out: file for the result as JSON. Without them, nothing is
    written. overwrite: replace files of other kinds there. Raises FileFormatError for an integer
    network, DataError for images that do not fit, OutputError for files that cannot be written.
    """
    written = (*picture_outputs(pictures, settings.pictures), *outputs((out, EVALUATION)))
    free = check_outputs(written, (source, data), overwrite)
    network = _load_judged(source)
    request = evaluation.request_of(
        network, settings.steps or STEPS, settings.seed, settings.threads, settings.mean_steps
    )
    progress(described(data), 0, 0)
    warn_if_still(network, named(source))
    plan = plan_of(network, data, settings, progress)
    folder = None if pictures is None else pictures._replace(free=free)
    with _spread(settings.cluster) as spread:
        result = carry_out(plan, network, request, named(source), folder, progress, spread)
    if out is not None:
        save_or_spare(out, lambda path: write_json(path, result.as_json()), free)
    return result


@contextmanager
def _spread(cluster: ClusterChoice | None) -> Iterator[Spread]:
    """Yield what runs the images."""
    if cluster is None:
        yield here
        return
    with connected(cluster) as client:
        yield spread_on(client)


def load_checked(source: NetworkSource) -> FloatNetwork:
    """Return the iP-VAE of a source; raise FileFormatError for another model's or an integer one.

    Sequences are evaluated with it alone.
    """
    return _float(load(source), source)


def _load_judged(source: NetworkSource) -> FloatNetwork | LatentNetwork:
    """Return the float network of a source; raise FileFormatError for an integer network."""
    return _float(load_any(source), source)


def _float(network: Float | IntegerNetwork, source: NetworkSource) -> Float:
    if isinstance(network, IntegerNetwork):
        raise FileFormatError(
            f"{named(source)}: an integer network, but evaluate needs a float checkpoint "
            "(model.safetensors); use ipvae-snn bench for the integer network"
        )
    return network


def plan_of(
    network: FloatNetwork | LatentNetwork,
    data: ImageSource,
    settings: EvaluationSettings = DEFAULT,
    progress: Progress = ignore,
) -> Plan:
    """Load all images before the run, so that missing ones are reported at once.

    Raises DataError for images that are missing or do not fit the network.
    """
    choice = ImageChoice(
        data, settings.split, settings.limit, settings.data_root, settings.white, progress
    )
    chosen = choice.selection_for(network)
    images = _load(data, chosen)
    check_images(network.image_shape, network.input_kind, images.pixels, images.kind, images.name)
    noted(images)
    others = None
    if settings.generalise:
        grey = replace(
            chosen,
            patch_size=images.image_shape[0],
            preparation=Preparation(images.image_shape[0], "none"),
        )

        def load_other(name: str) -> ImageSet:
            return _load(name, grey if name in NATURAL else chosen)

        others = other_sets(images, load_other, per_angle=settings.per_angle)
    return Plan(images, _training_images(data, images, chosen, settings), others)


def _load(data: ImageSource, chosen: Selection) -> ImageSet:
    """Return images of the split; of a user's own files, a part is held out for "test".

    Images given as an array are all evaluated.
    """
    holdout = isinstance(data, str | os.PathLike)
    return image_set(data, replace(chosen, holdout=holdout))


def _training_images(
    data: ImageSource, images: ImageSet, chosen: Selection, settings: EvaluationSettings
) -> ImageSet | str:
    """Return the training images of the read-out, or why there is no read-out."""
    if settings.readout_train == 0:
        return "not requested (--readout-train 0)"
    if images.labels is None:
        return f"{images.name} has no labels"
    if not isinstance(data, str | os.PathLike):
        return f"{images.name} is one set of images, with no training split"
    if settings.split == "train":
        return "the evaluated images are training images; give --split test"
    try:
        training = _load(data, replace(chosen, split="train", limit=settings.readout_train))
    except DataError as error:
        return str(error)
    return unfit_reason(training.labels, images.labels) or noted(training)


def carry_out(
    plan: Plan,
    network: FloatNetwork | LatentNetwork,
    request: EvaluationRequest,
    name: str,
    folder: PictureFolder | None = None,
    progress: Progress = ignore,
    spread: Spread = here,
) -> EvaluationResult:
    """Run all images of the plan, fit the read-out and draw.

    name: of the network in the report. folder: for the pictures, if given. spread: runs the images.
    """
    steps = Steps(progress, plan.total * request.steps)
    others = plan.others
    largest = max(map(len, (plan.images, *plan.sets)))
    require_evaluation(
        Shape(largest, request.steps, network.n_neurons, network.n_pixels),
        training=0 if isinstance(plan.training, str) else len(plan.training),
        recorded=len(recorded_steps(request.steps, request.training_steps)),
        chunk=evaluation.CHUNK,
    )

    def judge(images: ImageSet, shown: int = 0) -> Evaluated:
        steps.begin(f"{len(images)} images of {images.name}")
        return evaluation.evaluate(
            network, images, request, shown=shown, report=steps.add, spread=spread
        )

    start = time.perf_counter()
    judged = judge(plan.images, SHOWN)
    seconds = time.perf_counter() - start
    found = others.found if others else ()
    judged_others = {images.name: judge(images).evaluation for images in found}
    turned = others.by_angle if others else {}
    by_angle = {angle: judge(images).evaluation for angle, images in turned.items()}
    rates_of = partial(final_rates, network, request=request, report=steps.add, spread=spread)
    readout, paper = _readouts(plan, judged, rates_of, steps)
    steps.begin("done")
    pictures: tuple[Picture, ...] = plots.pictures(network, plan.images, judged)
    if by_angle:
        pictures += (plots.rotation_picture(plan.images.name, by_angle),)
    if folder is not None:
        pictures = save_all(pictures, folder)
    report = Report(
        checkpoint=name,
        checkpoint_sha256=network.source,
        trained_on=network.trained_on,
        evaluation=judged.evaluation,
        readout=readout,
        others=judged_others if others else None,
        left_out=others.left_out if others else None,
        plots=tuple(str(picture.path) for picture in pictures if picture.path is not None),
        seconds=seconds,
        paper_readout=paper,
        within=frozenset(images.name for images in others.within) if others else frozenset(),
        by_angle=by_angle,
    )
    return EvaluationResult(report, pictures)


def _readouts(
    plan: Plan,
    judged: Evaluated,
    rates_of: Callable[[ImageSet], Float32],
    steps: Steps,
) -> tuple[Readout | str, Readout | None]:
    """Return our read-out and the paper's, or why there is none and None."""
    training, labels = plan.training, plan.images.labels
    if isinstance(training, str) or training.labels is None or labels is None:
        return str(training), None
    steps.begin(f"{len(training)} training images for the read-out")
    rates = rates_of(training)
    steps.begin("linear read-out")
    ours = linear_readout(rates, training.labels, judged.rates, labels)
    steps.begin("linear read-out as in the paper")
    return ours, paper_readout(rates, training.labels, judged.rates, labels)
