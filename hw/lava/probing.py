"""Probe an interpreter: its versions for Lava, and any fault.

What an interpreter has must not depend on where the user stands: a `queue.py` or a folder `numpy`
of theirs would be imported in place of the real one. So interpreters are started with -I (no
working folder, no user's site-packages, no PYTHON* variables), elsewhere, in a clean environment.
"""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

LAVA_VERSION = "0.10.0"  # the last release; Intel archived the repositories in May 2026
PYTHON_VERSION = (3, 10)  # lava-nc 0.10.0 requires >= 3.10, < 3.11 and fails at import above
PROBE_LIMIT_S = 60.0
NO_ANSWER = f"gave no answer within {PROBE_LIMIT_S:g} s"
ISOLATED = "-I"
# Variables of other Pythons and of pip that would lead an installation elsewhere.
ASTRAY_PREFIXES = ("PYTHON", "__PYVENV")
ASTRAY = frozenset({"VIRTUAL_ENV", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER"})
# `import lava` alone is no test: it is a namespace package.
_PROBE = """
import json, sys
from importlib.metadata import PackageNotFoundError, version
found = {"python": sys.version.split()[0]}
for name in ("lava-nc", "numpy", "scipy"):
    try:
        found[name] = version(name)
    except PackageNotFoundError:
        pass
try:
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.dense.process import Dense
except Exception as error:
    found["error"] = f"{type(error).__name__}: {error}"
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Probe:
    """Result of a probe: versions by package, and the reason why Lava does not run, or ""."""

    versions: dict[str, str]
    fault: str


def versions(python: Path) -> dict[str, str] | None:
    """Return the versions that `python` runs lava with, or None if it does not run there."""
    probed = probe(python)
    return None if probed.fault else probed.versions


def probe(python: Path) -> Probe:
    """Return the versions for Lava that `python` has, and any fault."""
    try:
        answer = _output([str(python), ISOLATED, "-c", _PROBE])
    except subprocess.TimeoutExpired:
        return Probe({}, NO_ANSWER)
    except (OSError, subprocess.SubprocessError):
        answer = ""
    try:
        installed = {str(name): str(value) for name, value in json.loads(answer).items()}
    except (ValueError, AttributeError):
        return Probe({}, "cannot import lava-nc")
    error = installed.pop("error", "")
    return Probe(
        installed, _wrong(installed) or (f"cannot import lava-nc ({error})" if error else "")
    )


def _wrong(installed: dict[str, str]) -> str:
    """Return the missing or unsuitable version, as a message; "" if there is none."""
    release = ".".join(str(part) for part in PYTHON_VERSION)
    if not installed.get("python", "").startswith(f"{release}."):
        return f"is Python {installed.get('python')}, but lava-nc {LAVA_VERSION} needs {release}"
    for package, wanted, needed in (
        ("lava-nc", LAVA_VERSION, LAVA_VERSION),
        ("numpy", "1.", "numpy < 2"),
    ):
        if package not in installed:
            return f"has no {package}"
        if not installed[package].startswith(wanted):
            return f"has {package} {installed[package]}, but this needs {needed}"
    return ""


def clean_environment() -> dict[str, str]:
    """Return this process's environment without variables that mislead another Python or pip."""
    return {
        name: value
        for name, value in os.environ.items()
        if name not in ASTRAY and not name.startswith(ASTRAY_PREFIXES)
    }


def ask(argv: list[str]) -> str | None:
    """Return the output of a command, or None if it cannot run, fails or does not end."""
    try:
        return _output(argv)
    except (OSError, subprocess.SubprocessError):
        return None


def _output(argv: list[str]) -> str:
    """Return the output of a command that starts in the root folder; raises as subprocess does."""
    done = subprocess.run(
        argv,
        capture_output=True,
        check=True,
        encoding="utf-8",
        errors="replace",
        cwd="/",
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        timeout=PROBE_LIMIT_S,
    )
    return done.stdout.strip()
