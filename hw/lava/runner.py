"""Run a Lava bundle in the Lava environment, guarded, and bring its result back."""

import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ipvae_snn.errors import BackendError
from ipvae_snn.hw.lava.bundle_io import InputError, default_timeout, read_network
from ipvae_snn.hw.lava.environment import clean_environment, require
from ipvae_snn.hw.lava.guard import last_lines, run_guarded
from ipvae_snn.trace import RunRequest, Trace

SOURCES = {  # file of this package -> its name in a bundle
    "run_bundle.py": "run.py",
    "bundle_template.md": "README.md",
    "child.py": "simulator/child.py",
    "bundle_io.py": "simulator/bundle_io.py",
    "circuit.py": "simulator/circuit.py",
}
MARK = "run.py: error: "
TRACKER = "resource_tracker"  # its warnings of what an ended run left; the guard removed that


def bundle_sources() -> dict[str, str]:
    """Return the text of every file of a bundle but the network's, by its name there.

    README.md is a template; export/lava_bundle.py fills it in.
    """
    here = Path(__file__).parent
    texts = {name: (here / file).read_text(encoding="utf-8") for file, name in SOURCES.items()}
    texts["simulator/__init__.py"] = '"""The network in Lava; `run.py` is its command line."""\n'
    texts["requirements.txt"] = "lava-nc==0.10.0\nnumpy<2\n"
    for path in sorted((here / "processes").rglob("*.py")):
        name = path.relative_to(here).as_posix()
        texts[f"simulator/{name}"] = path.read_text(encoding="utf-8")
    return texts


def run_bundle(
    bundle: Path,
    pixels: npt.NDArray[np.uint8],
    request: RunRequest,
    timeout_s: float | None = None,
) -> Trace:
    """Run pixels (N, M) uint8 through the network of the folder `bundle` and return its trace.

    timeout_s: time limit, by default one that grows with the run. Raises BackendUnavailableError
    without a Lava environment; BackendError if the run fails (with the traceback of the Process
    that failed) or passes the limit. Leaves no process and no shared memory behind.
    """
    python = require().python
    try:
        network = read_network(bundle)
    except InputError as error:
        raise BackendError(f"lava: {error}") from error
    if timeout_s is None:
        timeout_s = default_timeout(len(pixels), request.steps, network.n_neurons, network.n_pixels)
    with tempfile.TemporaryDirectory(prefix="ipvae-snn-") as scratch:
        images, result = Path(scratch, "images.npy"), Path(scratch, "result.npz")
        np.save(images, pixels)
        options = {
            "--input": images,
            "--out": result,
            "--steps": request.steps,
            "--seed": request.seed,
            "--first-image": request.first_image,
        }
        argv: list[str | Path] = [python, "-I", bundle.absolute() / "run.py"]
        argv += [str(part) for option in options.items() for part in option]
        argv += ["--trace"] if request.trace else []
        done = run_guarded(argv, timeout_s, cwd=Path(scratch), env=clean_environment())
        if done.returncode != 0:
            raise BackendError(f"lava: {reason(done.stderr, done.returncode)}")
        with np.load(result, allow_pickle=False) as arrays:
            return Trace(**arrays)


def reason(stderr: str, status: int) -> str:
    """Return what a bundle's run.py says of its failure, or the last lines of what it wrote."""
    _, found, message = stderr.partition(MARK)
    if not found:
        return f"run.py ended with status {status}: {last_lines(stderr)}"
    return "\n".join(line for line in message.splitlines() if TRACKER not in line)
