"""End every process of a guarded command; describe in words how a process ended.

Needs the standard library and `child` only: an exported bundle contains a copy.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from .child import TOKEN_VARIABLE

TERMINATE_GRACE_S = 1.0  # between SIGTERM and SIGKILL
KILL_GRACE_S = 2.0  # for the kernel to deliver SIGKILL
STOPPED_S = 2.0  # a stopped process may be continued within this time
POLL_S = 0.02
LOOK_S = 0.1  # between two checks of a running command
# Requests to end; Windows has no SIGHUP.
SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
FULL = "/dev/shm or the disk is full"
HINTS = {
    "SIGKILL": " (if nobody did that, memory ran out)",
    "SIGBUS": f" (most likely because {FULL})",
}


class Interrupted(KeyboardInterrupt):
    """A signal asked a guarded command to end; `number` is the signal's number."""

    def __init__(self, number: int, message: str = "") -> None:
        super().__init__(message or f"interrupted by {signal_name(number)}")
        self.number = number


class HaltedError(Exception):
    """A guarded command was stopped by a signal (SIGSTOP) and not continued."""


def interrupt(number: int, _frame: FrameType | None) -> NoReturn:
    """Signal handler: raise Interrupted, so that all `finally` blocks run."""
    raise Interrupted(number)


@contextmanager
def handled(handler: Any) -> Iterator[None]:
    """Let `handler` handle SIGINT, SIGTERM and SIGHUP in the block; SIG_IGN ignores them.

    Signals with another handler than Python's default keep it. Outside the main thread all keep
    theirs, since Python handles signals in the main thread only.
    """
    ours = (signal.SIG_DFL, signal.default_int_handler, interrupt)
    changed = {}
    if threading.current_thread() is threading.main_thread():
        changed = {one: signal.getsignal(one) for one in SIGNALS}
        changed = {one: former for one, former in changed.items() if former in ours}
    for one in changed:
        signal.signal(one, handler)
    try:
        yield
    finally:
        for one, former in changed.items():
            signal.signal(one, former)


def wait_for(
    process: subprocess.Popen[bytes], deadline: float, look: Callable[[], None] | None = None
) -> int:
    """Return the exit status of `process`; meanwhile call `look` now and then.

    Raises TimeoutExpired at the deadline of the monotonic clock, HaltedError if it was stopped.
    """
    clock = StoppedClock()
    while True:
        left = deadline - time.monotonic()
        try:
            return process.wait(timeout=min(LOOK_S, max(left, 0.0)))
        except subprocess.TimeoutExpired:
            if left <= LOOK_S:
                raise
        if look is not None:
            look()
        if clock.look({process.pid} if state_of(process.pid)[0] == "T" else set()):
            raise HaltedError(f"its process {process.pid} was stopped by a signal (SIGSTOP)")


def end_all(session: int, token: str, polite: bool = True) -> None:
    """End every process of `session`, or with `token` in its environment, politely at first.

    polite False is for a Lava run, whose children would fill the error output at SIGTERM. Its
    leader is then killed first, or it would report the end of the others as the cause.
    """
    if not polite and session in owned_processes(session, token):
        with suppress(ProcessLookupError):
            os.kill(session, signal.SIGKILL)
        deadline = time.monotonic() + KILL_GRACE_S
        while state_of(session)[0] not in ("", "Z", "X") and time.monotonic() < deadline:
            time.sleep(POLL_S / 10)
    terminate, kill = (signal.SIGTERM, TERMINATE_GRACE_S), (signal.SIGKILL, KILL_GRACE_S)
    for number, grace in (terminate, kill) if polite else (kill,):
        deadline = time.monotonic() + grace
        signalled: set[int] = set()
        while members := owned_processes(session, token):
            # SIGTERM once each (a handler may be running); SIGKILL again, for newly forked ones.
            for pid in members if number == signal.SIGKILL else members - signalled:
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    continue
            signalled |= members
            if time.monotonic() > deadline:
                break
            time.sleep(POLL_S)


def owned_processes(session: int, token: str) -> set[int]:
    """Return the ids of the living processes of `session` or with `token` in their environment.

    The session finds forks in other process groups, the token those that left the session.
    Without /proc (not Linux) only the leader's process group can be found.
    """
    if not Path("/proc/self/stat").exists():
        try:
            os.killpg(session, 0)
        except (ProcessLookupError, PermissionError):
            return set()
        return {-session}  # os.kill of a negative id signals the group
    mark = f"{TOKEN_VARIABLE}={token}".encode()
    pids = set()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            # "pid (name) state ppid pgrp session ..."; the name may contain spaces and brackets
            fields = (folder / "stat").read_bytes().rpartition(b")")[2].split()
            if fields[0] in (b"Z", b"X"):
                continue
            if int(fields[3]) == session or mark in (folder / "environ").read_bytes().split(b"\0"):
                pids.add(int(folder.name))
        except OSError:
            continue  # it has ended, or belongs to another user
    return pids - {os.getpid()}


def state_of(pid: int) -> tuple[str, int | None]:
    """Return the state letter and, of a zombie, the exit status; "" if there is no such process.

    From /proc, because waiting for a process would consume its status for every other caller.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return "", None
    state = fields[0].decode()
    return state, os.waitstatus_to_exitcode(int(fields[49])) if state == "Z" else None


def how_it_ended(status: int | None) -> str:
    """Return an exit status in words; a negative one is a signal's number."""
    if not status:
        return "ended"
    if status > 0:
        return f"ended with exit status {status}"
    name = signal_name(-status)
    return f"was killed by {name}{HINTS.get(name, '')}"


def signal_name(number: int) -> str:
    """Return a signal's name, such as SIGKILL."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class StoppedClock:
    """Measures how long processes have been stopped, by polling.

    One poll counts for a second at most, in case the whole machine was suspended.
    """

    def __init__(self) -> None:
        self.seconds: dict[int, float] = {}
        self.before = time.monotonic()

    def look(self, stopped: set[int]) -> set[int]:
        """Record the stopped processes (state T); return those stopped for STOPPED_S."""
        now = time.monotonic()
        passed, self.before = min(now - self.before, 1.0), now
        self.seconds = {pid: self.seconds.get(pid, 0.0) + passed for pid in stopped}
        return {pid for pid, seconds in self.seconds.items() if seconds >= STOPPED_S}
