"""Train a network with a user's settings, and show the progress."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from ipvae_snn.config import toml
from ipvae_snn.config.settings import Config
from ipvae_snn.data import ImageSet, load
from ipvae_snn.errors import ConfigError
from ipvae_snn.progress import Begin, Progress, ignore, ignore_part
from ipvae_snn.report.document import Document, Span, paragraph
from ipvae_snn.storage.names import printable
from ipvae_snn.training.distributed import launched
from ipvae_snn.training.run_folder import RunFolder
from ipvae_snn.training.tensorboard import TensorBoardLog
from ipvae_snn.training.train import TrainResult, train
from ipvae_snn.training.trainer import Progress as Observer
from ipvae_snn.training.trainer import TrainProgress
from ipvae_snn.training.validation import Validation
from ipvae_snn.workflows.images import network_path

__all__ = [
    "Extras",
    "SettingsChoice",
    "Trained",
    "given",
    "load_training_data",
    "train_network",
]


@dataclass(frozen=True)
class SettingsChoice:
    """Settings as a user names them; later fields override earlier ones.

    config: a TOML file. preset: settings that come with the package; by default the one for the
    data set, else "images". overrides: "table.key=value". data: data.name. short: settings of the
    table [train] that have an option of their own.
    """

    config: Path | None = None
    preset: str | None = None
    overrides: tuple[str, ...] = ()
    data: str | None = None
    short: tuple[str, ...] = ()

    def resolve(self) -> Config:
        """Return the settings; raise ConfigError for the first that is wrong."""
        if self.config is not None and self.preset is not None:
            raise ConfigError("give --config or --preset, not both; --set changes either")
        if self.config is not None:
            config = toml.load_config(self.config)
        else:
            config = toml.load_preset(self.preset or toml.preset_for(self.data))
        config = toml.with_overrides(config, self.overrides)
        if self.data is not None:
            config = replace(config, data=replace(config.data, name=self.data))
        return toml.with_overrides(config, self.short)


def given(short: Mapping[str, object]) -> tuple[str, ...]:
    """Return overrides of the table [train] for the settings that are not None."""
    return tuple(f"train.{key}={value}" for key, value in short.items() if value is not None)


@dataclass(frozen=True)
class Extras:
    """Options of a training run besides its settings.

    start_from: checkpoint or pretrained name that gives the initial parameters. tensorboard: write
    TensorBoard events to OUT/tensorboard.
    """

    resume: bool = False
    start_from: Path | None = None
    tensorboard: bool = False


NONE: Final = Extras()


@dataclass(frozen=True)
class Trained:
    """Result of a run: the checkpoint, its validation on held-out images, and seconds of the call.

    leads: whether this process, of all that share the run, writes the files and reports.
    """

    result: TrainResult
    trained_on: str
    leads: bool

    @property
    def checkpoint(self) -> Path:
        """The file of the trained network."""
        return self.result.checkpoint

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "model": str(self.result.checkpoint),
            "iterations": self.result.iterations,
            "seconds": self.result.seconds,
            "validation": asdict(self.result.validation),
        }

    def document(self) -> Document:
        """Return the quality on held-out images, and the command that converts the network."""
        result = self.result
        line = paragraph(
            Span(str(result.checkpoint), "strong"),
            f": R2 {result.validation.r2:.3f}, zeros {result.validation.zeros:.3f} on held-out "
            f"images after {result.iterations} iterations in {result.seconds:.0f} s",
        )
        following = f"next: ipvae-snn convert {result.checkpoint}"
        return Document("Training", (line, paragraph(following)))


def reported_to(progress: Progress) -> Observer:
    """Return an observer of training that reports loss, and the latest R2 and zeros held out."""
    latest: list[Validation] = []

    def observe(now: TrainProgress) -> None:
        if now.validation is not None:
            latest[:] = [now.validation]
        scores = "".join(f", R2 {each.r2:.3f}, zeros {each.zeros:.3f}" for each in latest)
        progress(f"training, loss {now.loss:.1f}{scores}", now.iteration, now.iterations)

    return observe


def load_training_data(config: Config, data_root: Path | None) -> tuple[ImageSet, ImageSet]:
    """Return the training and validation images that a config asks for."""
    name, settings = config.data.name, config.data
    training = load(name, "train", data_root, settings.limit or None, holdout=True)
    held_out = load(name, "test", data_root, settings.validation_limit or None, holdout=True)
    return training, held_out


def _check_folder(config: Config, out: Path, extras: Extras, report: Begin) -> None:
    """Raise an error if the folder cannot take this run, before the images are loaded."""
    folder = RunFolder(out)
    folder.check(config, extras.resume)
    if extras.resume and folder.is_new(extras.resume):
        report(f"{out}: holds no run to resume, so a new one starts")


def train_network(
    config: Config,
    out: Path,
    data_root: Path | None = None,
    extras: Extras = NONE,
    progress: Progress = ignore,
    report: Begin = ignore_part,
) -> Trained:
    """Train with `config` into the folder `out`; raises as `training.train.train` does.

    progress: receives iterations, in the process that leads. report: receives a line if there is
    nothing to resume, so that a new run starts.
    """
    name = printable(config.data.name)  # of a file, which need not be valid text
    recorded = replace(config, data=replace(config.data, name=name))
    leads = launched().leads
    if leads:
        _check_folder(recorded, out, extras, report)
        progress(f"images of {name}", 0, 0)
    start_from = network_path(extras.start_from) if extras.start_from else None
    training, held_out = load_training_data(config, data_root)
    with ExitStack() as stack:
        observers: list[Observer] = []
        if leads and extras.tensorboard:
            observers.append(stack.enter_context(TensorBoardLog(out / "tensorboard")))
        if leads:
            observers.append(reported_to(progress))
            progress("training", 0, config.train.end)  # the first iteration may compile for long

        def notify(now: TrainProgress) -> None:
            for observe in observers:
                observe(now)

        result = train(recorded, training, held_out, out, extras.resume, notify, start_from)
    return Trained(result, config.data.name, leads)
