"""The child's half of the guard: mark what a Lava run makes, and end it when its parent is gone.

Needs the standard library only and imports nothing of ours: an exported bundle carries a copy
beside its `run.py`, which calls `under_guard()` before it imports lava. Run by hand, without a
guard, that call does nothing.
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
RUN_VARIABLE = "IPVAE_SNN_RUN_FOLDER"  # where a run's files lie, which outlive its processes
KEEP_VARIABLE = "IPVAE_SNN_KEEP"  # file for the finished images of a run that breaks; may be empty
REMOVE_VARIABLE = "IPVAE_SNN_REMOVE"  # a temporary folder of the guard's beside its scratch, or ""
SHARED_MEMORY = Path("/dev/shm")
SCRATCH_PREFIX = "ipvae-"  # of the guard's temporary folder


def under_guard(orphaned: Callable[[], None] | None = None) -> bool:
    """Follow the guard that started this process; return False if none did.

    Call it before anything makes threads, processes or shared memory (so before lava). `orphaned`
    is called, in another process, if the guard was killed, before what it left is removed.
    """
    token = os.environ.get(TOKEN_VARIABLE)
    if not token:
        return False
    name_shared_memory(token)
    watch_parent(token, orphaned)
    return True


def name_shared_memory(token: str) -> None:
    """Let this process and its forks name shared memory after `token`, so it can be told apart.

    The standard library draws `psm_<random>` for segments and `mp-<random>` for semaphores, which
    say nothing of their owner, and offers no setting; hence the two private names. The names go
    from process to process by pickle, so only the makers of segments need to know of this.
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
    by SIGKILL. A forked process, not a thread: it outlives a leader that crashed and one that
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
    os.setpgid(0, 0)  # out of the group that it may have to end; still in the guard's session
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while os.read(stdin, 1024):
        pass
    # From here on the guard is gone, so its part of the cleaning falls to this process.
    with suppress(ProcessLookupError):
        # The leader first, or it would see the others go and give that as the reason.
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
