"""Convert a float network to an integer network: calibrate, round, write."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from ipvae_snn.choices import choose
from ipvae_snn.conversion import convert as conversion
from ipvae_snn.conversion import report
from ipvae_snn.conversion.calibration import calibrate
from ipvae_snn.conversion.figures import ConversionReport
from ipvae_snn.conversion.readout import ReadoutReport, attach_readout
from ipvae_snn.conversion.settings import ConversionSettings
from ipvae_snn.data import ImageSet
from ipvae_snn.data.given import ImageSource
from ipvae_snn.data.own_sequences import sequence_set
from ipvae_snn.data.sequences import Moving
from ipvae_snn.errors import ConfigError, ConversionError, DataError
from ipvae_snn.ir.circuits import Circuit
from ipvae_snn.ir.decoding import SAMPLE, decoding_of
from ipvae_snn.ir.encode import check_images, encode
from ipvae_snn.ir.files import save_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.models.networks import NetworkSource, load_float, named
from ipvae_snn.models.training_data import training_data
from ipvae_snn.progress import Progress, ignore
from ipvae_snn.report.document import Document, Span, paragraph
from ipvae_snn.report.json_files import write_json
from ipvae_snn.watcher import parts
from ipvae_snn.workflows.image_choice import ImageChoice, noted
from ipvae_snn.workflows.images import described
from ipvae_snn.workflows.moving import Asked, asked_of, motion_of
from ipvae_snn.workflows.outputs import CONVERSION, NETWORK, check_outputs, outputs, save_or_spare

MOST_IMAGES: Final = 2000  # of calibration, up to 800 neurons
LEAST_IMAGES: Final = 100


@dataclass(frozen=True)
class CalibrationSettings:
    """Images and steps of calibration.

    data: None for the set that the network was trained on. images: None for MOST_IMAGES up to 800
    neurons, and fewer in proportion above. white: of the user's own images, as in `ImageChoice`.
    moving: sequences of frames in place of still images; `images` are then all frames, and `steps`
    those of each.
    """

    data: ImageSource | None = None
    images: int | None = None
    steps: int = 48
    seed: int = 0
    split: str = "train"
    data_root: Path | None = None
    white: float | None = None
    moving: Asked | None = None

    def limit(self, n_neurons: int) -> int:
        """Return the number of images for a network of so many neurons."""
        if self.images is not None:
            return self.images
        return min(MOST_IMAGES, max(LEAST_IMAGES, 800 * MOST_IMAGES // n_neurons))


@dataclass(frozen=True)
class ReadoutSettings:
    """Training of a read-out: on labelled images of calibration, and steps of their runs."""

    images: int = 10_000
    steps: int = 64


__all__ = [
    "Asked",
    "CalibrationSettings",
    "ConversionResult",
    "ReadoutSettings",
    "as_circuit",
    "convert",
    "convert_and_save",
    "convert_network",
    "motion_of",
    "settings_of",
    "with_readout",
]

DEFAULT: Final = ConversionSettings()
CALIBRATION: Final = CalibrationSettings()


@dataclass(frozen=True)
class ConversionResult:
    """The integer network, the report of its conversion, and its file.

    data: the calibration images, as the user named them.
    """

    network: IntegerNetwork
    report: ConversionReport
    data: str
    out: Path | None = None
    readout: ReadoutReport | None = None

    def as_json(self) -> dict[str, Any]:
        """Return plain data: the network's file and the reports."""
        written = None if self.out is None else str(self.out)
        return {"network": written, "report": self.reports()}

    def reports(self) -> dict[str, Any]:
        """Return the report of the conversion, with that of the read-out under its name."""
        extra = {} if self.readout is None else {"readout": self.readout.as_json()}
        return {**self.report.as_json(), **extra}

    def document(self) -> Document:
        """Return the tables, and the command that verifies the file."""
        shown = report.document(self.report)
        if self.readout is not None:
            shown = Document(shown.title, (*shown.blocks, self.readout.table()))
        if self.out is None:
            return shown
        written = paragraph(
            Span(str(self.out), "strong"),
            f" written; next: ipvae-snn verify {self.out} --data {self.data}",
        )
        return Document(shown.title, (*shown.blocks, written))


def settings_of(
    weight_bits: int = 8,
    feedforward_bits: int | None = None,
    lateral_bits: int | None = None,
    fraction_bits: int = 12,
    circuit: str = "one-layer",
    sparsity: float = 0.0,
    decode: str = str(SAMPLE),
) -> ConversionSettings:
    """Return settings with the weight bits of both connections, or of each.

    Raises ConversionError for settings that no integer network can have, ConfigError for a decoding
    that there is not.
    """
    return ConversionSettings(
        weight_bits if feedforward_bits is None else feedforward_bits,
        weight_bits if lateral_bits is None else lateral_bits,
        fraction_bits,
        as_circuit(circuit),
        sparsity,
        decoding_of(decode),
    )


def as_circuit(name: str) -> Circuit:
    """Return the circuit called `name`; raise ConversionError for another."""
    circuits: dict[str, Circuit] = {"one-layer": "one-layer", "two-layer": "two-layer"}
    return circuits[choose(name, circuits, "circuit", ConversionError)]


