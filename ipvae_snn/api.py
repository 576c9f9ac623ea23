"""Python interface of `import ipvae_snn`: the workflows, for notebooks and other programs.

A network is a pretrained name, a checkpoint, the file of an integer network, or a loaded network.
Images are a data set's name, a path, an array, a tensor, a Dataset or a DataLoader (`data.given`).
Nothing is printed, and files are written only if a path is given; an existing file of another kind
is replaced only with `overwrite`, and an input never. `progress(what, done, total)` is
called during the work; total is 0 if it is not known.
"""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ipvae_snn.backends.registry import DEFAULT
from ipvae_snn.config.settings import Value
from ipvae_snn.data.given import GIVEN, ImageSource
from ipvae_snn.errors import BackendError
from ipvae_snn.ir.circuits import Circuit
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest
from ipvae_snn.models.float_network import FloatNetwork, load_float_network
from ipvae_snn.models.networks import NetworkSource, load, load_float, load_integer, network_path
from ipvae_snn.progress import Progress, ignore
from ipvae_snn.report.picture_files import picture_folder
from ipvae_snn.training import train as training
from ipvae_snn.training.run_folder import RunFolder
from ipvae_snn.training.trainer import TrainProgress
from ipvae_snn.training.validation import Validation
from ipvae_snn.workflows import compare as comparisons
from ipvae_snn.workflows import convert as conversions
from ipvae_snn.workflows import energy as energies
from ipvae_snn.workflows import evaluate as evaluations
from ipvae_snn.workflows import export as exports
from ipvae_snn.workflows import import_network as imports
from ipvae_snn.workflows import mapping as mappings
from ipvae_snn.workflows import run as runs
from ipvae_snn.workflows import verify as verifications
from ipvae_snn.workflows.compare import ComparisonResult, ComparisonSettings
from ipvae_snn.workflows.convert import CalibrationSettings, ConversionResult
from ipvae_snn.workflows.energy import EnergyResult, EnergySettings
from ipvae_snn.workflows.evaluate import EvaluationResult, EvaluationSettings
from ipvae_snn.workflows.export import Exported
from ipvae_snn.workflows.image_choice import ImageChoice
from ipvae_snn.workflows.import_network import GivenImages, ImportResult, ImportSettings, Options
from ipvae_snn.workflows.mapping import ChipSettings, EventSettings, MappingResult
from ipvae_snn.workflows.run import RunResult
from ipvae_snn.workflows.train import OwnImages, SettingsChoice
from ipvae_snn.workflows.training_images import training_images
from ipvae_snn.workflows.verify import BACKENDS, Verification

__all__ = [
    "compare",
    "convert",
    "energy",
    "evaluate",
    "export",
    "import_network",
    "load",
    "map_network",
    "run",
    "train",
    "verify",
]


@dataclass(frozen=True)
class TrainingResult:
    """A trained network and its validation on held-out images.

    checkpoint: its file, None if no folder was given. seconds: of this call.
    """

    network: FloatNetwork
    validation: Validation
    checkpoint: Path | None
    iterations: int
    seconds: float

    def __repr__(self) -> str:
        """Return the network and its quality in one line."""
        scores = self.validation
        return (
            f"TrainingResult({self.network}, R2 {scores.r2:.3f}, zeros {scores.zeros:.3f}, "
            f"{self.iterations} iterations in {self.seconds:.0f} s)"
        )


def train(
    images: ImageSource,
    *,
    out: str | os.PathLike[str] | None = None,
    preset: str | None = None,
    patches: int | None = None,
    settings: Mapping[str, Value] | None = None,
    resume: bool = False,
    progress: Progress = ignore,
) -> TrainingResult:
    """Train a network on images, of which every tenth is held out (a named set has its own).

    preset: settings that come with the package, by default those for the named set, "photographs"
    with patches, else "images". patches: cut whitened patches of so many pixels at a side from
    photographs of any size, and hold out whole photographs. settings: changes to the preset, as
    {"train.iterations": 2000, "model.n_latents": 256}. out: folder of the run, from which `resume`
    continues (`progress` hears if there is none, so that a new one starts); without it nothing is
    kept on disk. Raises ConfigError, DataError or TrainingError.
    """
    named = os.fspath(images) if isinstance(images, str | os.PathLike) else None
    own = OwnImages(patches=patches)
    overrides = tuple(f"{key}={json.dumps(value)}" for key, value in (settings or {}).items())
    chosen = SettingsChoice(preset=preset, overrides=overrides, data=named or GIVEN, own=own)
    config = chosen.resolve()
    seen, held_out = training_images(images, config, report=progress)
    config = replace(config, data=replace(config.data, name=seen.name))

    def report(now: TrainProgress) -> None:
        progress("training", now.iteration, now.iterations)

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "run") if out is None else Path(out)
        if RunFolder(folder).is_new(resume) and resume:
            progress(f"{folder}: holds no run to resume, so a new one starts", 0, 0)
        done = training.train(config, seen, held_out, folder, resume, report)
        network = load_float_network(done.checkpoint)
    kept = None if out is None else done.checkpoint
    return TrainingResult(network, done.validation, kept, done.iterations, done.seconds)


