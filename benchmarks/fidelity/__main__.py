"""Integers against float: bits, steps, circuits, sparsity, out-of-distribution images, speed.

    python -m benchmarks.fidelity --data-root FOLDER
        [--scheduler local|tcp://host:8786] [--workers N] [--resume]

Writes benchmarks/results/fidelity.json, the page docs/fidelity.md and its pictures. Each conversion
that is compared with float is a point of a sweep (`benchmarks/sweep.py`), here or on a Dask
cluster. Times per step are measured in turn in this process, when the sweep is over.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import numpy as np
import typer

from benchmarks.fidelity.page import page, pictures
from benchmarks.report import machine
from benchmarks.sweep import Point, Resume, Scheduler, Workers, sweep, where
from ipvae_snn.arrays import Float32, Float64, Int32
from ipvae_snn.backends import compiled
from ipvae_snn.conversion.calibration import Calibration, calibrate
from ipvae_snn.conversion.convert import convert
from ipvae_snn.conversion.settings import ConversionSettings
from ipvae_snn.data import ImageSet, load
from ipvae_snn.hw.cost.activity import activity
from ipvae_snn.inference import reference
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.circuits import Circuit
from ipvae_snn.ir.encode import encode
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import SATURATIONS, RunRequest
from ipvae_snn.metrics.estimates import estimate
from ipvae_snn.metrics.quality import r2_per_image
from ipvae_snn.models.float_network import FloatNetwork, load_float_network
from ipvae_snn.pretrained import network_path
from ipvae_snn.report.terminal import console
from ipvae_snn.storage.atomic import write_text

HERE: Final = Path(__file__).parents[1]
RESULT: Final = HERE / "results" / "fidelity.json"
PAGE: Final = HERE.parent / "docs" / "fidelity.md"
NETWORKS: Final = ("mnist-512", "vanhateren-512")
OUT_OF_DISTRIBUTION: Final = ("fashion-mnist", "omniglot")
MARKS: Final = (16, 64, 256, 1000)
SHORT: Final = (16, 64, 256)
CALIBRATION_IMAGES: Final = 2000
CALIBRATION_STEPS: Final = 48
ACTIVITY_IMAGES: Final = 50
ACTIVITY_STEPS: Final = 64
ROUNDS: Final = 7
RUN_AWAY: Final = -1.0  # an image with R2 below this has run away
NO_CLIP: Final = 50.0  # a soft clip at e^50 spikes is none: shows the effect of the clip
SPARSITIES: Final = (0.25, 0.5, 0.7, 0.8, 0.9, 0.95)

# Feed-forward bits, lateral (two-layer: prediction) bits, circuit, evaluated steps.
WIDTHS: Final[tuple[tuple[int, int, Circuit, tuple[int, ...]], ...]] = (
    (8, 8, "one-layer", MARKS), (8, 8, "two-layer", MARKS), (6, 6, "one-layer", SHORT),
    (5, 5, "one-layer", SHORT), (4, 4, "one-layer", SHORT), (4, 4, "two-layer", SHORT),
    (8, 4, "one-layer", SHORT), (4, 8, "one-layer", SHORT), (3, 3, "one-layer", SHORT),
    (3, 3, "two-layer", SHORT), (2, 2, "one-layer", SHORT), (2, 2, "two-layer", SHORT),
)  # fmt: skip
Counts = dict[int, Int32]


def float_counts(network: FloatNetwork, data: ImageSet, marks: tuple[int, ...]) -> Counts:
    """Return the spike counts (N, K) of the steps in `marks`."""
    d = reference.dynamics(network)
    progress, result = reference.start(d, data.pixels), {}
    for mark in marks:
        progress = reference.advance(d, progress, mark - progress.step)
        result[mark] = progress.counts
    return result


def integer_counts(
    network: IntegerNetwork, data: ImageSet, marks: tuple[int, ...]
) -> tuple[Counts, dict[str, int]]:
    """Return the same for an integer network, and all saturations until the last mark."""
    pixels, _ = encode(network.input, data.pixels, data.kind, data.name)
    prepared = compiled.prepare(network)
    progress, result = compiled.start(prepared, pixels), {}
    saturated = np.zeros(len(SATURATIONS), np.int64)
    for mark in marks:
        progress = compiled.advance(prepared, progress, mark - progress.step)
        result[mark] = progress.counts
        saturated += progress.saturated.sum(axis=(0, 1))
    return result, dict(zip(SATURATIONS, saturated.tolist(), strict=True))


def quality(data: ImageSet, reconstruction: Float32, counts: Int32) -> dict[str, Float64]:
    """Return R2, squared error per pixel and zeros of each image, (N,) each."""
    error = (data.pixels.astype(np.float64) - reconstruction) ** 2
    return {
        "r2": r2_per_image(data.pixels, reconstruction),
        "mse": error.mean(axis=1),
        "zeros": (counts == 0).mean(axis=1),
    }


def deltas(floats: dict[str, Float64], integers: dict[str, Float64]) -> dict[str, dict[str, float]]:
    """Return each figure for both, and the difference with its interval over images."""
    result = {}
    for name, wanted in floats.items():
        difference = estimate(integers[name] - wanted)
        result[name] = {
            "float": float(np.nanmean(wanted)),
            "integer": float(np.nanmean(integers[name])),
            "delta": difference.mean,
            "low": difference.low,
            "high": difference.high,
        }
    return result


class Floats(NamedTuple):
    """A float network with its calibration, held-out images, and their counts at each mark."""

    network: FloatNetwork
    calibration: Calibration
    calibration_seconds: float
    data: ImageSet
    counts: Counts


def judged(floats: Mapping[str, Floats], point: Point) -> dict[str, Any]:
    """Convert a network, run it, and compare with the float counts at each mark."""
    network, calibration, _, data, wanted = floats[point["network"]]
    settings, marks = ConversionSettings(**point["settings"]), point["marks"]
    if not point["soft_clip"]:
        network = replace(network, clip=NO_CLIP)
    start = time.perf_counter()
    integer, report = convert(network, calibration, settings)
    seconds = time.perf_counter() - start
    result, saturated = integer_counts(integer, data, marks)
    steps = {}
    for mark in marks:
        by_floats = quality(data, reference.reconstruct(network, wanted[mark]), wanted[mark])
        by_integers = quality(data, interpreter.decode(integer, result[mark]), result[mark])
        steps[mark] = deltas(by_floats, by_integers)
    return {
        "settings": asdict(settings),
        "seconds": seconds,
        "steps": steps,
        "saturated": saturated,
        "certificate": asdict(report.certificate),
        "connections": [asdict(connection) for connection in report.connections],
        "sampler": asdict(report.sampler),
        "extra_bits": report.extra_bits,
        "cost": cost(integer, data, settings),
    }


def cost(network: IntegerNetwork, data: ImageSet, settings: ConversionSettings) -> dict[str, float]:
    """Return weight memory, operations and time steps, over ACTIVITY_STEPS of a few images."""
    few = data.pixels[:ACTIVITY_IMAGES]
    pixels, _ = encode(network.input, few, data.kind, data.name)
    trace = compiled.run(network, pixels, RunRequest(ACTIVITY_STEPS, trace=True))
    assert trace.counts is not None
    work = activity(network, pixels, trace.counts)
    back = network.residual.prediction if network.residual else network.lateral
    assert back is not None
    bits = (
        network.feedforward.matrix.size * settings.feedforward_bits
        + back.matrix.size * settings.lateral_bits
    )
    nonzero = np.count_nonzero(network.feedforward.matrix) + np.count_nonzero(back.matrix)
    return {
        "weight_bytes": bits / 8,
        "synapses": float(nonzero),
        "operations_an_image": work.synaptic_operations,
        "messages_an_image": work.messages,
        "machine_steps": (2.0 if network.residual else 1.0) * ACTIVITY_STEPS + 2.0,
    }


def out_of_distribution(
    network: FloatNetwork, integer: IntegerNetwork, data_root: Path | None, limit: int
) -> list[dict[str, Any]]:
    """Return R2 of float and integers on out-of-distribution images after 256 steps."""
    rows = []
    for name in OUT_OF_DISTRIBUTION:
        data = load(name, "test", data_root, limit)
        wanted = float_counts(network, data, (256,))[256]
        result, saturated = integer_counts(integer, data, (256,))
        scores = {
            "float": r2_per_image(data.pixels, reference.reconstruct(network, wanted)),
            "integer": r2_per_image(data.pixels, interpreter.decode(integer, result[256])),
        }
        row: dict[str, Any] = {"data": name, "images": len(data.pixels), "saturated": saturated}
        for kind, values in scores.items():
            row[kind] = {
                "median": float(np.nanmedian(values)),
                "worst": float(np.nanmin(values)),
                "run_away": int((values < RUN_AWAY).sum()),
            }
        rows.append(row)
    return rows


def speed(
    network: FloatNetwork, networks: dict[str, IntegerNetwork], data: ImageSet
) -> dict[str, list[float]]:
    """Return us per image and step of float and integers, ROUNDS times in turn, on one thread."""
    few = data.pixels[:100]
    d = reference.dynamics(network)
    calls: dict[str, Callable[[], Any]] = {
        "float64": lambda: reference.advance(d, reference.start(d, few), 64)
    }
    for name, integer in networks.items():
        prepared = compiled.prepare(integer)
        pixels, _ = encode(integer.input, few, data.kind, data.name)
        start_state = compiled.start(prepared, pixels)
        calls[name] = partial(compiled.advance, prepared, start_state, 64)
    result: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            result[name].append(1e6 * (time.perf_counter() - start) / (len(few) * 64))
    return result


def prepared(name: str, data_root: Path | None, limit: int) -> Floats:
    """Calibrate a pretrained network, and run it on held-out images."""
    network = load_float_network(network_path(name))
    side = network.image_shape[0]
    training = load(network.trained_on, "train", data_root, CALIBRATION_IMAGES, patch_size=side)
    held_out = load(network.trained_on, "test", data_root, limit, patch_size=side)
    start = time.perf_counter()
    calibration = calibrate(network, training.pixels, training.name, CALIBRATION_STEPS)
    seconds = time.perf_counter() - start
    return Floats(network, calibration, seconds, held_out, float_counts(network, held_out, MARKS))


def points_of(name: str) -> list[Point]:
    """Return the conversions of a network that are compared: widths, no soft clip, sparsities."""

    def point(settings: ConversionSettings, marks: tuple[int, ...], soft_clip: bool) -> Point:
        return {
            "network": name,
            "settings": asdict(settings),
            "marks": list(marks),
            "soft_clip": soft_clip,
        }

    widths = [
        point(ConversionSettings(forward, lateral, circuit=circuit), marks, True)
        for forward, lateral, circuit, marks in WIDTHS
    ]
    sparse = [point(ConversionSettings(sparsity=share), SHORT, True) for share in SPARSITIES]
    return [*widths, point(ConversionSettings(), MARKS, False), *sparse]


def measured(
    name: str, floats: Floats, rows: list[dict[str, Any]], data_root: Path | None
) -> dict[str, Any]:
    """Return every figure of one network: its `rows` of `points_of`, and what is measured here."""
    network, calibration, seconds, held_out, _ = floats
    circuits: tuple[Circuit, ...] = ("one-layer", "two-layer")
    networks: dict[str, IntegerNetwork] = {
        circuit: convert(network, calibration, ConversionSettings(circuit=circuit))[0]
        for circuit in circuits
    }
    limit = len(held_out.pixels)
    return {
        "network": name,
        "data": held_out.name,
        "citation": held_out.citation,
        "images": limit,
        "neurons": network.n_neurons,
        "pixels": network.n_pixels,
        "calibration_seconds": seconds,
        "widths": rows[: len(WIDTHS)],
        "sparsity": rows[len(WIDTHS) + 1 :],
        "without_soft_clip": rows[len(WIDTHS)],
        "us_per_image_step": speed(network, networks, held_out),
        "out_of_distribution": (
            out_of_distribution(network, networks["one-layer"], data_root, limit // 2)
            if name == "mnist-512"
            else []
        ),
    }


def main(
    data_root: Annotated[Path | None, typer.Option(envvar="IPVAE_SNN_DATA")] = None,
    limit: Annotated[int, typer.Option(min=20, help="Held-out images of each set.")] = 1000,
    scheduler: Scheduler = None,
    workers: Workers = None,
    resume: Resume = False,
) -> None:
    """Measure and write the results, the page and its pictures."""
    with sweep("fidelity", where(scheduler, workers, resume)) as run:
        floats = {}
        for name in NETWORKS:
            run.display(f"{name}: calibration, float, {limit} images, {max(MARKS)} steps", 0, 0)
            floats[name] = prepared(name, data_root, limit)
        points = [point for name in NETWORKS for point in points_of(name)]
        rows = iter(run.run(judged, points, floats, {"images": limit}))
        of_network = {name: [next(rows) for _ in points_of(name)] for name in NETWORKS}
        _write([measured(n, floats[n], of_network[n], data_root) for n in NETWORKS])
    console(quiet=True).print(f"{RESULT} and {PAGE} written")


def _write(networks: list[dict[str, Any]]) -> None:
    result = {
        "date": date.today().isoformat(),
        "command": "python -m benchmarks.fidelity",
        "machine": machine(),
        "calibration": {"images": CALIBRATION_IMAGES, "steps": CALIBRATION_STEPS},
        "networks": networks,
    }
    write_text(RESULT, json.dumps(result, indent=1) + "\n")
    loaded = json.loads(RESULT.read_text())
    pictures(loaded, PAGE.parent / "images")
    write_text(PAGE, page(loaded))


if __name__ == "__main__":
    typer.run(main)
