"""Demo: from photographs to Loihi's simulator, in about two minutes."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ipvae_snn.config import toml
from ipvae_snn.conversion.figures import ConversionReport
from ipvae_snn.conversion.settings import ConversionSettings
from ipvae_snn.data import load
from ipvae_snn.errors import DataError
from ipvae_snn.hw.lava.environment import find
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.trace import RunRequest, counts_of
from ipvae_snn.models.float_network import load_float_network
from ipvae_snn.pretrained import network_path
from ipvae_snn.progress import Progress, ignore
from ipvae_snn.report import picture_files, plots, rasters
from ipvae_snn.report.document import Block, Document, Picture, Span, paragraph
from ipvae_snn.report.json_files import write_json
from ipvae_snn.storage.atomic import write_text
from ipvae_snn.storage.locks import locked
from ipvae_snn.storage.outputs import check_folder
from ipvae_snn.workflows.back_ends import (
    FLOAT,
    REFERENCE,
    Comparison,
    Contest,
    Measured,
    Networks,
    compare_backends,
    r2_curve,
)
from ipvae_snn.workflows.convert import convert_and_save
from ipvae_snn.workflows.export import Exported, export_integer
from ipvae_snn.workflows.image_choice import ImageChoice
from ipvae_snn.workflows.images import Images
from ipvae_snn.workflows.train import train_network

PRETRAINED: Final = "vanhateren-512"
DATA: Final = "natural"
MARKER: Final = ".ipvae-snn-demo"
RESULT: Final = "demo.json"
PICTURES: Final = ("dictionary.png", "reconstructions.png", "raster.png", "r2.png")


@dataclass(frozen=True)
class DemoSettings:
    """Size of the demo.

    images, steps: of the comparison. shown: number of images in the pictures, which show
    shown_steps.
    """

    seed: int = 0
    images: int = 32
    steps: int = 64
    calibration_images: int = 256
    shown: int = 8
    shown_steps: tuple[int, ...] = (1, 4, 16, 64)

    @property
    def request(self) -> RunRequest:
        """The runs that are compared."""
        return RunRequest(self.steps, self.seed, trace=True)

    @property
    def patches(self) -> ImageChoice:
        """The images that are compared."""
        return ImageChoice(DATA, "test", self.images)


@dataclass(frozen=True)
class Listener:
    """Callbacks that report the progress of the demo.

    progress: of the current part. converted, exported: finished results.
    """

    progress: Progress
    converted: Callable[[Path, ConversionReport], None]
    exported: Callable[[Exported], None]


def _ignore(*_: object) -> None:
    """Show nothing."""


SILENT: Final = Listener(ignore, _ignore, _ignore)


@dataclass(frozen=True)
class DemoResult:
    """Comparisons of the trained network and of one that comes with the package.

    with_lava: whether there is a Lava environment. seconds: total time.
    """

    out: Path
    comparison: Comparison
    pretrained: Comparison
    with_lava: bool
    seconds: float
    pictures: tuple[Picture, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            **self.comparison.as_json(),
            "pretrained": self.pretrained.as_json(),
            "seconds_total": self.seconds,
            "out": str(self.out),
        }

    def document(self) -> Document:
        """Return both comparisons, the sources of the figures, and the paths of the pictures."""
        made = self.comparison
        blocks: list[Block] = [
            made.table(),
            paragraph(
                "For comparison, trained longer: the pretrained ", Span(PRETRAINED, "strong")
            ),
            self.pretrained.table(),
            made.footnote(),
            paragraph(f"data: {made.citation}"),
            paragraph(f"pictures: {', '.join(str(one.path) for one in self.pictures if one.path)}"),
            *(picture for picture in self.pictures if picture.fault),
        ]
        if made.all_equal:
            equal = Span("all integer back ends are equal, spike by spike", "good")
            share = f"; {100 * made.counts_equal:.2f} % of their counts equal float's"
            blocks.append(paragraph(equal, share))
        if not self.with_lava:
            advice = "no Lava row: run `ipvae-snn lava setup` (needs Python 3.10)"
            blocks.append(paragraph(Span(advice, "warning")))
        blocks.append(paragraph(f"{self.seconds:.0f} s in total"))
        return Document("From photographs to Loihi's simulator", tuple(blocks))

    def require_equal(self) -> None:
        """Raise DivergedError if a back end differs from the reference."""
        self.comparison.require_equal()
        self.pretrained.require_equal()


def demo(
    out: Path, settings: DemoSettings | None = None, listener: Listener = SILENT
) -> DemoResult:
    """Train, convert, export, run on all back ends and compare, on patches of photographs.

    All files are written into the folder `out`, which a second run replaces. Raises DataError if
    `out` holds files of another origin, OutputError if it cannot be written or another demo writes
    there. A divergence is part of the result.
    """
    check_folder(out)
    claim(out)
    with locked(out):
        return _demo(out, settings or DemoSettings(), listener)


def _demo(out: Path, settings: DemoSettings, listener: Listener) -> DemoResult:
    start = time.perf_counter()
    with_lava = find() is not None
    network = out / "net.safetensors"
    networks, report = _convert(_train(out, settings, listener), network, settings, listener)
    listener.converted(network, report)
    targets = ("onnx", "lava") if with_lava else ("onnx",)
    for target in targets:
        done = export_integer(networks.integer, target, out / target, progress=listener.progress)
        listener.exported(done)
    images = settings.patches.encoded_for(networks.integer)
    contest = Contest(("compiled", *targets))
    measured = compare_backends(networks, images, settings.request, contest, listener.progress)
    listener.progress("pictures", 0, 0)
    drawn = _pictures(networks, images, measured, settings)
    pictures = (
        picture_files.save(each, out / name) for name, each in zip(PICTURES, drawn, strict=True)
    )
    result = DemoResult(
        out=out,
        comparison=measured.comparison,
        pretrained=_pretrained(out, settings, listener),
        with_lava=with_lava,
        seconds=time.perf_counter() - start,
        pictures=tuple(pictures),
    )
    write_json(out / RESULT, result.as_json())
    return result


def claim(out: Path) -> None:
    """Mark `out` as the demo's folder; raise DataError if it holds other files."""
    if out.exists() and not (out / MARKER).is_file() and (out.is_file() or any(out.iterdir())):
        raise DataError(
            f"{out}: exists and was not made by the demo, which would replace parts of it; choose "
            "another folder with --out"
        )
    write_text(out / MARKER, "ipvae-snn demo makes this folder and replaces it when run again\n")


