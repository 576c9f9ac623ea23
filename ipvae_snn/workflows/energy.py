"""Estimate the energy of a run on chips and processors from published energies."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Final

import numpy as np

from ipvae_snn.arrays import Float64
from ipvae_snn.data.given import ImageSource
from ipvae_snn.errors import ConfigError, FileFormatError
from ipvae_snn.hw.chips.profile import ChipProfile, load_profile, profile_names
from ipvae_snn.hw.cost import report as reports
from ipvae_snn.hw.cost.activity import Activity, Traffic, activity, mean_activity
from ipvae_snn.hw.cost.energy import Estimate, chip_energy
from ipvae_snn.hw.cost.neurobench import NeuroBenchMetrics, metrics, tally
from ipvae_snn.hw.cost.processor import (
    event_driven,
    gram_float,
    gram_int8,
    is_processor,
    iterative_float,
    processor_energy,
)
from ipvae_snn.hw.cost.report import Report
from ipvae_snn.hw.mapping.events import Events, counted
from ipvae_snn.hw.mapping.mapping import check_and_place
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest, counts_of, states_of
from ipvae_snn.metrics.quality import r2
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.models.networks import NetworkSource, load, named
from ipvae_snn.progress import Begin, Progress, ignore, ignore_part
from ipvae_snn.report.document import Picture
from ipvae_snn.report.json_files import write_json
from ipvae_snn.report.picture_files import PictureFolder, save_all
from ipvae_snn.watcher import current_watcher, parts
from ipvae_snn.workflows.decodings import Decoding, asked_decoding, decoded
from ipvae_snn.workflows.estimates import Shape, require_energy
from ipvae_snn.workflows.image_choice import ImageChoice
from ipvae_snn.workflows.images import Images, described
from ipvae_snn.workflows.moving import warn_if_still
from ipvae_snn.workflows.outputs import (
    ENERGY,
    check_outputs,
    outputs,
    picture_outputs,
    save_or_spare,
)
from ipvae_snn.workflows.results import ReportResult
from ipvae_snn.workflows.stopping import (
    AppliedStop,
    StepsTaken,
    Target,
    asked_stop,
    with_stop,
)

__all__ = [
    "EnergyResult",
    "EnergySettings",
    "asked_decoding",
    "asked_stop",
    "energy",
    "measured",
    "priced",
    "priced_profiles",
    "report",
]

CHUNK_BYTES: Final = 1 << 26  # of counts and states per part of a run
PICTURES: Final = ("energy",)
BYTES_PER_STEP: Final = 8  # a count and a state of one neuron


@dataclass(frozen=True)
class EnergySettings:
    """Images, steps and profiles of an energy estimate.

    profiles: names or .toml files; by default all packaged profiles with energies.
    white: of the user's own images, as in `ImageChoice`. decoding: in place of the network's own.
    stop: ends images when they are done; nothing is counted after that.
    """

    profiles: tuple[str, ...] = ()
    split: str = "test"
    limit: int = 100
    steps: int = 64
    seed: int = 0
    data_root: Path | None = None
    white: float | None = None
    decoding: Decoding | None = None
    stop: Target | None = None


DEFAULT: Final = EnergySettings()


class EnergyResult(ReportResult[Report]):
    """Operations and energy of a run."""


def energy(
    source: NetworkSource,
    data: ImageSource,
    settings: EnergySettings = DEFAULT,
    *,
    pictures: PictureFolder | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    progress: Progress = ignore,
) -> EnergyResult:
    """Run an integer network on the images `data`, and estimate the energy.

    pictures: folder for pictures. out: file for the result as JSON. Without them, nothing is
    written. overwrite: replace files of other kinds there. Raises ConfigError for a profile without
    energies, FileFormatError for a float checkpoint, OutputError for files that cannot be written.
    """
    written = (*picture_outputs(pictures, PICTURES), *outputs((out, ENERGY)))
    free = check_outputs(written, (source, data, *settings.profiles), overwrite)
    # Profiles first, so that a wrong name costs no time.
    profiles = priced_profiles(settings.profiles)
    network = load(source)
    if isinstance(network, FloatNetwork):
        name, images_name = named(source), data if isinstance(data, str) else "DATA"
        raise FileFormatError(
            f"{name}: a float checkpoint, but energy counts an integer network's events; convert "
            f"it first: ipvae-snn convert {name} --calibrate {images_name} --out net.safetensors"
        )
    network = decoded(network, settings.decoding)
    warn_if_still(network, named(source))
    progress(described(data), 0, 0)
    choice = ImageChoice(
        data, settings.split, settings.limit, settings.data_root, settings.white, progress
    )
    images = choice.encoded_for(network)
    shape = Shape(len(images.pixels), settings.steps, network.n_neurons, network.n_pixels)
    require_energy(shape, CHUNK_BYTES)
    with parts(progress) as begin:
        if settings.stop is not None:
            begin("finding when to stop")
        request = RunRequest(settings.steps, settings.seed)
        _, stop = with_stop(network, request, settings.stop, images.first)
        begin(f"compiled: {len(images.pixels)} images, {settings.steps} steps")
        result = report(network, images, settings.steps, settings.seed, profiles, begin, stop)
    drawn: tuple[Picture, ...] = (reports.picture(result.as_json()["estimates"]),)
    if pictures is not None:
        drawn = save_all(drawn, pictures._replace(free=free))
    if out is not None:
        save_or_spare(out, lambda path: write_json(path, result.as_json()), free)
    return EnergyResult(result, drawn)


def priced_profiles(names: Sequence[str] = ()) -> list[ChipProfile]:
    """Return profiles that have energies: the named ones, or all packaged ones.

    Raises ConfigError for a named profile that has none.
    """
    result = [load_profile(name) for name in names or profile_names()]
    for profile in result:
        if names and not profile.energy:
            raise ConfigError(
                f"profile {profile.name} has no energies, so nothing can be estimated; choose one "
                "that has (`ipvae-snn profiles`)"
            )
    return [profile for profile in result if profile.energy]


@dataclass(frozen=True)
class Run:
    """Events and operations of a run, means per image, and the R2 of its last step."""

    activity: Activity
    neurobench: NeuroBenchMetrics
    events: Events
    r2: float
    taken: StepsTaken | None = None


def report(
    network: IntegerNetwork,
    images: Images,
    steps: int,
    seed: int,
    profiles: Sequence[ChipProfile],
    begin: Begin = ignore_part,
    stop: AppliedStop | None = None,
) -> Report:
    """Run `compiled` on the images and estimate the energy for every profile.

    stop: ends images when they are done; `steps` is then the most that one takes.
    """
    run = measured(network, images, RunRequest(steps, seed, stop=stop.stop if stop else None))
    placed: dict[str, Traffic | None] = {}
    begin("placing on the chips")
    for done, profile in enumerate(profiles, 1):
        placed[profile.name] = _placed(network, profile, run.events)
        current_watcher().progress(done, len(profiles))
    traffic = {name: result for name, result in placed.items() if result is not None}
    estimates = (
        each
        for profile in profiles
        for each in priced(network, profile, run.activity, traffic.get(profile.name))
    )
    return Report(
        activity=run.activity,
        neurobench=run.neurobench,
        estimates=tuple(estimates),
        traffic=traffic,
        circuit=network.circuit,
        images=len(images.pixels),
        steps=steps,
        seed=seed,
        r2=run.r2,
        decoding=str(network.decoder.decoding),
        data=images.floats.name,
        citation=images.floats.citation,
        stop=None if stop is None else stop.as_json(),
        taken=None if run.taken is None else run.taken.as_json(len(images.pixels)),
    )


def measured(network: IntegerNetwork, images: Images, asked: RunRequest) -> Run:
    """Run the images in parts that fit in memory, and count events and operations."""
    steps = asked.steps
    n, name = len(images.pixels), images.floats.name
    size = max(1, CHUNK_BYTES // (BYTES_PER_STEP * steps * network.n_neurons))
    parts, layers, reconstructions = [], [], []
    sent: dict[str, Float64] = {}
    all_taken: list[StepsTaken] = []
    session = network.prepare()
    for first in range(0, n, size):
        pixels = images.pixels[first : first + size]
        request = replace(asked, first_image=asked.first_image + first, trace=True)
        trace = session.run(pixels, request)
        counts, taken = counts_of(trace), trace.steps_taken
        all_taken += [one for one in (StepsTaken.of(trace),) if one is not None]
        parts.append((len(pixels), activity(network, pixels, counts, taken)))
        layers.append(tally(network, pixels, counts, states_of(trace), taken=taken))
        part = counted(network, [(pixels, counts)], name, taken)
        for source, events in part.by_source.items():
            sent[source] = sent.get(source, 0.0) + events * (len(pixels) / n)
        reconstructions.append(trace.reconstruction)
    mean = mean_activity(parts)
    return Run(
        activity=mean,
        neurobench=metrics(network, layers),
        events=Events(
            sent,
            steps if asked.stop is None else mean.steps,
            n,
            f"counted in {n} images of {name}, {steps} steps",
        ),
        r2=r2(images.floats.pixels, np.concatenate(reconstructions)).mean,
        taken=reduce(StepsTaken.joined, all_taken) if all_taken else None,
    )


def _placed(network: IntegerNetwork, profile: ChipProfile, events: Events) -> Traffic | None:
    """Return the traffic on a chip's cores; None if the chip has no limits or does not fit."""
    chip = load_profile(profile.placed_as) if profile.placed_as else profile
    if not chip.has_limits:
        return None
    result = check_and_place(network, chip, "spikes", events).placed
    return None if result is None else result.traffic


def priced(
    network: IntegerNetwork,
    profile: ChipProfile,
    work: Activity,
    traffic: Traffic | None = None,
) -> list[Estimate]:
    """Return a chip's estimate, or a processor's estimates of four ways to compute the same."""
    if not is_processor(profile):
        return [chip_energy(profile, work, traffic)]
    sizes = network.n_neurons, network.n_pixels
    ways = (
        event_driven(network.n_neurons, work),
        gram_int8(*sizes, work),
        gram_float(*sizes, work),
        iterative_float(*sizes, work),
    )
    return [processor_energy(profile, way) for way in ways]
