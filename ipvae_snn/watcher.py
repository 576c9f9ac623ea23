"""Watcher of a running computation: progress, partial results, time limits.

The interface of all back ends, (network, pixels, request) -> Trace, has no parameter for these. A
caller therefore sets a watcher around the call, and a slow back end asks for the current one. So do
other slow computations, whose callers would have to pass a callback through many functions.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ipvae_snn.progress import Begin, Progress


def _ignore(done: int, total: int) -> None:
    """Ignore progress."""


def _ignore_text(text: str) -> None:
    """Ignore a notice."""


@dataclass(frozen=True)
class Watcher:
    """Requests of a caller for the time that a back end runs.

    progress(done, total) is called from time to time with units done and all units: images, or
    steps of images. keep: npz file for the finished images if the run fails, with the arrays of a
    trace and an int `images_done`; None keeps nothing. timeout_s: seconds after which a run is
    stopped. stall_s: seconds without progress after which it is stopped, 0 for never. None leaves
    either to the back end. threads: of compiled code and ONNX Runtime, None for their default.
    note: receives a line on what was read, such as the number and size of a user's pictures.
    notice(text) is called for what the user should know at once, perhaps more than once with the
    same text.
    """

    progress: Callable[[int, int], None] = _ignore
    keep: Path | None = None
    timeout_s: float | None = None
    stall_s: float | None = None
    threads: int | None = None
    note: Callable[[str], None] = _ignore_text
    notice: Callable[[str], None] = _ignore_text


_WATCHER: Final[ContextVar[Watcher | None]] = ContextVar("watcher", default=None)


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Make `watcher` the current one for back ends that run in the block."""
    token = _WATCHER.set(watcher)
    try:
        yield
    finally:
        _WATCHER.reset(token)


def current_watcher() -> Watcher:
    """Return the current watcher; by default one without progress that keeps nothing."""
    return _WATCHER.get() or Watcher()


@contextmanager
def parts(progress: Progress) -> Iterator[Begin]:
    """Yield a function that names the next part of the work.

    What runs in the block reports its units to the watcher, and thereby to `progress`, under the
    name of the current part.
    """
    name = ""

    def begin(what: str) -> None:
        nonlocal name
        name = what
        progress(what, 0, 0)

    def units(done: int, total: int) -> None:
        progress(name, done, total)

    with watched(replace(current_watcher(), progress=units)):
        yield begin


def partial_path(out: Path) -> Path:
    """Return the file for the finished images of a failed run: result.npz -> result.partial.npz."""
    return out.parent / f"{out.stem}.partial.npz"
