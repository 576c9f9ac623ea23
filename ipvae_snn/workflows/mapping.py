"""Map an integer network onto a chip: count events, check limits, place cores, draw."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ipvae_snn.arrays import Integers, UInt8
from ipvae_snn.data.given import ImageSource
from ipvae_snn.errors import ConfigError, FileFormatError
from ipvae_snn.hw.chips.profile import load_profile
from ipvae_snn.hw.mapping import events as counting
from ipvae_snn.hw.mapping import mapping, plot, report
from ipvae_snn.hw.mapping.events import Events
from ipvae_snn.hw.mapping.limits import require_limits
from ipvae_snn.hw.mapping.mapping import Mapping
from ipvae_snn.hw.mapping.populations import InputAs
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest, counts_of
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.models.networks import NetworkSource, load, named
from ipvae_snn.progress import Progress, ignore
from ipvae_snn.report.document import Document, Picture, paragraph
from ipvae_snn.report.json_files import write_json
from ipvae_snn.report.picture_files import save
from ipvae_snn.storage.names import printable
from ipvae_snn.workflows.image_choice import ImageChoice
from ipvae_snn.workflows.images import Images, described
from ipvae_snn.workflows.moving import warn_if_still
from ipvae_snn.workflows.outputs import MAPPING, PICTURE, check_outputs, outputs, save_or_spare

PLACEMENT: Final = "placement"  # in a folder of pictures
COUNTS_AT_ONCE: Final = 1 << 24  # counts per part of a run; bounds memory


@dataclass(frozen=True)
class ChipSettings:
    """Chip profile (name or .toml file), form of the input, and number of chips.

    chips: None for as many as needed.
    """

    profile: str = "loihi2"
    input_as: InputAs = "spikes"
    chips: int | None = None


@dataclass(frozen=True)
class EventSettings:
    """Source of event counts: a result of `ipvae-snn run` (rates), or a run of images (data).

    With neither, every neuron is assumed to send one event per step. white: of the user's own
    images, as in `ImageChoice`.
    """

    rates: Path | None = None
    data: ImageSource | None = None
    split: str = "test"
    limit: int = 20
    steps: int = 64
    seed: int = 0
    data_root: Path | None = None
    white: float | None = None


CHIP: Final = ChipSettings()
EVENTS: Final = EventSettings()


@dataclass(frozen=True)
class MappingResult:
    """Mapping of a network. picture: of its placement, if it fits. out: its file, if written."""

    network: str
    mapping: Mapping
    picture: Picture | None
    out: Path | None = None

    def as_json(self) -> dict[str, Any]:
        """Return plain data, without the neurons' cores."""
        return {"network": self.network, **mapping.as_json(self.mapping)}

    def document(self) -> Document:
        """Return the tables, the picture, and the name of the written file."""
        pictures = () if self.picture is None else (self.picture,)
        shown = report.document(self.mapping, Path(self.network).name, pictures)
        if self.out is None:
            return shown
        return Document(shown.title, (*shown.blocks, paragraph(f"{self.out} written")))

    def require_fit(self) -> None:
        """Raise FitError with every limit that is exceeded."""
        mapping.require_fit(self.mapping, self.network)


def map_network(
    source: NetworkSource,
    chip: ChipSettings = CHIP,
    events: EventSettings = EVENTS,
    *,
    picture: Path | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    progress: Progress = ignore,
) -> MappingResult:
    """Check every limit of a chip, split a network over its cores, and place the cores on the mesh.

    picture: file for the placement. out: JSON file for all figures and each neuron's core. Without
    them, nothing is written. overwrite: replace files of other kinds there. A network that does not
    fit is no error here: see `require_fit`. Raises ConfigError for wrong settings or a wrong suffix
    of the picture, FileFormatError for a float checkpoint, OutputError for files that cannot be
    written.
    """
    if events.rates is not None and events.data is not None:
        raise ConfigError("--rates and --data both define the events; give one of them")
    written = outputs((picture, PICTURE), (out, MAPPING))
    free = check_outputs(written, (source, events.rates, events.data, chip.profile), overwrite)
    profile = load_profile(chip.profile)
    require_limits(profile)
    network, name = load(source), named(source)
    if isinstance(network, FloatNetwork):
        raise FileFormatError(
            f"{name}: a float checkpoint, but chips take integers; convert it first: "
            f"ipvae-snn convert {Path(name).stem}"
        )
    if events.data is not None:
        warn_if_still(network, name)
    counted = events_of(network, events, progress)
    progress(f"placing {Path(name).name} on {profile.name}", 0, 0)
    placed = mapping.check_and_place(network, profile, chip.input_as, counted, chip.chips)
    drawn = _picture(placed, printable(Path(name).name))
    if drawn is not None and picture is not None:
        drawn = save(drawn, picture, free)
    result = MappingResult(name, placed, drawn, out)
    if out is not None:
        cores = mapping.cores_of_neurons(placed)
        data = {**result.as_json(), "core_of": cores}
        save_or_spare(out, lambda path: write_json(path, data), free)
    return result


def _picture(result: Mapping, name: str) -> Picture | None:
    """Return the picture of the placement, if there is one."""
    return None if result.placed is None else plot.picture(result, result.placed, name)


def events_of(
    network: IntegerNetwork, settings: EventSettings = EVENTS, progress: Progress = ignore
) -> Events:
    """Return the events of the settings: counted in images or in a result, or assumed."""
    if settings.data is not None:
        progress(described(settings.data), 0, 0)
        choice = ImageChoice(
            settings.data,
            settings.split,
            settings.limit,
            settings.data_root,
            settings.white,
            progress,
        )
        images = choice.encoded_for(network)
        return count_events(network, images, settings.steps, settings.seed, progress)
    if settings.rates is not None:
        return counting.from_trace(network, settings.rates)
    return counting.assumed(network, settings.steps)


def count_events(
    network: IntegerNetwork, images: Images, steps: int, seed: int, progress: Progress = ignore
) -> Events:
    """Run images on the back end `compiled` and count the events that neurons send."""
    n = len(images.pixels)
    at_once = max(1, COUNTS_AT_ONCE // (steps * network.n_neurons))
    session = network.prepare()  # here, since Numba loads slowly and most maps count nothing

    def parts() -> Iterator[tuple[UInt8, Integers]]:
        for start in range(0, n, at_once):
            progress(f"{n} images, {steps} steps", start, n)
            pixels = images.pixels[start : start + at_once]
            trace = session.run(pixels, RunRequest(steps, seed, start, trace=True))
            yield pixels, counts_of(trace)

    return counting.counted(network, parts(), images.floats.name)
