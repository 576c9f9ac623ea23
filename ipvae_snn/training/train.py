"""Training of an iP-VAE; a run that was killed can be resumed to the same result."""

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ipvae_snn.config.settings import Config
from ipvae_snn.data.base import ImageSet
from ipvae_snn.errors import DataError
from ipvae_snn.models.cpu_threads import cpu_threads
from ipvae_snn.models.family import check_decoder, check_kind, check_steps
from ipvae_snn.storage.locks import locked
from ipvae_snn.training import blocks
from ipvae_snn.training.devices import device_named
from ipvae_snn.training.distributed import joined, launched
from ipvae_snn.training.memory import require_iteration
from ipvae_snn.training.run_folder import RunFolder, fingerprint
from ipvae_snn.training.trainer import Progress, Trainer, TrainProgress
from ipvae_snn.training.validation import Validation
from ipvae_snn.training.warm_start import initial_parameters


@dataclass(frozen=True)
class TrainResult:
    """Result of a run: the checkpoint, its validation, and the seconds of this call."""

    checkpoint: Path
    iterations: int
    validation: Validation
    seconds: float


def ignore_progress(_: TrainProgress) -> None:
    """Show nothing."""


def train(
    config: Config,
    images: ImageSet,
    validation: ImageSet,
    out: Path,
    resume: bool = False,
    progress: Progress = ignore_progress,
    start_from: Path | None = None,
) -> TrainResult:
    """Train on `images`, keep the run in folder `out`, and return its result.

    With `resume` the run in `out` is continued from its last checkpoint; on the CPU its result is
    bit for bit that of an uninterrupted run. Where there is none, a run starts (`RunFolder.is_new`
    says so before). start_from: a checkpoint whose parameters are the initial ones. Processes that
    torchrun started share every batch, and the first one writes the files. Raises FileFormatError
    if `out` holds a run and resume is False, ConfigError or DataError if it was started with other
    settings (but for train.stop_at) or images, OutputError if `out` cannot be written or another
    run writes there, TrainingError if training fails, MemoryLimitError, before anything is written,
    if an iteration would not fit into memory.
    """
    started = time.monotonic()
    check_kind(config.model.kind)
    check_steps(config.model.kind, config.train.steps, config.train.segments)
    check_decoder(config.model.kind, config.model.dictionary)
    _check_images(images, validation)
    device = device_named(config.train.device)
    folder = RunFolder(Path(out))
    if launched().leads:
        folder.check(config, resume)
    data = fingerprint(images)
    # On the CPU the compiled passes divide rows among their own threads. torch's threads, which
    # wait by spinning, would take their cores (measured: 56 ms per iteration against 45).
    threads = 1 if device.type == "cpu" else config.train.threads
    with ExitStack() as stack:
        processes = stack.enter_context(joined(device))
        stack.enter_context(cpu_threads(threads))
        if device.type == "cpu":
            rows = processes.rows(min(config.train.batch_size, len(images)))
            require_iteration(config, rows.stop - rows.start, images.image_shape)
        trainer = Trainer(config, images, validation, device, folder, data, processes)
        is_new = folder.is_new(resume)
        if is_new and start_from is not None:
            initial = initial_parameters(start_from, config, images.image_shape)
            if config.train.sparsity_block > 1:
                initial = blocks.ordered(initial, config.train.sparsity_block)
            trainer.start_from(initial)
        elif is_new and config.model.phi_start == "sparse-coding":
            trainer.start_sparse()
        processes.wait()  # before the first one writes, so that all find the same
        if processes.leads:
            stack.enter_context(locked(folder.path))
        state = None if is_new else folder.resume(config, data)
        if is_new and processes.leads:
            folder.start(config)
            trainer.save_initial_state()
        processes.wait()
        result = trainer.run(state, progress)
        processes.wait()
    return TrainResult(folder.model, config.train.end, result, time.monotonic() - started)


def _check_images(images: ImageSet, validation: ImageSet) -> None:
    if (images.image_shape, images.kind) != (validation.image_shape, validation.kind):
        raise DataError(
            f"validation images are {validation.kind} of shape {validation.image_shape}, but the "
            f"training images are {images.kind} of shape {images.image_shape}; use one data set"
        )
