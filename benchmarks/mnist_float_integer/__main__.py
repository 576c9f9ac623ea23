"""Float against integer on MNIST test images: R2, zeros, spikes, operations, energy, time.

    python -m benchmarks.mnist_float_integer --data-root FOLDER [--checkpoint model.safetensors]

Without a checkpoint it takes the pretrained mnist-512.
Writes benchmarks/results/mnist_float_integer.json and the Markdown page docs/benchmarks.md.
"""

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer

from benchmarks.mnist_float_integer.page import page
from benchmarks.report import machine
from ipvae_snn.arrays import UInt8
from ipvae_snn.conversion.settings import ConversionSettings
from ipvae_snn.data import load
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


def converted(
    floats: FloatNetwork, data_root: Path | None, bits: int
) -> tuple[IntegerNetwork, Any]:
    """Return the integer network of `bits` bits and its report."""
    data = load("mnist", "train", data_root, CALIBRATION_IMAGES)
    settings = ConversionSettings(bits, bits)
    return convert_network(floats, data, settings, steps=CALIBRATION_STEPS)


def curves(
    floats: FloatNetwork, networks: dict[int, IntegerNetwork], images: Images, seed: int
) -> dict[str, dict[int, float]]:
    """Return R2 of one step's counts after CURVE steps, for float and for each number of bits."""
    request = RunRequest(max(CURVE), seed, trace=True)

    def points(trace: Trace, decode: Callable[[Any], Any]) -> dict[int, float]:
        counts = counts_of(trace)
        return {t: r2(images.floats.pixels, decode(counts[:, t - 1])).mean for t in CURVE}

    result = {
        FLOAT: points(run_float(floats, images.floats.pixels, request), floats_decoder(floats))
    }
    for bits, network in networks.items():
        trace = interpreter.run(network, images.pixels, request)
        result[f"{bits} bits"] = points(trace, partial(interpreter.decode, network))
    return result


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
) -> None:
    """Measure and write the results and the page."""
    screen = console(quiet=True)
    path = checkpoint or network_path(NETWORK)
    floats = load_float_network(path)
    with screen.status("convert") as status:
        conversions = {bits: converted(floats, data_root, bits) for bits in BITS}
        networks = {bits: network for bits, (network, _) in conversions.items()}
        network, report = conversions[8]
        data = load("mnist", "test", data_root, limit)
        pixels, saturated = encode(network.input, data.pixels, data.kind, data.name)
        images = Images(data, pixels, saturated)
        request = RunRequest(steps, seed, trace=True)
        contest = Contest(("compiled", "torch", "onnx", "lava"))
        networks = Networks(floats, network)
        measured = compare_backends(networks, images, request, contest, status.update)
        status.update(f"onnx-reference: {FEWER_IMAGES} images")
        few = network.prepare("onnx-reference").run(pixels[:FEWER_IMAGES], request)
        expected = interpreter.run(network, pixels[:FEWER_IMAGES], request)
        divergence = first_divergence(expected, few)
        status.update("R2 over steps and bits")
        curve = curves(floats, networks, images, seed)
        status.update(f"timing, {REPEATS} rounds")
        times = timings(floats, network, images, request)
    result = {
        "date": date.today().isoformat(),
        "command": "python -m benchmarks.mnist_float_integer",
        "machine": machine(),
        "network": str(checkpoint or NETWORK),
        "checkpoint_sha256": floats.source,
        "trained_with": asdict(load_checkpoint_config(path)),
        "neurons": network.n_neurons,
        "comparison": measured.comparison.as_json(),
        "onnx_reference": {
            "images": FEWER_IMAGES,
            "equal": divergence is None,
            "divergence": divergence.describe() if divergence else None,
        },
        "r2_over_steps": curve,
        "zeros_float": zeros_fraction(counts_of(measured.traces[FLOAT])[:, -1]),
        "us_per_image_step": times,
        "activity": asdict(activity(network, pixels, counts_of(measured.traces[REFERENCE]))),
        "conversion": report.as_json(),
        "eigenvalues": {
            f"{b} bits": r.certificate.smallest_eigenvalue for b, (_, r) in conversions.items()
        },
    }
    write_text(RESULT, json.dumps(result, indent=2) + "\n")
    write_text(PAGE, page(json.loads(RESULT.read_text())))
    screen.print(f"{RESULT} and {PAGE} written")
    if divergence is not None or not measured.comparison.all_equal:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
