"""Import a network or a dictionary of another program: read, complete, write a checkpoint."""

import hashlib
import math
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from ipvae_snn.config import toml
from ipvae_snn.config.preparation import Preparation
from ipvae_snn.config.settings import Config, DataConfig, ModelConfig, TrainConfig
from ipvae_snn.config.toml import from_toml, to_toml
from ipvae_snn.data import registry
from ipvae_snn.data.base import ImageSet
from ipvae_snn.data.given import ImageSource
from ipvae_snn.errors import ConfigError, FileFormatError
from ipvae_snn.image_shape import ImageShape, image_shape, shape_text
from ipvae_snn.importers import facts, formats
from ipvae_snn.importers.draft import Draft, ImageLoader, Options, Source
from ipvae_snn.importers.step_size import ChosenStep, choose_step
from ipvae_snn.ir.encode import check_images
from ipvae_snn.ir.parts import InputKind
from ipvae_snn.ir.trace import RunRequest
from ipvae_snn.models.checkpoint import Origin, save_parameters
from ipvae_snn.models.float_network import FloatNetwork, load_float_network
from ipvae_snn.models.trainable import parameters_of, settings_of
from ipvae_snn.progress import Progress, ignore
from ipvae_snn.report.document import Document, Span, number, paragraph, table
from ipvae_snn.workflows.image_choice import ImageChoice
from ipvae_snn.workflows.outputs import IMPORTED, check_outputs, outputs, save_or_spare
from ipvae_snn.workflows.run import run_float
from ipvae_snn.workflows.train import OwnImages

__all__ = [
    "GivenImages",
    "ImportResult",
    "ImportSettings",
    "Options",
    "cut_of",
    "image_shape_of",
    "import_network",
    "input_kind_of",
]

SHOWN_IMAGES: Final = 100
SHOWN_STEPS: Final = 64
KINDS: Final[dict[str, InputKind]] = {"unit": "unit", "standardised": "standardised"}
_SHAPE: Final = re.compile(r"[1-9]\d{0,4}(?:[xX][1-9]\d{0,4}){1,2}")


@dataclass(frozen=True)
class GivenImages:
    """Images like those that a network was made for, and at most how many of them are used.

    white: of the user's own images, as in `ImageChoice`. preparation: what is done to photographs;
    None takes images whole.
    """

    data: ImageSource
    limit: int = 500
    split: str = "train"
    data_root: Path | None = None
    white: float | None = None
    preparation: Preparation | None = None

    def load(self, n_pixels: int, progress: Progress = ignore, colour: bool = False) -> ImageSet:
        """Return the images, grey or in colour; patches are cut in the size of n_pixels pixels."""
        choice = ImageChoice(
            self.data, self.split, self.limit, self.data_root, self.white, progress
        )
        return choice.read(math.isqrt(n_pixels), self.preparation, colour)


@dataclass(frozen=True)
class ImportSettings:
    """Format of the file (None: recognised), facts that it leaves out, and images."""

    format: str | None = None
    options: Options = field(default_factory=Options)
    images: GivenImages | None = None


DEFAULT: Final = ImportSettings()


