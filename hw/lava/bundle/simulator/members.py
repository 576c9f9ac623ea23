"""The operating-system processes of a Lava run: names, states and stack traces.

States are read from /proc: waitpid would consume a status that Lava waits for in another thread. An
exported bundle contains a copy, so this module imports only modules of the bundle.
"""

import os
import pickle
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .ending import how_it_ended, state_of
from .salvage import own_frames

SIGNAL_WAIT_S = 0.5  # for a process to write its stack trace
CHANNELS = "pypychannel.py"  # Lava's file with the frames of a waiting process
WAITING_FRAMES = 5  # innermost frames to search for that file
# Unpickling an exception of a user's class may raise these.
UNREADABLE = (
    OSError, EOFError, pickle.UnpicklingError, AttributeError, ImportError, TypeError, ValueError
)  # fmt: skip


@dataclass(frozen=True)
class Member:
    """One process of a run: its title, id, state letter of /proc and, if ended, exit status.

    status is negative for a signal, None while the process runs or if unknown. A process that was
    waited for has no state.
    """

    title: str
    pid: int
    state: str
    status: int | None
    process: Any

    def ended(self) -> str | None:
        """Return how the process ended, "ended" on success; None while it runs."""
        return how_it_ended(self.status) if self.state in ("", "Z", "X") else None

    def failure(self) -> tuple[str, str]:
        """Return the exception that ended the process (class and text) and its traceback.

        Two empty strings if there was none. Only for a process that has ended.
        """
        try:
            exception = self.process.exception
        except UNREADABLE:
            return "", ""
        if not exception:
            return "", ""
        trace = str(exception[1]).rstrip()
        return trace.splitlines()[-1], trace


def members(process: Any) -> list[Member]:
    """Return the existing processes that run Lava's `process` and all connected ones."""
    runtime = process.runtime
    # Lava has no public access from a ProcessModel to its operating-system process.
    infrastructure = runtime and runtime._messaging_infrastructure
    if not infrastructure:  # still being compiled
        return []
    # They are started in this order, the runtime services last.
    builders = runtime._executable.proc_builders
    names = [f"{one.name} ({report.proc_model.__name__}, " for one, report in builders.items()]
    present = []
    for index, actor in enumerate(list(infrastructure.actors)):
        name = names[index] if index < len(names) else "Lava's runtime service ("
        present.append(_member(name, actor))
    manager = getattr(infrastructure.smm, "_manager", None)
    server = getattr(manager, "_process", None)
    if server is not None:
        present.append(_member("Lava's shared-memory manager (", server))
    return [one for one in present if one is not None]


def stack_of(one: Member, log: Path) -> str:
    """Return a process's stack trace; empty if it waits for another one or does not answer.

    log: the file for faulthandler's output on SIGUSR1, of this and all forked processes.
    """
    before = log.stat().st_size
    try:
        os.kill(one.pid, signal.SIGUSR1)
    except ProcessLookupError:
        return ""
    deadline = time.monotonic() + SIGNAL_WAIT_S
    text = ""
    while time.monotonic() < deadline:
        time.sleep(SIGNAL_WAIT_S / 20)
        grown = log.read_bytes()[before:].decode("utf-8", errors="replace")
        if grown and grown == text:
            break
        text = grown
    frames = text.splitlines()[1 : 1 + WAITING_FRAMES]
    return "" if not frames or any(CHANNELS in frame for frame in frames) else own_frames(text)


def _member(name: str, process: Any) -> Member | None:
    """Return the member, or None for a process that has not started or was closed."""
    popen = process._popen
    if popen is None:
        return None
    state, status = state_of(popen.pid)
    if not state and Path("/proc/self/stat").exists():
        status = popen.returncode  # it was waited for
    elif not state:
        state = "?"  # no /proc: not Linux
    return Member(f"{name}process {popen.pid})", popen.pid, state, status, process)
