"""Float against integer on MNIST test images: R2, zeros, spikes, operations, energy, time.

    python -m benchmarks.mnist_float_integer --data-root FOLDER [--checkpoint model.safetensors]
        [--scheduler local|tcp://host:8786] [--workers N] [--resume]

Without a checkpoint it takes the pretrained mnist-512.
Writes benchmarks/results/mnist_float_integer.json and the Markdown page docs/benchmarks.md. The
curves, of float and of each number of bits, are points of a sweep (`benchmarks/sweep.py`), here or
on a Dask cluster. Back ends are compared and timed in this process, when the sweep is over.
"""

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import numpy as np
import typer

from benchmarks.mnist_float_integer.page import page
from benchmarks.report import machine
from benchmarks.sweep import Point, Resume, Scheduler, Workers, sweep, where
from ipvae_snn.arrays import UInt8
from ipvae_snn.conversion.settings import ConversionSettings
from ipvae_snn.data import ImageSet, load
from ipvae_snn.hw.cost.activity import activity
from ipvae_snn.inference.reference import run_float
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.encode import encode
from ipvae_snn.ir.equality import first_divergence
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest, Trace, counts_of
from ipvae_snn.metrics.quality import r2, zeros_fraction
from ipvae_snn.models.checkpoint import load_checkpoint_config
from ipvae_snn.models.float_network import FloatNetwork, load_float_network
from ipvae_snn.pretrained import network_path
from ipvae_snn.progress import Progress
from ipvae_snn.report.terminal import console
from ipvae_snn.storage.atomic import write_text
from ipvae_snn.workflows.back_ends import FLOAT, REFERENCE, Contest, Networks, compare_backends
from ipvae_snn.workflows.convert import convert_network
from ipvae_snn.workflows.images import Images

HERE: Final = Path(__file__).parents[1]
NETWORK: Final = "mnist-512"
RESULT: Final = HERE / "results" / "mnist_float_integer.json"
PAGE: Final = HERE.parent / "docs" / "benchmarks.md"
CALIBRATION_IMAGES: Final = 2000
CALIBRATION_STEPS: Final = 48
FEWER_IMAGES: Final = 10
CURVE: Final = (1, 4, 16, 64, 256)
BITS: Final = (8, 6, 5, 4)
REPEATS: Final = 5


class Inputs(NamedTuple):
    """The float network, images for calibration, and those that are judged."""

    floats: FloatNetwork
    training: ImageSet
    test: ImageSet

    def converted(self, bits: int) -> tuple[IntegerNetwork, Any]:
        """Return the integer network of `bits` bits and its report."""
        settings = ConversionSettings(bits, bits)
        return convert_network(self.floats, self.training, settings, steps=CALIBRATION_STEPS)

    def encoded(self, network: IntegerNetwork) -> Images:
        """Return the judged images as floats, and as a network's input."""
        test = self.test
        return Images(test, *encode(network.input, test.pixels, test.kind, test.name))


def curve(inputs: Inputs, point: Point) -> dict[str, Any]:
    """Return R2 of one step's counts after CURVE steps, of float or of a number of bits."""
    request = RunRequest(max(CURVE), point["seed"], trace=True)
    pixels, bits = inputs.test.pixels, point["bits"]
    eigenvalue: float | None = None
    decode: Callable[[Any], Any]
    if bits is None:
        trace, decode = run_float(inputs.floats, pixels, request), floats_decoder(inputs.floats)
    else:
        network, report = inputs.converted(bits)
        trace = interpreter.run(network, inputs.encoded(network).pixels, request)
        decode = partial(interpreter.decode, network)
        eigenvalue = report.certificate.smallest_eigenvalue
    counts = counts_of(trace)
    return {
        "r2": {t: r2(pixels, decode(counts[:, t - 1])).mean for t in CURVE},
        "eigenvalue": eigenvalue,
    }


def floats_decoder(floats: FloatNetwork) -> Callable[[Any], Any]:
    """Return the float read-out."""
    return lambda z: z @ floats.phi.astype(np.float64).T


def whole_call(network: IntegerNetwork, backend: str, pixels: UInt8, request: RunRequest) -> Trace:
    """Run images with nothing kept from earlier runs."""
    return network.prepare(backend).run(pixels, request)


