"""All that the figures need, in order: train a network, measure it; nothing is done twice."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from benchmarks.paper.figures.catalogue import FIGURES
from benchmarks.paper.measurements.stored import Json, Subject, measured, stored
from benchmarks.paper.plan import Member, Preset
from benchmarks.paper.runs import Run, run_of, trained
from ipvae_snn.config.settings import Config, DataConfig
from ipvae_snn.data import ImageSet
from ipvae_snn.models.cpu_threads import cpu_threads
from ipvae_snn.report.progress_bar import Display
from ipvae_snn.workflows.training_images import load_training_data

TRAINING: Final = "training"
MINUTE: Final = 60


@dataclass(frozen=True)
class Task:
    """A part of the work: a network, what is done (TRAINING or a measurement), and its size.

    size: about how much work it is; the bar's unit, of no other meaning.
    """

    member: Member
    what: str
    size: int


@dataclass(frozen=True)
class Place:
    """Where networks and images lie, and whether runs of other lengths are taken."""

    runs: Path
    data_root: Path | None
    accept_iterations: bool = False


def runs_of(preset: Preset, figures: Iterable[str], place: Place) -> dict[Member, Run]:
    """Return the runs of some figures, finished or not; raises as `runs.run_of`."""
    return {
        member: run_of(member, preset.config(member), place.runs, place.accept_iterations)
        for member in preset.members(figures)
    }


def tasks_of(
    preset: Preset, figures: Iterable[str], runs: Mapping[Member, Run], place: Place
) -> tuple[Task, ...]:
    """Return what is still to be done, network by network."""
    names = tuple(figures)
    needs: dict[Member, dict[str, None]] = {member: {} for member in preset.members(names)}
    for name in names:
        for member in preset.figures[name]:
            needs[member].update(dict.fromkeys(FIGURES[name].needs))
    tasks = []
    for member, parts in needs.items():
        run, subject = runs[member], subject_of(preset, runs[member], place)
        if not run.finished:
            batch = run.config.train.batch_size
            tasks.append(Task(member, TRAINING, run.iterations * batch * _steps(member)))
        for what in parts:
            if not run.finished or not stored(subject, what).is_file():
                tasks.append(Task(member, what, _judging(subject, what)))
    return tuple(tasks)


def _steps(member: Member) -> int:
    """Return T, or for one pass of an encoder what it costs beside a step."""
    return 4 if member.one_step else member.steps


def _judging(subject: Subject, what: str) -> int:
    """Return about the number of image-steps, of which training's cost three times as much."""
    asked = subject.protocol
    images = asked.coded
    if what == "evaluation":
        sets = 6 * asked.images + 13 * asked.per_angle if asked.generalise else 0
        images = asked.images + sets + (asked.readout if subject.member.data == "mnist" else 0)
    return max(1, images * asked.steps // 3)


def subject_of(preset: Preset, run: Run, place: Place) -> Subject:
    """Return what is measured of a run."""
    data = preset.sets[run.member.data]
    return Subject(run.member, data, run.checkpoint, preset.judged(run.member), place.data_root)


def carried_out(
    preset: Preset,
    tasks: Iterable[Task],
    runs: Mapping[Member, Run],
    place: Place,
    display: Display,
) -> None:
    """Do all tasks in this process, on one thread; each is kept when it is done."""
    listed = tuple(tasks)
    total, before, start = sum(task.size for task in listed), 0, time.monotonic()
    images = _loader(place)
    with cpu_threads(1):
        for index, task in enumerate(listed, 1):
            name = f"{task.member.name}: {task.what}"
            display(f"{index} of {len(listed)}, {name}", before, total)
            _do(
                preset,
                task,
                runs,
                place,
                images,
                _shown(display, name, before, task, total),
            )
            before += task.size
            left = (time.monotonic() - start) / before * (total - before)
            display.print(f"{name}: {index} of {len(listed)}, {_time(left)} left")


def _shown(
    display: Display, name: str, before: int, task: Task, total: int
) -> Callable[[int, int], None]:
    """Return what draws the bar for a share of a task."""

    def report(done: int, all_units: int) -> None:
        share = done / all_units if all_units else 0.0
        display(name, before + int(task.size * min(share, 1.0)), total)

    return report


def _do(
    preset: Preset,
    task: Task,
    runs: Mapping[Member, Run],
    place: Place,
    images: Callable[[Config], tuple[ImageSet, ImageSet]],
    report: Callable[[int, int], None],
) -> None:
    run = runs[task.member]
    if task.what == TRAINING:
        before = preset.start_of(task.member)
        start = None if before is None else runs[before].checkpoint
        trained(run, images, lambda done: report(done, run.iterations), start)
    else:
        measured(subject_of(preset, run, place), task.what, report)


def _loader(place: Place) -> Callable[[Config], tuple[ImageSet, ImageSet]]:
    """Return a loader of training images that keeps those of the last settings."""

    @lru_cache(maxsize=1)
    def kept(data: DataConfig) -> tuple[ImageSet, ImageSet]:
        return load_training_data(Config(data=data), place.data_root)

    return lambda config: kept(config.data)


def _time(seconds: float) -> str:
    return f"{seconds / MINUTE:.0f} min" if seconds > 2 * MINUTE else f"{seconds:.0f} s"


def getter(
    preset: Preset, runs: Mapping[Member, Run], place: Place
) -> Callable[[Member, str], Json]:
    """Return what gives figures their measurements, all of which are stored by now."""

    def get(member: Member, what: str) -> dict[str, Any]:
        run = runs[member]
        if what == "run":
            return {"iterations": run.iterations}
        return measured(subject_of(preset, run, place), what, lambda done, total: None)

    return get
