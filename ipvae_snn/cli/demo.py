"""`ipvae-snn demo`: the whole way from photographs to Loihi's simulator, in about two minutes."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ipvae_snn.cli.options import JsonOption, SeedOption

if TYPE_CHECKING:
    from rich.console import Console

    from ipvae_snn.ir.network import IntegerNetwork
    from ipvae_snn.ir.trace import RunRequest
    from ipvae_snn.models.float_network import FloatNetwork
    from ipvae_snn.workflows.back_ends import Comparison, Measured
    from ipvae_snn.workflows.images import Images

IMAGES: Final = 32
STEPS: Final = 64
CALIBRATION_IMAGES: Final = 256
SHOWN: Final = 8
SHOWN_STEPS: Final = (1, 4, 16, 64)
PRETRAINED: Final = "vanhateren-512"
MARKER: Final = ".ipvae-snn-demo"
RESULT: Final = "demo.json"
PICTURES: Final = ("dictionary.png", "reconstructions.png", "raster.png", "r2.png")


@dataclass(frozen=True)
class Made:
    """What the demo trained and converted."""

    checkpoint: Path
    network: Path
    floats: "FloatNetwork"
    program: "IntegerNetwork"


def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything that the demo makes.")] = Path(
        "demo-out"
    ),
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Train, convert, export and compare on natural image patches; saves pictures."""
    from ipvae_snn.cli.export import Target, export_integer
    from ipvae_snn.hw.lava.environment import find
    from ipvae_snn.ir.trace import RunRequest
    from ipvae_snn.report.json_files import emit_json, write_json
    from ipvae_snn.report.terminal import console
    from ipvae_snn.workflows.back_ends import as_table, compare_backends, footnote, require_equal
    from ipvae_snn.workflows.images import load_for

    screen = console(quiet=as_json)
    _claim(out)
    start = time.perf_counter()
    with_lava = find() is not None
    made = _make(out, seed, screen)
    targets = [Target.ONNX, *([Target.LAVA] if with_lava else [])]
    for target in targets:
        with screen.status(f"export to {target.value}, checked against the interpreter"):
            export_integer(made.network, target, out / target.value)
        screen.print(f"exported to [bold]{out / target.value}[/], equal to the interpreter")
    images = load_for(made.program, "natural", "test", None, IMAGES)
    request = RunRequest(STEPS, seed, trace=True)
    with screen.status("") as status:
        measured = compare_backends(
            made.floats, made.program, images, request,
            ["compiled", *(t.value for t in targets)], "cpu-45nm", status.update,
        )  # fmt: skip
        status.update("pictures")
        _draw(out, made, images, measured, request)
    trained_long = _pretrained(out, seed, screen)
    comparison = measured.comparison
    seconds = time.perf_counter() - start
    result = {
        **comparison.as_json(), "pretrained": trained_long.as_json(), "seconds_total": seconds,
        "out": str(out),
    }  # fmt: skip
    write_json(out / RESULT, result)
    if as_json:
        emit_json(result)
    else:
        screen.print(as_table(comparison))
        screen.print(f"Beside it, trained for longer: the pretrained [bold]{PRETRAINED}[/]")
        screen.print(as_table(trained_long))
        screen.print(footnote(comparison), highlight=False)
        screen.print(f"data: {comparison.citation}", highlight=False)
        screen.print(f"pictures: {', '.join(str(out / name) for name in PICTURES)}")
        if comparison.all_equal:
            screen.print(
                "[green]the integer rows are equal, spike by spike[/]; spike counts equal float's "
                f"in {100 * comparison.counts_equal:.2f} % of all places"
            )
        if not with_lava:
            screen.print("[yellow]no Lava row: run `ipvae-snn lava setup` (needs Python 3.10)[/]")
        screen.print(f"{seconds:.0f} s in all")
    require_equal(comparison)
    require_equal(trained_long)


def _claim(out: Path) -> None:
    """Mark `out` as the demo's own; raise DataError where it holds something else."""
    from ipvae_snn.errors import DataError
    from ipvae_snn.storage.atomic import write_text

    if out.exists() and not (out / MARKER).is_file() and (out.is_file() or any(out.iterdir())):
        raise DataError(
            f"{out}: exists and was not made by the demo, which would replace parts of it; choose "
            "another folder with --out"
        )
    write_text(out / MARKER, "ipvae-snn demo makes this folder and replaces it when run again\n")


