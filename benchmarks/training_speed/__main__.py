"""Training by the plain formulation against this package's, interleaved: seconds, loss, memory.

    python -m benchmarks.training_speed [--setting mnist --data-root FOLDER] [--iterations 1000]

Both start with the same network, and have the same batches, schedule, optimiser and threads; each
trains its own network, a block of iterations in turn. A third one, ours with other noise, shows the
difference between two runs of one formulation; a fourth draws two samples, as the plain one does.
Writes the setting's entry of
benchmarks/results/training_speed.json and the Markdown page docs/training_speed.md.
"""

import json
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import torch
import typer
from torch import Tensor

from benchmarks.memory import measured_growth
from benchmarks.report import machine
from benchmarks.sweep import Refused
from benchmarks.training_speed.page import page
from benchmarks.training_speed.plain_training import GIBIBYTE, FixedSampler, plain_loss
from ipvae_snn.config.settings import Config
from ipvae_snn.config.toml import load_preset
from ipvae_snn.data import ImageSet, load
from ipvae_snn.errors import ConfigError, TrainingError
from ipvae_snn.models.cpu_threads import cpu_threads
from ipvae_snn.models.dictionary import DenseDictionary
from ipvae_snn.models.parameters import IterativePoissonVAE
from ipvae_snn.models.poisson import PoissonLatents
from ipvae_snn.models.protocol import LatentSettings
from ipvae_snn.report.terminal import console
from ipvae_snn.storage.atomic import write_text
from ipvae_snn.training.loss import unrolling
from ipvae_snn.training.objective import Unrolled, unrolled_loss
from ipvae_snn.training.random_streams import Stream, batch_indices, keyed_generator, noise_keys
from ipvae_snn.training.schedules import ScheduleValues, schedule_values
from ipvae_snn.training.validation import validate

HERE: Final = Path(__file__).parents[1]
RESULT: Final = HERE / "results" / "training_speed.json"
PAGE: Final = HERE.parent / "docs" / "training_speed.md"
PLAIN, FAST, AGAIN, TWO = "plain", "fast", "again", "two"
CPU: Final = torch.device("cpu")
BLOCK: Final = 10
VALIDATION_IMAGES: Final = 1000
# The share of the iterations, at the end, for the comparison of losses.
LAST_SHARE: Final = 0.1

Loss = Callable[[IterativePoissonVAE, Tensor, int, ScheduleValues], Unrolled]


@dataclass(frozen=True)
class Setting:
    """A training problem: a preset with sizes that replace its own."""

    preset: str
    data: str
    batch_size: int
    beta: float


SETTINGS: Final = {
    "patches": Setting("patches", "natural", 200, 24.0),
    "mnist": Setting("mnist", "mnist", 100, 16.0),
}


@dataclass
class Arm:
    """One formulation: its network and optimiser, and the measurements.

    torch_threads is for torch's own operations; the fast formulation distributes its rows over its
    own threads, and is faster without competing torch threads. seconds (CPU time of all threads)
    and losses have one value per iteration. growth is the most memory, in bytes, that a block of
    iterations added, None where the system does not report it. arrivals is the largest number per
    element and sample: n_exp of the plain formulation, a mean over elements for the fast one.
    """

    name: str
    loss: Loss
    model: IterativePoissonVAE
    optimiser: torch.optim.Optimizer
    torch_threads: int
    seconds: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    growth: int | None = None
    arrivals: float = 0.0
    stopped: str = ""

    def step(self, x: Tensor, iteration: int, now: ScheduleValues) -> None:
        """Run and time one iteration of training."""
        start = time.process_time()
        unrolled = self.loss(self.model, x, iteration, now)
        for group in self.optimiser.param_groups:
            group["lr"] = now.learning_rate
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(unrolled.loss)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), now.grad_clip)
        if not bool(torch.isfinite(norm)):
            raise TrainingError(f"the {self.name} formulation's gradient is not finite")
        self.optimiser.step()
        self.seconds.append(time.process_time() - start)
        self.losses.append(float(unrolled.loss.detach()))
        self.arrivals = max(self.arrivals, unrolled.arrivals)


def config_of(name: str, iterations: int, threads: int, seed: int) -> Config:
    """Return the settings of a training by name."""
    if name not in SETTINGS:
        raise ConfigError(f"there is no setting {name!r}; known ones are {', '.join(SETTINGS)}")
    setting = SETTINGS[name]
    preset = load_preset(setting.preset)
    return replace(
        preset,
        model=replace(preset.model, n_latents=512, updates_per_step=1, leak=0.0),
        train=replace(
            preset.train,
            steps=16,
            steps_start=0,
            iterations=iterations,
            batch_size=setting.batch_size,
            beta=setting.beta,
            threads=threads,
            seed=seed,
        ),
    )


