"""Map an integer network onto a chip: count events, check limits, place, draw."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ipvae_snn.arrays import Integers, UInt8
from ipvae_snn.backends.registry import load_backend
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
from ipvae_snn.report.document import Document, Picture, paragraph
from ipvae_snn.report.json_files import write_json
from ipvae_snn.report.plots import format_of, save
from ipvae_snn.workflows.images import Images, load_for
from ipvae_snn.workflows.networks import NetworkSource, load, named
from ipvae_snn.workflows.progress import Progress, ignore

COUNTS_AT_ONCE: Final = 1 << 24  # counts of a run that are held together; bounds memory


@dataclass(frozen=True)
class ChipSettings:
    """The chip's profile (name or .toml file), how the image comes, and how many chips there are.

    chips: None for as many as are needed.
    """

    profile: str = "loihi2"
    input_as: InputAs = "spikes"
    chips: int | None = None


@dataclass(frozen=True)
class EventSettings:
    """Where events are counted: in a result of `ipvae-snn run`, or in a run of images.

    With neither of them, every neuron is assumed to send one event per step.
    """

    rates: Path | None = None
    data: ImageSource | None = None
    split: str = "test"
    limit: int = 20
    steps: int = 64
    seed: int = 0
    data_root: Path | None = None


CHIP: Final = ChipSettings()
EVENTS: Final = EventSettings()


@dataclass(frozen=True)
class MappingResult:
    """The mapping of a network; picture: of its placement, if it has one; out: the file."""

    network: str
    mapping: Mapping
    picture: Picture | None
    out: Path | None = None

    def as_json(self) -> dict[str, Any]:
        """Return all but the neurons' cores as plain data."""
        return {"network": self.network, **mapping.as_json(self.mapping)}

    def document(self) -> Document:
        """Return the tables, the picture, and where the numbers were written."""
        pictures = () if self.picture is None else (self.picture,)
        shown = report.document(self.mapping, Path(self.network).name, pictures)
        if self.out is None:
            return shown
        return Document(shown.title, (*shown.blocks, paragraph(f"{self.out} written")))

    def require_fit(self) -> None:
        """Raise FitError with every limit that is broken."""
        mapping.require_fit(self.mapping, self.network)


def map_network(
    source: NetworkSource,
    chip: ChipSettings = CHIP,
    events: EventSettings = EVENTS,
    *,
    picture: Path | None = None,
    out: Path | None = None,
    progress: Progress = ignore,
) -> MappingResult:
    """Check every limit of a chip, split a network over its cores and place these on the mesh.

    picture: file for the placement, out: JSON file for everything, each neuron's core too; nothing
    is written without. A network that does not fit is no error here: see `require_fit`. Raises
    ConfigError for settings or a picture's suffix that are wrong, FileFormatError for a float
    checkpoint.
    """
    if events.rates is not None and events.data is not None:
        raise ConfigError("--rates and --data both give the events; give one of them")
    if picture is not None:
        format_of(picture)  # before the run, so that a wrong suffix costs no time
    profile = load_profile(chip.profile)
    require_limits(profile)
    network, name = load(source), named(source)
    if isinstance(network, FloatNetwork):
        raise FileFormatError(
            f"{name}: a float checkpoint; chips take integers: ipvae-snn convert {Path(name).stem}"
        )
    counted = events_of(network, events, progress)
    progress(f"placing {Path(name).name} on {profile.name}", 0, 0)
    found = mapping.check_and_place(network, profile, chip.input_as, counted, chip.chips)
    result = MappingResult(name, found, _picture(found, Path(name).name, picture), out)
    if out is not None:
        cores = mapping.cores_of_neurons(found)
        write_json(out, {**result.as_json(), "core_of": cores})
    return result


def _picture(result: Mapping, name: str, path: Path | None) -> Picture | None:
    """Return the picture of the placement, if there is one, written if there is a path."""
    if result.placed is None:
        return None
    drawn = plot.picture(result, result.placed, name)
    return drawn if path is None else save(drawn, path)


def events_of(
    network: IntegerNetwork, settings: EventSettings = EVENTS, progress: Progress = ignore
) -> Events:
    """Return the events that the settings name: counted in images or in a result, or assumed."""
    if settings.data is not None:
        images = load_for(
            network, settings.data, settings.split, settings.data_root, settings.limit
        )
        return count_events(network, images, settings.steps, settings.seed, progress)
    if settings.rates is not None:
        return counting.from_trace(network, settings.rates)
    return counting.assumed(network, settings.steps)


def count_events(
    network: IntegerNetwork, images: Images, steps: int, seed: int, progress: Progress = ignore
) -> Events:
    """Run images on the back end `compiled` and count what the neurons send."""
    n = len(images.pixels)
    at_once = max(1, COUNTS_AT_ONCE // (steps * network.n_neurons))
    run = load_backend("compiled")  # only here, for most maps count nothing and Numba loads slowly

    def parts() -> Iterator[tuple[UInt8, Integers]]:
        for start in range(0, n, at_once):
            progress(f"{n} images, {steps} steps", start, n)
            pixels = images.pixels[start : start + at_once]
            trace = run(network, pixels, RunRequest(steps, seed, start, trace=True))
            yield pixels, counts_of(trace)

    return counting.counted(network, parts(), images.floats.name)
