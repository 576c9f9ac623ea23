"""Files of a training run: config.toml, metrics.jsonl, state and model."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ipvae_snn.config.settings import Config
from ipvae_snn.config.toml import differing_keys, to_toml
from ipvae_snn.data.base import ImageSet
from ipvae_snn.errors import ConfigError, DataError, FileFormatError
from ipvae_snn.storage.atomic import write_text
from ipvae_snn.storage.locks import require_free
from ipvae_snn.storage.outputs import check_folder
from ipvae_snn.storage.source_files import open_regular
from ipvae_snn.storage.text_values import parse_json_object, whole
from ipvae_snn.training.state import TrainingState, load_state

Record = Mapping[str, int | float | str]
STOP: Final = "train.stop_at"  # a later one changes nothing that was done


@dataclass(frozen=True)
class RunFolder:
    """Paths of a run's files; the state file alone decides where a run continues."""

    path: Path

    @property
    def model(self) -> Path:
        """The trained network."""
        return self.path / "model.safetensors"

    @property
    def state(self) -> Path:
        """The training state; it is written before the model, which can be derived from it."""
        return self.path / "state.safetensors"

    @property
    def config(self) -> Path:
        """The settings."""
        return self.path / "config.toml"

    @property
    def metrics(self) -> Path:
        """Metrics, one JSON record per line."""
        return self.path / "metrics.jsonl"

    def check(self, config: Config, resume: bool) -> None:
        """Raise an error if no run can start or be resumed here; nothing is changed.

        OutputError if the folder cannot be written or another run writes there, FileFormatError if
        it holds a run and `resume` is False, or holds settings only, of a run that saved no state.
        """
        check_folder(self.path)
        require_free(self.path)
        if not resume:
            self._check_start(config)
        elif not self.state.exists() and self.model.exists():
            raise FileFormatError(
                f"{self.path}: holds a model but no {self.state.name} to continue from; train "
                "into another folder"
            )
        elif not self.state.exists() and self.config.exists():
            raise FileFormatError(
                f"{self.path}: holds the settings of a run that saved no {self.state.name}, so "
                "there is nothing to continue from; start it anew without --resume"
            )

    def is_new(self, resume: bool) -> bool:
        """Return whether a run starts here, be it that there is nothing to resume."""
        return not (resume and self.state.exists())

    def _check_start(self, config: Config) -> None:
        """Raise FileFormatError if the folder holds a run, or a config.toml of other origin.

        The initial state of a run that ended before its first checkpoint is no run yet.
        """
        present = [file for file in (self.state, self.model, self.metrics) if file.exists()]
        if present == [self.state] and load_state(self.state).iteration == 0:
            return
        if present:
            raise FileFormatError(
                f"{self.path}: holds a training run already ({present[0].name}); continue it with "
                "--resume, or choose another folder"
            )
        if self.config.exists() and self.config.read_bytes() != to_toml(config).encode():
            raise FileFormatError(
                f"{self.config}: exists and holds other settings, which this run would replace by "
                "its own; choose another folder, or remove it"
            )

    def start(self, config: Config) -> None:
        """Start a new run; FileFormatError if the folder already holds one."""
        self._check_start(config)
        self.path.mkdir(parents=True, exist_ok=True)
        write_text(self.config, to_toml(config))

    def resume(self, config: Config, data: str) -> TrainingState:
        """Return the state to continue from.

        Cuts the metrics back to that state, and keeps a new train.stop_at. Raises ConfigError if
        other settings differ from the run's, or the run is past the stop, DataError if the images
        differ, FileFormatError if the state cannot be read.
        """
        state = load_state(self.state)
        different = [key for key in differing_keys(config, state.config) if key != STOP]
        if different:
            raise ConfigError(
                f"{self.path}: the run was started with other settings for {', '.join(different)}; "
                "resume with the run's own config.toml, or train into another folder"
            )
        if data != state.data:
            raise DataError(
                f"{self.path}: the training images are not those that the run was started with; "
                "give the same data, or train into another folder"
            )
        if config.train.end < state.iteration:
            raise ConfigError(
                f"{self.path}: the run is at iteration {state.iteration}, beyond "
                f"{STOP}={config.train.stop_at}; give a later one, or 0 for all iterations"
            )
        self.cut_metrics(state.iteration)
        if config != state.config:
            write_text(self.config, to_toml(config))
        return state

    def append(self, record: Record) -> None:
        """Add one record to the metrics, flushed."""
        with self.metrics.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(dict(record)) + "\n")

    def cut_metrics(self, iteration: int) -> None:
        """Keep the complete records up to `iteration`; remove later and truncated ones."""
        kept = [r for r in self.read_metrics() if int(r["iteration"]) <= iteration]
        write_text(self.metrics, "".join(json.dumps(dict(r)) + "\n" for r in kept))

    def read_metrics(self) -> list[Record]:
        """Return the records before the first truncated one; none if there is no file."""
        records: list[Record] = []
        if not self.metrics.exists():
            return records
        with open_regular(self.metrics) as stream:
            lines = stream.read().decode("utf-8", errors="replace").split("\n")
        for line in lines:
            try:
                record = parse_json_object(line, finite=False)
                whole(record["iteration"], "iteration")
            except (ValueError, KeyError):
                break
            records.append(record)
        return records


def fingerprint(images: ImageSet) -> str:
    """Return the SHA-256 of the pixels and their shape."""
    digest = hashlib.sha256(str(images.pixels.shape).encode())
    digest.update(images.pixels.tobytes())
    return digest.hexdigest()
