"""Run chunks on the workers of a Dask cluster, each with a session of its own."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ipvae_snn.arrays import UInt8
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.session import Session
from ipvae_snn.ir.trace import RunRequest, Trace
from ipvae_snn.watcher import current_watcher, watched
from ipvae_snn.workflows.cluster import ahead, on_workers, prepared, result_of
from ipvae_snn.workflows.run_chunks import Chunk, Execute, Report, request_of

if TYPE_CHECKING:
    from distributed import Client


def on_cluster(
    client: "Client", network: IntegerNetwork, backend: str, threads: int | None
) -> Execute:
    """Return the execution of chunks on the workers, in the order in which they are done.

    threads: of each worker, as in `threads.n_threads`. Raises as the back end does, BackendError
    for a chunk that lost several workers.
    """
    from distributed import as_completed

    def execute(
        chunks: Iterable[Chunk], request: RunRequest, report: Report
    ) -> Iterator[tuple[Chunk, Trace]]:
        waiting, running = iter(chunks), {}
        done: Any = as_completed()
        with on_workers(client, partial(network.prepare, backend)) as name:

            def send() -> None:
                chunk = next(waiting, None)
                if chunk is not None:
                    asked = request_of(chunk, request)
                    future = client.submit(_run, name, chunk.levels, asked, threads, pure=False)
                    running[future] = chunk
                    done.add(future)

            for _ in range(ahead(client)):
                send()
            while running:
                future = next(done)
                chunk = running.pop(future)
                yield chunk, result_of(future, chunk.first, len(chunk.levels))
                send()

    return execute


def _run(name: str, levels: UInt8, request: RunRequest, threads: int | None) -> Trace:
    """Run images on a worker, in the session that it has prepared."""
    session: Session = prepared(name)
    with watched(replace(current_watcher(), threads=threads)):
        return session.run(levels, request)
