"""A command on a terminal of its own: what its bar said when, and the memory that it took."""

import os
import pty
import re
import select
import signal
import sys
import time
from pathlib import Path
from typing import Final, NamedTuple

ESCAPES: Final = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
# The bar of the run itself, not that of the look through the images before it.
LEFT: Final = re.compile(rb"images, \d+ steps[^%]*?(\d+)%\s+(\d+):(\d\d):(\d\d) left")
CODE: Final = "from ipvae_snn.cli.app import main; main()"
WIDTH: Final = "140"
PEAK: Final = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)
KEPT: Final = 4096  # bytes of output
DEADLINE_S: Final = 4 * 3600.0


def _peak(child: int) -> int:
    """Return the peak of resident memory of a running process so far, 0 where nothing says it.

    What `wait4` gives includes the memory of this process, of which the child was a copy at first.
    """
    try:
        found = PEAK.search(Path(f"/proc/{child}/status").read_text(encoding="ascii"))
    except OSError:
        return 0
    return 0 if found is None else 1024 * int(found[1])


class Seen(NamedTuple):
    """A bar: seconds since the start of the command, percent done, and seconds left as shown."""

    at: float
    percent: int
    left: float


class Ended(NamedTuple):
    """A command: its exit status, seconds, peak of resident memory (bytes), bars, last lines."""

    status: int
    seconds: float
    peak: int
    bars: tuple[Seen, ...]
    said: str


def on_terminal(
    arguments: list[str], folder: Path, number: int = signal.SIGKILL, at_percent: int | None = None
) -> Ended:
    """Run `ipvae-snn` with `arguments` in `folder`, and watch its bar.

    at_percent: send the signal `number` to it when the bar shows this or more; None for never.
    """
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.environ["COLUMNS"] = WIDTH
        os.execv(sys.executable, [sys.executable, "-c", CODE, *arguments])
    start, bars, waiting, said = time.monotonic(), list[Seen](), b"", b""
    peak = 0
    while time.monotonic() < start + DEADLINE_S:
        peak = _peak(child) or peak
        if not select.select([terminal], [], [], 0.2)[0]:
            continue
        try:
            received = os.read(terminal, 1 << 16)
        except OSError:  # Linux: the other end is closed
            break
        if not received:
            break
        waiting = ESCAPES.sub(b"", waiting + received)
        said = (said + received)[-KEPT:]
        while (found := LEFT.search(waiting)) is not None:
            percent, hours, minutes, seconds = map(int, found.groups())
            left = 3600.0 * hours + 60 * minutes + seconds
            bars.append(Seen(time.monotonic() - start, percent, left))
            waiting = waiting[found.end() :]
        waiting = waiting[-KEPT:]
        if at_percent is not None and bars and bars[-1].percent >= at_percent:
            os.kill(child, number)
            at_percent = None
    os.close(terminal)
    _, status, used = os.wait4(child, 0)
    text = ESCAPES.sub(b"", said).decode("utf-8", "replace")
    return Ended(
        os.waitstatus_to_exitcode(status),
        time.monotonic() - start,
        peak or used.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        tuple(bars),
        " ".join(text.split()),
    )
