"""Run a command so that, however it ends, no process and no shared memory of it is left.

A Lava run is one operating-system process a ProcessModel. An exception in one of them makes the
run hang for ever, and ended children leave shared memory behind (lava-nc issues 83, 178, 231, 247,
850). So the command runs in a session of its own with a time limit, and everything it makes bears
a token: its processes in their environment, its shared memory in its names (see `child`). All is
ended within seconds after a fault.
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


def scratch_folder() -> tempfile.TemporaryDirectory[str]:
    """Make a private temporary folder for a guarded command, to be removed by `with`.

    Short: Lava's manager puts a socket there, whose path may have 107 bytes.
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
    """Run `argv` for at most `timeout_s` seconds; whatever happens, end all it started.

    `env` is the command's whole environment (default: this process's); the guard adds its token
    and a private TMPDIR: `scratch`, or a folder of its own that it removes. The command's
    standard input is a pipe that closes when this process ends; `child.under_guard()` uses that.
    `look` is called now and then while the command runs. At the end processes get SIGTERM and,
    soon, SIGKILL; only that if not `polite`. Any exit status is returned, not judged.

    Raises BackendError if the command cannot be started, passes the limit or is stopped by a
    signal, and Interrupted, a KeyboardInterrupt, if this process is asked to end.
    """
    # The program and the script that it runs, or else its first option: "python run.py".
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
            with handled(signal.SIG_IGN):  # it takes no long; a second Ctrl-C must not break it
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
    """Return the last lines of `text` as one line, or say that there are none."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-LAST_LINES:]) or "(nothing)"


def _read(path: Path) -> str:
    """Return the end of the file as text."""
    with path.open("rb") as handle:
        handle.seek(max(0, path.stat().st_size - CAPTURE_BYTES))
        return handle.read().decode("utf-8", errors="replace")
