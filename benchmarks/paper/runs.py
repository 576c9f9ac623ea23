"""Training of the networks that are missing; finished ones are taken as they are."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.paper.plan import Member
from ipvae_snn.config.settings import Config
from ipvae_snn.config.toml import differing_keys, load_config
from ipvae_snn.data import ImageSet
from ipvae_snn.errors import ConfigError, FileFormatError
from ipvae_snn.training.run_folder import RunFolder
from ipvae_snn.training.state import load_state
from ipvae_snn.training.train import train
from ipvae_snn.training.trainer import TrainProgress

ITERATIONS: Final = "train.iterations"
# What changes no result, or rounding alone: where and how a run was computed, and its records.
FREE: Final = frozenset(
    (
        *("train.device", "train.threads", "train.sampling", "train.cuda_graphs"),
        *("train.log_interval", "train.checkpoint_interval", "train.validation_interval"),
        "data.validation_limit",
    )
)
Images = Callable[[Config], tuple[ImageSet, ImageSet]]


@dataclass(frozen=True)
class Run:
    """A network's folder, the settings of its run, and whether the run is finished."""

    member: Member
    folder: RunFolder
    config: Config
    finished: bool

    @property
    def checkpoint(self) -> Path:
        """The trained network."""
        return self.folder.model

    @property
    def iterations(self) -> int:
        """Number of iterations, those of the run itself."""
        return self.config.train.end


def run_of(member: Member, wanted: Config, runs: Path, accept_iterations: bool = False) -> Run:
    """Return what lies in a network's folder, or what is to be trained there.

    accept_iterations: take a run of another number of iterations. Raises ConfigError if the folder
    holds a run of other settings, FileFormatError if it cannot be read.
    """
    folder = RunFolder(runs / member.name)
    if not folder.config.exists():
        if folder.model.exists():
            raise FileFormatError(
                f"{folder.path}: holds {folder.model.name} but no {folder.config.name}, so its "
                "settings are not known; copy that file too, or give another folder by --runs"
            )
        return Run(member, folder, wanted, False)
    stored = load_config(folder.config)
    allowed = FREE | {ITERATIONS} if accept_iterations else FREE
    different = [key for key in differing_keys(wanted, stored) if key not in allowed]
    if different == [ITERATIONS]:
        raise ConfigError(
            f"{folder.path}: holds a run of {stored.train.iterations:,} iterations, but the plan "
            f"has {wanted.train.iterations:,}; add --accept-iterations to take it as it is, or "
            "give another folder by --runs"
        )
    if different:
        raise ConfigError(
            f"{folder.path}: holds a run with other settings than the plan's for "
            f"{', '.join(different)}; remove it, or give another folder by --runs"
        )
    return Run(member, folder, stored, _is_finished(folder, stored))


def _is_finished(folder: RunFolder, config: Config) -> bool:
    """Return whether all iterations are done; a run that was copied may be without its state."""
    if not folder.model.exists():
        return False
    if folder.state.exists():
        return load_state(folder.state).iteration >= config.train.end
    records = folder.read_metrics()
    if not records or int(records[-1]["iteration"]) < config.train.end:
        raise FileFormatError(
            f"{folder.path}: holds {folder.model.name} of a run that is not finished, or without "
            f"its {folder.metrics.name}, and no {folder.state.name} to go on from; copy them too, "
            "or give another folder by --runs"
        )
    return True


def trained(
    run: Run, images: Images, progress: Callable[[int], None], start: Path | None = None
) -> None:
    """Train a network, or go on with its run; progress: receives the iterations done.

    A run goes on with its own settings. start: a checkpoint whose parameters are the first ones.
    Raises as `training.train.train`.
    """

    def report(now: TrainProgress) -> None:
        progress(now.iteration)

    data = images(run.config)
    train(run.config, *data, run.folder.path, resume=True, progress=report, start_from=start)
