"""Run one network on several back ends with the same images and compare the results."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from ipvae_snn.comparison.agreement import agreement
from ipvae_snn.hw.chips.profile import ChipProfile, load_profile
from ipvae_snn.hw.cost.activity import Activity, activity
from ipvae_snn.hw.cost.energy import chip_energy
from ipvae_snn.hw.cost.processor import event_driven, gram_float, is_processor, processor_energy
from ipvae_snn.inference.reference import run_float
from ipvae_snn.ir.equality import first_divergence
from ipvae_snn.ir.files import load_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest, Trace, counts_of, require_memory
from ipvae_snn.metrics.estimates import Estimate
from ipvae_snn.metrics.quality import r2, zeros_fraction
from ipvae_snn.models.float_network import FloatNetwork, load_float_network
from ipvae_snn.models.networks import check_pair
from ipvae_snn.progress import Progress, ignore
from ipvae_snn.report.json_files import write_json
from ipvae_snn.watcher import parts
from ipvae_snn.workflows.back_ends_result import FLOAT, REFERENCE, Comparison, Row
from ipvae_snn.workflows.image_choice import ImageChoice
from ipvae_snn.workflows.images import Images, described
from ipvae_snn.workflows.moving import warn_if_still
from ipvae_snn.workflows.outputs import BENCH, check_outputs, outputs, save_or_spare

__all__ = [
    "FLOAT",
    "REFERENCE",
    "Comparison",
    "Contest",
    "ImageChoice",
    "Measured",
    "Networks",
    "OutputFile",
    "RunRequest",
    "bench_files",
    "compare_backends",
]


class Networks(NamedTuple):
    """A float network and the integer network that was converted from it."""

    floats: FloatNetwork
    integer: IntegerNetwork


@dataclass(frozen=True)
class Contest:
    """Back ends to compare with float inference and the reference, and an energy profile.

    energy: name of a profile with energies (see `ipvae-snn profiles`), or the path of a .toml file.
    """

    backends: tuple[str, ...] = ("onnx",)
    energy: str = "cpu-45nm"


DEFAULT: Final = Contest()


class OutputFile(NamedTuple):
    """File for a result; overwrite: replace a file of another kind there."""

    path: Path | None = None
    overwrite: bool = False


NO_OUTPUT: Final = OutputFile()


class Finished(NamedTuple):
    """A finished run: the back end's name, its trace and wall-clock seconds."""

    name: str
    trace: Trace
    seconds: float


@dataclass(frozen=True)
class Measured:
    """A comparison with its traces, by back end."""

    comparison: Comparison
    traces: dict[str, Trace]


def bench_files(
    checkpoint: Path,
    network: Path,
    choice: ImageChoice,
    request: RunRequest,
    contest: Contest,
    progress: Progress = ignore,
    out: OutputFile = NO_OUTPUT,
) -> Comparison:
    """Compare float inference of `checkpoint` with back ends that run the file `network`.

    out: file for the result as JSON. Raises DataError if the network was not converted from the
    checkpoint, BackendError or ConfigError for an unknown back end or profile, OutputError if the
    file cannot be written. A divergence is part of the result.
    """
    read = (checkpoint, network, choice.data, contest.energy)
    free = check_outputs(outputs((out.path, BENCH)), read, out.overwrite)
    networks = Networks(load_float_network(checkpoint), load_network(network))
    wanted = networks.integer.provenance.get("checkpoint_sha256", "")
    check_pair(networks.floats.source, wanted, str(checkpoint), str(network))
    warn_if_still(networks.floats, str(checkpoint))
    progress(described(choice.data), 0, 0)
    images = replace(choice, report=progress).encoded_for(networks.integer)
    result = compare_backends(networks, images, request, contest, progress).comparison
    if out.path is not None:
        save_or_spare(out.path, lambda path: write_json(path, result.as_json()), free)
    return result


