"""What a back end's caller may want while it runs: how far it is, and partial results kept.

The interface of all back ends has no room for it, (program, pixels, request) -> Trace. So who is
interested says so around the call, and a back end that takes long asks who is.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Final


def _ignore(done: int, total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Watcher:
    """Who looks at a back end at work.

    progress is told, now and then, the images done and the images in all. keep names the npz file
    for the finished images if the run breaks: a result's arrays and an int `images_done`; None
    keeps nothing. timeout_s: seconds after which a run is ended; stall_s: seconds without progress
    after which it is, 0 for never; None leaves either to the back end.
    """

    progress: Callable[[int, int], None] = _ignore
    keep: Path | None = None
    timeout_s: float | None = None
    stall_s: float | None = None


_WATCHER: Final[ContextVar[Watcher | None]] = ContextVar("watcher", default=None)


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Let the back ends that run in the block tell `watcher`."""
    token = _WATCHER.set(watcher)
    try:
        yield
    finally:
        _WATCHER.reset(token)


def current_watcher() -> Watcher:
    """Return who looks; by default one who hears nothing and keeps nothing."""
    return _WATCHER.get() or Watcher()


def partial_path(out: Path) -> Path:
    """Return where the finished images of a broken run go: result.npz -> result.partial.npz."""
    return out.with_name(f"{out.stem}.partial.npz")
