"""CPU seconds and memory of an iteration with a convolutional dictionary, and how they grow.

    python -m benchmarks.training_speed.convolutional

Trains 64 kernels on pieces of the two photographs that come with scikit-learn, for the first
iterations of a run. Writes benchmarks/results/training_convolutional.json and the table in
docs/training.md. About two minutes on one core.
"""

import json
import time
from datetime import date
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import torch
import typer
from sklearn.datasets import load_sample_images
from torch import Tensor

from benchmarks.memory import measured_growth
from benchmarks.report import between, machine, number, table, wrapped
from benchmarks.sweep import Refused
from ipvae_snn.config.settings import Config, ModelConfig, TrainConfig
from ipvae_snn.image_shape import ImageShape, n_channels
from ipvae_snn.models.cpu_threads import cpu_threads
from ipvae_snn.models.protocol import LatentSettings
from ipvae_snn.models.trainable import n_neurons, trainable
from ipvae_snn.report.terminal import console
from ipvae_snn.storage.atomic import write_text
from ipvae_snn.training.loss import unrolling
from ipvae_snn.training.objective import unrolled_loss
from ipvae_snn.training.random_streams import Stream, batch_indices, keyed_generator, noise_keys
from ipvae_snn.training.schedules import schedule_values
from ipvae_snn.training.validation import validate

RESULT: Final = Path(__file__).parents[1] / "results" / "training_convolutional.json"
PAGE: Final = Path(__file__).parents[2] / "docs" / "training.md"
BEGIN, END = "<!-- training_convolutional: begin -->\n", "<!-- training_convolutional: end -->"
CPU: Final = torch.device("cpu")
ITERATIONS: Final = 60
LAST: Final = 20  # iterations whose median is shown
PIECES: Final = 400


class Size(NamedTuple):
    """Side of the kernels, distance of two, image, batch, and the recipe with the same sizes."""

    kernel: int
    stride: int
    shape: ImageShape
    batch: int
    recipe: str = ""


SIZES: Final = (
    Size(12, 4, (28, 28), 100, "mnist-conv"),
    Size(8, 4, (32, 32, 3), 50, "cifar10-colour"),
    Size(16, 8, (32, 32, 3), 10),
    Size(16, 8, (64, 64, 3), 10),
    Size(16, 8, (128, 128, 3), 10, "photographs-128-colour"),
)


def config_of(size: Size, iterations: int) -> Config:
    """Return the settings: those of the recipes, with T = 16 and full beta from the start."""
    model = ModelConfig(
        n_latents=0,
        dictionary="convolutional",
        features=64,
        kernel=size.kernel,
        stride=size.stride,
        phi_std=0.03,
        u0_low=-4.0,
        u0_high=-2.0,
        log_lr=-2.0,
    )
    train = TrainConfig(
        steps=16,
        batch_size=size.batch,
        iterations=iterations,
        learning_rate=0.003,
        grad_clip=100.0,
        beta=0.3,
        beta_ramp_fraction=0.0,
        clip_start=10.0,
        temperature_fraction=0.3,
        temperature_end=0.1,
    )
    return Config(model, train)


def pieces(shape: ImageShape, count: int) -> Tensor:
    """Return standardised pieces of the photographs, (count, pixels)."""
    rng = np.random.default_rng(0)
    photographs = [picture.astype(np.float32) for picture in load_sample_images().images]
    result = np.empty((count, *shape), np.float32)
    for n in range(count):
        picture = photographs[n % len(photographs)]
        top, left = (rng.integers(picture.shape[i] - shape[i]) for i in (0, 1))
        piece = picture[top : top + shape[0], left : left + shape[1]]
        result[n] = piece if n_channels(shape) == 3 else piece.mean(-1)
    flat = result.reshape(count, -1)
    flat -= flat.mean(1, keepdims=True)
    return torch.from_numpy(flat / (flat.std(1, keepdims=True) + 1e-3))


