"""Run an integer network on any number of images, into a folder, here or on a Dask cluster."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ipvae_snn.errors import BackendError, ConfigError
from ipvae_snn.ir.files import load_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.session import Session
from ipvae_snn.ir.trace import RunRequest
from ipvae_snn.progress import Progress, ignore
from ipvae_snn.storage.places import status_of
from ipvae_snn.watcher import current_watcher, parts
from ipvae_snn.workflows.cluster import ClusterChoice, connected
from ipvae_snn.workflows.decodings import decoded
from ipvae_snn.workflows.image_choice import ImageChoice
from ipvae_snn.workflows.images import described, is_checkpoint
from ipvae_snn.workflows.moving import warn_if_still
from ipvae_snn.workflows.result_folder import check_place, clear
from ipvae_snn.workflows.run_chunks import (
    ChunkedResult,
    ChunkOptions,
    Execute,
    in_session,
    run_chunks,
)
from ipvae_snn.workflows.run_cluster import on_cluster


def names_folder(path: Path) -> bool:
    """Return whether a result at `path` is a folder: one that exists, or a new name without suffix.

    Raises OutputError where the system cannot say, as for a name too long.
    """
    status = status_of(path)
    new = path.suffix == "" and path.name != "" and status is None
    return new if status is None else stat.S_ISDIR(status.st_mode)


def run_large_file(
    path: Path,
    choice: ImageChoice,
    request: RunRequest,
    backend: str,
    options: ChunkOptions,
    cluster: ClusterChoice | None = None,
    progress: Progress = ignore,
) -> ChunkedResult:
    """Run the integer network in the file `path`, as `run_large` does.

    Raises BackendError for a float checkpoint, whose results depend on the chunks by rounding.
    """
    _check(path, choice, options)
    if is_checkpoint(path):
        raise BackendError(
            f"{path} is a float checkpoint, of which a folder holds no result; write one file "
            "(--out NAME.npz), or convert it first"
        )
    network = decoded(load_network(path), options.decoding)
    warn_if_still(network, str(path))
    return run_large(network, choice, request, backend, options, cluster, progress)


def run_large(
    network: IntegerNetwork,
    choice: ImageChoice,
    request: RunRequest,
    backend: str,
    options: ChunkOptions,
    cluster: ClusterChoice | None = None,
    progress: Progress = ignore,
) -> ChunkedResult:
    """Run images chunk by chunk into the folder `options.out`; raises as `run_chunks` does.

    cluster: runs the chunks on its workers; None in this process.
    """
    _check(None, choice, options)
    with parts(progress) as begin:
        begin(f"loading the back end {backend}")
        session = network.prepare(backend)  # before the images, so that a wrong name costs no time
        if cluster is not None:
            begin(f"connecting to the cluster {cluster.scheduler}")
        with _execution(network, backend, session, cluster) as (execute, place):
            begin(described(choice.data))
            images = replace(choice, report=progress).stream_for(network)
            if options.overwrite and not options.resume:
                clear(options.out)
            begin(f"{backend}: {len(images):,} images, {request.steps} steps")
            result = run_chunks(network, images, request, backend, options, execute)
            return replace(result, place=place)


def _check(path: Path | None, choice: ImageChoice, options: ChunkOptions) -> None:
    if options.out.suffix == ".npz":
        raise ConfigError(
            f"{options.out}: a run in chunks is written to a folder; give a name without suffix"
        )
    data = (choice.data,) if isinstance(choice.data, str | os.PathLike) else ()
    inputs = data if path is None else (path, *data)
    check_place(options.out, inputs, options.resume, options.overwrite)


@contextmanager
def _execution(
    network: IntegerNetwork, backend: str, session: Session, cluster: ClusterChoice | None
) -> Iterator[tuple[Execute, str]]:
    """Yield what runs the chunks, and where it is in words."""
    if cluster is None:
        yield in_session(session), ""
        return
    with connected(cluster) as client:
        workers = len(client.nthreads())
        place = f", {workers} workers of {cluster.scheduler}"
        yield on_cluster(client, network, backend, current_watcher().threads), place
