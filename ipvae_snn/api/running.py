"""Run a network on images, and compare back ends."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import overload

from ipvae_snn.config.settings import Motion
from ipvae_snn.data.given import ImageSource
from ipvae_snn.errors import BackendError, ConfigError
from ipvae_snn.ir.back_ends import DEFAULT
from ipvae_snn.ir.decoding import SAMPLE
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.stop import target_of
from ipvae_snn.ir.trace import RunRequest
from ipvae_snn.models.networks import NetworkSource, load, load_integer, named
from ipvae_snn.progress import Progress, ignore
from ipvae_snn.workflows import run as runs
from ipvae_snn.workflows import verify as verifications
from ipvae_snn.workflows.cluster import cluster_of
from ipvae_snn.workflows.decodings import asked_decoding, decoded
from ipvae_snn.workflows.image_choice import ImageChoice
from ipvae_snn.workflows.moving import asked_of, encoded_as, motion_of, warn_if_still
from ipvae_snn.workflows.run import RunResult
from ipvae_snn.workflows.run_chunks import ChunkedResult, ChunkOptions
from ipvae_snn.workflows.run_large import run_large
from ipvae_snn.workflows.stopping import with_stop
from ipvae_snn.workflows.verify import BACKENDS, Verification


@overload
def run(
    network: NetworkSource,
    images: ImageSource,
    *,
    steps: int = 64,
    seed: int = 0,
    decode: str | None = None,
    stop: float | str | None = None,
    trace: bool = False,
    limit: int | None = None,
    backend: str | None = None,
    split: str = "test",
    data_root: Path | None = None,
    out: None = None,
) -> RunResult: ...


@overload
def run(
    network: NetworkSource,
    images: ImageSource,
    *,
    steps: int = 64,
    seed: int = 0,
    decode: str | None = None,
    stop: float | str | None = None,
    trace: bool = False,
    limit: int | None = None,
    backend: str | None = None,
    split: str = "test",
    data_root: Path | None = None,
    out: str | os.PathLike[str],
    resume: bool = False,
    overwrite: bool = False,
    chunk: int | None = None,
    scheduler: str | None = None,
    workers: int | None = None,
    progress: Progress = ignore,
) -> ChunkedResult: ...


def run(
    network: NetworkSource,
    images: ImageSource,
    *,
    steps: int = 64,
    seed: int = 0,
    decode: str | None = None,
    stop: float | str | None = None,
    trace: bool = False,
    limit: int | None = None,
    backend: str | None = None,
    split: str = "test",
    data_root: Path | None = None,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    chunk: int | None = None,
    scheduler: str | None = None,
    workers: int | None = None,
    progress: Progress = ignore,
) -> RunResult | ChunkedResult:
    """Show images to a network for `steps` steps; the counts do not depend on the back end.

    backend: by default `compiled` for an integer network; a float one runs on the same uniforms.
    decode: reconstruct from one "sample" of counts, "mean:N" of the last N steps, or "map", the
    rates; by default as an integer network says, and a sample of a float one.
    stop: end each image when the potentials of the neurons that send change by less than so many
    nats on average: a number, "0.1:8" for at least 8 steps, or "auto", which finds it so that R2 is
    within .002 of that after all steps; steps_taken of the trace then has the steps of each image.
    trace: keep counts and potentials of every step, (N, T, K) each. Raises DataError for images
    that do not fit the network, BackendError if the back end fails.

    out: a folder for the arrays of the result, which an integer network then fills chunk by chunk:
    memory does not depend on the number of images. resume: go on with the run there. overwrite:
    replace it. chunk: images at a time. scheduler: run the chunks on a Dask cluster, "local" (with
    `workers` processes) or an address. progress: receives images done and all images.
    """
    loaded, request = load(network), RunRequest(steps, seed, trace=trace)
    decoding, target = asked_decoding(decode), target_of(stop)
    choice = ImageChoice(images, split, limit, data_root)
    if out is not None:
        integer = decoded(load_integer(loaded, "run into a folder"), decoding)
        warn_if_still(integer, named(network))
        options = ChunkOptions(
            Path(out), resume, chunk, overwrite, by_default=backend is None, stop=target
        )
        cluster = cluster_of(scheduler, workers)
        name = backend or DEFAULT
        return run_large(integer, choice, request, name, options, cluster, progress)
    if (resume, overwrite, chunk, scheduler, workers) != (False, False, None, None, None):
        raise ConfigError(
            "resume, overwrite, chunk, scheduler and workers are for a result in a folder; give out"
        )
    warn_if_still(loaded, named(network))
    if isinstance(loaded, IntegerNetwork):
        integer, shown = decoded(loaded, decoding), choice.encoded_for(loaded)
        request, stopped = with_stop(integer, request, target, shown.first)
        result = runs.run_integer(integer, shown, request, backend or DEFAULT)
        return replace(result, stop=stopped)
    if target is not None:
        raise BackendError(
            f"{loaded!r} is float, and its images take all steps; convert it first, or leave out "
            "stop"
        )
    if backend not in (None, runs.FLOAT):
        raise BackendError(
            f"{loaded!r} is float, which the back end {backend!r} does not run; convert it first"
        )
    given = choice.loaded_for(loaded)
    return runs.run_float(loaded, given, request, decoding=decoding or SAMPLE)


def verify(
    network: NetworkSource,
    images: ImageSource,
    *,
    backends: Sequence[str] = BACKENDS,
    frames: int | None = None,
    motion: Motion | None = None,
    steps: int = 64,
    seed: int = 0,
    decode: str | None = None,
    stop: float | str | None = None,
    limit: int = 20,
    split: str = "test",
    data_root: Path | None = None,
    progress: Progress = ignore,
) -> Verification:
    """Compare back ends with the reference, count by count and state by state.

    frames: of sequences, over which potentials carry over; None for still images. steps are then
    those of a frame, and limit counts sequences. motion: as in `evaluate_moving`. decode, stop: as
    in `run`.

    The result contains the first place of a divergence; its `require_equal()` raises an error
    then. Raises BackendUnavailableError if a back end cannot run here.
    """
    loaded = decoded(load_integer(network, "verify"), asked_decoding(decode))
    moving = asked_of(motion_of(frames, motion), loaded, named(network))
    choice = ImageChoice(images, split, limit, data_root, report=progress)
    shown = encoded_as(loaded, choice, moving)
    asked = RunRequest(steps, seed, trace=True), target_of(stop)
    return verifications.verify_stopped(loaded, shown, asked, backends, progress, moving)