def measured(size: Size, iterations: int = ITERATIONS) -> dict[str, Any]:
    """Train for some iterations; return the CPU seconds and the memory of one of the last."""
    config, x = config_of(size, iterations), pieces(size.shape, PIECES)
    settings = config.train
    model = trainable(config.model, size.shape, keyed_generator(CPU, 0, Stream.INITIAL, 0))
    optimiser = torch.optim.Adamax(model.parameters(), lr=settings.learning_rate)
    seconds: list[float] = []

    def iterate(iteration: int) -> None:
        now = schedule_values(config.model, settings, iteration)
        batch = x[torch.from_numpy(batch_indices(len(x), size.batch, 0, iteration))]
        start = time.process_time()
        how = unrolling(config, now, noise_keys(settings, iteration))
        loss = unrolled_loss(model.view(), batch, now.beta, how).loss
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), now.grad_clip)
        optimiser.step()
        seconds.append(time.process_time() - start)

    with cpu_threads(1):
        for iteration in range(iterations - 1):
            iterate(iteration)
        with measured_growth() as growth:
            iterate(iterations - 1)
        view = model.view()
        latents = LatentSettings.of(config.model, config.model.clip, settings)
        judged = validate(
            view.latents(latents),
            view.dictionary,
            x[: size.batch],
            steps=settings.steps,
            generator=keyed_generator(CPU, 0, Stream.VALIDATION, 0),
        )
    low, middle, high = np.percentile(seconds[-LAST:], (25, 50, 75))
    return {
        **size._asdict(),
        "neurons": n_neurons(config.model, size.shape),
        "seconds": {"median": float(middle), "low": float(low), "high": float(high)},
        "memory_bytes": growth.bytes,
        "active": 1.0 - judged.zeros,
    }


def section(result: dict[str, Any]) -> str:
    """Return the table, with where it comes from."""
    head = ["64 kernels, T = 16", "neurons", "batch", "CPU seconds per iteration", "memory", "> 0"]
    rows = []
    for row in result["sizes"]:
        shape, k, seconds = "x".join(map(str, row["shape"])), row["kernel"], row["seconds"]
        recipe = f" (`{row['recipe']}`)" if row["recipe"] else ""
        colours = "x3" if len(row["shape"]) == 3 else ""
        size = row["memory_bytes"]
        memory = "not known" if size is None else f"{number(size / 1e6, 0)} MB"
        rows.append(
            [
                f"{k}x{k}{colours}, stride {row['stride']}, in {shape}{recipe}",
                f"{row['neurons']:,}",
                str(row["batch"]),
                f"{seconds['median']:.3f} ({seconds['low']:.3f}..{seconds['high']:.3f})",
                memory,
                f"{row['active']:.2f}",
            ]
        )
    place = result["machine"]
    note = wrapped(
        f"""Median and quartiles of the last {LAST} of {result["iterations"]} iterations from noise,
        one thread (`{result["command"]}`, {result["date"]}, {place["cpu_cores"]} CPU cores,
        {place["architecture"]}, other work ran too). Memory is what an iteration adds; a process
        takes about 0.5 GB before its images. Seconds grow with the share of counts above 0, in the
        last column."""
    )
    return f"{table(head, rows)}\n\n{note}\n"


def with_results(text: str, result: dict[str, Any]) -> str:
    """Return the page with its table replaced."""
    return between(text, BEGIN, END, section(result))


def main(refused: Refused = None) -> None:
    """Measure all sizes; write the JSON and the table."""
    screen, sizes = console(quiet=True), []
    for size in SIZES:
        sizes.append(measured(size))
        screen.print(f"{sizes[-1]}")
    result = {
        "command": "python -m benchmarks.training_speed.convolutional",
        "date": date.today().isoformat(),
        "machine": machine(),
        "iterations": ITERATIONS,
        "sizes": sizes,
    }
    write_text(RESULT, json.dumps(result, indent=2) + "\n")
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    write_text(PAGE, with_results(PAGE.read_text(encoding="utf-8"), result))
    typer.echo(f"wrote {RESULT} and {PAGE}")


if __name__ == "__main__":
    typer.run(main)
