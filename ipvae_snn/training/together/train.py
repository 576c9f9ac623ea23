"""Training of several networks at once on a CUDA device.

Each gets the checkpoint that `training.train` writes, of the same schedule and the same batches;
only the noise has other keys. A small network leaves most of a GPU idle: a stack of them takes
little longer than one.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

import torch

from ipvae_snn.config.settings import Config
from ipvae_snn.data.base import ImageSet
from ipvae_snn.errors import ConfigError, OutputError, TrainingError
from ipvae_snn.models.checkpoint import Origin, save_model
from ipvae_snn.models.parameters import TrainableModule
from ipvae_snn.models.protocol import LatentSettings
from ipvae_snn.models.registry import new_module
from ipvae_snn.storage.locks import locked
from ipvae_snn.training.cuda_graphs import Capture, CaptureError, captured_on_cuda
from ipvae_snn.training.devices import device_named
from ipvae_snn.training.random_streams import Stream, batch_indices, keyed_generator
from ipvae_snn.training.run_folder import RunFolder
from ipvae_snn.training.together.history import Passes, history_of
from ipvae_snn.training.together.iteration import Feed, Iteration, Tables, restore
from ipvae_snn.training.together.stack import check_stack, stacked, unstacked
from ipvae_snn.training.validation import Validation, validate

Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Member:
    """A network that was trained in a stack: its checkpoint and validation.

    skipped: iterations whose gradient was beyond its limit, and changed nothing.
    """

    checkpoint: Path
    validation: Validation
    skipped: int


def train_together(
    configs: Sequence[Config],
    images: ImageSet,
    validation: ImageSet,
    outs: Sequence[Path],
    report: Report = lambda done, of: None,
    *,
    capture: Capture = captured_on_cuda,
    tf32: bool = False,
) -> list[Member]:
    """Train a network for each config into its folder; return them in the same order.

    The configs may differ in train.seed and train.beta only. report: receives iterations done, and
    of how many. tf32: whether matrix products round their factors to 10 bits, which is faster.
    A stack trains for minutes, and cannot be resumed. Raises ConfigError for settings that a stack
    cannot have, OutputError for folders that are not one per network, FileFormatError where one
    holds a run, and TrainingError after the others are written where networks ran away.
    """
    check_stack(configs)
    passes = _passes(configs[0])
    folders = [RunFolder(Path(out)) for out in outs]
    _check_folders(configs, folders)
    device, train = device_named(configs[0].train.device), configs[0].train
    modules = [_module(config, images) for config in configs]
    data = torch.from_numpy(images.pixels).to(device)
    batch = min(train.batch_size, len(data))
    feed = Feed(data, epoch_order(configs, len(data), 0, batch).to(device), batch)
    shape = len(configs), train.steps, batch, configs[0].model.n_latents
    history = history_of(passes, *shape, device)
    p = stacked(modules, device)
    tables = Tables.of(configs, batch, device)
    iteration = Iteration(configs[0], p, passes, history, tables, feed)
    with ExitStack() as stack:
        for config, folder in zip(configs, folders, strict=True):
            stack.enter_context(locked(folder.path))
            folder.start(config)
        stack.enter_context(_matrix_products(tf32))
        stack.enter_context(torch.no_grad())
        before = iteration.snapshot()
        try:
            replay = capture(iteration.run)
        except CaptureError as error:
            raise ConfigError(f"an iteration cannot be captured: {error}; train alone") from error
        restore(before)
        for done in range(train.iterations):
            if done % feed.batches == 0:
                feed.order.copy_(epoch_order(configs, len(data), done, batch))
            replay()
            if (done + 1) % train.log_interval == 0 or done + 1 == train.iterations:
                _log(folders, done + 1, iteration.norm.tolist())  # waits for the device
                report(done + 1, train.iterations)
        unstacked(p, modules)
        return _written(configs, modules, folders, images, validation, iteration)


def _log(folders: Sequence[RunFolder], iteration: int, norms: Sequence[float]) -> None:
    for folder, norm in zip(folders, norms, strict=True):
        folder.append({"iteration": iteration, "kind": "train", "gradient_norm": norm})


def _written(
    configs: Sequence[Config],
    modules: Sequence[TrainableModule],
    folders: Sequence[RunFolder],
    images: ImageSet,
    validation: ImageSet,
    iteration: Iteration,
) -> list[Member]:
    """Write the networks that did not run away; TrainingError after it where one did."""
    members, lost = [], []
    skipped = [int(count) for count in iteration.skipped.tolist()]
    for config, module, folder, count in zip(configs, modules, folders, skipped, strict=True):
        if not all(bool(torch.isfinite(value).all()) for value in module.parameters()):
            lost.append(f"{folder.path} (beta {config.train.beta:g}, seed {config.train.seed})")
            continue
        result = _validated(config, module, validation, iteration.x.device)
        folder.append(
            {
                "iteration": config.train.iterations,
                "kind": "validation",
                **asdict(result),
                "networks_together": len(configs),
                "skipped": count,
            }
        )
        save_model(folder.model, module.cpu(), config, Origin.of(images))
        members.append(Member(folder.model, result, count))
    if lost:
        raise TrainingError(
            f"training ran away in {len(lost)} of {len(configs)} networks: {', '.join(lost)}; the "
            "others are written; lower train.learning_rate, train.grad_clip or model.clip"
        )
    return members


def _passes(config: Config) -> Passes:
    """Return the model's passes; ConfigError where triton, which they need, is missing."""
    if find_spec("triton") is None:
        raise ConfigError(
            "networks are trained together by kernels of triton, which torch's CUDA builds bring "
            "and which is not installed; install ipvae-snn[gpu], or train each alone"
        )
    from ipvae_snn.training.together.passes import passes_of

    return passes_of(config)


def _check_folders(configs: Sequence[Config], folders: Sequence[RunFolder]) -> None:
    if len({folder.path.resolve() for folder in folders}) != len(configs):
        raise OutputError(
            f"{len(configs)} networks need as many different folders, not "
            f"{len({folder.path.resolve() for folder in folders})}"
        )
    for config, folder in zip(configs, folders, strict=True):
        folder.check(config, resume=False)


def _module(config: Config, images: ImageSet) -> TrainableModule:
    initial = keyed_generator(torch.device("cpu"), config.train.seed, Stream.INITIAL, 0)
    return new_module(config.model, images.image_shape, initial)


def epoch_order(configs: Sequence[Config], n: int, done: int, batch: int) -> torch.Tensor:
    """Return the order of the images in the epoch that begins after `done` iterations."""
    batches = n // batch
    orders = [
        torch.cat(
            [
                torch.from_numpy(batch_indices(n, batch, config.train.seed, done + i))
                for i in range(batches)
            ]
        )
        for config in configs
    ]
    whole = torch.zeros(len(configs), n, dtype=torch.int64)
    whole[:, : batches * batch] = torch.stack(orders)
    return whole


@contextmanager
def _matrix_products(tf32: bool) -> Iterator[None]:
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = tf32
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def _validated(
    config: Config, module: TrainableModule, images: ImageSet, device: torch.device
) -> Validation:
    generator = keyed_generator(
        device, config.train.seed, Stream.VALIDATION, config.train.iterations
    )
    settings = LatentSettings.of(config.model, config.model.clip, config.train)
    parameters = module.to(device).view()
    x = torch.from_numpy(images.pixels).to(device)
    return validate(
        parameters.latents(settings),
        parameters.dictionary,
        x,
        steps=config.train.steps,
        generator=generator,
    )