def _train(out: Path, settings: DemoSettings, listener: Listener) -> Path:
    """Train on photographs and return the checkpoint."""
    run = out / "run"
    shutil.rmtree(run, ignore_errors=True)  # of an earlier demo, as `claim` checked
    config = toml.with_overrides(toml.load_preset("demo"), [f"train.seed={settings.seed}"])
    trained = train_network(config, run, progress=listener.progress)
    return trained.checkpoint


def _convert(
    checkpoint: Path, network: Path, settings: DemoSettings, listener: Listener
) -> tuple[Networks, ConversionReport]:
    """Convert a checkpoint to 8 bits, calibrated on training patches, into the file `network`."""
    listener.progress(f"convert {checkpoint.name} to 8 bits, calibrated on training patches", 0, 0)
    floats = load_float_network(checkpoint)
    integer, report = convert_and_save(
        floats,
        load(DATA, "train", limit=settings.calibration_images),
        ConversionSettings(),
        network,
        steps=settings.steps,
        seed=settings.seed,
        progress=listener.progress,
    )
    return Networks(floats, integer), report


def _pretrained(out: Path, settings: DemoSettings, listener: Listener) -> Comparison:
    """Convert a network that comes with the package and compare it on the same patches."""
    file = out / f"{PRETRAINED}.safetensors"
    networks, _ = _convert(network_path(PRETRAINED), file, settings, listener)
    images = settings.patches.encoded_for(networks.integer)
    contest = Contest(("compiled", "onnx"))
    result = compare_backends(networks, images, settings.request, contest, listener.progress)
    return result.comparison


def _pictures(
    networks: Networks, images: Images, measured: Measured, settings: DemoSettings
) -> tuple[Picture, ...]:
    """Return the dictionary, reconstructions, one image's spikes and R2 over the steps."""
    floats, network = networks
    integer = measured.traces[REFERENCE]
    shape, phi = network.input.image_shape, floats.phi
    counts, use = counts_of(integer), integer.counts_sum.sum(axis=0)
    shown = {
        t: interpreter.decode(network, counts[: settings.shown, t - 1])
        for t in settings.shown_steps
        if t <= settings.steps
    }
    originals = images.floats.pixels[: settings.shown]
    curves = {
        "integer, 8 bits": r2_curve(images, lambda z: interpreter.decode(network, z), integer),
        "float": r2_curve(images, lambda z: z @ phi.T, measured.traces[FLOAT]),
    }
    points = {name: [(e.mean, e.low, e.high) for e in curve] for name, curve in curves.items()}
    steps = "Held-out patches, reconstructed from the 8-bit spikes of one step"
    spikes, convergence = (
        "Spikes of the first held-out patch",
        f"Convergence on {len(images.pixels)} held-out patches",
    )
    return (
        Picture(
            "dictionary",
            "Dictionary",
            lambda figure: plots.dictionary(figure.add_subplot(), phi, shape, use),
            plots.DICTIONARY_SIZE,
        ),
        Picture(
            "reconstructions",
            steps,
            lambda figure: plots.reconstructions(figure, originals, shown, shape, steps),
            plots.reconstructions_size(len(originals), len(shown)),
        ),
        Picture(
            "raster",
            spikes,
            lambda figure: rasters.raster(figure.add_subplot(), counts[0], spikes),
            rasters.RASTER_SIZE,
        ),
        Picture(
            "r2",
            convergence,
            lambda figure: plots.r2_over_steps(figure.add_subplot(), points, convergence),
            plots.CURVES_SIZE,
        ),
    )
