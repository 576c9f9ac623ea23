"""Train a network, or import one of another program."""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ipvae_snn.config.settings import Value
from ipvae_snn.data.given import GIVEN, ImageSource
from ipvae_snn.image_shape import ImageShape
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.models.latent_module import load_trained
from ipvae_snn.models.latent_network import LatentNetwork
from ipvae_snn.models.networks import network_path
from ipvae_snn.progress import Progress, ignore
from ipvae_snn.training import train as training
from ipvae_snn.training.run_folder import RunFolder
from ipvae_snn.training.trainer import TrainProgress
from ipvae_snn.training.validation import Validation
from ipvae_snn.workflows import import_network as imports
from ipvae_snn.workflows.import_network import GivenImages, ImportResult, ImportSettings, Options
from ipvae_snn.workflows.train import OwnImages, SettingsChoice
from ipvae_snn.workflows.training_images import training_images


@dataclass(frozen=True)
class TrainingResult:
    """A trained network and its validation on held-out images.

    network: a FloatNetwork of a linear iP-VAE, a LatentNetwork of the other models. checkpoint: its
    file, None if no folder was given. seconds: of this call.
    """

    network: FloatNetwork | LatentNetwork
    validation: Validation
    checkpoint: Path | None
    iterations: int
    seconds: float

    def __repr__(self) -> str:
        """Return the network and its quality in one line."""
        scores = self.validation
        return (
            f"TrainingResult({self.network}, R2 {scores.r2:.3f}, zeros {scores.zeros:.3f}, "
            f"{self.iterations} iterations in {self.seconds:.0f} s)"
        )


def train(
    images: ImageSource,
    *,
    out: str | os.PathLike[str] | None = None,
    preset: str | None = None,
    patches: int | None = None,
    whiten: str | None = None,
    white: float | None = None,
    colour: bool | None = None,
    settings: Mapping[str, Value] | None = None,
    start_from: str | os.PathLike[str] | None = None,
    resume: bool = False,
    data_root: Path | None = None,
    progress: Progress = ignore,
) -> TrainingResult:
    """Train a network on images, of which every tenth is held out (a named set has its own).

    preset: settings that come with the package, by default those for the named set, "photographs"
    with patches, else "images". patches: cut whitened patches of so many pixels at a side from
    photographs of any size, and hold out whole photographs. whiten: "olshausen" or "none". white:
    the stored value that is white, where it is not that of the number type. colour: keep the
    colours of images instead of their grey luminance. start_from: checkpoint
    or pretrained name whose parameters are the first ones. settings: changes to the preset, as
    {"train.iterations": 2000, "model.n_latents": 256}. out: folder of the run, from which `resume`
    continues (`progress` hears if there is none, so that a new one starts); without it nothing is
    kept on disk. data_root: folder of public data sets. Raises ConfigError, DataError or
    TrainingError.
    """
    named = os.fspath(images) if isinstance(images, str | os.PathLike) else None
    own = OwnImages(patches, whiten, white, colour)
    overrides = tuple(f"{key}={json.dumps(value)}" for key, value in (settings or {}).items())
    chosen = SettingsChoice(preset=preset, overrides=overrides, data=named or GIVEN, own=own)
    config = chosen.resolve()
    seen, held_out = training_images(images, config, data_root, progress)
    config = replace(config, data=replace(config.data, name=seen.name))

    def report(now: TrainProgress) -> None:
        progress("training", now.iteration, now.iterations)

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "run") if out is None else Path(out)
        if RunFolder(folder).is_new(resume) and resume:
            progress(f"{folder}: holds no run to resume, so a new one starts", 0, 0)
        first = None if start_from is None else network_path(start_from)
        done = training.train(config, seen, held_out, folder, resume, report, first)
        network = load_trained(done.checkpoint)
    kept = None if out is None else done.checkpoint
    return TrainingResult(network, done.validation, kept, done.iterations, done.seconds)


def import_network(
    file: str | os.PathLike[str],
    out: str | os.PathLike[str],
    images: ImageSource | None = None,
    *,
    format: str | None = None,
    image_shape: ImageShape | None = None,
    input_kind: str | None = None,
    penalty: float | None = None,
    positive: bool | None = None,
    stride: int | None = None,
    patches: int | None = None,
    whiten: str | None = None,
    white: float | None = None,
    limit: int = 500,
    overwrite: bool = False,
    data_root: Path | None = None,
    progress: Progress = ignore,
) -> ImportResult:
    """Import a network or dictionary of another program as the checkpoint `out`.

    images: images like those it was made for (patches, whiten, white: as in `train`), of which
    `limit` are used; dictionaries and P-VAEs need them. format: by default recognised
    (docs/importing.md). image_shape ((height, width), with channels in colour), input_kind, penalty
    (alpha, lambda), positive (no negative codes), stride (of a convolutional layer): what the file
    does not state. overwrite: replace a file that is no imported checkpoint. Raises OutputError,
    FileFormatError, ConversionError, DataError or ConfigError.
    """
    kind = None if input_kind is None else imports.input_kind_of(input_kind)
    cut = imports.cut_of(patches, whiten)
    given = None if images is None else GivenImages(images, limit, "train", data_root, white, cut)
    options = Options(image_shape, kind, penalty, positive, stride)
    settings = ImportSettings(format, options, given)
    return imports.import_network(Path(file), Path(out), settings, progress, overwrite)