def _make(out: Path, seed: int, screen: "Console") -> Made:
    """Train on `natural` and convert; returns the files and what they hold."""
    import shutil

    from ipvae_snn.config.toml import load_preset, with_overrides
    from ipvae_snn.conversion.convert import ConversionSettings
    from ipvae_snn.data import load
    from ipvae_snn.models.float_network import load_float_network
    from ipvae_snn.workflows.convert import convert_and_save
    from ipvae_snn.workflows.train import train_with_progress

    run, network = out / "run", out / "net.safetensors"
    shutil.rmtree(run, ignore_errors=True)  # an earlier demo's: _claim saw to that
    config = with_overrides(load_preset("demo"), [f"train.seed={seed}"])
    result = train_with_progress(config, run, None, screen)
    floats = load_float_network(result.checkpoint)
    with screen.status("convert to 8 bits, calibrated on training patches"):
        patches = load("natural", "train", limit=CALIBRATION_IMAGES)
        program, report = convert_and_save(
            floats, patches, ConversionSettings(), network, steps=STEPS, seed=seed
        )
    worst = max(bound.worst / bound.limit for bound in report.bounds)
    screen.print(
        f"converted to [bold]{network}[/]: no accumulator can pass {100 * worst:.0f} % of its "
        f"range, and a neuron passes the rate cap of {report.certificate.rate_cap:.0f} spikes a "
        f"step with a chance below {report.certificate.barrier:.0e}, whatever it is shown"
    )
    return Made(result.checkpoint, network, floats, program)


def _pretrained(out: Path, seed: int, screen: "Console") -> "Comparison":
    """Convert a network that comes with the package and compare it on the same patches."""
    from ipvae_snn.conversion.convert import ConversionSettings
    from ipvae_snn.data import load
    from ipvae_snn.ir.trace import RunRequest
    from ipvae_snn.models.float_network import load_float_network
    from ipvae_snn.pretrained import network_path
    from ipvae_snn.workflows.back_ends import compare_backends
    from ipvae_snn.workflows.convert import convert_and_save
    from ipvae_snn.workflows.images import load_for

    with screen.status(f"{PRETRAINED}, which comes with the package: convert") as status:
        floats = load_float_network(network_path(PRETRAINED))
        patches = load("natural", "train", limit=CALIBRATION_IMAGES)
        program, _ = convert_and_save(
            floats, patches, ConversionSettings(), out / f"{PRETRAINED}.safetensors",
            steps=STEPS, seed=seed,
        )  # fmt: skip
        images = load_for(program, "natural", "test", None, IMAGES)
        request = RunRequest(STEPS, seed, trace=True)
        measured = compare_backends(
            floats, program, images, request, ["compiled", "onnx"], "cpu-45nm", status.update
        )
    return measured.comparison


def _draw(
    out: Path, made: Made, images: "Images", measured: "Measured", request: "RunRequest"
) -> None:
    from ipvae_snn.ir import interpreter
    from ipvae_snn.ir.trace import counts_of
    from ipvae_snn.report import plots
    from ipvae_snn.workflows.back_ends import FLOAT, ORACLE, r2_curve

    integer, floats = measured.traces[ORACLE], measured.traces[FLOAT]
    shape = made.program.input.image_shape
    use = integer.counts_sum.sum(axis=0)
    phi = made.floats.phi
    with plots.page(out / PICTURES[0], *plots.DICTIONARY_SIZE) as figure:
        plots.dictionary(figure.add_subplot(), phi, shape, use)
    counts = counts_of(integer)
    shown = {
        t: interpreter.decode(made.program, counts[:SHOWN, t - 1])
        for t in SHOWN_STEPS if t <= request.steps
    }  # fmt: skip
    size = plots.reconstructions_size(min(SHOWN, len(counts)), len(shown))
    with plots.page(out / PICTURES[1], *size) as figure:
        plots.reconstructions(
            figure, images.floats.pixels[:SHOWN], shown, shape,
            "Held-out patches and what the 8-bit spikes of one step decode to",
        )  # fmt: skip
    with plots.page(out / PICTURES[2], *plots.RASTER_SIZE) as figure:
        plots.raster(figure.add_subplot(), counts[0], "Spikes of the first held-out patch")
    curves = {
        "integer, 8 bits": r2_curve(images, lambda z: interpreter.decode(made.program, z), integer),
        "float": r2_curve(images, lambda z: z @ phi.T, floats),
    }
    points = {name: [(e.mean, e.low, e.high) for e in curve] for name, curve in curves.items()}
    title = f"Convergence on {len(images.pixels)} held-out patches"
    with plots.page(out / PICTURES[3], *plots.CURVES_SIZE) as figure:
        plots.r2_over_steps(figure.add_subplot(), points, title)
