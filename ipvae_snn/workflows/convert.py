"""Convert a float network to an integer network: calibrate, round, write."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ipvae_snn.choices import choose
from ipvae_snn.conversion import convert as conversion
from ipvae_snn.conversion import report
from ipvae_snn.conversion.calibration import calibrate
from ipvae_snn.conversion.figures import ConversionReport
from ipvae_snn.conversion.settings import ConversionSettings
from ipvae_snn.data import ImageSet
from ipvae_snn.data.given import ImageSource
from ipvae_snn.errors import ConversionError
from ipvae_snn.ir.circuits import Circuit
from ipvae_snn.ir.files import save_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.models.networks import NetworkSource, load_float
from ipvae_snn.models.training_data import training_data
from ipvae_snn.progress import Progress, ignore
from ipvae_snn.report.document import Document, Span, paragraph
from ipvae_snn.report.json_files import write_json
from ipvae_snn.watcher import parts
from ipvae_snn.workflows.image_choice import ImageChoice
from ipvae_snn.workflows.images import described
from ipvae_snn.workflows.outputs import CONVERSION, NETWORK, check_outputs, outputs, save_or_spare


@dataclass(frozen=True)
class CalibrationSettings:
    """Images and steps of calibration.

    data: None for the set that the network was trained on. white: of the user's own images, as in
    `ImageChoice`.
    """

    data: ImageSource | None = None
    images: int = 2000
    steps: int = 48
    seed: int = 0
    split: str = "train"
    data_root: Path | None = None
    white: float | None = None


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

    def as_json(self) -> dict[str, Any]:
        """Return plain data: the network's file and the report."""
        written = None if self.out is None else str(self.out)
        return {"network": written, "report": self.report.as_json()}

    def document(self) -> Document:
        """Return the tables, and the command that verifies the file."""
        shown = report.document(self.report)
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
) -> ConversionSettings:
    """Return settings with the weight bits of both connections, or of each.

    Raises ConversionError for settings that no integer network can have.
    """
    return ConversionSettings(
        weight_bits if feedforward_bits is None else feedforward_bits,
        weight_bits if lateral_bits is None else lateral_bits,
        fraction_bits,
        as_circuit(circuit),
        sparsity,
    )


def as_circuit(name: str) -> Circuit:
    """Return the circuit called `name`; raise ConversionError for another."""
    circuits: dict[str, Circuit] = {"one-layer": "one-layer", "two-layer": "two-layer"}
    return circuits[choose(name, circuits, "circuit", ConversionError)]


def convert(
    source: NetworkSource,
    settings: ConversionSettings = DEFAULT,
    calibration: CalibrationSettings = CALIBRATION,
    *,
    out: Path | None = None,
    report_file: Path | None = None,
    overwrite: bool = False,
    progress: Progress = ignore,
) -> ConversionResult:
    """Convert a float network.

    out: file of the integer network. report_file: file of the report, by default beside `out`.
    overwrite: replace files of other kinds there. Raises DataError for images that do not fit,
    ConversionError where no integer network can express this one, OutputError for files that cannot
    be written.
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
    choice = ImageChoice(
        data,
        calibration.split,
        calibration.images,
        calibration.data_root,
        calibration.white,
        progress,
    )
    images = choice.loaded_for(network)
    integer, report = convert_network(
        network,
        images,
        settings,
        steps=calibration.steps,
        seed=calibration.seed,
        progress=progress,
    )
    if out is not None:
        save_or_spare(out, lambda path: save_network(integer, path), free)
    if report_file is not None:
        save_or_spare(report_file, lambda path: write_json(path, report.as_json()), free)
    called = os.fspath(data) if isinstance(data, str | os.PathLike) else images.name
    return ConversionResult(integer, report, called, out)


def convert_network(
    network: FloatNetwork,
    images: ImageSet,
    settings: ConversionSettings = DEFAULT,
    *,
    steps: int = CALIBRATION.steps,
    seed: int = 0,
    progress: Progress = ignore,
) -> tuple[IntegerNetwork, ConversionReport]:
    """Calibrate a float network on images, and return the integer network with its report."""
    with parts(progress) as begin:
        begin(f"calibrating on {len(images.pixels)} images, {steps} steps")
        calibration = calibrate(network, images.pixels, images.name, steps, seed)
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