@dataclass(frozen=True)
class ImportResult:
    """The imported network, its file, and how it came about.

    gain: loop gain at which the step size was chosen, None if the file states the step size.
    lasso_r2, r2: mean R2 of the lasso and of the network on images, None without images or lasso.
    """

    network: FloatNetwork
    out: Path
    remarks: tuple[str, ...]
    gain: float | None = None
    lasso_r2: float | None = None
    r2: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        network = self.network
        return {
            "out": str(self.out),
            "imported": dict(network.imported),
            "pixels": network.n_pixels,
            "neurons": network.n_neurons,
            "image_shape": list(network.image_shape),
            "input": network.input_kind,
            "trained_on": network.trained_on,
            "step_size": math.exp(network.log_lr),
            "loop_gain": self.gain,
            "r2_lasso": self.lasso_r2,
            "r2": self.r2,
            "remarks": list(self.remarks),
        }

    def document(self) -> Document:
        """Return one table, the remarks, and the command that converts the network."""
        network, source = self.network, self.network.imported
        size = shape_text(network.image_shape)
        chosen = "" if self.gain is None else f", chosen: loop gain {self.gain:.2f}"
        rows = [
            ("file", source["file"]),
            ("format", formats.FORMATS[source["format"]].summary),
            (
                "network",
                f"{network.n_neurons} neurons, {size} {network.input_kind} pixels",
            ),
            ("trained on", network.trained_on or "unknown"),
            ("step size", f"{math.exp(network.log_lr):.4g}{chosen}"),
        ]
        if self.lasso_r2 is not None:
            rows.append(("R2 of the lasso", number(self.lasso_r2)))
        if self.r2 is not None:
            rows.append((f"R2 at step {SHOWN_STEPS}", number(self.r2)))
        known = network.trained_on or network.data_paths
        calibrate = "" if known else " --calibrate IMAGES"
        written = paragraph(
            Span(str(self.out), "strong"),
            f" written; next: ipvae-snn convert {self.out}{calibrate}",
        )
        remarks = (paragraph(remark) for remark in self.remarks)
        title = f"{self.out}: imported network"
        return Document(title, (table(title, ("", "value"), rows, text=True), *remarks, written))


def cut_of(patches: int | None, whiten: str | None) -> Preparation | None:
    """Return how photographs are cut and whitened, None where neither is asked for.

    Raises ConfigError for a size that is out of range, or an unknown whitening.
    """
    if patches is None and whiten is None:
        return None
    given = OwnImages(patches, whiten).overrides
    cut = toml.with_overrides(Config(), given, "the images").data.preparation
    if not cut.patches:
        raise ConfigError("--whiten is for photographs of which patches are cut; give --patches")
    return cut


def image_shape_of(text: str) -> ImageShape:
    """Return the shape that a text such as 28x28 or 32x32x3 states; ConfigError for another."""
    if _SHAPE.fullmatch(text.strip()) is None:
        raise ConfigError(
            f"an image shape of {text[:80]!r} is not known; give HEIGHTxWIDTH, such as 28x28, or "
            "32x32x3 in colour"
        )
    try:
        return image_shape(int(size) for size in text.lower().split("x"))
    except ValueError as error:
        raise ConfigError(f"--image-shape {text}: {error}") from error


def input_kind_of(text: str) -> InputKind:
    """Return the kind of pixels called `text`; raise ConfigError for another."""
    if text not in KINDS:
        raise ConfigError(
            f"an input of {text[:80]!r} is not known; give unit (pixels in [0, 1]) or standardised "
            "(zero mean, unit variance)"
        )
    return KINDS[text]


def import_network(
    file: Path,
    out: Path,
    settings: ImportSettings = DEFAULT,
    progress: Progress = ignore,
    overwrite: bool = False,
) -> ImportResult:
    """Read a network or dictionary of another program and write it as a checkpoint to `out`.

    overwrite: replace a file that is no imported checkpoint there. No code of the file is executed.
    Raises OutputError for an `out` that cannot be written, FileFormatError for a file that cannot
    be read, ConversionError for a network that an iP-VAE cannot express, DataError for images that
    are missing or do not fit, ConfigError for facts that are missing or contradict the file.
    """
    if out.exists() and file.exists() and out.samefile(file):
        raise FileFormatError(f"{out}: is the file to import; write the checkpoint to another path")
    data = None if settings.images is None else settings.images.data
    free = check_outputs(outputs((out, IMPORTED)), (data,), overwrite)
    progress(f"reading {file}", 0, 0)
    loader = None if settings.images is None else _once(settings.images, settings.options, progress)
    source = Source(file, settings.options, loader)
    name, draft = formats.read(source, settings.format)
    imported = {
        "file": file.name,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "format": name,
    }
    source = replace(source, load_images=_as_trained(loader, draft, settings, progress))
    images = None if loader is None else source.images(draft.n_pixels, "the import")
    network = _completed(file, draft, settings.options, images)
    if images is not None:
        shape, kind = network.image_shape, network.input_kind
        check_images(shape, kind, images.pixels, images.kind, images.name)
    chosen: ChosenStep | None = None
    if draft.log_lr is None:
        needed = source.images(draft.n_pixels, "a stable step size")
        progress("choosing a stable step size", 0, 0)
        chosen = choose_step(network, needed)
        network = chosen.network
    save_or_spare(out, lambda path: _save(path, network, draft, imported, images), free)
    network = load_float_network(out)
    result = ImportResult(network, out, draft.remarks, None if chosen is None else chosen.gain)
    if images is None:
        return result
    shown = run_float(network, images.first(SHOWN_IMAGES), RunRequest(SHOWN_STEPS, 0))
    lasso = None if math.isnan(draft.lasso_r2) else draft.lasso_r2
    return replace(result, r2=shown.quality.mean, lasso_r2=lasso)