def arms(config: Config, n_pixels: int, memory: float) -> list[Arm]:
    """Return both formulations, ours with other noise and with two samples; all start alike.

    memory, in bytes, is what the samples of the plain one may keep.
    """
    settings = config.train
    plain_noise = keyed_generator(CPU, settings.seed, Stream.NOISE, 0)

    def plain(
        model: IterativePoissonVAE, x: Tensor, iteration: int, now: ScheduleValues
    ) -> Unrolled:
        how = unrolling(config, now, noise_keys(settings, iteration))
        sample = FixedSampler(plain_noise, now.temperature, memory)
        unrolled = plain_loss(model.view(), x, sample, now.beta, how)
        return replace(unrolled, arrivals=float(sample.arrivals))

    def fast(
        model: IterativePoissonVAE,
        x: Tensor,
        iteration: int,
        now: ScheduleValues,
        other: int = 0,
        samples: int = 1,
    ) -> Unrolled:
        noise = replace(settings, seed=settings.seed + other, samples=samples)
        how = unrolling(replace(config, train=noise), now, noise_keys(noise, iteration))
        return unrolled_loss(model.view(), x, now.beta, how)

    result = []
    losses: tuple[tuple[str, Loss, int], ...] = (
        (PLAIN, plain, settings.threads),
        (FAST, fast, 1),
        (AGAIN, partial(fast, other=1), 1),
        (TWO, partial(fast, samples=2), 1),
    )
    for name, loss, threads in losses:
        initial = keyed_generator(CPU, settings.seed, Stream.INITIAL, 0)
        model = IterativePoissonVAE(n_pixels, config.model, initial)
        optimiser = torch.optim.Adamax(
            model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        result.append(Arm(name, loss, model, optimiser, threads))
    return result


def interleave(
    config: Config, pixels: Tensor, every: list[Arm], block: int, show: Callable[[int], None]
) -> None:
    """Train the arms in blocks, one after another; one that fails stops and records why."""
    settings = config.train
    for arm in every:  # compiles, and starts the threads; the network does not learn from it
        with suppress(TrainingError):  # the first block will raise and record it again
            arm.loss(
                arm.model,
                pixels[: settings.batch_size],
                0,
                schedule_values(config.model, settings, 0),
            )
    for first in range(0, settings.iterations, block):
        iterations = range(first, min(first + block, settings.iterations))
        # Each is first in every other block, so that neither always has the warmer cache.
        for arm in every if first // block % 2 == 0 else reversed(every):
            if not arm.stopped:
                run_block(config, pixels, arm, iterations)
        show(iterations.stop)


def run_block(config: Config, pixels: Tensor, arm: Arm, iterations: range) -> None:
    """Train one arm for a block of iterations."""
    settings = config.train
    with cpu_threads(arm.torch_threads), measured_growth() as growth:
        try:
            for iteration in iterations:
                batch = batch_indices(len(pixels), settings.batch_size, settings.seed, iteration)
                x = pixels[torch.from_numpy(batch)]
                arm.step(x, iteration, schedule_values(config.model, settings, iteration))
        except TrainingError as error:
            arm.stopped = f"iteration {len(arm.seconds)}: {error}"
    if growth.bytes is not None:
        arm.growth = max(arm.growth or 0, growth.bytes)


def spread(values: list[float]) -> dict[str, float] | None:
    """Return median and quartiles, or None without values."""
    if not values:
        return None
    low, middle, high = np.percentile(values, (25, 50, 75))
    return {"median": float(middle), "low": float(low), "high": float(high)}


def ratios(plain: Arm, fast: Arm, block: int) -> list[float]:
    """Return, per block, the ratio of the plain arm's seconds to the fast arm's."""
    whole = min(len(plain.seconds), len(fast.seconds)) // block * block
    return [
        sum(plain.seconds[i : i + block]) / sum(fast.seconds[i : i + block])
        for i in range(0, whole, block)
    ]


def compared_losses(one: Arm, other: Arm) -> dict[str, Any] | None:
    """Return the mean losses of the last iterations that both reached, and their difference.

    The batches are the same, so the standard error is that of the paired difference.
    """
    common = min(len(one.losses), len(other.losses))
    last = max(2, round(LAST_SHARE * common))
    if common < last:
        return None
    first, second = (np.array(arm.losses[common - last : common]) for arm in (one, other))
    difference = second - first
    return {
        "iterations": last,
        "means": [float(first.mean()), float(second.mean())],
        "difference": float(difference.mean()),
        "standard_error": float(difference.std(ddof=1) / np.sqrt(last)),
    }


def measure(
    config: Config,
    images: ImageSet,
    held_out: ImageSet,
    *,
    block: int = BLOCK,
    memory: float = 8.0 * GIBIBYTE,
    show: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """Return all measurements of one setting, as written to the results."""
    pixels = torch.from_numpy(np.ascontiguousarray(images.pixels))
    shown = torch.from_numpy(np.ascontiguousarray(held_out.pixels))
    every = arms(config, pixels.shape[1], memory)
    with cpu_threads(config.train.threads):
        interleave(config, pixels, every, block, show)
        quality = {arm.name: _validated(config, arm, shown) for arm in every}
    plain, fast, again, two = every
    by_block = ratios(plain, fast, block)
    return {
        "date": date.today().isoformat(),
        "machine": machine(config.train.threads),
        "data": images.name,
        "config": asdict(config),
        "block": block,
        "clock": "cpu",
        "arms": {
            arm.name: {
                "iterations": len(arm.seconds),
                "seconds_per_iteration": spread(arm.seconds),
                "mean_seconds": statistics.fmean(arm.seconds) if arm.seconds else None,
                "peak_growth_bytes": arm.growth,
                "arrivals": arm.arrivals,
                "stopped": arm.stopped,
                "validation": quality[arm.name],
            }
            for arm in every
        },
        "ratio_per_block": spread(by_block),
        "ratio_of_totals": _ratio_of_totals(plain, fast),
        "ratios": [round(value, 2) for value in by_block],
        "loss": compared_losses(plain, fast),
        "loss_with_other_noise": compared_losses(again, fast),
        "ratio_with_two_samples": spread(ratios(plain, two, block)),
        "loss_with_two_samples": compared_losses(plain, two),
    }


def _validated(config: Config, arm: Arm, shown: Tensor) -> dict[str, float]:
    generator = keyed_generator(CPU, config.train.seed, Stream.VALIDATION, 0)
    parameters = arm.model.view()
    settings = LatentSettings.of(config.model, config.model.clip, config.train)
    model = PoissonLatents.of(parameters, settings)
    dictionary = DenseDictionary.of(parameters)
    return asdict(validate(model, dictionary, shown, steps=config.train.steps, generator=generator))


def _ratio_of_totals(plain: Arm, fast: Arm) -> float | None:
    common = min(len(plain.seconds), len(fast.seconds))
    return sum(plain.seconds[:common]) / sum(fast.seconds[:common]) if common else None


def written(path: Path, setting: str, result: dict[str, Any]) -> dict[str, Any]:
    """Add a setting's result to the file of all settings; return them all."""
    results = json.loads(path.read_text()) if path.is_file() else {}
    results[setting] = result
    write_text(path, json.dumps(results, indent=2) + "\n")
    return results


def main(
    setting: Annotated[str, typer.Option(help="patches or mnist.")] = "patches",
    data: Annotated[str | None, typer.Option(help="Images; natural needs no files.")] = None,
    data_root: Annotated[Path | None, typer.Option(envvar="IPVAE_SNN_DATA")] = None,
    iterations: Annotated[int, typer.Option(min=2)] = 1000,
    threads: Annotated[int, typer.Option(min=1)] = 2,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    memory: Annotated[float, typer.Option(help="GiB that the plain samples may keep.")] = 8.0,
    result: Annotated[Path, typer.Option(help="File for the JSON.")] = RESULT,
    markdown: Annotated[Path, typer.Option(help="File for the page.")] = PAGE,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    refused: Refused = None,
) -> None:
    """Measure one setting, and write the results and the page."""
    screen = console(quiet=as_json)
    config = config_of(setting, iterations, threads, seed)
    name = data or SETTINGS[setting].data
    images = load(name, "train", data_root, holdout=True)
    held_out = load(name, "test", data_root, VALIDATION_IMAGES, holdout=True)
    with screen.status("training") as status:
        figures = measure(
            config,
            images,
            held_out,
            memory=memory * GIBIBYTE,
            show=lambda done: status.update(f"training: {done} of {iterations} iterations"),
        )
    write_text(markdown, page(written(result, setting, figures)))
    if as_json:
        typer.echo(json.dumps(figures, indent=2))
        return
    for arm, measured in figures["arms"].items():
        screen.print(f"{arm}: {measured['seconds_per_iteration']} seconds an iteration")
    screen.print(f"plain / fast, block by block: {figures['ratio_per_block']}")
    screen.print(f"loss of the last iterations: {figures['loss']}")
    screen.print(f"{result} and {markdown} written")


if __name__ == "__main__":
    typer.run(main)
