"""Train a network with a user's settings, and show the progress."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from ipvae_snn.config import toml
from ipvae_snn.config.settings import Config, is_nonlinear
from ipvae_snn.errors import ConfigError, TrainingError
from ipvae_snn.models.registry import COMPILED
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
from ipvae_snn.watcher import parts
from ipvae_snn.workflows.images import network_path
from ipvae_snn.workflows.training_images import advice_after, advice_on, load_training_data

__all__ = [
    "Extras",
    "OwnImages",
    "SettingsChoice",
    "Trained",
    "given",
    "load_training_data",
    "train_network",
]


class OwnImages(NamedTuple):
    """Treatment of images: data.patches, whiten, white and colour where they are not None."""

    patches: int | None = None
    whiten: str | None = None
    white: float | None = None
    colour: bool | None = None

    @property
    def overrides(self) -> list[str]:
        """The settings as "table.key=value"."""
        given = {name: value for name, value in self._asdict().items() if value is not None}
        return [f"data.{name}={str(value).lower()}" for name, value in given.items()]


DEFAULT_IMAGES: Final = OwnImages()


@dataclass(frozen=True)
class SettingsChoice:
    """Settings as a user names them; later fields override earlier ones.

    config: a TOML file. preset: settings that come with the package; by default the one for the
    data set, else "images". overrides: "table.key=value". data: data.name. short: settings of the
    table [train] that have an option of their own. own: how the user's own images are treated.
    """

    config: Path | None = None
    preset: str | None = None
    overrides: tuple[str, ...] = ()
    data: str | None = None
    short: tuple[str, ...] = ()
    own: OwnImages = DEFAULT_IMAGES

    def resolve(self) -> Config:
        """Return the settings; raise ConfigError for the first that is wrong."""
        if self.config is not None and self.preset is not None:
            raise ConfigError("give --config or --preset, not both; --set changes either")
        if self.config is not None:
            config = toml.load_config(self.config)
        else:
            preset = self.preset or toml.preset_for(self.data, self.own.patches or 0)
            config = toml.load_preset(preset)
        config = toml.with_overrides(config, self.overrides)
        config = toml.with_overrides(config, self.own.overrides, "the images")
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

    leads: whether this process, of all that share the run, writes the files and reports. advice:
    what to try where the network reconstructs worse than the mean; else None. following: the
    command that takes the network next.
    """

    result: TrainResult
    trained_on: str
    leads: bool
    advice: str | None = None
    following: str = "convert"

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
        """Return the quality on held-out images, and the command that comes next."""
        result = self.result
        line = paragraph(
            Span(str(result.checkpoint), "strong"),
            f": R2 {result.validation.r2:.3f} (median {result.validation.r2_median:.3f}, pooled "
            f"{result.validation.r2_pooled:.3f}), zeros {result.validation.zeros:.3f}"
            f"{_cost(result.validation)} on held-out images after {result.iterations} iterations "
            f"in {result.seconds:.0f} s",
        )
        following = paragraph(f"next: ipvae-snn {self.following} {result.checkpoint}")
        advice = () if self.advice is None else (paragraph(self.advice),)
        return Document("Training", (line, *advice, following))


def _cost(validation: Validation) -> str:
    """Return what the steps cost, in words; nothing where it was not counted."""
    operations = validation.operations
    return "" if operations is None else f", {operations:,.0f} synaptic operations an image"


def reported_to(progress: Progress) -> Observer:
    """Return an observer of training that reports loss, and the latest R2 and zeros held out."""
    latest: list[Validation] = []

    def observe(now: TrainProgress) -> None:
        if now.validation is not None:
            latest[:] = [now.validation]
        scores = "".join(
            f", R2 {each.r2:.3f}, zeros {each.zeros:.3f}{_cost(each)}" for each in latest
        )
        progress(f"training, loss {now.loss:.1f}{scores}", now.iteration, now.iterations)

    return observe


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

    progress: receives images that are read, and iterations, in the process that leads. report:
    receives remarks on the images, and a line if there is nothing to resume, so that a new run
    starts.
    """
    name = printable(config.data.name)  # of a file, which need not be valid text
    recorded = replace(config, data=replace(config.data, name=name))
    leads = launched().leads
    if leads:
        _check_folder(recorded, out, extras, report)
        progress(f"images of {name}", 0, 0)
    start_from = network_path(extras.start_from) if extras.start_from else None
    training, held_out = load_training_data(config, data_root, progress if leads else ignore)
    advice = advice_on(training)
    remarks = dict.fromkeys((*training.remarks, *held_out.remarks, *([advice] if advice else [])))
    for remark in remarks if leads else ():
        report(remark)
    with ExitStack() as stack:
        observers: list[Observer] = []
        if leads and extras.tensorboard:
            observers.append(stack.enter_context(TensorBoardLog(out / "tensorboard")))
        if leads:
            observers.append(reported_to(progress))
            if config.model.phi_start == "sparse-coding":
                stack.enter_context(parts(progress))("first dictionary")
            else:
                # the first iteration may compile for long
                progress("training", 0, config.train.end)

        def notify(now: TrainProgress) -> None:
            for observe in observers:
                observe(now)

        try:
            result = train(recorded, training, held_out, out, extras.resume, notify, start_from)
        except TrainingError as error:
            raise TrainingError(f"{error}; or: {advice}" if advice else str(error)) from error
    # Only iP-VAEs with a linear decoder become integer networks.
    becomes = config.model.kind == COMPILED and not is_nonlinear(config.model.dictionary)
    following = "convert" if becomes else f"evaluate --data {config.data.name}"
    advice = advice_after(result, training)
    return Trained(result, config.data.name, leads, advice, following)
