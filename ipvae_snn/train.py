"""Train an iP-VAE; a run that was killed at any moment goes on to the very same result."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import IntEnum
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ipvae_snn.checkpoint import Origin, TrainingState, save_model, save_state
from ipvae_snn.config import Config
from ipvae_snn.data.base import ImageSet
from ipvae_snn.distributions import generator_draw, relaxed_poisson
from ipvae_snn.errors import ConfigError, DataError, TrainingError
from ipvae_snn.model import IterativePoissonVAE
from ipvae_snn.objective import Unrolled, unrolled_loss
from ipvae_snn.run_folder import RunFolder, fingerprint
from ipvae_snn.schedules import Moment, moment
from ipvae_snn.validation import Validation, validate

# Above this share of silent neurons the code carries nothing.
SILENT_ZEROS: Final = 0.999


class Stream(IntEnum):
    """What a random stream is for; with seed and iteration it keys the stream."""

    INITIAL = 0
    NOISE = 1
    SHUFFLE = 2
    VALIDATION = 3


@dataclass(frozen=True)
class TrainProgress:
    """What a progress display may show: `iteration` of `iterations` are done."""

    iteration: int
    iterations: int
    loss: float
    validation: Validation | None


@dataclass(frozen=True)
class TrainResult:
    """The end of a run: the checkpoint, its validation, and the seconds this call took."""

    checkpoint: Path
    iterations: int
    validation: Validation
    seconds: float


Progress = Callable[[TrainProgress], None]


def ignore_progress(_: TrainProgress) -> None:
    """Show nothing."""


def train(
    config: Config,
    images: ImageSet,
    validation: ImageSet,
    out: Path,
    resume: bool = False,
    progress: Progress = ignore_progress,
) -> TrainResult:
    """Train on `images`, keep the run in folder `out`, and return how it ended.

    With `resume` the run in `out` is continued from its last checkpoint; on the CPU it ends
    bit for bit as an unbroken run does. Raises
    FileFormatError if `out` holds a run and resume is False, ConfigError or DataError if it was
    started with other settings or images, TrainingError if training fails.
    """
    started = time.monotonic()
    _check_images(images, validation)
    device = _device(config.train.device)
    folder = RunFolder(Path(out))
    data = fingerprint(images)
    if resume:
        state = folder.resume(config, data)
    else:
        folder.start(config)
        state = None
    trainer = _Trainer(config, images, validation, device, folder, data)
    with cpu_threads(config.train.threads):
        result = trainer.run(state, progress)
    return TrainResult(folder.model, config.train.iterations, result, time.monotonic() - started)


@contextmanager
def cpu_threads(count: int) -> Iterator[None]:
    """Let torch use `count` CPU threads within the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def batch_indices(
    n_images: int, batch_size: int, seed: int, iteration: int
) -> npt.NDArray[np.int64]:
    """Return the images of an iteration's batch, int64: each image once an epoch, rest dropped."""
    size = min(batch_size, n_images)
    epoch, position = divmod(iteration, n_images // size)
    return _epoch_order(n_images, seed, epoch)[position * size : (position + 1) * size]


@lru_cache(maxsize=1)
def _epoch_order(n_images: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng([seed, Stream.SHUFFLE, epoch]).permutation(n_images)


def keyed_generator(
    device: torch.device, seed: int, stream: Stream, iteration: int
) -> torch.Generator:
    """Return a generator that depends on its key only, so that none has to be kept."""
    key = np.random.SeedSequence([seed, stream, iteration]).generate_state(1, np.uint64)[0]
    return torch.Generator(device=device).manual_seed(int(key) >> 1)


class _Trainer:
    """The moving parts of one run: model, optimiser, images on the device, files."""

    def __init__(
        self,
        config: Config,
        images: ImageSet,
        validation: ImageSet,
        device: torch.device,
        folder: RunFolder,
        data: str,
    ) -> None:
        self.config = config
        self.device = device
        self.folder = folder
        self.data = data
        self.origin = Origin(images.name, images.kind, images.image_shape)
        self.x = torch.from_numpy(np.ascontiguousarray(images.pixels)).to(device)
        self.x_validation = torch.from_numpy(np.ascontiguousarray(validation.pixels)).to(device)
        seed = config.train.seed
        initial = keyed_generator(torch.device("cpu"), seed, Stream.INITIAL, 0)
        self.model = IterativePoissonVAE(self.x.shape[1], config.model, initial).to(device)
        self.optimiser = torch.optim.Adamax(
            self.model.parameters(),
            lr=config.train.learning_rate,
            weight_decay=config.train.weight_decay,
        )

    def run(self, state: TrainingState | None, progress: Progress) -> Validation:
        """Go on from `state` to the last iteration; return the last validation."""
        settings = self.config.train
        done = 0
        if state is not None:
            self._restore(state)
            done = state.iteration
        latest: Validation | None = None
        for iteration in range(done, settings.iterations):
            now = moment(self.config.model, settings, iteration)
            unrolled, norm = self._step(iteration, now)
            loss = float(unrolled.loss.detach())
            self._check_finite(loss, norm, iteration)
            done = iteration + 1
            last = done == settings.iterations
            if done % settings.log_interval == 0 or last:
                self.folder.append(_record(done, now, unrolled, loss, norm))
            if last or (settings.validation_interval and done % settings.validation_interval == 0):
                latest = self._validate(done)
                self.folder.append({"iteration": done, "kind": "validation", **asdict(latest)})
            if done % settings.checkpoint_interval == 0 or last:
                self._checkpoint(done)
            progress(TrainProgress(done, settings.iterations, loss, latest))
        if latest is None:
            # A finished run was resumed: a kill may have left its model one checkpoint behind.
            latest = self._validate(done)
            self._checkpoint(done)
        return latest

    def _step(self, iteration: int, now: Moment) -> tuple[Unrolled, float]:
        settings = self.config.train
        batch = batch_indices(len(self.x), settings.batch_size, settings.seed, iteration)
        x = self.x[torch.from_numpy(batch).to(self.device)]
        generator = keyed_generator(self.device, settings.seed, Stream.NOISE, iteration)

        def sample(u: Tensor, _step: int) -> Tensor:
            return relaxed_poisson(u, now.temperature, generator_draw(u.shape, u, generator))

        unrolled = unrolled_loss(
            self.model.view(), x, sample, steps=settings.steps, beta=now.beta, kl=settings.kl,
            clip=now.clip, floor=self.config.model.floor,
        )  # fmt: skip
        for group in self.optimiser.param_groups:
            group["lr"] = now.learning_rate
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(unrolled.loss)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), now.grad_clip)
        if bool(torch.isfinite(norm)):
            self.optimiser.step()
        return unrolled, float(norm)

    def _validate(self, iteration: int) -> Validation:
        settings = self.config.train
        generator = keyed_generator(self.device, settings.seed, Stream.VALIDATION, iteration)
        found = validate(
            self.model.view(), self.x_validation, self.config.model,
            steps=settings.steps, kl=settings.kl, generator=generator,
        )  # fmt: skip
        ramp = settings.beta_ramp_fraction * settings.iterations
        if found.zeros > SILENT_ZEROS and iteration > ramp:
            raise TrainingError(
                f"training fell silent: {found.zeros:.2%} of the spike counts are zero at "
                f"iteration {iteration} (limit {SILENT_ZEROS:.1%}); lengthen "
                "train.beta_ramp_fraction, or lower train.beta"
            )
        return found

    def _check_finite(self, loss: float, norm: float, iteration: int) -> None:
        if not (np.isfinite(loss) and np.isfinite(norm)):
            raise TrainingError(
                f"training ran away: loss {loss:.4g} and gradient norm {norm:.4g} at iteration "
                f"{iteration} must be finite; lower train.learning_rate, train.grad_clip or "
                "model.clip, or lengthen train.beta_ramp_fraction"
            )

    def _checkpoint(self, iteration: int) -> None:
        names = dict(self.model.named_parameters())
        state = self.optimiser.state
        moments = {
            f"{name}.{key}": value
            for name, parameter in names.items()
            for key, value in state[parameter].items()
        }
        # The state comes first: after a kill between the two, resuming writes the model again.
        save_state(
            self.folder.state,
            TrainingState(iteration, names, moments, self.config, self.data),
        )
        save_model(self.folder.model, self.model, self.config, self.origin)

    def _restore(self, state: TrainingState) -> None:
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(state.parameters[name])
                moments = {
                    key.rpartition(".")[2]: value.clone()
                    for key, value in state.moments.items()
                    if key.rpartition(".")[0] == name
                }
                # The step count stays on the CPU, where the optimiser makes it.
                self.optimiser.state[parameter] = {
                    key: value if key == "step" else value.to(self.device)
                    for key, value in moments.items()
                }


def _record(
    iteration: int, now: Moment, unrolled: Unrolled, loss: float, norm: float
) -> dict[str, int | float | str]:
    return {
        "iteration": iteration,
        "kind": "train",
        "loss": loss,
        "nll": float(unrolled.nll),
        "kl": float(unrolled.kl),
        "rate": float(unrolled.rate),
        "max_rate": float(unrolled.max_rate),
        "gradient_norm": norm,
        **asdict(now),
    }


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"train.device is {name!r}, which does not work here ({reason}); use cpu"
        ) from error
    return device


def _check_images(images: ImageSet, validation: ImageSet) -> None:
    if (images.image_shape, images.kind) != (validation.image_shape, validation.kind):
        raise DataError(
            f"validation images are {validation.kind} of shape {validation.image_shape}, but the "
            f"training images are {images.kind} of shape {images.image_shape}; use one data set"
        )
