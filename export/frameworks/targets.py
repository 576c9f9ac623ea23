"""The targets `snntorch` and `norse`: a layer of the framework, with a script that loads it."""

import subprocess
import sys
import tempfile
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np

from ipvae_snn.errors import BackendUnavailableError, DivergedError
from ipvae_snn.export.frameworks import bundle
from ipvae_snn.export.self_check import REQUEST, check_pixels
from ipvae_snn.export.targets import Target, Writer
from ipvae_snn.ir.network import IntegerNetwork

CHECK_SECONDS: Final = 600  # limit for the exported script; it takes seconds


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
    """Run the folder's own load.py, as a user would, on the images of the self-check."""
    with tempfile.TemporaryDirectory() as scratch:
        images = Path(scratch) / "images.npy"
        np.save(images, check_pixels(network))
        options = ("--steps", str(REQUEST.steps), "--seed", str(REQUEST.seed))
        done = subprocess.run(
            [sys.executable, str(folder / bundle.SCRIPT), "--input", str(images), *options],
            capture_output=True,
            encoding="utf-8",
            timeout=CHECK_SECONDS,
        )
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise DivergedError(f"the {name} export is wrong: {reason}; please report")


SNNTORCH: Final = _target("snntorch")
NORSE: Final = _target("norse")
