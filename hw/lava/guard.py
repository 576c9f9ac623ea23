"""Run a command so that, however it ends, no process and no shared memory of it is left.

A Lava run is one operating-system process a ProcessModel. An exception in one of them makes the
run hang for ever, and ended children leave shared memory behind (lava-nc issues 83, 178, 231, 247,
850). So the command runs in a session of its own with a time limit, and everything it makes bears
a token: its processes in their environment, its shared memory in its names (see `child`).
"""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from ipvae_snn.errors import BackendError
from ipvae_snn.hw.lava.child import SCRATCH_PREFIX, TOKEN_VARIABLE, remove_shared_memory

TERMINATE_GRACE_S = 2.0  # between SIGTERM and SIGKILL
KILL_GRACE_S = 5.0  # for the kernel to carry out SIGKILL
POLL_S = 0.02
MAX_FOLDER = 60  # bytes: Lava puts a socket below the folder, whose path may have 107
LAST_LINES = 3  # of the command's error output, shown in a message
CAPTURE_BYTES = 4 * 2**20  # at most kept of each output, from its end


@dataclass(frozen=True)
class Completed:
    """A command that ended by itself: exit status, what it wrote (UTF-8), seconds it took.

    leaked: names of the shared-memory segments that it left and the guard removed.
    """

    returncode: int
    stdout: str
    stderr: str
    seconds: float
    leaked: tuple[str, ...] = ()


def short_folder() -> str:
    """Return the folder for temporary files; /tmp where the user's is too deep for a socket."""
    folder = tempfile.gettempdir()
    return folder if len(os.fsencode(folder)) <= MAX_FOLDER else "/tmp"


def run_guarded(
    argv: Sequence[str | Path],
    timeout_s: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Completed:
    """Run `argv` for at most `timeout_s` seconds; whatever happens, end all it started.

    `env` is the command's whole environment (default: this process's); the guard adds its token
    and a private TMPDIR. The command's standard input is a pipe that closes when this process
    ends; `child.under_guard()` uses that. Any exit status is returned, not judged.

    Raises BackendError if the command cannot be started, or passes the limit.
    """
    what = Path(argv[0]).name if len(argv) < 2 else f"{Path(argv[0]).name} {Path(argv[1]).name}"
    token = f"ipvae_{os.getpid()}_{token_hex(6)}"
    started = time.monotonic()
    # Short and private: Lava's manager puts a socket there, whose path may have 107 bytes.
    with tempfile.TemporaryDirectory(
        prefix=SCRATCH_PREFIX, dir=short_folder(), ignore_cleanup_errors=True
    ) as scratch:
        out, err = Path(scratch, "stdout"), Path(scratch, "stderr")
        process = None
        alive_read, alive_write = os.pipe()
        leaked: list[str] = []
        try:
            # Files, not pipes: a grandchild that keeps a pipe open would keep us waiting.
            with out.open("wb") as stdout, err.open("wb") as stderr:
                process = subprocess.Popen(
                    [str(part) for part in argv],
                    stdin=alive_read,
                    stdout=stdout,
                    stderr=stderr,
                    cwd=cwd,
                    env={
                        **(os.environ if env is None else env),
                        TOKEN_VARIABLE: token,
                        "TMPDIR": scratch,
                    },
                    start_new_session=True,
                )
            returncode = process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            raise BackendError(
                f"{what}: still running at its limit of {timeout_s:g} s, so it was ended; "
                f"last of its error output: {last_lines(_read(err))}; "
                "raise the time limit, or run fewer images or steps"
            ) from error
        except OSError as error:
            raise BackendError(
                f"{what}: cannot be started: {error.strerror}: {error.filename}"
            ) from error
        finally:
            try:
                if process is not None:
                    end_all(process.pid, token)
                    process.wait()
            finally:
                leaked = remove_shared_memory(token)
                os.close(alive_write)
                os.close(alive_read)
        return Completed(
            returncode, _read(out), _read(err), time.monotonic() - started, tuple(leaked)
        )


def end_all(session: int, token: str) -> None:
    """End every process of `session`, or with `token` in its environment, politely at first."""
    for number, grace in ((signal.SIGTERM, TERMINATE_GRACE_S), (signal.SIGKILL, KILL_GRACE_S)):
        deadline = time.monotonic() + grace
        told: set[int] = set()
        while members := owned_processes(session, token):
            # SIGTERM once each (a handler may be at work); SIGKILL again, for what forked since.
            for pid in members if number == signal.SIGKILL else members - told:
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    continue
            told |= members
            if time.monotonic() > deadline:
                break
            time.sleep(POLL_S)


def owned_processes(session: int, token: str) -> set[int]:
    """Return the ids of the living processes of `session` or with `token` in their environment.

    The session finds forks in process groups of their own, the token those that left the session.
    Without /proc (not Linux) only the leader's process group can be asked for.
    """
    if not Path("/proc/self/stat").exists():
        try:
            os.killpg(session, 0)
        except (ProcessLookupError, PermissionError):
            return set()
        return {-session}  # os.kill of a negative id reaches the group
    mark = f"{TOKEN_VARIABLE}={token}".encode()
    found = set()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            # "pid (name) state ppid pgrp session ..."; the name may hold spaces and brackets
            fields = (folder / "stat").read_bytes().rpartition(b")")[2].split()
            if fields[0] in (b"Z", b"X"):
                continue
            if int(fields[3]) == session or mark in (folder / "environ").read_bytes().split(b"\0"):
                found.add(int(folder.name))
        except OSError:
            continue  # it ended while we looked, or belongs to another user
    return found - {os.getpid()}


def last_lines(text: str) -> str:
    """Return the last lines of `text` as one line, or say that there are none."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-LAST_LINES:]) or "(nothing)"


def _read(path: Path) -> str:
    """Return the end of the file as text."""
    with path.open("rb") as handle:
        handle.seek(max(0, path.stat().st_size - CAPTURE_BYTES))
        return handle.read().decode("utf-8", errors="replace")