def _as_trained(
    loader: ImageLoader | None, draft: Draft, settings: ImportSettings, progress: Progress
) -> ImageLoader | None:
    """Return the loader of a named set's images, made as the file says; else `loader`."""
    given = settings.images
    if given is None or given.preparation is not None or draft.preparation is None:
        return loader
    if not (isinstance(given.data, str) and registry.is_named(given.data)):
        return loader
    prepared = replace(given, preparation=draft.preparation)
    return _once(prepared, settings.options, progress)


def _once(given: GivenImages, options: Options, progress: Progress) -> ImageLoader:
    """Return a loader that reads the images at its first call only."""
    colour = options.image_shape is not None and len(options.image_shape) == 3
    loaded: dict[int, ImageSet] = {}

    def load(n_pixels: int) -> ImageSet:
        if n_pixels not in loaded:
            loaded[n_pixels] = given.load(n_pixels, progress, colour)
        return loaded[n_pixels]

    return load


def _completed(file: Path, draft: Draft, options: Options, images: ImageSet | None) -> FloatNetwork:
    """Return the network with image shape and kind of the file, the options or the images."""
    return FloatNetwork(
        dictionary=draft.dictionary,
        log_sigma=draft.log_sigma,
        u0=draft.u0,
        log_bias=draft.log_bias,
        log_lr=0.0 if draft.log_lr is None else draft.log_lr,
        clip=draft.clip,
        floor=draft.floor,
        image_shape=facts.image_shape(file, draft, options, images),
        input_kind=facts.input_kind(file, draft, options, images),
        source="",
        trained_on=_training_set(draft, images) or ("" if images is None else images.name),
        updates_per_step=draft.updates_per_step,
        leak=draft.leak,
        training_steps=draft.training_steps,
    )


def _training_set(draft: Draft, images: ImageSet | None) -> str:
    """Return the data set that the file states, unless it is unknown here and images are named."""
    known = images is None or draft.trained_on in {source.name for source in registry.names()}
    return draft.trained_on if known else ""


def _save(
    out: Path,
    network: FloatNetwork,
    draft: Draft,
    imported: dict[str, str],
    images: ImageSet | None,
) -> None:
    own, prepared = None, draft.preparation
    if images is not None and not _training_set(draft, images):
        own, prepared = images.path, images.preparation
    origin = Origin(
        network.trained_on, network.input_kind, network.image_shape, own, imported, prepared
    )
    save_parameters(out, parameters_of(network), _config(network, draft), origin, network.clip)


def _config(network: FloatNetwork, draft: Draft) -> Config:
    """Return settings from which training can start, and that state the network's dynamics."""
    model = ModelConfig(
        **settings_of(network.dictionary),
        clip=network.clip,
        floor=network.floor,
        log_sigma_limit=draft.log_sigma_limit,
        updates_per_step=network.updates_per_step,
        leak=network.leak,
    )
    train = TrainConfig(steps=draft.training_steps, beta=draft.beta)
    config = Config(model, train, DataConfig(name=network.trained_on or DataConfig().name))
    return from_toml(to_toml(config), "the imported network")  # checks every limit
