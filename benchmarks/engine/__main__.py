"""What a step of inference costs: our integers, float PyTorch, ONNX Runtime; parts; start-up.

    python -m benchmarks.engine --data-root FOLDER [--rounds 15]

Writes benchmarks/results/engine.json, the tables of docs/performance.md and its picture.
"""

import json
import platform
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Final

import torch
import typer
from llvmlite import binding

from benchmarks.engine.contest import (
    COMPILED_TORCH,
    EAGER,
    ONNX,
    OURS,
    Arm,
    Match,
    by_torch_compile,
    eager,
    measured,
    onnx,
    onnx_start,
    ours,
)
from benchmarks.engine.limits import curve, parts
from benchmarks.engine.page import picture, section, with_section
from benchmarks.engine.starts import starts
from benchmarks.report import machine
from benchmarks.sweep import Refused
from ipvae_snn.conversion.calibration import calibrate
from ipvae_snn.conversion.convert import convert
from ipvae_snn.conversion.settings import ConversionSettings
from ipvae_snn.data import ImageSet, load
from ipvae_snn.ir.encode import encode
from ipvae_snn.ir.files import save_network
from ipvae_snn.models.float_network import FloatNetwork, load_float_network
from ipvae_snn.pretrained import network_path
from ipvae_snn.report.terminal import console
from ipvae_snn.storage.atomic import write_text

HERE: Final = Path(__file__).parents[1]
RESULT: Final = HERE / "results" / "engine.json"
PAGE: Final = HERE.parent / "docs" / "performance.md"
PICTURE: Final = HERE.parent / "docs" / "images" / "engine-curve.png"
TRAINED_SPARSE: Final = "mnist-512-lean"
BATCH: Final = 256
ALONE: Final = 256  # steps of a single image
CALIBRATION: Final = 1000
VECTORS: Final = ("avx2", "avx512f", "avx512vnni", "neon")


def match(floats: FloatNetwork, train: ImageSet, test: ImageSet, sparsity: float = 0.0) -> Match:
    """Return a network, its integers at 8 bits, and a batch of test images."""
    calibration = calibrate(floats, train.pixels, train.name, 48)
    integers = convert(floats, calibration, ConversionSettings(sparsity=sparsity))[0]
    shown = test.first(BATCH)
    encoded, _ = encode(integers.input, shown.pixels, shown.kind, shown.name)
    return Match(floats, integers, shown.pixels, encoded)


def contests(train: ImageSet, test: ImageSet, rounds: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the contests by name."""
    floats = load_float_network(network_path("mnist-512"))
    dense = match(floats, train, test)
    alone = dense.alone(ALONE)
    yield "one image", measured(alone, _arms(alone, with_onnx=True), rounds)
    yield "batch", measured(dense, _arms(dense, with_onnx=True), rounds)
    sparse = match(floats, train, test, 0.95)
    yield "sparse", measured(sparse, _arms(sparse, with_onnx=False), rounds)
    trained = match(load_float_network(network_path(TRAINED_SPARSE)), train, test)
    alone = trained.alone(ALONE)
    yield "trained, one image", measured(alone, _arms(alone, with_onnx=False), rounds)
    yield "trained, batch", measured(trained, _arms(trained, with_onnx=False), rounds)


def _arms(given: Match, with_onnx: bool) -> dict[str, Arm]:
    arms = {EAGER: eager(given), COMPILED_TORCH: by_torch_compile(given), OURS: ours(given)}
    if with_onnx:
        arms |= {ONNX: onnx(given), f"{ONNX} start": onnx_start(given)}
    return arms


def threads(given: Match, rounds: int) -> dict[str, Any]:
    """Return how much faster two threads are than one, by the clock."""
    two = replace(given, threads=2)
    result = measured(two, {OURS: ours(two), "one thread": ours(given)}, rounds)
    return {"us": result["us"], "ratio": result["ratio"]["one thread"]}


def main(
    data_root: Annotated[
        Path | None, typer.Option(help="Folder of public data sets.", envvar="IPVAE_SNN_DATA")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each arm.")] = 15,
    refused: Refused = None,
) -> None:
    """Measure, and write the page."""
    torch.set_num_threads(1)
    train = load("mnist", "train", data_root, CALIBRATION)
    test = load("mnist", "test", data_root, BATCH)
    result: dict[str, Any] = {
        "command": f"python -m benchmarks.engine --rounds {rounds}",
        "date": date.today().isoformat(),
        "machine": machine()
        | {
            "processor": binding.get_host_cpu_name() or platform.processor(),
            "vectors": [one for one in VECTORS if binding.get_host_cpu_features().get(one)],
        },
        "rounds": rounds,
        "contests": {},
    }
    for name, contest in contests(train, test, rounds):
        console().print(f"{name}: {json.dumps(contest['ratio'])}")
        result["contests"][name] = contest
    dense = match(load_float_network(network_path("mnist-512")), train, test)
    result["threads"] = threads(dense, rounds)
    result["parts"] = parts(dense, rounds)
    result["curve"] = list(curve(rounds))
    with TemporaryDirectory() as folder:
        digits = load("digits", "train", data_root)
        file = Path(folder) / "digits.safetensors"
        floats = load_float_network(network_path("digits"))
        save_network(match(floats, digits, load("digits", "test", data_root)).integers, file)
        result["starts"] = starts(file, Path(folder))
    write_text(RESULT, json.dumps(result, indent=2) + "\n")
    picture(result["curve"], PICTURE)
    write_text(PAGE, with_section(PAGE.read_text(encoding="utf-8"), section(result)))
    console().print(section(result))


if __name__ == "__main__":
    typer.run(main)