def import_network(
    file: str | os.PathLike[str],
    out: str | os.PathLike[str],
    images: ImageSource | None = None,
    *,
    format: str | None = None,
    image_shape: tuple[int, int] | None = None,
    input_kind: str | None = None,
    penalty: float | None = None,
    positive: bool | None = None,
    patches: int | None = None,
    limit: int = 500,
    overwrite: bool = False,
    data_root: Path | None = None,
    progress: Progress = ignore,
) -> ImportResult:
    """Import a network or dictionary of another program as the checkpoint `out`.

    images: images like those it was made for (patches: photographs, to be whitened and cut), of
    which `limit` are used; dictionaries and P-VAEs need them. format: by default recognised
    (docs/importing.md). image_shape (height, width), input_kind, penalty (alpha, lambda), positive
    (no negative codes): what the file does not state. overwrite: replace a file that is no imported
    checkpoint. Raises OutputError, FileFormatError, ConversionError, DataError or ConfigError.
    """
    kind = None if input_kind is None else imports.input_kind_of(input_kind)
    cut = imports.cut_of(patches, None)
    given = None if images is None else GivenImages(images, limit, "train", data_root, None, cut)
    options = Options(image_shape, kind, penalty, positive)
    settings = ImportSettings(format, options, given)
    return imports.import_network(Path(file), Path(out), settings, progress, overwrite)


def convert(
    network: NetworkSource,
    calibrate: ImageSource | None = None,
    *,
    bits: int = 8,
    feedforward_bits: int | None = None,
    lateral_bits: int | None = None,
    circuit: Circuit = "one-layer",
    sparsity: float = 0.0,
    images: int = 2000,
    steps: int = 48,
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    data_root: Path | None = None,
    progress: Progress = ignore,
) -> ConversionResult:
    """Convert a float network to integers of `bits` bits, calibrated on images.

    calibrate: by default the training split of the set on which the network was trained. images,
    steps: numbers of images and steps for it. out: file for the integer network, with its report
    beside it. Raises ConversionError if integers cannot express the network, DataError for images
    that do not fit, OutputError if a file cannot be written.
    """
    return conversions.convert(
        network,
        conversions.settings_of(
            bits, feedforward_bits, lateral_bits, circuit=circuit, sparsity=sparsity
        ),
        CalibrationSettings(calibrate, images, steps, seed, data_root=data_root),
        out=None if out is None else Path(out),
        overwrite=overwrite,
        progress=progress,
    )


def run(
    network: NetworkSource,
    images: ImageSource,
    *,
    steps: int = 64,
    seed: int = 0,
    trace: bool = False,
    limit: int | None = None,
    backend: str | None = None,
    split: str = "test",
    data_root: Path | None = None,
) -> RunResult:
    """Show images to a network for `steps` steps; the counts do not depend on the back end.

    backend: by default `compiled` for an integer network; a float one runs on the same uniforms.
    trace: keep counts and potentials of every step, (N, T, K) each. Raises DataError for images
    that do not fit the network, BackendError if the back end fails.
    """
    loaded, request = load(network), RunRequest(steps, seed, trace=trace)
    if isinstance(loaded, IntegerNetwork):
        shown = ImageChoice(images, split, limit, data_root).encoded_for(loaded)
        return runs.run_integer(loaded, shown, request, backend or DEFAULT)
    if backend not in (None, runs.FLOAT):
        raise BackendError(
            f"{loaded!r} is float, which the back end {backend!r} does not run; convert it first"
        )
    given = ImageChoice(images, split, limit, data_root).loaded_for(loaded)
    return runs.run_float(loaded, given, request)


def evaluate(
    network: NetworkSource,
    images: ImageSource,
    *,
    steps: int = 1000,
    seed: int = 0,
    limit: int = 1000,
    readout_train: int = 5000,
    split: str = "test",
    threads: int = 1,
    data_root: Path | None = None,
    pictures: str | os.PathLike[str] | None = None,
    picture_format: str = "png",
    overwrite: bool = False,
    progress: Progress = ignore,
) -> EvaluationResult:
    """Evaluate a float network: R2, zeros, free energy, sparseness, label read-out, run-aways.

    readout_train: training images of a named set for the read-out, 0 for none. pictures: folder;
    picture_format: png, svg, pdf or another of Matplotlib's. Raises ConversionError for an integer
    network, DataError for images that do not fit.
    """
    settings = EvaluationSettings(
        split, limit, steps, seed, readout_train, threads=threads, data_root=data_root
    )
    return evaluations.evaluate(
        load_float(network, "evaluate"),
        images,
        settings,
        pictures=picture_folder(pictures, picture_format),
        overwrite=overwrite,
        progress=progress,
    )


