"""The targets `snntorch` and `norse`: a layer of the framework, with a script that loads it."""

import subprocess
import sys
import tempfile
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np

from ipvae_snn.errors import BackendError, BackendUnavailableError, DivergedError
from ipvae_snn.export.frameworks import bundle
from ipvae_snn.export.self_check import REQUEST, check_pixels
from ipvae_snn.export.targets import Target, Writer
from ipvae_snn.ir.network import IntegerNetwork

CHECK_SECONDS: Final = 600  # limit for the exported script; it takes seconds
# Runs a script, and ends at once when standard input closes, as it does when its parent is killed.
WATCHED: Final = """
import sys
sys.path[:] = [folder for folder in sys.path if folder]  # as of a script: not the working folder
import os, runpy, threading
threading.Thread(target=lambda: (os.read(0, 1), os._exit(1)), daemon=True).start()
del sys.argv[0]
sys.path.insert(0, os.path.dirname(os.path.abspath(sys.argv[0])))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def _target(name: str) -> Target:
    """Return the target of the framework `name` of bundle.FRAMEWORKS."""
    return Target(
        name=name,
        help=f"a layer of {bundle.FRAMEWORKS[name].framework}, with a script that loads it.",
        files=frozenset((bundle.README, "__pycache__", bundle.SCRIPT, bundle.NETWORK)),
        integer=Writer(partial(_write, name), partial(_check, name)),
        refusal="the exported layer stores integers (and computes its floats from them)",
        ready=partial(_require, name),
    )


def _write(name: str, network: IntegerNetwork, folder: Path) -> None:
    bundle.write_framework_bundle(network, folder, name)


def _require(name: str) -> None:
    if find_spec(name) is None:
        raise BackendUnavailableError(
            f"the {name} export cannot be checked: {bundle.FRAMEWORKS[name].framework} is not "
            "installed; pip install 'ipvae-snn[frameworks]', or export with --no-check"
        )


def _check(name: str, network: IntegerNetwork, folder: Path) -> None:
    """Run the folder's own load.py, as a user would, on the images of the self-check.

    The process ends when this one does, even if that is killed: see WATCHED.
    """
    with tempfile.TemporaryDirectory() as scratch:
        images = Path(scratch) / "images.npy"
        np.save(images, check_pixels(network))
        options = ("--steps", str(REQUEST.steps), "--seed", str(REQUEST.seed))
        script = str(folder / bundle.SCRIPT)
        returncode, errors = _run(
            [sys.executable, "-c", WATCHED, script, "--input", str(images), *options]
        )
    if returncode != 0:
        reason = (errors.strip().splitlines() or [f"exit code {returncode}"])[-1]
        raise DivergedError(f"the {name} export is wrong: {reason}; please report")


def _run(command: list[str]) -> tuple[int, str]:
    """Run a command whose standard input stays open while this process lives.

    Returns its exit status and the text of its error output.
    """
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors
        ) as process,
    ):
        try:
            process.wait(CHECK_SECONDS)
        except BaseException as error:
            process.kill()
            if isinstance(error, subprocess.TimeoutExpired):
                raise BackendError(
                    f"the export's own script did not end within {CHECK_SECONDS} s; export with "
                    "--no-check"
                ) from error
            raise
        errors.seek(0)
        return process.returncode, errors.read().decode("utf-8", "replace")


SNNTORCH: Final = _target("snntorch")
NORSE: Final = _target("norse")