def convert(
    source: NetworkSource,
    settings: ConversionSettings = DEFAULT,
    calibration: CalibrationSettings = CALIBRATION,
    readout: ReadoutSettings | None = None,
    *,
    out: Path | None = None,
    report_file: Path | None = None,
    overwrite: bool = False,
    progress: Progress = ignore,
) -> ConversionResult:
    """Convert a float network.

    readout: attach accumulators for the classes of the images, which must have labels, trained as
    it says. out: file of the integer network. report_file: file of the report, by default beside
    `out`. overwrite: replace files of other kinds there. Raises DataError for images that do not
    fit, ConversionError where no integer network can express this one, OutputError for files that
    cannot be written.
    """
    if out is not None and report_file is None:
        report_file = out.parent / f"{out.stem}.report.json"
    written = outputs((out, NETWORK), (report_file, CONVERSION))
    free = check_outputs(written, (source, calibration.data), overwrite)
    network = load_float(source, "convert")
    data = calibration.data
    if data is None:
        data = training_data(network.trained_on, network.data_paths)
    progress(described(data), 0, 0)
    limit = calibration.limit(network.n_neurons)
    choice = ImageChoice(
        data,
        calibration.split,
        max(limit, readout.images if readout else 0),
        calibration.data_root,
        calibration.white,
        progress,
    )
    if readout is not None and calibration.moving is not None:
        raise ConfigError(
            "--readout is trained on still images; leave it out, or leave out --frames"
        )
    moving = asked_of(calibration.moving, network, named(source), "calibrated")
    images = _images(network, choice, moving)
    if readout is not None and images.labels is None:
        raise DataError(
            f"{images.name}: these images have no labels, which --readout needs; give labelled "
            "ones with --calibrate (class folders, or a file of labels), or leave --readout out"
        )
    integer, report = convert_network(
        network,
        images if moving else images.first(limit),
        settings,
        steps=calibration.steps,
        seed=calibration.seed,
        frames=moving.frames if moving else 1,
        progress=progress,
    )
    classes = None
    if readout is not None:
        integer, classes = with_readout(integer, images, readout, progress)
    called = os.fspath(data) if isinstance(data, str | os.PathLike) else images.name
    result = ConversionResult(integer, report, called, out, classes)
    if out is not None:
        save_or_spare(out, lambda path: save_network(integer, path), free)
    if report_file is not None:
        save_or_spare(report_file, lambda path: write_json(path, result.reports()), free)
    return result


def _images(network: FloatNetwork, choice: ImageChoice, moving: Moving | None) -> ImageSet:
    """Return still images, or the frames of sequences one after another."""
    if moving is None:
        return choice.loaded_for(network)
    most = None if choice.limit is None else max(1, choice.limit // moving.frames)
    selection = replace(choice.selection_for(network), limit=most)
    images = sequence_set(choice.data, selection, moving).images
    check_images(network.image_shape, network.input_kind, images.pixels, images.kind, images.name)
    return noted(images)


def with_readout(
    network: IntegerNetwork,
    images: ImageSet,
    readout: ReadoutSettings,
    progress: Progress = ignore,
) -> tuple[IntegerNetwork, ReadoutReport]:
    """Return the network with a read-out that is trained on labelled images, and its report.

    Raises ConversionError for labels that allow none, and the errors of a run.
    """
    with parts(progress) as begin:
        chosen = images.first(readout.images)
        begin(f"running {len(chosen)} images for the read-out, {readout.steps} steps")
        pixels, _ = encode(network.input, chosen.pixels, chosen.kind, chosen.name)
        trace = network.prepare().run(pixels, RunRequest(readout.steps))
        begin("fitting the classes")
        labels = chosen.labels
        assert labels is not None  # `convert` asks before the work
        return attach_readout(network, trace.counts_sum, labels, readout.steps)


def convert_network(
    network: FloatNetwork,
    images: ImageSet,
    settings: ConversionSettings = DEFAULT,
    *,
    steps: int = CALIBRATION.steps,
    seed: int = 0,
    frames: int = 1,
    progress: Progress = ignore,
) -> tuple[IntegerNetwork, ConversionReport]:
    """Calibrate a float network on images, and return the integer network with its report.

    frames: every so many images are the frames of a sequence, over which potentials carry over.
    """
    with parts(progress) as begin:
        begin(f"calibrating on {len(images.pixels)} images, {steps} steps")
        pixels = images.pixels
        shown = pixels if frames == 1 else pixels.reshape(-1, frames, pixels.shape[1])
        calibration = calibrate(network, shown, images.name, steps, seed)
        return conversion.convert(network, calibration, settings, begin)


def convert_and_save(
    network: FloatNetwork,
    images: ImageSet,
    settings: ConversionSettings,
    out: Path,
    *,
    steps: int,
    seed: int,
    progress: Progress = ignore,
) -> tuple[IntegerNetwork, ConversionReport]:
    """Calibrate, convert, and write the network to `out` and its report beside it."""
    integer, report = convert_network(
        network, images, settings, steps=steps, seed=seed, progress=progress
    )
    save_network(integer, out)
    write_json(out.with_suffix(".report.json"), report.as_json())
    return integer, report