def compare(
    network: NetworkSource,
    integer: NetworkSource,
    images: ImageSource,
    *,
    steps: int = 64,
    seeds: int = 5,
    seed: int = 0,
    limit: int = 100,
    attribution: bool = True,
    split: str = "test",
    threads: int = 2,
    data_root: Path | None = None,
    pictures: str | os.PathLike[str] | None = None,
    picture_format: str = "png",
    overwrite: bool = False,
    progress: Progress = ignore,
) -> ComparisonResult:
    """Compare an integer network with the float network it came from, on the same uniforms.

    attribution: also replace each tensor of the float network by the integer one's, one at a time.
    pictures, picture_format: as in `evaluate`. Raises DataError if networks or images do not fit.
    """
    settings = ComparisonSettings(split, limit, steps, seeds, seed, attribution, threads, data_root)
    return comparisons.compare(
        load_float(network, "compare"),
        load_integer(integer, "compare"),
        images,
        settings,
        pictures=picture_folder(pictures, picture_format),
        overwrite=overwrite,
        progress=progress,
    )


def verify(
    network: NetworkSource,
    images: ImageSource,
    *,
    backends: Sequence[str] = BACKENDS,
    steps: int = 64,
    seed: int = 0,
    limit: int = 20,
    split: str = "test",
    data_root: Path | None = None,
    progress: Progress = ignore,
) -> Verification:
    """Compare back ends with the reference, count by count and state by state.

    The result contains the first place of a divergence; its `require_equal()` raises an error
    then. Raises BackendUnavailableError if a back end cannot run here.
    """
    loaded = load_integer(network, "verify")
    shown = ImageChoice(images, split, limit, data_root, report=progress).encoded_for(loaded)
    request = RunRequest(steps, seed, trace=True)
    return verifications.verify(loaded, shown, request, backends, progress)


def map_network(
    network: NetworkSource,
    profile: str | os.PathLike[str] = "loihi2",
    images: ImageSource | None = None,
    *,
    chips: int | None = None,
    steps: int = 64,
    limit: int = 20,
    picture: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    data_root: Path | None = None,
    progress: Progress = ignore,
) -> MappingResult:
    """Check a network against a chip's limits and place it on the chip's cores.

    profile: a name, or a .toml file. images: to count events; without them every neuron is assumed
    to send one event per step. The result says whether the network fits; its `require_fit()`
    raises an error if not. picture: file for the placement.
    """
    return mappings.map_network(
        load_integer(network, "map"),
        ChipSettings(os.fspath(profile), chips=chips),
        EventSettings(data=images, limit=limit, steps=steps, data_root=data_root),
        picture=None if picture is None else Path(picture),
        overwrite=overwrite,
        progress=progress,
    )


def energy(
    network: NetworkSource,
    images: ImageSource,
    profiles: Sequence[str] = (),
    *,
    steps: int = 64,
    seed: int = 0,
    limit: int = 100,
    split: str = "test",
    data_root: Path | None = None,
    pictures: str | os.PathLike[str] | None = None,
    picture_format: str = "png",
    overwrite: bool = False,
    progress: Progress = ignore,
) -> EnergyResult:
    """Count the operations of a run and estimate its energy by published figures (proxies).

    profiles: names or .toml files, by default all of the package with energies. pictures,
    picture_format: as in `evaluate`. Raises ConfigError for a profile without energies.
    """
    return energies.energy(
        load_integer(network, "energy"),
        images,
        EnergySettings(tuple(profiles), split, limit, steps, seed, data_root),
        pictures=picture_folder(pictures, picture_format),
        overwrite=overwrite,
        progress=progress,
    )


def export(
    network: NetworkSource,
    target: str,
    out: str | os.PathLike[str],
    *,
    check: bool = True,
    progress: Progress = ignore,
) -> Exported:
    """Export a network to the folder `out`: target "onnx", "lava", "snntorch", "norse" or your own.

    check: run the export and compare it with the reference before it appears in `out`. Raises
    BackendUnavailableError if the check cannot run here, DataError if `out` holds files that such
    an export did not write, OutputError if it cannot be written or holds the network itself.
    """
    if isinstance(network, str | os.PathLike):
        return exports.export_file(network_path(network), target, Path(out), check)
    loaded = load(network)
    if isinstance(loaded, IntegerNetwork):
        return exports.export_integer(loaded, target, Path(out), check, progress)
    return exports.export_float(loaded, target, Path(out), check, progress)
