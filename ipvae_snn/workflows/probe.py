"""Probe a network of any kind as a physiologist would: gratings, bars, noise, images."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from ipvae_snn.choices import choose
from ipvae_snn.data import ImageSet
from ipvae_snn.data.given import ImageSource
from ipvae_snn.data.registry import is_named
from ipvae_snn.errors import ConfigError, DataError
from ipvae_snn.image_shape import shape_text
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.prng import MAX_SEED
from ipvae_snn.models.latent_module import load_any
from ipvae_snn.models.networks import NetworkSource, named
from ipvae_snn.probing import probes, sparsification
from ipvae_snn.probing.features import choose_features, features_of
from ipvae_snn.probing.probes import GABOR, IMAGE_PROBES, PICTURES, PRIOR, PROBES, STIMULI
from ipvae_snn.probing.recorder import Recorder
from ipvae_snn.probing.recorders import Probed, recorder_of
from ipvae_snn.probing.report import Outcome, ProbeReport
from ipvae_snn.probing.subject import Subject
from ipvae_snn.progress import Progress, ignore
from ipvae_snn.report.json_files import write_json
from ipvae_snn.report.picture_files import PictureFolder, save_all
from ipvae_snn.storage import memory
from ipvae_snn.workflows.image_choice import ImageChoice
from ipvae_snn.workflows.images import described
from ipvae_snn.workflows.moving import warn_if_still
from ipvae_snn.workflows.outputs import (
    PROBE,
    check_outputs,
    outputs,
    picture_outputs,
    save_or_spare,
)
from ipvae_snn.workflows.results import ReportResult

ALL: Final = "all"
MAX_NEURONS: Final = 128


@dataclass(frozen=True)
class ProbeSettings:
    """Stimuli and neurons of a probe.

    stimuli: names of `probes.STIMULI`, or ("all",). neurons: number that gratings, bars and noise
    are shown to. steps: of a grating, None for `probes.STEPS`; of an image under sparsification and
    recombination, None for `sparsification.STEPS`. data: their images, None for the set on which
    the network was trained; limit: their number.
    """

    stimuli: tuple[str, ...] = (ALL,)
    neurons: int = 16
    steps: int | None = None
    seed: int = 0
    data: ImageSource | None = None
    split: str = "test"
    limit: int = 100
    data_root: Path | None = None
    white: float | None = None

    def __post_init__(self) -> None:
        """Raise ConfigError for unknown stimuli, and values out of range."""
        for name in self.stimuli:
            choose(name, (*STIMULI, ALL), "stimulus")
        for option, value, low, high in (
            ("stimuli", len(self.stimuli), 1, len(STIMULI)),
            ("neurons", self.neurons, 1, MAX_NEURONS),
            ("steps", 1 if self.steps is None else self.steps, 1, 1 << 14),
            ("seed", self.seed, 0, MAX_SEED),
            ("limit", self.limit, 1, 1 << 20),
        ):
            if not low <= value <= high:
                raise ConfigError(f"probe: {option} is {value}; give {low} to {high}")

    @property
    def shown(self) -> tuple[str, ...]:
        """The stimuli in their order, each once."""
        return STIMULI if ALL in self.stimuli else tuple(s for s in STIMULI if s in self.stimuli)


DEFAULT: Final = ProbeSettings()


class ProbeResult(ReportResult[ProbeReport]):
    """Probes of a network."""


def probe(
    source: NetworkSource,
    settings: ProbeSettings = DEFAULT,
    *,
    pictures: PictureFolder | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    progress: Progress = ignore,
) -> ProbeResult:
    """Show stimuli to a network, and measure the responses of its neurons.

    pictures: folder for pictures. out: file for the result as JSON. overwrite: replace files of
    other kinds there. Of "all", a stimulus that the network or this machine does not allow is left
    out with the reason; asked for by name, it raises DataError. Raises OutputError for files that
    cannot be written, MemoryLimitError where the stimuli of so many neurons do not fit.
    """
    start = time.perf_counter()
    names = tuple(PICTURES[name] for name in settings.shown)
    written = (*picture_outputs(pictures, names), *outputs((out, PROBE)))
    free = check_outputs(written, (source, settings.data), overwrite)
    network = load_any(source)
    if not IMAGE_PROBES.keys().isdisjoint(settings.shown):
        warn_if_still(network, named(source), "probed")
    recorder = recorder_of(network)
    memory.require(
        probes.stimulus_bytes(recorder.image_shape, settings.neurons),
        f"stimuli of {settings.neurons} neurons in images of {shape_text(recorder.image_shape)}",
        "give fewer neurons (--neurons)",
    )
    outcomes, left_out = _carried_out(network, recorder, settings, progress)
    progress("done", 0, 0)
    drawn = tuple(picture for outcome in outcomes.values() for picture in outcome.pictures)
    if pictures is not None:
        drawn = save_all(drawn, pictures._replace(free=free))
    report = ProbeReport(
        network=named(source),
        kind=recorder.what,
        source=_source(network),
        trained_on=_trained_on(network),
        seed=settings.seed,
        outcomes=outcomes,
        left_out=left_out,
        plots=tuple(str(picture.path) for picture in drawn if picture.path is not None),
        seconds=time.perf_counter() - start,
    )
    result = ProbeResult(report, drawn)
    if out is not None:
        save_or_spare(out, lambda path: write_json(path, result.as_json()), free)
    return result


def _carried_out(
    network: Probed, recorder: Recorder, settings: ProbeSettings, progress: Progress
) -> tuple[Mapping[str, Outcome], Mapping[str, str]]:
    """Return what each stimulus showed, and why others were left out."""
    outcomes, left_out = dict[str, Outcome](), dict[str, str]()
    shown, every = settings.shown, ALL in settings.stimuli
    images: ImageSet | str = ""
    of_images = tuple(name for name in shown if name in IMAGE_PROBES)
    if of_images:  # first, so that missing images are reported before any work
        images = _or_reason(lambda: _images(network, settings, progress), every)
    asked = tuple(name for name in shown if name in PROBES)
    if asked or GABOR in shown:
        features = features_of(recorder, progress)
        if GABOR in shown:
            outcomes[GABOR] = probes.gabor(features, recorder.image_shape, recorder.what)
        if asked:
            picked = _or_reason(
                lambda: choose_features(features, settings.neurons, settings.seed), every
            )
            if isinstance(picked, str):
                left_out.update(dict.fromkeys(asked, picked))
            else:
                steps = settings.steps or probes.STEPS
                subject = Subject(recorder, picked, steps, settings.seed)
                for name in asked:
                    found = _or_reason(partial(PROBES[name], subject, progress), every)
                    if isinstance(found, str):
                        left_out[name] = found
                    else:
                        outcomes[name] = found
    if isinstance(images, ImageSet):
        steps = settings.steps or sparsification.STEPS
        for name in of_images:
            outcomes[name] = IMAGE_PROBES[name](recorder, images, steps, settings.seed, progress)
    else:
        left_out.update(dict.fromkeys(of_images, images))
    if PRIOR in shown:
        steps = settings.steps or probes.STEPS
        outcomes[PRIOR] = probes.without_input(recorder, steps, settings.seed, progress)
    return outcomes, left_out


T = TypeVar("T")


def _or_reason(make: Callable[[], T], every: bool) -> T | str:
    """Return what is made; where that is not possible, why, if every stimulus was asked for."""
    try:
        return make()
    except DataError as error:
        if not every:
            raise
        return str(error)


def _images(network: Probed, settings: ProbeSettings, progress: Progress) -> ImageSet:
    """Return the images of image probes; DataError if they are missing or do not fit."""
    data = _trained_images(network) if settings.data is None else settings.data
    progress(described(data), 0, 0)
    choice = ImageChoice(
        data, settings.split, settings.limit, settings.data_root, settings.white, progress
    )
    if isinstance(network, IntegerNetwork):
        return choice.encoded_for(network).floats
    return choice.loaded_for(network)


def _trained_images(network: Probed) -> str:
    """Return the name or path of a network's training images; DataError if it is not known."""
    trained = _trained_on(network)
    paths = () if isinstance(network, IntegerNetwork) else network.data_paths
    for path in paths:
        if Path(path).exists():
            return path
    if not paths and trained and is_named(trained):
        return trained
    raise DataError(
        f"the images that the network was trained on ({trained or 'unknown'}) are not known here; "
        "name images like those with --data"
    )


def _trained_on(network: Probed) -> str:
    if isinstance(network, IntegerNetwork):
        return network.provenance.get("trained_on", "")
    return network.trained_on


def _source(network: Probed) -> str:
    """Return the SHA-256 of the checkpoint, that an integer network was converted from."""
    if isinstance(network, IntegerNetwork):
        return network.provenance.get("checkpoint_sha256", "")
    return network.source
