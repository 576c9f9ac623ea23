"""Judge a float network, an integer one beside it, and what a run costs."""

import os
from collections.abc import Sequence
from pathlib import Path

from ipvae_snn.config.settings import Motion
from ipvae_snn.data.given import ImageSource
from ipvae_snn.ir.stop import target_of
from ipvae_snn.models.latent_network import LatentNetwork
from ipvae_snn.models.networks import NetworkSource, load_float, load_integer
from ipvae_snn.progress import Progress, ignore
from ipvae_snn.report.picture_files import picture_folder
from ipvae_snn.workflows import compare as comparisons
from ipvae_snn.workflows import energy as energies
from ipvae_snn.workflows import evaluate as evaluations
from ipvae_snn.workflows import evaluate_moving as moving
from ipvae_snn.workflows.compare import ComparisonResult, ComparisonSettings
from ipvae_snn.workflows.decodings import asked_decoding
from ipvae_snn.workflows.energy import EnergyResult, EnergySettings
from ipvae_snn.workflows.evaluate import EvaluationResult, EvaluationSettings
from ipvae_snn.workflows.evaluate_moving import MovingResult
from ipvae_snn.workflows.moving import motion_of


def evaluate(
    network: NetworkSource,
    images: ImageSource,
    *,
    steps: int = 1000,
    seed: int = 0,
    limit: int = 1000,
    mean_steps: int = 4,
    readout_train: int = 5000,
    generalise: bool = False,
    per_angle: int = 200,
    split: str = "test",
    threads: int = 1,
    data_root: Path | None = None,
    pictures: str | os.PathLike[str] | None = None,
    picture_format: str = "png",
    overwrite: bool = False,
    progress: Progress = ignore,
) -> EvaluationResult:
    """Evaluate a float network: R2, zeros, free energy, sparseness, label read-out, run-aways.

    network: of any model of the family.
    mean_steps: number of last draws whose mean is decoded, beside one sample and the rates.
    readout_train: training images of a named set for the read-outs, ours and the paper's, 0 for
    none. generalise: also evaluate turned images, other sets of 28x28 and grey patches of natural
    photographs; per_angle: images that are turned by each angle, 0 for none. pictures: folder;
    picture_format: png, svg, pdf or another of Matplotlib's. Raises ConversionError for an integer
    network, DataError for images that do not fit.
    """
    settings = EvaluationSettings(
        split,
        limit,
        steps,
        seed,
        readout_train,
        generalise,
        threads,
        data_root,
        mean_steps=mean_steps,
        per_angle=per_angle,
    )
    other = isinstance(network, LatentNetwork | str | os.PathLike)
    return evaluations.evaluate(
        network if other else load_float(network, "evaluate"),
        images,
        settings,
        pictures=picture_folder(pictures, picture_format),
        overwrite=overwrite,
        progress=progress,
    )


def evaluate_moving(
    network: NetworkSource,
    images: ImageSource,
    frames: int,
    motion: Motion | None = None,
    *,
    steps: int | None = None,
    seed: int = 0,
    limit: int = 1000,
    split: str = "test",
    threads: int = 1,
    data_root: Path | None = None,
    pictures: str | os.PathLike[str] | None = None,
    picture_format: str = "png",
    overwrite: bool = False,
    progress: Progress = ignore,
) -> MovingResult:
    """Evaluate a float network on sequences of frames, beside starting anew at every frame.

    motion: "drift" (still images that move) or "video" (films: arrays (N, F, H, W) or (N, F, H, W,
    3), videos, folders of frames; or consecutive images), by default as in training, or drift.
    steps: per frame, by default as in training, or 16. limit: of sequences. Others, and errors, as
    in `evaluate`.
    """
    settings = EvaluationSettings(split, limit, steps, seed, threads=threads, data_root=data_root)
    return moving.evaluate_moving(
        load_float(network, "evaluate_moving"),
        images,
        moving.Asked(frames, motion),
        settings,
        pictures=picture_folder(pictures, picture_format),
        overwrite=overwrite,
        progress=progress,
    )


def compare(
    network: NetworkSource,
    integer: NetworkSource,
    images: ImageSource,
    *,
    frames: int | None = None,
    motion: Motion | None = None,
    steps: int = 64,
    seeds: int = 5,
    seed: int = 0,
    limit: int = 100,
    mean_steps: int | None = None,
    attribution: bool = True,
    split: str = "test",
    threads: int = 2,
    data_root: Path | None = None,
    pictures: str | os.PathLike[str] | None = None,
    picture_format: str = "png",
    overwrite: bool = False,
    progress: Progress = ignore,
) -> ComparisonResult:
    """Compare an integer network with the float network it came from, on the same uniforms.

    frames, motion: of sequences, as in `verify`, over which potentials carry over. mean_steps:
    number of last steps whose mean is decoded, by default the integer network's, or 4. attribution:
    also replace each tensor of the float network by the integer one's, one at a time.
    pictures, picture_format: as in `evaluate`. Raises DataError if networks or images do not fit.
    """
    settings = ComparisonSettings(
        split,
        limit,
        steps,
        seeds,
        seed,
        attribution,
        threads,
        data_root,
        moving=motion_of(frames, motion),
        mean_steps=mean_steps,
    )
    return comparisons.compare(
        load_float(network, "compare"),
        load_integer(integer, "compare"),
        images,
        settings,
        pictures=picture_folder(pictures, picture_format),
        overwrite=overwrite,
        progress=progress,
    )


def energy(
    network: NetworkSource,
    images: ImageSource,
    profiles: Sequence[str] = (),
    *,
    steps: int = 64,
    seed: int = 0,
    decode: str | None = None,
    stop: float | str | None = None,
    limit: int = 100,
    split: str = "test",
    data_root: Path | None = None,
    pictures: str | os.PathLike[str] | None = None,
    picture_format: str = "png",
    overwrite: bool = False,
    progress: Progress = ignore,
) -> EnergyResult:
    """Count the operations of a run and estimate its energy by published figures (proxies).

    profiles: names or .toml files, by default all of the package with energies. decode, stop: as in
    `run`; nothing is counted after an image's stop. pictures, picture_format: as in `evaluate`.
    Raises ConfigError for a profile without energies.
    """
    return energies.energy(
        load_integer(network, "energy"),
        images,
        EnergySettings(
            tuple(profiles),
            split,
            limit,
            steps,
            seed,
            data_root,
            decoding=asked_decoding(decode),
            stop=target_of(stop),
        ),
        pictures=picture_folder(pictures, picture_format),
        overwrite=overwrite,
        progress=progress,
    )
