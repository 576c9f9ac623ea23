"""Train a network with a user's settings, and show the progress."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from ipvae_snn.config import toml
from ipvae_snn.config.settings import Config
from ipvae_snn.data.request import Report, silent
from ipvae_snn.errors import ConfigError, TrainingError
from ipvae_snn.report.training_bar import training_bar
from ipvae_snn.storage.names import printable
from ipvae_snn.training.distributed import launched
from ipvae_snn.training.run_folder import RunFolder
from ipvae_snn.training.tensorboard import TensorBoardLog
from ipvae_snn.training.train import TrainResult, ignore_progress, train
from ipvae_snn.training.trainer import Progress, TrainProgress
from ipvae_snn.workflows.images import network_path
from ipvae_snn.workflows.training_images import advice_after, advice_on, load_training_data

__all__ = [
    "Extras",
    "OwnImages",
    "Reading",
    "SettingsChoice",
    "Trained",
    "load_training_data",
    "train_network",
    "training_bar",
]

# Opens a display for a number of iterations; its value receives the progress of each.
Display = Callable[[int], AbstractContextManager[Progress]]


class OwnImages(NamedTuple):
    """Treatment of the user's own images: data.patches, data.whiten, data.white where not None."""

    patches: int | None = None
    whiten: str | None = None
    white: float | None = None

    @property
    def overrides(self) -> list[str]:
        """The settings as "table.key=value"."""
        return [f"data.{name}={v}" for name, v in self._asdict().items() if v is not None]


DEFAULT_IMAGES: Final = OwnImages()


@dataclass(frozen=True)
class SettingsChoice:
    """Settings as a user names them; later fields override earlier ones.

    config: a TOML file. preset: settings that come with the package; by default the one for the
    data set, else "images". overrides: "table.key=value". data, device, quantise_aware: data.name,
    train.device and train.quantise_aware. own: how the user's own images are treated.
    """

    config: Path | None = None
    preset: str | None = None
    overrides: tuple[str, ...] = ()
    data: str | None = None
    device: str | None = None
    quantise_aware: int | None = None
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
        config = toml.with_overrides(config, [*self.overrides, *self.own.overrides])
        if self.data is not None:
            config = replace(config, data=replace(config.data, name=self.data))
        if self.device is not None:
            config = toml.with_overrides(config, [f"train.device={self.device}"])
        if self.quantise_aware is not None:
            config = toml.with_overrides(config, [f"train.quantise_aware={self.quantise_aware}"])
        return config


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
    what to try where the network reconstructs worse than the mean; else None.
    """

    result: TrainResult
    trained_on: str
    leads: bool
    advice: str | None = None

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


class Reading(NamedTuple):
    """Display of the reading of images, opened before it, and where remarks on them go.

    notice: receives a line that is no remark on the images.
    """

    display: Callable[[], AbstractContextManager[Report]]
    tell: Callable[[str], None]
    notice: Callable[[str], None]


def _no_reading() -> AbstractContextManager[Report]:
    return nullcontext(silent)


def _no_remark(_: str) -> None:
    return None


READING: Final = Reading(_no_reading, _no_remark, _no_remark)


def no_display(_: int) -> AbstractContextManager[Progress]:
    """Show nothing."""
    return nullcontext(ignore_progress)


def _check_folder(config: Config, out: Path, extras: Extras, tell: Callable[[str], None]) -> None:
    """Raise an error if the folder cannot take this run, before the images are loaded."""
    folder = RunFolder(out)
    folder.check(config, extras.resume)
    if extras.resume and folder.is_new(extras.resume):
        tell(f"{out}: holds no run to resume, so a new one starts")


def train_network(
    config: Config,
    out: Path,
    data_root: Path | None = None,
    extras: Extras = NONE,
    display: Display = no_display,
    reading: Reading = READING,
) -> Trained:
    """Train with `config` into the folder `out`; raises as `training.train.train` does.

    display: opened after the images are loaded, in the process that leads. reading: shows the
    progress of loading, and receives remarks on the images and the folder.
    """
    name = printable(config.data.name)  # of a file, which need not be valid text
    recorded = replace(config, data=replace(config.data, name=name))
    leads = launched().leads
    if leads:
        _check_folder(recorded, out, extras, reading.notice)
    start_from = network_path(extras.start_from) if extras.start_from else None
    with reading.display() if leads else nullcontext(silent) as report:
        training, held_out = load_training_data(config, data_root, report)
    advice = advice_on(training)
    remarks = dict.fromkeys((*training.remarks, *held_out.remarks, *([advice] if advice else [])))
    for remark in remarks if leads else ():
        reading.tell(remark)
    with ExitStack() as stack:
        observers: list[Progress] = []
        if leads and extras.tensorboard:
            observers.append(stack.enter_context(TensorBoardLog(out / "tensorboard")))
        if leads:
            observers.append(stack.enter_context(display(config.train.end)))

        def notify(progress: TrainProgress) -> None:
            for observe in observers:
                observe(progress)

        try:
            result = train(recorded, training, held_out, out, extras.resume, notify, start_from)
        except TrainingError as error:
            raise TrainingError(f"{error}; or: {advice}" if advice else str(error)) from error
    return Trained(result, config.data.name, leads, advice_after(result, training))
