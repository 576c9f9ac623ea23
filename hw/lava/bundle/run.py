"""Run this bundle's network in Lava's simulator: python run.py --help.

Needs Python 3.10, numpy < 2 and lava-nc 0.10.0, nothing else. The script starts itself again under
a guard, which gives Lava's processes their own session and a time limit. However the run ends
(done, an error, the limit, a signal), it leaves no process and no shared memory, and the finished
images are kept. This file is the `run.py` of an exported bundle; the package `simulator` beside it
holds the rest.
"""

import argparse
import errno
import io
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

FOLDER = Path(__file__).resolve().parent
MAX_FOLDER = 60  # bytes: the path of Lava's socket below it is at most 107 bytes
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
SCARCE = 64 * 1024  # bytes: with fewer free, a folder counts as full
BAD_INPUT = 2  # exit status: nothing ran
SHOWN = 20  # classes printed; all are in the result
PROGRESS_S = 5.0  # between two progress lines where standard error is no terminal


def main() -> int:
    """Parse, check, and run: directly if a guard started us, else under our own guard."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names that are not UTF-8
    options = parse()
    check_versions()
    sys.path.insert(0, str(FOLDER))  # `python -I` omits the script's folder
    # Only a bundle has this package; in the toolkit its modules have other names.
    from simulator import child

    # A network's sums are too small for several threads, and every Process has its own pool.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    guarded = child.under_guard(orphaned)  # before numpy and lava: it names their shared memory
    from simulator import bundle_io, output

    try:
        network = bundle_io.read_network(FOLDER)
        images = bundle_io.read_images(options.input, network, options.limit)
        request = bundle_io.Request(
            options.steps,
            options.seed,
            options.first_image,
            options.trace,
            options.monitor,
            options.source,
            options.fused,
            options.replicas,
        )
        bundle_io.check_request(request, images.shape, network)
        labels = bundle_io.read_labels(options.labels, network, len(images))
        output.check_output(options.out, (options.input, *FOLDER.glob("*")), options.overwrite)
        if guarded:
            return work(network, images, labels, request, options)
    except (bundle_io.InputError, output.OutputError) as error:
        fail(str(error), BAD_INPUT)
    limit = options.timeout or bundle_io.default_timeout(
        len(images),
        network.stride * images.shape[1] * request.steps,
        network.n_neurons,
        network.n_pixels,
    )
    return guard(limit, network, options.out.absolute())


def parse() -> argparse.Namespace:
    """Return the options."""

    def positive(text: str) -> int:
        number = int(text)
        if number < 1:
            raise argparse.ArgumentTypeError(f"{number} is not above 0")
        return number

    def home(text: str) -> Path:
        with suppress(RuntimeError):  # a user who is not known
            return Path(text).expanduser() if text.startswith("~") else Path(text)
        return Path(text)

    def neurons(text: str) -> tuple[int, ...]:
        return tuple(int(part) for part in text.split(","))

    parser = argparse.ArgumentParser(description="Run this network in Lava's simulator of Loihi.")
    parser.add_argument("--input", type=Path, required=True, help=".npy: uint8 (N,M) or (N,H,W)")
    parser.add_argument("--steps", type=positive, required=True, help="steps T per image or frame")
    parser.add_argument("--labels", type=Path, help=".npy (N,): prints the read-out's accuracy")
    parser.add_argument("--seed", type=int, default=0, help="seed of the spike counts, 0..2^32-1")
    parser.add_argument("--out", type=home, required=True, help="the result, an .npz file")
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is no result")
    parser.add_argument("--first-image", type=int, default=0, help="index of the first image")
    parser.add_argument("--limit", type=positive, help="run only the first N images")
    parser.add_argument("--trace", action="store_true", help="keep counts and states of all steps")
    parser.add_argument(
        "--source",
        choices=("spikes", "bias"),
        default="spikes",
        help="image as graded spikes "
        "(default), or as bias: the host computes the input currents and writes them",
    )
    parser.add_argument("--fused", action="store_true", help="the network as one process: faster")
    parser.add_argument("--replicas", type=positive, default=1, help="copies that share the images")
    parser.add_argument(
        "--monitor",
        type=neurons,
        default=(),
        metavar="N,N,..",
        help="neurons whose counts and states to keep for all steps",
    )
    parser.add_argument("--timeout", type=positive, help="seconds (default: by size of the run)")
    parser.add_argument(
        "--stall",
        type=float,
        default=60.0,
        help="give up after S seconds without a time step; 0: never (default: 60)",
        metavar="S",
    )
    return parser.parse_args()


def check_versions() -> None:
    """End with one line if the version of Python, numpy or lava-nc is wrong."""
    advice = "make an environment by `python3.10 -m venv DIR` and `DIR/bin/pip install -r"
    advice += f" {FOLDER / 'requirements.txt'}`"
    if sys.version_info[:2] != (3, 10):
        fail(f"Python {sys.version.split()[0]}, but lava-nc 0.10.0 needs 3.10; {advice}", BAD_INPUT)
    for package, wanted in (("lava-nc", "0.10.0"), ("numpy", "1.")):
        try:
            installed = metadata.version(package)
        except metadata.PackageNotFoundError:
            fail(f"{package} is not installed; {advice}", BAD_INPUT)
        if not installed.startswith(wanted):
            needed = f"{wanted}x" if wanted.endswith(".") else wanted
            fail(f"{package} {installed}, but this needs {needed}; {advice}", BAD_INPUT)


def work(network: Any, images: Any, labels: Any, request: Any, options: argparse.Namespace) -> int:
    """Run the network in this process and its children; end them all if a Process fails."""
    from simulator import bundle_io, child

    show = Progress(len(images))
    with AtOnce(show):
        from simulator.circuit import simulate
        from simulator.watch import Watch

        watch = Watch(len(images), options.stall, show, show.fail)
        run = Path(os.environ[child.RUN_VARIABLE])
        arrays = simulate(network, images, request, run, watch)
        try:
            bundle_io.write_result(options.out, arrays)
        except OSError as error:
            show.fail(f"{options.out}: {error.strerror or error}; make room there, or choose --out")
        show.leave()
    if "classes" in arrays:
        tell(arrays["classes"], labels)
    return 0


def tell(classes: Any, labels: Any) -> None:
    """Print the first classes that the read-out gave, and its accuracy if labels are known."""
    shown = " ".join(map(str, classes[:SHOWN]))
    sys.stdout.write(f"classes: {shown}{' ...' if len(classes) > SHOWN else ''}\n")
    if labels is not None:
        right = int((classes == labels).sum())
        sys.stdout.write(f"accuracy: {right / len(labels):.4f} ({right} of {len(labels)})\n")
    sys.stdout.flush()


def guard(limit: float, network: Any, out: Path) -> int:
    """Start this script again, guarded, with a time limit in seconds; return its exit status.

    If it fails, its finished images are kept beside `out`.
    """
    from simulator import child, ending, output, salvage

    token = f"ipvae_{os.getpid()}_{secrets.token_hex(6)}"
    isolated = ["-I"] if sys.flags.isolated else []
    folder = tempfile.gettempdir()
    if len(os.fsencode(folder)) > MAX_FOLDER:
        folder = "/tmp"
    partial = salvage.partial_path(out)
    with (
        ending.handled(ending.interrupt),
        tempfile.TemporaryDirectory(
            prefix=child.SCRATCH_PREFIX, dir=folder, ignore_cleanup_errors=True
        ) as scratch,
    ):
        run = Path(scratch, "run")
        process, status, cause = None, 1, ""
        try:
            run.mkdir()
            process = subprocess.Popen(
                [sys.executable, *isolated, __file__, *sys.argv[1:]],
                stdin=subprocess.PIPE,  # closes whenever this process ends: see child.py
                env={
                    **os.environ,
                    child.TOKEN_VARIABLE: token,
                    child.RUN_VARIABLE: str(run),
                    child.KEEP_VARIABLE: str(partial),
                    "TMPDIR": scratch,
                },
                start_new_session=True,
            )
            status = ending.wait_for(process, time.monotonic() + limit)
        except subprocess.TimeoutExpired:
            cause = f"still running at its limit of {limit:g} s (see --timeout), so it was ended"
        except ending.HaltedError as error:
            cause = f"{error}, so it was ended"
        except ending.Interrupted as error:
            status, cause = 128 + error.number, str(error)
        finally:
            with ending.handled(signal.SIG_IGN):  # a second Ctrl-C must not interrupt it
                if process is not None:
                    ending.end_all(process.pid, token, polite=False)
                    process.wait()
                    salvage.tidy(out, process.pid)
                child.remove_shared_memory(token)
        if status == 0:
            output.remove_partial(partial)
            return 0
        if status < 0:
            status, cause = 1, f"the guarded run.py {ending.how_it_ended(status)}"
            cause += salvage.crash(run)
        if cause:
            leave_line = "\n" if sys.stderr.isatty() else ""  # the progress line
            say(f"error: {cause}", leave_line)
        if status != BAD_INPUT:
            say(salvage.keep(run, network, partial))
        return status


def orphaned() -> None:
    """Keep the finished images; called in a separate process if the guard was killed."""
    from simulator import bundle_io, child, salvage

    run, partial = os.environ[child.RUN_VARIABLE], os.environ.get(child.KEEP_VARIABLE)
    if Path(run).is_dir():  # else the run had ended well
        network = bundle_io.read_network(FOLDER)
        kept = salvage.keep(Path(run), network, Path(partial) if partial else None)
        say(f"its guard was killed; {kept}")


def say(message: str, before: str = "") -> None:
    """Write a line to standard error, if it is still open."""
    with suppress(OSError):
        sys.stderr.write(f"{before}run.py: {message}\n")
        sys.stderr.flush()


def fail(message: str, status: int = 1) -> NoReturn:
    """End with a message and an exit status other than 0."""
    say(f"error: {message}")
    sys.exit(status)


def full_folder() -> str:
    """Return the full folders; errors of shared memory and semaphores do not name theirs."""
    # Not tempfile.gettempdir(), which skips a full folder.
    folders = ("/dev/shm", os.environ.get("TMPDIR", "/tmp"))
    for folder in folders:
        if Path(folder).is_dir() and shutil.disk_usage(folder).free < SCARCE:
            return folder
    return " or ".join(folders)


class AtOnce:
    """Ends this process at once, with a message, if its block fails.

    Lava's processes are still running then. The exit handlers of multiprocessing and the
    destructors of Lava's Processes would wait for them for ever. The guard ends them.
    """

    def __init__(self, show: "Progress") -> None:
        self.show = show

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Print the error and end."""
        if error is None:
            return
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            message = f"{error.filename or full_folder()}: {error.strerror}; make room there"
        else:
            # Lava passes on an error raised while it built a Process, with the traceback as text.
            trace = getattr(error, "trace", None) or "".join(traceback.format_exception(error))
            message = f"{type(error).__name__}: {error}; its traceback follows\n{trace.rstrip()}"
        self.show.fail(message)


class Progress:
    """Shows finished / total images on standard error: one changing line, or several."""

    def __init__(self, total: int) -> None:
        self.total, self.shown, self.next = total, -1, 0.0
        self.terminal = sys.stderr.isatty()

    def __call__(self, done: int) -> None:
        """Show that `done` images are finished."""
        now = time.monotonic()
        if done == self.shown or (now < self.next and done < self.total):
            return
        self.shown, self.next = done, now + (0.2 if self.terminal else PROGRESS_S)
        before, after = ("\r", "") if self.terminal else ("", "\n")
        with suppress(OSError):  # standard error is closed
            sys.stderr.write(f"{before}{done}/{self.total} images{after}")
            sys.stderr.flush()

    def leave(self) -> None:
        """End the changing line."""
        if self.terminal and self.shown >= 0:
            with suppress(OSError):
                sys.stderr.write("\n")

    def fail(self, message: str) -> NoReturn:
        """Print the reason and end this process at once, while its children are still running."""
        self.leave()
        say(f"error: {message}")
        os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
