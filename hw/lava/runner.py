"""Run a Lava bundle under a guard in the Lava environment, and read its result."""

from contextlib import suppress
from pathlib import Path

import numpy as np

from ipvae_snn.arrays import UInt8
from ipvae_snn.errors import BackendError
from ipvae_snn.hw.lava.bundle.simulator.bundle_io import InputError, default_timeout, read_network
from ipvae_snn.hw.lava.bundle.simulator.child import KEEP_VARIABLE, REMOVE_VARIABLE, RUN_VARIABLE
from ipvae_snn.hw.lava.bundle.simulator.ending import Interrupted, handled, how_it_ended, interrupt
from ipvae_snn.hw.lava.bundle.simulator.salvage import FILES, crash, keep
from ipvae_snn.hw.lava.environment import require
from ipvae_snn.hw.lava.guard import last_lines, run_guarded, scratch_folder
from ipvae_snn.hw.lava.probing import clean_environment
from ipvae_snn.hw.lava.simulation import LavaOptions, LavaRun, lava_run
from ipvae_snn.ir.trace import RunRequest, Trace, frames_of
from ipvae_snn.watcher import current_watcher

STALL_S = 60.0
MARK = "run.py: error: "
TRACKER = "resource_tracker"  # warns of shared memory left by an ended run; the guard removed it


def bundle_sources() -> dict[str, str]:
    """Return the text of every file of a bundle except the network's, by its name there.

    README.md is a template; export/lava/bundle.py fills it in.
    """
    folder = Path(__file__).parent / "bundle"
    files = (path for path in sorted(folder.rglob("*")) if path.suffix in (".py", ".md"))
    texts = {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in files
    }
    del texts["__init__.py"]  # makes the folder a package of the toolkit; a bundle is none
    texts["requirements.txt"] = "lava-nc==0.10.0\nnumpy<2\n"
    return texts


def run_bundle(
    bundle: Path,
    pixels: UInt8,
    request: RunRequest,
    timeout_s: float | None = None,
    stall_s: float | None = None,
) -> Trace:
    """Run pixels (N, M) or (N, F, M) uint8 through the network of the folder `bundle`.

    Limits and errors are those of `simulate_bundle`.
    """
    return simulate_bundle(bundle, pixels, request, LavaOptions(), timeout_s, stall_s).trace


def simulate_bundle(
    bundle: Path,
    pixels: UInt8,
    request: RunRequest,
    options: LavaOptions,
    timeout_s: float | None = None,
    stall_s: float | None = None,
    temporary: bool = False,
) -> LavaRun:
    """Run pixels (N, M) or (N, F, M) uint8 through the network of the folder `bundle`.

    timeout_s: time limit, by default one that grows with the run; stall_s: the run fails after
    this many seconds without a time step, by default 60, 0 for never. temporary: the folder of the
    bundle may be removed if this process is killed. A `watcher.Watcher` receives the
    progress, names the file for the finished images of a failed run, and may set other defaults.

    Raises BackendUnavailableError without a Lava environment; BackendError if the run fails (with
    the traceback of the Process that failed), hangs or passes the limit; KeyboardInterrupt if a
    signal ends it. Leaves no process and no shared memory behind.
    """
    python = require().python
    try:
        network = read_network(bundle)
    except InputError as error:
        raise BackendError(f"lava: {error}") from error
    watcher = current_watcher()
    steps = frames_of(pixels).shape[1] * request.steps
    limit_s = (
        timeout_s
        or watcher.timeout_s
        or default_timeout(len(pixels), network.stride * steps, network.n_neurons, network.n_pixels)
    )
    stalls_s = (stall_s, watcher.stall_s, STALL_S)
    with handled(interrupt), scratch_folder() as folder:
        scratch, run = Path(folder), Path(folder, "run")
        images, result = scratch / "images.npy", scratch / "result.npz"
        run.mkdir()
        np.save(images, pixels)
        flags = {
            "--input": images,
            "--out": result,
            "--steps": request.steps,
            "--seed": request.seed,
            "--first-image": request.first_image,
            "--stall": next(value for value in stalls_s if value is not None),
        }
        argv: list[str | Path] = [python, "-IB", bundle.absolute() / "run.py"]
        # -B: a checked bundle contains the files of its README, and no compiled ones
        argv += [str(part) for flag in flags.items() for part in flag]
        argv += options.arguments()
        argv += ["--trace"] if request.trace else []
        environment = {
            **clean_environment(),
            RUN_VARIABLE: str(run),
            KEEP_VARIABLE: str(watcher.keep.absolute()) if watcher.keep else "",
            REMOVE_VARIABLE: str(bundle.absolute()) if temporary else "",
        }

        def look() -> None:
            done = images_done(run)
            if done is not None:
                with suppress(OSError):  # the reader of the output has ended
                    watcher.progress(done, len(pixels))

        try:
            done = run_guarded(
                argv,
                limit_s,
                cwd=scratch,
                env=environment,
                scratch=scratch,
                look=look,
                polite=False,
            )
            if done.returncode != 0:
                why = reason(done.stderr, done.returncode)
                raise BackendError(f"lava: {why}{crash(run) if done.returncode < 0 else ''}")
        except Interrupted as error:
            kept = keep(run, network, watcher.keep)
            raise Interrupted(error.number, f"{error}; {kept}") from error
        except BackendError as error:
            first, follows, rest = str(error).partition("; its traceback follows\n")
            kept = keep(run, network, watcher.keep)
            raise BackendError(f"{first}; {kept}{follows}{rest}") from error
        with np.load(result, allow_pickle=False) as arrays:
            return lava_run(dict(arrays), pixels.shape)


def images_done(run: Path) -> int | None:
    """Return how many images of the run in this folder are done; None before it starts."""
    try:
        return int(np.load(run / FILES / "progress.npy", allow_pickle=False)[0])
    except (OSError, ValueError, EOFError):
        return None


def reason(stderr: str, status: int) -> str:
    """Return a bundle's own error message, or how it ended and its last lines of output."""
    _, mark, message = stderr.partition(MARK)
    if not mark:
        said = "\n".join(line for line in stderr.splitlines() if TRACKER not in line)
        return f"run.py {how_it_ended(status)}; its last words: {last_lines(said)}"
    return "\n".join(line for line in message.splitlines() if TRACKER not in line)