def timings(
    floats: FloatNetwork, network: IntegerNetwork, images: Images, request: RunRequest
) -> dict[str, dict[str, float]]:
    """Time the fast back ends in turn, REPEATS times each; us per image and step, whole calls."""
    plain = replace(request, trace=False)
    calls: dict[str, Callable[[], Trace]] = {
        FLOAT: lambda: run_float(floats, images.floats.pixels, plain)
    }
    for name in (REFERENCE, "compiled", "torch", "onnx"):
        calls[name] = partial(whole_call, network, name, images.pixels, plain)
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(REPEATS):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    unit = 1e6 / (len(images.pixels) * request.steps)
    return {
        name: {
            "median": statistics.median(values) * unit,
            "min": min(values) * unit,
            "max": max(values) * unit,
        }
        for name, values in seconds.items()
    }


def main(
    data_root: Annotated[Path | None, typer.Option(envvar="IPVAE_SNN_DATA")] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="A network other than the pretrained one.")
    ] = None,
    limit: Annotated[int, typer.Option(min=20)] = 100,
    steps: Annotated[int, typer.Option(min=1)] = 64,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    scheduler: Scheduler = None,
    workers: Workers = None,
    resume: Resume = False,
) -> None:
    """Measure and write the results and the page."""
    path = checkpoint or network_path(NETWORK)
    with sweep("mnist-float-integer", where(scheduler, workers, resume)) as run:
        inputs = Inputs(
            load_float_network(path),
            load("mnist", "train", data_root, CALIBRATION_IMAGES),
            load("mnist", "test", data_root, limit),
        )
        points = [{"bits": bits, "seed": seed} for bits in (None, *BITS)]
        settings = {"network": inputs.floats.source, "images": limit}
        curves = run.run(curve, points, inputs, settings)
        request = RunRequest(steps, seed, trace=True)
        result, equal = measured(inputs, request, run.display)
        titles = [FLOAT, *(f"{bits} bits" for bits in BITS)]
        result |= {
            "network": str(checkpoint or NETWORK),
            "trained_with": asdict(load_checkpoint_config(path)),
            "r2_over_steps": {name: c["r2"] for name, c in zip(titles, curves, strict=True)},
            "eigenvalues": {
                name: c["eigenvalue"] for name, c in zip(titles[1:], curves[1:], strict=True)
            },
        }
        write_text(RESULT, json.dumps(result, indent=2) + "\n")
        write_text(PAGE, page(json.loads(RESULT.read_text())))
    console(quiet=True).print(f"{RESULT} and {PAGE} written")
    if not equal:
        raise typer.Exit(1)


def measured(
    inputs: Inputs, request: RunRequest, progress: Progress
) -> tuple[dict[str, Any], bool]:
    """Compare and time the back ends at 8 bits; return the figures, and whether all are equal."""
    progress("convert", 0, 0)
    network, report = inputs.converted(8)
    images = inputs.encoded(network)
    contest = Contest(("compiled", "torch", "onnx", "lava"))
    compared = compare_backends(
        Networks(inputs.floats, network), images, request, contest, progress
    )
    progress(f"onnx-reference: {FEWER_IMAGES} images", 0, 0)
    few = network.prepare("onnx-reference").run(images.pixels[:FEWER_IMAGES], request)
    expected = interpreter.run(network, images.pixels[:FEWER_IMAGES], request)
    divergence = first_divergence(expected, few)
    progress(f"timing, {REPEATS} rounds", 0, 0)
    times = timings(inputs.floats, network, images, request)
    result = {
        "date": date.today().isoformat(),
        "command": "python -m benchmarks.mnist_float_integer",
        "machine": machine(),
        "checkpoint_sha256": inputs.floats.source,
        "neurons": network.n_neurons,
        "comparison": compared.comparison.as_json(),
        "onnx_reference": {
            "images": FEWER_IMAGES,
            "equal": divergence is None,
            "divergence": divergence.describe() if divergence else None,
        },
        "zeros_float": zeros_fraction(counts_of(compared.traces[FLOAT])[:, -1]),
        "us_per_image_step": times,
        "activity": asdict(activity(network, images.pixels, counts_of(compared.traces[REFERENCE]))),
        "conversion": report.as_json(),
    }
    return result, divergence is None and compared.comparison.all_equal


if __name__ == "__main__":
    typer.run(main)
