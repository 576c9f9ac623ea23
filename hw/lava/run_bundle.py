"""Run this bundle's network in Lava's simulator: python run.py --help.

Needs Python 3.10, numpy < 2 and lava-nc 0.10.0, nothing else. It starts itself once more under a
guard: Lava's processes get a session and a time limit of their own, and however the run ends (done,
an error, the limit, a signal), no process and no shared memory of it is left. This file is the
`run.py` of an exported bundle; the package `simulator` beside it holds the rest.
"""

import argparse
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

FOLDER = Path(__file__).resolve().parent
MAX_FOLDER = 60  # bytes: Lava's manager puts a socket below, whose path may have 107
PROGRESS_S = 5.0  # between two lines of progress where standard error is no terminal


def main() -> int:
    """Parse, check, and run: guarded already, or else under a guard of our own."""
    options = parse()
    check_versions()
    sys.path.insert(0, str(FOLDER))  # `python -I` leaves the script's folder out
    # Only a bundle has this package; here its modules lie under other names.
    from simulator import child

    guarded = child.under_guard()  # before numpy and lava: it names what they make
    from simulator import bundle_io

    try:
        network = bundle_io.read_network(FOLDER)
        images = bundle_io.read_images(options.input, network, options.limit)
        request = bundle_io.Request(options.steps, options.seed, options.first_image, options.trace)
        bundle_io.check_request(request, len(images))
        if not options.out.absolute().parent.is_dir():
            raise bundle_io.InputError(f"--out: there is no folder {options.out.absolute().parent}")
        if guarded:
            return work(network, images, request, options.out)
    except bundle_io.InputError as error:
        fail(str(error), 2)
    limit = options.timeout or bundle_io.default_timeout(
        len(images), request.steps, network.n_neurons, network.n_pixels
    )
    return guard(limit, child)


def parse() -> argparse.Namespace:
    """Return the options."""

    def positive(text: str) -> int:
        number = int(text)
        if number < 1:
            raise argparse.ArgumentTypeError(f"{number} is not above 0")
        return number

    parser = argparse.ArgumentParser(description="Run this network in Lava's simulator of Loihi.")
    parser.add_argument("--input", type=Path, required=True, help=".npy: uint8 (N,M) or (N,H,W)")
    parser.add_argument("--steps", type=positive, required=True, help="time steps T of an image")
    parser.add_argument("--seed", type=int, default=0, help="of the spike counts, 0..2^32-1")
    parser.add_argument("--out", type=Path, required=True, help="the result, an .npz file")
    parser.add_argument("--first-image", type=int, default=0, help="index of the first image")
    parser.add_argument("--limit", type=positive, help="run only the first N images")
    parser.add_argument("--trace", action="store_true", help="keep counts and states of all steps")
    parser.add_argument("--timeout", type=positive, help="seconds (default: by size of the run)")
    return parser.parse_args()


def check_versions() -> None:
    """End with one line if Python, numpy or lava-nc is none that this runs with."""
    advice = "make an environment by `python3.10 -m venv DIR` and `DIR/bin/pip install -r"
    advice += f" {FOLDER / 'requirements.txt'}`"
    if sys.version_info[:2] != (3, 10):
        fail(f"Python {sys.version.split()[0]}, but lava-nc 0.10.0 needs 3.10; {advice}", 2)
    for package, wanted in (("lava-nc", "0.10.0"), ("numpy", "1.")):
        try:
            found = metadata.version(package)
        except metadata.PackageNotFoundError:
            fail(f"{package} is not installed; {advice}", 2)
        if not found.startswith(wanted):
            needed = f"{wanted}x" if wanted.endswith(".") else wanted
            fail(f"{package} {found}, but this needs {needed}; {advice}", 2)


def work(network: Any, images: Any, request: Any, out: Path) -> int:
    """Run the network in this process and its children; it ends with them if a Process fails."""
    from simulator import bundle_io
    from simulator.circuit import (
        SimulationError,
        simulate,
    )

    show = Progress(len(images))
    with AtOnce(SimulationError, out), tempfile.TemporaryDirectory(prefix="run-") as scratch, show:
        arrays = simulate(network, images, request, Path(scratch), show)
        bundle_io.write_result(out, arrays)
    return 0


def guard(limit: float, child: Any) -> int:
    """Start this script again, guarded, with a time limit in seconds; return its exit status."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, leave)
    token = f"ipvae_{os.getpid()}_{secrets.token_hex(6)}"
    isolated = ["-I"] if sys.flags.isolated else []
    folder = tempfile.gettempdir()
    if len(os.fsencode(folder)) > MAX_FOLDER:
        folder = "/tmp"
    with tempfile.TemporaryDirectory(
        prefix="ipvae-", dir=folder, ignore_cleanup_errors=True
    ) as scratch:
        process = subprocess.Popen(
            [sys.executable, *isolated, __file__, *sys.argv[1:]],
            stdin=subprocess.PIPE,  # closes when we end, however we end: see child.py
            env={**os.environ, child.TOKEN_VARIABLE: token, "TMPDIR": scratch},
            start_new_session=True,
        )
        try:
            return process.wait(timeout=limit)
        except subprocess.TimeoutExpired:
            fail(f"still running at its limit of {limit:g} s, so it was ended; see --timeout")
        finally:
            with suppress(ProcessLookupError):  # if all of them ended by themselves
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            child.remove_shared_memory(token)


def leave(number: int, _frame: FrameType | None) -> NoReturn:
    """End by way of all `finally`."""
    sys.exit(128 + number)


def fail(message: str, status: int = 1) -> NoReturn:
    """End with a message and an exit status other than 0."""
    print(f"run.py: error: {message}", file=sys.stderr)  # noqa: T201 (a script's own output)
    sys.exit(status)


class AtOnce:
    """Ends this process at once if its block fails, with a message.

    Lava's processes still live then, and both multiprocessing's farewell and the destructors of
    Lava's Processes would wait for them for ever. The guard ends them.
    """

    def __init__(self, expected: type[Exception], out: Path) -> None:
        self.expected, self.out = expected, out

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Print what happened and end."""
        if error is None:
            return
        if isinstance(error, self.expected):
            message = str(error)
        elif isinstance(error, OSError) and error.strerror:
            message = f"{error.filename or self.out}: {error.strerror}; make room there"
        else:
            trace = "".join(traceback.format_exception(error)).rstrip()
            message = f"{error!r}; its traceback follows\n{trace}"
        print(f"run.py: error: {message}", file=sys.stderr, flush=True)  # noqa: T201 (as above)
        os._exit(1)


class Progress:
    """Shows images done / total on standard error: a line that changes, or a line now and then."""

    def __init__(self, total: int) -> None:
        self.total, self.shown, self.next = total, -1, 0.0
        self.terminal = sys.stderr.isatty()

    def __call__(self, done: int) -> None:
        """Show that `done` images are done."""
        now = time.monotonic()
        if done == self.shown or (now < self.next and done < self.total):
            return
        self.shown, self.next = done, now + (0.2 if self.terminal else PROGRESS_S)
        before, after = ("\r", "") if self.terminal else ("", "\n")
        sys.stderr.write(f"{before}{done}/{self.total} images{after}")
        sys.stderr.flush()

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, *_error: object) -> None:
        """Leave the changing line."""
        if self.terminal and self.shown >= 0:
            sys.stderr.write("\n")


if __name__ == "__main__":
    sys.exit(main())
