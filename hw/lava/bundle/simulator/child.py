"""Child side of the guard: mark the shared memory of a Lava run, and end the run with its parent.

Needs the standard library only: an exported bundle contains a copy beside its `run.py`, which calls
`under_guard()` before it imports lava. Without a guard that call does nothing.
"""

import multiprocessing
import os
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import shared_memory
from pathlib import Path

TOKEN_VARIABLE = "IPVAE_SNN_SHM_TOKEN"
RUN_VARIABLE = "IPVAE_SNN_RUN_FOLDER"  # folder of a run's files, which outlive its processes
KEEP_VARIABLE = "IPVAE_SNN_KEEP"  # file for the finished images of a failed run; may be empty
REMOVE_VARIABLE = "IPVAE_SNN_REMOVE"  # another temporary folder of the guard, or ""
SHARED_MEMORY = Path("/dev/shm")
SCRATCH_PREFIX = "ipvae-"  # of the guard's temporary folder's name


def under_guard(orphaned: Callable[[], None] | None = None) -> bool:
    """Attach to the guard that started this process; return False if there is none.

    Call it before anything creates threads, processes or shared memory (so before lava). If the
    guard is killed, another process calls `orphaned` before it removes the run's remains.
    """
    token = os.environ.get(TOKEN_VARIABLE)
    if not token:
        return False
    name_shared_memory(token)
    watch_parent(token, orphaned)
    return True


def name_shared_memory(token: str) -> None:
    """Let this process and its forks name shared memory after `token`, to identify it later.

    The standard library names segments `psm_<random>` and semaphores `mp-<random>`, without their
    owner, and has no setting for it; hence the two private names. Names are passed between
    processes by pickle, so only the creators of segments need this.
    """

    def make_filename() -> str:
        return f"/{token}_{secrets.token_hex(8)}"

    shared_memory.__dict__["_make_filename"] = make_filename
    multiprocessing.current_process().__dict__["_config"]["semprefix"] = f"/{token}"


def remove_shared_memory(token: str) -> list[str]:
    """Remove the segments and semaphores named after `token`; return their names, sorted."""
    if not token or not SHARED_MEMORY.is_dir():
        return []
    names = []
    for pattern in (f"{token}_*", f"sem.{token}-*"):
        for path in SHARED_MEMORY.glob(pattern):
            path.unlink(missing_ok=True)
            names.append(path.name)
    return sorted(names)


def watch_parent(token: str, orphaned: Callable[[], None] | None = None, stdin: int = 0) -> int:
    """Fork a watcher that ends this process group when `stdin` closes; return its process id.

    The guard holds the other end of the pipe at `stdin`, so it closes when the guard ends, even
    by SIGKILL. The watcher is a forked process, not a thread: it survives a leader that crashes or
    hangs without releasing the interpreter lock. `stdin` becomes /dev/null for the caller.
    """
    group = os.getpgrp()
    sys.stdout.flush()
    sys.stderr.flush()
    watcher = os.fork()
    if watcher == 0:
        try:
            _watch(group, token, orphaned, stdin)
        finally:
            os._exit(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, stdin)
    os.close(nothing)
    return watcher


def _watch(group: int, token: str, orphaned: Callable[[], None] | None, stdin: int) -> None:
    """Wait for the end of `stdin`, then end `group` and remove its shared memory and folders."""
    os.setpgid(0, 0)  # leave the group to be ended; stay in the guard's session
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while os.read(stdin, 1024):
        pass
    # The guard is gone, so this process cleans up in its place.
    with suppress(ProcessLookupError):
        # The leader first, or it would report the end of the others as the cause.
        os.kill(group, signal.SIGKILL)
        time.sleep(0.02)
        os.killpg(group, signal.SIGKILL)
    remove_shared_memory(token)
    try:
        if orphaned is not None:
            orphaned()
    finally:
        for name in ("TMPDIR", REMOVE_VARIABLE):
            folder = Path(os.environ.get(name, ""))
            if folder.name.startswith(SCRATCH_PREFIX):
                shutil.rmtree(folder, ignore_errors=True)
