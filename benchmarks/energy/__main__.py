"""Energy proxies of one network on MNIST: chips, processors, and encoders of equal R2.

    python -m benchmarks.energy --data-root FOLDER

Writes benchmarks/results/energy.json, the results of docs/energy.md and its picture.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final

import torch
import typer

from benchmarks.energy.amortised import Encoder, components_needed, judge, train, unit
from benchmarks.energy.page import picture, with_results
from benchmarks.mnist_float_integer.__main__ import CALIBRATION_IMAGES, CALIBRATION_STEPS
from benchmarks.operating_points.others import layers_of
from benchmarks.operating_points.quantised import quantised
from benchmarks.report import machine
from ipvae_snn.arrays import Float32
from ipvae_snn.conversion.calibration import calibrate
from ipvae_snn.conversion.convert import convert
from ipvae_snn.conversion.settings import ConversionSettings
from ipvae_snn.data import load
from ipvae_snn.hw.chips.profile import load_profile
from ipvae_snn.hw.cost.processor import Format, feed_forward, processor_energy
from ipvae_snn.hw.cost.report import Report
from ipvae_snn.ir.circuits import Circuit
from ipvae_snn.ir.encode import encode
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.metrics.quality import r2
from ipvae_snn.models.float_network import FloatNetwork, load_float_network
from ipvae_snn.pretrained import network_path
from ipvae_snn.report.terminal import console
from ipvae_snn.storage.atomic import write_text
from ipvae_snn.workflows.energy import priced_profiles, report
from ipvae_snn.workflows.images import Images

HERE: Final = Path(__file__).parents[1]
RESULT: Final = HERE / "results" / "energy.json"
PAGE: Final = HERE.parent / "docs" / "energy.md"
NETWORK: Final = "mnist-512"
DATA: Final = "mnist"
OUT_OF_DISTRIBUTION: Final = ("kmnist", "fashion-mnist", "omniglot")
STRANGE_IMAGES: Final = 200
CURVE: Final = (4, 16, 64, 256)
CIRCUITS: Final[tuple[Circuit, ...]] = ("one-layer", "two-layer")
WIDTHS: Final = (128, 160, 192, 256, 288, 320, 384, 512)
CODES: Final = ("not negative", "of either sign")
PROCESSOR: Final = "cpu-45nm"
UNITS_FROM: Final = 10_000  # training images that set an encoder's units of 8 bits


def shown(network: IntegerNetwork, name: str, data_root: Path | None, limit: int) -> Images:
    """Return test images of a set, as floats and as the network's input."""
    data = load(name, "test", data_root, limit)
    pixels, saturated = encode(network.input, data.pixels, data.kind, data.name)
    return Images(data, pixels, saturated)


def encoder_of(
    floats: FloatNetwork,
    data_root: Path | None,
    images: Images,
    wanted: float,
    code: str,
    tell: Callable[[str], None],
) -> tuple[Encoder, list[dict[str, float]]]:
    """Widen an encoder until it reaches R2 `wanted`; return it and the figures of every width."""
    training = load(DATA, "train", data_root).pixels
    sweep = []
    for hidden in WIDTHS:
        tell(f"encoder, code {code}, {hidden} hidden units")
        encoder = train(floats.phi, training, hidden, signed=code == CODES[1])
        result = judge(encoder, floats.phi, images.floats.pixels)
        sweep.append(asdict(result))
        if result.r2 >= wanted:
            break
    return encoder, sweep


def priced_encoders(
    floats: FloatNetwork, encoders: dict[str, Encoder], components: int
) -> list[dict[str, Any]]:
    """Return the estimates of the encoders, in floats and in int8, and of PCA."""
    profile = load_profile(PROCESSOR)
    formats: tuple[tuple[str, Format], ...] = (("float", "fp32"), ("int8", "int8"))
    m, k = floats.n_pixels, floats.n_neurons
    works = [
        feed_forward(f"encoder, code {code}, {name}", form, (m, encoder.first.out_features, k))
        for code, encoder in encoders.items()
        for name, form in formats
    ]
    works += [feed_forward(f"PCA, {name}", form, (m, components)) for name, form in formats]
    return [
        {**processor_energy(profile, work).as_json(), "multiply_adds": work.multiply_adds}
        for work in works
    ]


