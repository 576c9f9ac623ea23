"""`ipvae-snn run`: images through one back end, results into an npz file."""

import time
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ipvae_snn.cli.options import (
    DATA_HELP,
    DataRootOption,
    JsonOption,
    LimitOption,
    SeedOption,
    SplitOption,
    StepsOption,
    network_path,
)
from ipvae_snn.cli.terminal import partial_path, watching

if TYPE_CHECKING:
    from ipvae_snn.data import ImageSet
    from ipvae_snn.ir.trace import RunRequest, Trace

# Back ends known to give no saturations; another one that gives none is found out after its run.
WITHOUT_SATURATIONS: Final = ("float",)


class OnOverflow(str, Enum):
    """What to do where something saturates; either way it is counted."""

    ERROR = "error"
    SATURATE = "saturate"


def run(
    network: Annotated[
        Path,
        typer.Argument(
            parser=network_path, help="Integer network, float checkpoint, or pretrained name."
        ),
    ],
    data: Annotated[str, typer.Option(help=DATA_HELP)],
    backend: Annotated[
        str | None,
        typer.Option(
            help="reference, compiled (the fastest on a CPU), onnx, onnx-reference, torch, "
            "torch-cuda, lava or lava-fused; a checkpoint has one only, float."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Result file.")] = Path("result.npz"),
    limit: LimitOption = 100,
    steps: StepsOption = 64,
    seed: SeedOption = 0,
    first_image: Annotated[int, typer.Option(min=0, help="Index of the first image's draws.")] = 0,
    trace: Annotated[
        bool, typer.Option("--trace", help="Keep every step's counts, states.")
    ] = False,
    on_overflow: Annotated[
        OnOverflow,
        typer.Option(help="error: fail, and write nothing, if any neuron saturates."),
    ] = OnOverflow.SATURATE,
    timeout: Annotated[
        float | None,
        typer.Option(min=1, help="lava: end the run after so many seconds (default: by its size)."),
    ] = None,
    stall: Annotated[
        float | None,
        typer.Option(min=0, help="lava: and after so many without a time step (60; 0 is never)."),
    ] = None,
    split: SplitOption = "test",
    data_root: DataRootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run images through a network and write spike counts, states and reconstructions."""
    from ipvae_snn.ir import saturation
    from ipvae_snn.ir.trace import RunRequest
    from ipvae_snn.metrics.quality import r2
    from ipvae_snn.report.json_files import emit_json
    from ipvae_snn.report.terminal import console
    from ipvae_snn.workflows.images import is_checkpoint

    request = RunRequest(steps, seed, first_image, trace)
    floating = is_checkpoint(network)
    run_one = _run_float if floating else _run_integer
    if on_overflow is OnOverflow.ERROR:
        _require_saturations("float" if floating else backend)
    text = f"up to {limit} images, {steps} steps"
    with watching(console(quiet=True), text, out, (timeout, stall)):
        images, result, saturated, seconds, name = run_one(
            network, backend, data, split, data_root, limit, request
        )
    if on_overflow is OnOverflow.ERROR:
        saturation.require_none(result, name)
    result.save(out)
    partial_path(out).unlink(missing_ok=True)  # of an earlier run that broke
    limits = saturation.saturations(result)
    quality = r2(images.pixels, result.reconstruction)
    summary = {
        "out": str(out),
        "backend": name,
        "images": len(images),
        "steps": steps,
        "seconds": seconds,
        "r2": quality.mean,
        "r2_95": [quality.low, quality.high],
        "spikes_per_image": float(result.counts_sum.sum(axis=1).mean()),
        "saturated_pixels": saturated,
        "saturations": None if limits is None else {one.kind: one.as_json() for one in limits},
    }
    if as_json:
        emit_json(summary)
        return
    console().print(
        f"[bold]{out}[/]: {len(images)} images of {images.name}, {steps} steps on {name} in "
        f"{seconds:.2f} s; R2 {quality.mean:.3f} (95 %: {quality.low:.3f}..{quality.high:.3f}), "
        f"{summary['spikes_per_image']:.0f} spikes an image"
        + (f"; {saturated} pixels saturated" if saturated else "")
        + (f"; saturated: {text}" if (text := saturation.summary(limits or ())) else "")
    )


def _require_saturations(backend: str | None) -> None:
    """Refuse a back end that cannot keep `--on-overflow error`, before it runs."""
    from ipvae_snn.backends.registry import registered
    from ipvae_snn.errors import SaturatedError

    if backend in WITHOUT_SATURATIONS:
        able = sorted(set(registered()) - set(WITHOUT_SATURATIONS))
        raise SaturatedError(
            f"the back end {backend!r} does not count what saturates, so that --on-overflow error "
            f"cannot be kept; these do, with an integer network: {', '.join(able)}"
        )


def _run_float(
    path: Path, backend: str | None, data: str, split: str, data_root: Path | None, limit: int,
    request: "RunRequest",
) -> "tuple[ImageSet, Trace, int, float, str]":  # fmt: skip
    from ipvae_snn.errors import BackendError
    from ipvae_snn.inference.reference import run_float
    from ipvae_snn.ir.encode import check_images
    from ipvae_snn.models.float_network import load_float_network
    from ipvae_snn.workflows.images import load_images

    if backend not in (None, "float"):
        raise BackendError(
            f"{path} is a float checkpoint, which the back end {backend!r} does not run; use "
            "--backend float, or convert it first"
        )
    network = load_float_network(path)
    images = load_images(data, split, data_root, limit, network.image_shape[0])
    check_images(network.image_shape, network.input_kind, images.pixels, images.kind, images.name)
    start = time.perf_counter()
    result = run_float(network, images.pixels, request)
    return images, result, 0, time.perf_counter() - start, "float"


def _run_integer(
    path: Path, backend: str | None, data: str, split: str, data_root: Path | None, limit: int,
    request: "RunRequest",
) -> "tuple[ImageSet, Trace, int, float, str]":  # fmt: skip
    from ipvae_snn.backends.registry import load_backend
    from ipvae_snn.errors import BackendError
    from ipvae_snn.ir.files import load_network
    from ipvae_snn.workflows.images import load_for

    if backend == "float":
        raise BackendError(
            f"{path} is an integer network; --backend float runs a checkpoint (model.safetensors)"
        )
    name = backend or "reference"
    execute = load_backend(name)
    program = load_network(path)
    images = load_for(program, data, split, data_root, limit)
    start = time.perf_counter()
    result = execute(program, images.pixels, request)
    return images.floats, result, images.saturated, time.perf_counter() - start, name
