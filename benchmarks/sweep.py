"""Independent points of a benchmark: here or on a Dask cluster, stored one by one, resumed.

A point is plain data, and what is done for it a pure function `work(common, point)` that returns
plain data. So the results do not depend on where a point ran, or on how often the sweep was killed.
"""

import hashlib
import json
import pickle
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import typer
from threadpoolctl import threadpool_limits

import ipvae_snn
from ipvae_snn.errors import BackendError, ConfigError, IpvaeError, OutputError
from ipvae_snn.models.cpu_threads import cpu_threads
from ipvae_snn.report.progress_bar import Display, progress_bar
from ipvae_snn.report.terminal import console
from ipvae_snn.storage.atomic import write_text
from ipvae_snn.storage.locks import locked
from ipvae_snn.watcher import current_watcher, watched
from ipvae_snn.workflows.cluster import (
    LOSSES,
    ClusterChoice,
    call_prepared,
    cluster_of,
    connected,
    on_workers,
)

FOLDER: Final = Path("runs")
MINUTE: Final = 60
SECONDS: Final = "seconds"  # of a result: None if it was measured on a cluster

Scheduler = Annotated[
    str | None,
    typer.Option(help="Run the points on a Dask cluster: local, or tcp://host:8786."),
]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Processes of --scheduler local; default: one per core.")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Keep the points that a stopped sweep has done.")
]
Point = Mapping[str, Any]
Work = Callable[[Any, Any], Any]


class Where(NamedTuple):
    """Where the points run (None for this process), and whether a stopped sweep goes on."""

    cluster: ClusterChoice | None = None
    resume: bool = False


def where(scheduler: str | None, workers: int | None, resume: bool) -> Where:
    """Return what the options --scheduler, --workers and --resume ask for."""
    return Where(cluster_of(scheduler, workers), resume)


def _refuse(value: str | None) -> None:
    if value is not None:
        typer.echo(
            f"error: {value} given to --scheduler or --workers: this benchmark measures times or "
            "memory, which other work on the same cores changes; leave the option out",
            err=True,
        )
        raise typer.Exit(2)


# The option of a benchmark that cannot be distributed.
Refused = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        "--workers",
        callback=_refuse,
        help="Refused: the figures are times or memory, measured in turn on one machine.",
    ),
]


@dataclass(frozen=True)
class Sweep:
    """The points of one benchmark, stored in `folder` until its results are written."""

    folder: Path
    cluster: ClusterChoice | None
    display: Display

    def run(
        self,
        work: Work,
        points: Sequence[Point],
        common: Any = None,
        settings: Mapping[str, Any] | None = None,
    ) -> list[Any]:
        """Return work(common, point) for each point, in their order, as JSON reads it.

        work: a function of a module, which must depend on its arguments alone. It runs with one
        thread. common: what all points need, such as images; sent once to each worker. settings:
        plain data that names everything in `common`. A stored result is taken for a point only if
        the work, the point, the settings and the version of the toolkit are the same. The entry
        "seconds" of a result that is a dictionary is None if a cluster ran it, since its workers
        share cores. Raises as `work` does, BackendError for a point that lost several workers.
        """
        files = [self._file(work, point, settings) for point in points]
        missing = [i for i, file in enumerate(files) if not file.is_file()]
        eta = _Eta(work.__name__, len(points), len(points) - len(missing), self.display)
        measure = partial(_measured, work, common)
        eta.show()
        for i, text in self._executed(measure, [points[i] for i in missing]):
            write_text(files[missing[i]], text)
            eta.add(points[missing[i]])
        return [json.loads(file.read_text(encoding="utf-8"))["result"] for file in files]

    def _executed(
        self, measure: "partial[str]", points: Sequence[Point]
    ) -> Iterator[tuple[int, str]]:
        """Yield the number of each point and its result, in the order in which they are done."""
        if self.cluster is None or not points:
            for i, point in enumerate(points):
                yield i, measure(point)
            return
        yield from _on_cluster(self.cluster, measure, points)

    def _file(self, work: Work, point: Point, settings: Mapping[str, Any] | None) -> Path:
        named = [ipvae_snn.__version__, work.__name__, point, settings]
        digest = hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()
        return self.folder / f"{digest[:32]}.json"