def by_events(
    floats: FloatNetwork, encoders: dict[str, Encoder], training: Float32, images: Float32
) -> dict[str, dict[str, float]]:
    """Return what each encoder costs if zeros cost nothing, and its R2 in 8 bits, measured.

    training: images (N, M) that set the units of 8 bits.
    """
    result, back = {}, unit(floats.phi).T
    for code, encoder in encoders.items():
        integers = quantised(layers_of(encoder), training[:UNITS_FROM])
        sent = integers.values(images)
        work = integers.activity(sent)
        result[code] = {
            "r2_int8": r2(images, (sent[-1] * integers.layers[-1].unit) @ back).mean,
            "synaptic_operations": work.synaptic_operations,
            "input_operations": work.input_operations,
            "synaptic_operations_by_payload": work.synaptic_operations_by_payload,
        }
    return result


def out_of_distribution(
    network: IntegerNetwork,
    floats: FloatNetwork,
    encoders: dict[str, Encoder],
    data_root: Path | None,
    steps: int,
) -> list[dict[str, Any]]:
    """Return R2 of the network and of the encoders on out-of-distribution images."""
    rows = []
    for name in (DATA, *OUT_OF_DISTRIBUTION):
        images = shown(network, name, data_root, STRANGE_IMAGES)
        reached = {"network": report(network, images, steps, 0, ()).r2}
        for code, encoder in encoders.items():
            reached[f"code {code}"] = judge(encoder, floats.phi, images.floats.pixels).r2
        rows.append({"data": name, "r2": reached})
    return rows


def summary(result: Report) -> dict[str, Any]:
    """Return one point of the curve over steps: R2, operations and the processor's proxy."""
    own = next(each for each in result.estimates if each.profile.name == PROCESSOR)
    return {
        "steps": result.steps,
        "r2": result.r2,
        "synaptic_operations": result.activity.synaptic_operations,
        "spikes": result.activity.spikes,
        "arithmetic_nj": own.part("synapses", "neurons").low,
        "dynamic_nj": own.dynamic.low,
    }


def main(
    data_root: Annotated[Path | None, typer.Option(envvar="IPVAE_SNN_DATA")] = None,
    limit: Annotated[int, typer.Option(min=20, help="Test images.")] = 500,
    steps: Annotated[int, typer.Option(min=1)] = 64,
) -> None:
    """Measure and write the results, the page's tables and its picture."""
    torch.set_num_threads(1)
    screen = console(quiet=True)
    profiles = priced_profiles()
    with screen.status("convert") as status:
        floats = load_float_network(network_path(NETWORK))
        training = load(DATA, "train", data_root, CALIBRATION_IMAGES)
        calibration = calibrate(floats, training.pixels, training.name, CALIBRATION_STEPS)
        networks = {
            circuit: convert(floats, calibration, ConversionSettings(circuit=circuit))[0]
            for circuit in CIRCUITS
        }
        network = networks["one-layer"]
        images = shown(network, DATA, data_root, limit)
        status.update(f"{limit} images, {steps} steps")
        reports = {c: report(networks[c], images, steps, 0, profiles) for c in CIRCUITS}
        curve = [summary(report(network, images, t, 0, [load_profile(PROCESSOR)])) for t in CURVE]
        wanted = reports["one-layer"].r2
        fits = {
            code: encoder_of(floats, data_root, images, wanted, code, status.update)
            for code in CODES
        }
        encoders = {code: encoder for code, (encoder, _) in fits.items()}
        status.update("encoders in 8 bits")
        counted = by_events(
            floats, encoders, load(DATA, "train", data_root).pixels, images.floats.pixels
        )
        status.update("PCA")
        components, reached = components_needed(
            load(DATA, "train", data_root).pixels, images.floats.pixels, wanted
        )
        status.update("out-of-distribution images")
        unlike = out_of_distribution(network, floats, encoders, data_root, steps)
    result = {
        "date": date.today().isoformat(),
        "command": "python -m benchmarks.energy",
        "machine": machine(),
        "network": NETWORK,
        "checkpoint_sha256": floats.source,
        "neurons": floats.n_neurons,
        "pixels": floats.n_pixels,
        "circuits": {circuit: each.as_json() for circuit, each in reports.items()},
        "curve": curve,
        "encoders": priced_encoders(floats, encoders, components),
        "encoders_by_events": counted,
        "encoder_sweeps": {code: sweep for code, (_, sweep) in fits.items()},
        "pca": {"components": components, "r2": reached},
        "strange_images": STRANGE_IMAGES,
        "out_of_distribution": unlike,
    }
    write_text(RESULT, json.dumps(result, indent=1) + "\n")
    loaded = json.loads(RESULT.read_text())
    picture(loaded, PAGE.parent / "images" / "energy.png")
    write_text(PAGE, with_results(PAGE.read_text(encoding="utf-8"), loaded))
    screen.print(f"{RESULT} and {PAGE} written")


if __name__ == "__main__":
    typer.run(main)
