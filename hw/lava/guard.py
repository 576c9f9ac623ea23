"""Guard of a command: however it ends, none of its processes and shared memory remains.

A Lava run has one operating-system process per ProcessModel. An exception in one of them makes the
run hang for ever, and ended children leave shared memory behind (lava-nc issues 83, 178, 231, 247,
850). So the command runs in its own session with a time limit, and everything it creates carries a
token: its processes in their environment, its shared memory in the names (see `child`). After a
fault, everything ends within seconds.
"""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from ipvae_snn.errors import BackendError
from ipvae_snn.hw.lava.bundle.simulator.child import (
    SCRATCH_PREFIX,
    TOKEN_VARIABLE,
    remove_shared_memory,
)
from ipvae_snn.hw.lava.bundle.simulator.ending import (
    HaltedError,
    end_all,
    handled,
    interrupt,
    wait_for,
)

MAX_FOLDER = 60  # bytes: the path of Lava's socket below the folder is at most 107 bytes
LAST_LINES = 3  # of the command's error output, quoted in a message
CAPTURE_BYTES = 4 * 2**20  # at most kept of each output: its end


@dataclass(frozen=True)
class Completed:
    """A command that ended by itself: exit status, output (UTF-8), seconds.

    leaked: names of the shared-memory segments that the guard had to remove.
    """

    returncode: int
    stdout: str
    stderr: str
    seconds: float
    leaked: tuple[str, ...] = ()


def short_folder() -> str:
    """Return the folder for temporary files; /tmp if the user's path is too long for a socket."""
    folder = tempfile.gettempdir()
    return folder if len(os.fsencode(folder)) <= MAX_FOLDER else "/tmp"


def scratch_folder() -> tempfile.TemporaryDirectory[str]:
    """Create a private temporary folder for a guarded command; `with` removes it.

    Its path is short: the path of Lava's socket in it is at most 107 bytes.
    """
    return tempfile.TemporaryDirectory(
        prefix=SCRATCH_PREFIX, dir=short_folder(), ignore_cleanup_errors=True
    )


def run_guarded(
    argv: Sequence[str | Path],
    timeout_s: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    scratch: Path | None = None,
    look: Callable[[], None] | None = None,
    polite: bool = True,
) -> Completed:
    """Run `argv` for at most `timeout_s` seconds; in any case end all processes it started.

    `env` is the command's whole environment (default: this process's); the guard adds its token
    and a private TMPDIR: `scratch`, or a new folder that it removes. The command's standard input
    is a pipe that closes when this process ends; `child.under_guard()` uses that. `look` is called
    now and then while the command runs. At the end processes get SIGTERM and soon SIGKILL, or only
    SIGKILL if not `polite`. Any exit status is returned.

    Raises BackendError if the command cannot be started, passes the limit or is stopped by a
    signal, and Interrupted, a KeyboardInterrupt, if this process is asked to end.
    """
    # The executable and its script, or else its first option: "python run.py".
    scripts = [part for part in argv[1:3] if str(part).endswith(".py")]
    what = " ".join(Path(part).name for part in (argv[0], *(scripts or argv[1:2])))
    token = f"ipvae_{os.getpid()}_{token_hex(6)}"
    started = time.monotonic()
    private = scratch_folder() if scratch is None else nullcontext(str(scratch))
    with handled(interrupt), private as folder:
        out, err = Path(folder, "stdout"), Path(folder, "stderr")
        process = None
        alive_read, alive_write = os.pipe()
        leaked: list[str] = []
        try:
            # Files, not pipes: a grandchild that keeps a pipe open would block this process.
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
                        "TMPDIR": folder,
                    },
                    start_new_session=True,
                )
            returncode = wait_for(process, started + timeout_s, look)
        except subprocess.TimeoutExpired as error:
            raise BackendError(
                f"{what}: still running at its limit of {timeout_s:g} s, so it was ended; "
                f"last of its error output: {last_lines(_read(err))}; "
                "raise the time limit, or run fewer images or steps"
            ) from error
        except HaltedError as error:
            raise BackendError(f"{what}: {error}, so it was ended") from error
        except OSError as error:
            raise BackendError(
                f"{what}: cannot be started: {error.strerror}: {error.filename}"
            ) from error
        finally:
            with handled(signal.SIG_IGN):  # brief; a second Ctrl-C must not interrupt it
                if process is not None:
                    end_all(process.pid, token, polite)
                    process.wait()
                leaked = remove_shared_memory(token)
                os.close(alive_write)
                os.close(alive_read)
        return Completed(
            returncode, _read(out), _read(err), time.monotonic() - started, tuple(leaked)
        )


def last_lines(text: str) -> str:
    """Return the last lines of `text` as one line, or "(nothing)"."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-LAST_LINES:]) or "(nothing)"


def _read(path: Path) -> str:
    """Return the end of the file as text."""
    with path.open("rb") as handle:
        handle.seek(max(0, path.stat().st_size - CAPTURE_BYTES))
        return handle.read().decode("utf-8", errors="replace")