@contextmanager
def sweep(name: str, asked: Where, folder: Path = FOLDER) -> Iterator[Sweep]:
    """Yield the sweep of a benchmark; its points are stored in `folder`/sweep-NAME.

    They are removed when the block has ended well, so that the next sweep measures anew. An error
    that users meet ends the program with one line; whatever ends it, points that are done stay for
    --resume.
    """
    path = folder / f"sweep-{name}"
    try:
        with locked(path), progress_bar(console(quiet=True)) as display:
            done = sorted(path.glob("*.json"))
            if done and not asked.resume:
                raise OutputError(
                    f"{path}: holds a sweep that was stopped, with {len(done)} points done; add "
                    "--resume to go on, or remove the folder"
                )
            yield Sweep(path, asked.cluster, display)
            for file in path.glob("*.json"):
                file.unlink()
        shutil.rmtree(path, ignore_errors=True)
    except IpvaeError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


def _measured(work: Work, common: Any, point: Point) -> str:
    """Return a point and its result as JSON; the same in any process."""
    watcher = replace(current_watcher(), threads=1)
    with cpu_threads(1), threadpool_limits(1), watched(watcher):
        return json.dumps({"point": point, "result": work(common, point)}, indent=1)


def _on_cluster(
    choice: ClusterChoice, measure: "partial[str]", points: Sequence[Point]
) -> Iterator[tuple[int, str]]:
    from distributed import KilledWorker, as_completed

    with (
        connected(choice) as client,
        on_workers(client, partial(pickle.loads, _by_value(measure))) as name,
    ):
        waiting, done = iter(enumerate(points)), as_completed()
        running: dict[Any, int] = {}

        def fill() -> None:
            """Keep each thread busy with one point, so that a lost worker costs that alone."""
            while len(running) < max(1, sum(client.nthreads().values())):
                i, point = next(waiting, (-1, {}))
                if i < 0:
                    return
                future = client.submit(call_prepared, name, point, pure=False)
                running[future] = i
                done.add(future)

        fill()
        while running:
            future = next(done)
            i = running.pop(future)
            try:
                text = future.result()
            except KilledWorker as error:
                raise BackendError(
                    f"the point {json.dumps(points[i])} lost {LOSSES + 1} workers, most likely for "
                    "want of memory; give fewer --workers, and --resume"
                ) from error
            yield i, _untimed(text)
            future.release()
            fill()


def _by_value(measure: "partial[str]") -> bytes:
    """Return the function with its code, since workers have the toolkit but not the benchmarks."""
    import cloudpickle

    import benchmarks

    modules = (benchmarks, sys.modules[measure.args[0].__module__])
    others = [m for m in modules if m.__name__ not in cloudpickle.list_registry_pickle_by_value()]
    for module in others:
        cloudpickle.register_pickle_by_value(module)
    try:
        result: bytes = cloudpickle.dumps(measure)
    except (TypeError, AttributeError, pickle.PicklingError) as error:
        raise ConfigError(
            f"{measure.args[0].__name__} cannot be sent to other processes ({error})"
        ) from error
    finally:
        for module in others:
            cloudpickle.unregister_pickle_by_value(module)
    return result


def _untimed(text: str) -> str:
    """Return a stored point without its seconds."""
    stored = json.loads(text)
    if isinstance(stored["result"], dict) and SECONDS in stored["result"]:
        stored["result"][SECONDS] = None
    return json.dumps(stored, indent=1)


class _Eta:
    """Points done, and the time left by the mean of those that were done since the start."""

    def __init__(self, what: str, total: int, kept: int, display: Display) -> None:
        self.what, self.total, self.kept, self.display = what, total, kept, display
        self.done, self.start = kept, time.monotonic()

    def add(self, point: Point) -> None:
        """Count a point, and print a line on it that stays."""
        self.done += 1
        each = (time.monotonic() - self.start) / (self.done - self.kept)
        left = each * (self.total - self.done)
        time_left = f"{left / MINUTE:.0f} min" if left > 2 * MINUTE else f"{left:.0f} s"
        named = ", ".join(f"{name} {value}" for name, value in point.items())
        self.display.print(f"{named}: {self.done} of {self.total} points, {time_left} left")
        self.show()

    def show(self) -> None:
        """Draw the bar."""
        kept = f", {self.kept} kept" if self.kept else ""
        self.display(
            f"{self.what}: {self.done} of {self.total} points{kept}", self.done, self.total
        )
