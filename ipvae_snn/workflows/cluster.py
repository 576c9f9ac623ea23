"""A Dask cluster, a local one or one elsewhere: connection, and what its workers keep.

What `run_cluster` and `evaluate_cluster` send there is keyed by its images, so it gives the same
wherever it runs; what a lost worker had runs on another. Dask is optional, and loads slowly: it is
imported when a cluster is asked for.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import ipvae_snn
from ipvae_snn.errors import BackendError, ConfigError

if TYPE_CHECKING:
    from distributed import Client

LOCAL: Final = "local"
WAIT_S: Final = 10.0  # for a scheduler to answer
AHEAD: Final = 2  # chunks per worker that are encoded and sent; bounds the memory of this process
LOSSES: Final = 3  # workers that one chunk may lose before it fails


@dataclass(frozen=True)
class ClusterChoice:
    """A cluster as the user names it.

    scheduler: "local", or the address of a Dask scheduler, as tcp://host:8786. workers: processes
    of a local cluster, None for one per core.
    """

    scheduler: str = LOCAL
    workers: int | None = None


def cluster_of(scheduler: str | None, workers: int | None) -> ClusterChoice | None:
    """Return the cluster that a user asked for; None for this process, without either."""
    if scheduler is None and workers is None:
        return None
    return ClusterChoice(scheduler or LOCAL, workers)


@contextmanager
def connected(choice: ClusterChoice) -> Iterator["Client"]:
    """Yield a client of the cluster; a local one lives as long as the block.

    Raises ConfigError without Dask or for a number of workers that cannot be given, BackendError
    for a scheduler that does not answer, has no workers, or whose workers have another version.
    """
    with ExitStack() as stack:
        client = _client(choice, stack)
        _check_workers(client, choice.scheduler)
        yield client


def ahead(client: "Client") -> int:
    """Return how many pieces of work are sent before the first one is back."""
    return AHEAD * max(1, len(client.nthreads()))


def result_of(future: Any, first: int, n: int) -> Any:
    """Return what a worker gave for images first .. first + n - 1, and let it go there."""
    from distributed import KilledWorker

    try:
        result = future.result()
    except KilledWorker as error:
        raise BackendError(
            f"images {first}..{first + n - 1} lost {LOSSES + 1} workers, most likely for want of "
            "memory; give a smaller --chunk, or fewer --workers"
        ) from error
    future.release()
    return result


@contextmanager
def on_workers(client: "Client", make: Callable[[], Any]) -> Iterator[str]:
    """Let each worker, also those that join meanwhile, make something once; yield its name."""
    from distributed import WorkerPlugin

    class Prepared(WorkerPlugin):  # type: ignore[misc] # distributed has no types here
        """Holds what was made on its worker."""

        def __init__(self) -> None:
            self.name = f"ipvae-snn {uuid4()}"

        def setup(self, worker: Any) -> None:
            self.made = make()

    plugin = Prepared()
    client.register_plugin(plugin)
    try:
        yield plugin.name
    finally:
        with suppress(Exception):  # a cluster that is gone holds nothing any more
            client.unregister_worker_plugin(plugin.name)


def prepared(name: str) -> Any:
    """Return what this worker has made under a name."""
    from distributed import get_worker

    return get_worker().plugins[name].made


def call_prepared(name: str, argument: Any) -> Any:
    """Return what the function gives that this worker has made under a name."""
    return prepared(name)(argument)


def _client(choice: ClusterChoice, stack: ExitStack) -> "Client":
    """Return a client, of a cluster that ends with the stack if it is local."""
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise ConfigError(
            f"--scheduler {choice.scheduler} needs Dask ({error}); install it with pip install "
            "'ipvae-snn[dask]'"
        ) from error
    local = choice.scheduler == LOCAL
    if choice.workers is not None and not local:
        raise ConfigError(
            f"--workers {choice.workers} is for --scheduler local; {choice.scheduler} has its own"
        )
    if not local and "://" not in choice.scheduler:
        raise ConfigError(
            f"--scheduler is {choice.scheduler!r}; give local, or an address as tcp://host:8786"
        )
    # What a lost worker or a closed connection logs is no news to the user.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    stack.enter_context(dask.config.set({"distributed.scheduler.allowed-failures": LOSSES}))
    if local:
        cluster = stack.enter_context(
            LocalCluster(
                n_workers=choice.workers,
                threads_per_worker=1,
                dashboard_address=None,
                silence_logs=logging.CRITICAL,
            )
        )
        return stack.enter_context(Client(cluster))
    try:
        return stack.enter_context(Client(choice.scheduler, timeout=WAIT_S))
    except (OSError, ValueError, TimeoutError, asyncio.TimeoutError) as error:
        raise BackendError(
            f"{choice.scheduler}: no Dask scheduler answers within {WAIT_S:.0f} s; start one with "
            "`dask scheduler`, or correct the address"
        ) from error


def _check_workers(client: "Client", scheduler: str) -> None:
    """Raise BackendError unless there are workers, all with this version of the toolkit."""
    if not client.nthreads():
        raise BackendError(
            f"{scheduler}: the scheduler has no workers; start some with `dask worker {scheduler}`"
        )
    try:
        versions: dict[str, str] = client.run(_version)
    except Exception as error:  # whatever unpickling raised on a worker
        raise BackendError(
            f"{scheduler}: its workers cannot run ipvae-snn ({error}); install version "
            f"{ipvae_snn.__version__} there"
        ) from error
    others = {name: one for name, one in versions.items() if one != ipvae_snn.__version__}
    if others:
        name, one = next(iter(others.items()))
        raise BackendError(
            f"{scheduler}: the worker {name} has ipvae-snn {one}, but this is "
            f"{ipvae_snn.__version__}; install the same version"
        )


def _version() -> str:
    return ipvae_snn.__version__