def compare_backends(
    networks: Networks,
    images: Images,
    request: RunRequest,
    contest: Contest = DEFAULT,
    progress: Progress = ignore,
) -> Measured:
    """Run float inference, the reference and the contest's back ends on the same uniforms.

    progress: receives the back end that runs next. Raises as `load_backend`, `load_profile` and
    back ends do. A divergence is part of the result.
    """
    # A step of the integer network is one update, so the float network takes one per step too.
    floats, network = networks.floats.with_single_updates(), networks.integer
    profile = load_profile(contest.energy)
    traced = replace(request, trace=True)
    runs: dict[str, Callable[[], Trace]] = {
        FLOAT: partial(run_float, floats, images.floats.pixels, traced)
    }
    for name in (REFERENCE, *(name for name in contest.backends if name not in (FLOAT, REFERENCE))):
        runs[name] = partial(network.prepare(name).run, images.pixels, traced)
    sizes = network.n_neurons, network.n_pixels
    require_memory(len(images.pixels), sizes, traced, traces=len(runs), state=8)
    finished: dict[str, Finished] = {}
    with parts(progress) as begin:
        for name, execute_now in runs.items():
            begin(f"{name}: {len(images.pixels)} images, {request.steps} steps")
            start = time.perf_counter()
            trace = execute_now()
            finished[name] = Finished(name, trace, time.perf_counter() - start)
    progress("comparison", 0, 0)
    traces = {name: run.trace for name, run in finished.items()}
    match = agreement(traces[FLOAT], traces[REFERENCE], network)
    comparison = Comparison(
        rows=tuple(
            _row(run, traces[REFERENCE], network, images, profile) for run in finished.values()
        ),
        energy_profile=profile.title,
        energy_source="; ".join(profile.sources.values()),
        energy_caveat=f"{_scope(profile)} {profile.caveat}",
        counts_equal=match.equal,
        counts_equal_active=match.equal_active,
        images=len(images.pixels),
        steps=request.steps,
        seed=request.seed,
        data=images.floats.name,
        citation=images.floats.citation,
    )
    return Measured(comparison, traces)


def _row(
    run: Finished, reference: Trace, network: IntegerNetwork, images: Images, profile: ChipProfile
) -> Row:
    """Return the figures of one run; integer runs are compared with the reference."""
    trace, floating = run.trace, run.name == FLOAT
    quality = r2(images.floats.pixels, trace.reconstruction)
    counts = counts_of(trace)
    work = activity(network, images.pixels, counts)
    divergence = None if floating else first_divergence(reference, trace)
    return Row(
        backend=run.name,
        r2=quality.mean,
        r2_low=quality.low,
        r2_high=quality.high,
        zeros=zeros_fraction(counts[:, -1]),
        spikes_per_image=work.spikes,
        synaptic_operations_per_image=(
            work.dense_operations if floating else work.synaptic_operations
        ),
        energy_nj_per_image=_energy(profile, network, work, dense=floating),
        seconds=run.seconds,
        us_per_image_step=1e6 * run.seconds / counts[..., 0].size,
        equal=None if floating else divergence is None,
        divergence=divergence.describe() if divergence else None,
    )


def _energy(
    profile: ChipProfile, network: IntegerNetwork, work: Activity, dense: bool
) -> float | None:
    """Return the energy proxy in nJ per image, its lower end; None if nothing is public."""
    sizes = network.n_neurons, network.n_pixels
    if not is_processor(profile):
        return None if dense else chip_energy(profile, work).dynamic.low
    done = gram_float(*sizes, work) if dense else event_driven(network.n_neurons, work)
    return processor_energy(profile, done).part("synapses").low


def _scope(profile: ChipProfile) -> str:
    """Return a sentence that says what the energy column includes."""
    if is_processor(profile):
        return "The synapses' arithmetic only; `ipvae-snn energy` adds neurons and memory."
    return "All energies of the profile, at the lower ends of their ranges."


def r2_curve(images: Images, decode: Callable[[Any], Any], trace: Trace) -> list[Estimate]:
    """Return R2 after every step of a run with a trace."""
    counts = counts_of(trace)
    return [r2(images.floats.pixels, decode(counts[:, t])) for t in range(counts.shape[1])]
