"""Compare integer inference with its float inference, and attribute the differences."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from threadpoolctl import threadpool_limits

from ipvae_snn.comparison import attribution, paired_runs, plots
from ipvae_snn.comparison.attribution import TEXTS, Attribution, attribute, runs
from ipvae_snn.comparison.figures import Fidelity
from ipvae_snn.comparison.measure import measure, recorded_of
from ipvae_snn.comparison.paired_runs import Pair
from ipvae_snn.comparison.report import Report
from ipvae_snn.config.settings import KlForm
from ipvae_snn.data.given import ImageSource
from ipvae_snn.errors import FileFormatError
from ipvae_snn.ir.decoding import Decoding
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.models.networks import NetworkSource, check_pair, load, load_integer, named
from ipvae_snn.progress import Progress, Steps, ignore
from ipvae_snn.report.document import Picture
from ipvae_snn.report.json_files import write_json
from ipvae_snn.report.picture_files import PictureFolder, save_all
from ipvae_snn.workflows.estimates import Blocks, Shape, require_comparison
from ipvae_snn.workflows.image_choice import ImageChoice
from ipvae_snn.workflows.images import described
from ipvae_snn.workflows.moving import Asked, asked_of, encoded_as, motion_of
from ipvae_snn.workflows.outputs import (
    COMPARISON,
    check_outputs,
    outputs,
    picture_outputs,
    save_or_spare,
)
from ipvae_snn.workflows.results import ReportResult

__all__ = [
    "ComparisonResult",
    "ComparisonSettings",
    "compare",
    "compare_pair",
    "motion_of",
]

# A pair of runs with its single steps takes about as long as this many float runs.
PAIR_RUNS: Final = 3
PICTURES: Final = ("quality", "counts", "agreement", "state_error", "attribution")


@dataclass(frozen=True)
class ComparisonSettings:
    """Images, steps and seeds of a comparison; intervals need two seeds.

    seeds: their number, counted from `seed`. attribution: also replace each tensor of the float
    network by the integer one's, one at a time. threads: CPU threads; they change no figure.
    white: of the user's own images, as in `ImageChoice`. moving: sequences in place of still
    images; `limit` then counts sequences, and `steps` are those of a frame. mean_steps: number of
    last steps whose mean is decoded; None for that of the integer network, or 4.
    """

    split: str = "test"
    limit: int = 100
    steps: int = 64
    seeds: int = 5
    seed: int = 0
    attribution: bool = True
    threads: int = 2
    data_root: Path | None = None
    white: float | None = None
    moving: Asked | None = None
    mean_steps: int | None = None


DEFAULT: Final = ComparisonSettings()


class ComparisonResult(ReportResult[Report]):
    """Comparison of an integer network with its float network."""


def compare(
    source: NetworkSource,
    integer_source: NetworkSource,
    data: ImageSource,
    settings: ComparisonSettings = DEFAULT,
    *,
    pictures: PictureFolder | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    progress: Progress = ignore,
) -> ComparisonResult:
    """Compare a float network with the integer network converted from it, on the images `data`.

    pictures: folder for pictures. out: file for the result as JSON. Without them, nothing is
    written. overwrite: replace files of other kinds there. Raises FileFormatError for networks of
    another kind, DataError for images that do not fit or for a network converted from another
    checkpoint, OutputError for files that cannot be written.
    """
    written = (*picture_outputs(pictures, PICTURES), *outputs((out, COMPARISON)))
    free = check_outputs(written, (source, integer_source, data), overwrite)
    floats = load(source)
    if isinstance(floats, IntegerNetwork):
        raise FileFormatError(
            f"{named(source)}: an integer network; give the float checkpoint that it was "
            "converted from first, and then the integer network"
        )
    integer = load_integer(integer_source, "compare")
    if settings.mean_steps is not None:
        integer = integer.with_decoding(Decoding("mean", settings.mean_steps))
    wanted = integer.provenance.get("checkpoint_sha256", "")
    check_pair(floats.source, wanted, named(source), named(integer_source))
    moving = asked_of(settings.moving, floats, named(source))
    progress(described(data), 0, 0)
    choice = ImageChoice(
        data, settings.split, settings.limit, settings.data_root, settings.white, progress
    )
    images = encoded_as(integer, choice, moving)
    pixels = images.floats.pixels.reshape(images.pixels.shape)
    pair = Pair(floats, integer, pixels, images.pixels)
    start = time.perf_counter()
    fidelity, causes = compare_pair(pair, floats.kl, settings, progress)
    drawn: tuple[Picture, ...] = plots.pictures(fidelity, causes, images.floats.name)
    if pictures is not None:
        drawn = save_all(drawn, pictures._replace(free=free))
    report = Report(
        checkpoint=named(source),
        checkpoint_sha256=floats.source,
        network=named(integer_source),
        circuit=integer.circuit,
        fraction_bits=integer.neurons.fraction_bits,
        neurons=integer.n_neurons,
        data=images.floats.name,
        citation=images.floats.citation,
        images=len(images.pixels),
        saturated_pixels=images.saturated,
        kl_form=floats.kl,
        fidelity=fidelity,
        attribution=causes,
        plots=tuple(str(picture.path) for picture in drawn if picture.path is not None),
        seconds=time.perf_counter() - start,
        moving=moving,
        mean_steps=pair.mean_steps,
    )
    result = ComparisonResult(report, drawn)
    if out is not None:
        save_or_spare(out, lambda path: write_json(path, result.as_json()), free)
    return result


def compare_pair(
    pair: Pair,
    form: KlForm,
    settings: ComparisonSettings = DEFAULT,
    progress: Progress = ignore,
) -> tuple[Fidelity, Attribution | None]:
    """Return the fidelity of the pair's integer network, and its attribution if requested.

    form: of the KL divergence in the free energy. Raises DataError for steps or seeds out of range.
    """
    seeds = tuple(range(settings.seed, settings.seed + settings.seeds))
    pair.check(settings.steps, seeds)
    steps = pair.frames * settings.steps
    require_comparison(
        Shape(len(pair.images), steps, pair.network.n_neurons, pair.network.n_pixels),
        seeds=settings.seeds,
        changes=len(TEXTS) if settings.attribution else 0,
        recorded=len(recorded_of(pair, settings.steps)),
        blocks=Blocks(paired_runs.IMAGES, paired_runs.ENTRIES, attribution.CHUNK),
    )
    of_each = len(pair.images) * steps * settings.seeds
    in_all = of_each * (PAIR_RUNS + (runs(pair) if settings.attribution else 0))
    done = Steps(progress, in_all)
    # Products of this size gain nothing from threads of BLAS and torch, which spin while waiting.
    with threadpool_limits(1):
        done.begin("float and integer runs")
        fidelity = measure(
            pair,
            settings.steps,
            seeds,
            form,
            settings.threads,
            lambda n: done.add(PAIR_RUNS * n),
        )
        if not settings.attribution:
            return fidelity, None
        done.begin("one tensor at a time")
        causes = attribute(pair, settings.steps, seeds, settings.threads, done.add)
    return fidelity, causes
