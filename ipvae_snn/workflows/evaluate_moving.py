"""Evaluate a float network on sequences of frames: potentials carry over from frame to frame."""

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from ipvae_snn.data.given import ImageSource
from ipvae_snn.data.own_sequences import sequence_set
from ipvae_snn.data.sequences import Moving, Sequences
from ipvae_snn.errors import ConfigError
from ipvae_snn.evaluation import evaluate as evaluation
from ipvae_snn.evaluation import moving_plots
from ipvae_snn.evaluation.moving import evaluate_moving as run_sequences
from ipvae_snn.evaluation.moving_report import MovingReport
from ipvae_snn.ir.encode import check_images
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.models.networks import NetworkSource, named
from ipvae_snn.progress import Progress, Steps, ignore
from ipvae_snn.report.document import Picture
from ipvae_snn.report.json_files import write_json
from ipvae_snn.report.picture_files import PictureFolder, save_all
from ipvae_snn.workflows.cluster import cluster_of
from ipvae_snn.workflows.estimates import Shape, require_evaluation
from ipvae_snn.workflows.evaluate import (
    DEFAULT,
    EvaluationResult,
    EvaluationSettings,
    evaluate,
    load_checked,
)
from ipvae_snn.workflows.image_choice import ImageChoice, noted
from ipvae_snn.workflows.images import described
from ipvae_snn.workflows.moving import Asked, motion_of, steps_per_frame
from ipvae_snn.workflows.outputs import (
    MOVING,
    check_outputs,
    outputs,
    picture_outputs,
    save_or_spare,
)
from ipvae_snn.workflows.results import ReportResult

__all__ = [
    "Asked",
    "EvaluationSettings",
    "MovingResult",
    "cluster_of",
    "evaluate_as_asked",
    "evaluate_moving",
    "motion_of",
    "sequences_for",
]

SHOWN: Final = 2  # sequences in the picture of reconstructions


class MovingResult(ReportResult[MovingReport]):
    """Evaluation of a float network on sequences."""


def evaluate_moving(
    source: NetworkSource,
    data: ImageSource,
    asked: Asked,
    settings: EvaluationSettings = DEFAULT,
    *,
    pictures: PictureFolder | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    progress: Progress = ignore,
) -> MovingResult:
    """Evaluate a float network on sequences of the images `data`, as `asked` makes them.

    settings.limit counts sequences, settings.steps are those of each frame. Files as `evaluate`
    writes them. Raises ConfigError for parts of an evaluation that sequences have not, and the
    errors of `evaluate`.
    """
    if settings.generalise:
        raise ConfigError(
            "--generalise is measured on still images; leave it out, or leave out --frames"
        )
    if settings.cluster is not None:
        raise ConfigError(
            "--scheduler and --workers are for still images; leave them out, or leave out --frames"
        )
    written = (*picture_outputs(pictures, moving_plots.NAMES), *outputs((out, MOVING)))
    free = check_outputs(written, (source, data), overwrite)
    network = load_checked(source)
    moving = asked.moving(network)
    steps = settings.steps or steps_per_frame(network)
    request = evaluation.request_of(
        network, steps, settings.seed, settings.threads, settings.mean_steps
    )
    progress(described(data), 0, 0)
    sequences = sequences_for(network, data, moving, settings, progress)
    start = time.perf_counter()
    done = Steps(progress, (2 * moving.frames - 1) * len(sequences) * steps)
    done.begin(f"{len(sequences)} sequences of {moving.frames} frames")
    judged = run_sequences(network, sequences, request, shown=SHOWN, report=done.add)
    seconds = time.perf_counter() - start
    drawn: tuple[Picture, ...] = moving_plots.pictures(network, sequences, judged)
    if pictures is not None:
        drawn = save_all(drawn, pictures._replace(free=free))
    report = MovingReport(
        checkpoint=named(source),
        checkpoint_sha256=network.source,
        trained_on=network.trained_on,
        evaluation=judged.evaluation,
        plots=tuple(str(picture.path) for picture in drawn if picture.path is not None),
        seconds=seconds,
    )
    result = MovingResult(report, drawn)
    if out is not None:
        save_or_spare(out, lambda path: write_json(path, result.as_json()), free)
    return result


def evaluate_as_asked(
    source: NetworkSource,
    data: ImageSource,
    asked: Asked | None,
    settings: EvaluationSettings = DEFAULT,
    *,
    pictures: PictureFolder | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    progress: Progress = ignore,
) -> EvaluationResult | MovingResult:
    """Evaluate a float network on still images, or on sequences if they are asked for."""
    if asked is None:
        return evaluate(
            source,
            data,
            settings,
            pictures=pictures,
            out=out,
            overwrite=overwrite,
            progress=progress,
        )
    return evaluate_moving(
        source,
        data,
        asked,
        settings,
        pictures=pictures,
        out=out,
        overwrite=overwrite,
        progress=progress,
    )


def sequences_for(
    network: FloatNetwork,
    data: ImageSource,
    moving: Moving,
    settings: EvaluationSettings,
    progress: Progress = ignore,
) -> Sequences:
    """Return the sequences, as the network's training images were treated.

    Of a user's own files, a part is held out for "test". Raises DataError for images that do not
    fit, MemoryLimitError where their evaluation does not.
    """
    choice = ImageChoice(
        data, settings.split, settings.limit, settings.data_root, settings.white, progress
    )
    chosen = replace(choice.selection_for(network), holdout=isinstance(data, str | os.PathLike))
    sequences = sequence_set(data, chosen, moving)
    images = sequences.images
    check_images(network.image_shape, network.input_kind, images.pixels, images.kind, images.name)
    noted(images)
    # Both ways are kept, and each frame of them.
    require_evaluation(
        Shape(2 * len(sequences), 1, network.n_neurons, network.n_pixels),
        training=0,
        recorded=moving.frames,
        chunk=2 * evaluation.CHUNK,
    )
    return sequences
