"""Probe an interpreter: its versions for Lava, and any fault."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

LAVA_VERSION = "0.10.0"  # the last release; Intel archived the repositories in May 2026
PYTHON_VERSION = (3, 10)  # lava-nc 0.10.0 requires >= 3.10, < 3.11 and fails at import above
PROBE_LIMIT_S = 60.0
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
    answer = ask([str(python), "-c", _PROBE])
    try:
        installed = {str(name): str(value) for name, value in json.loads(answer or "").items()}
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
    """Return this process's environment without variables that mislead another Python."""
    astray = {"PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"}
    return {name: value for name, value in os.environ.items() if name not in astray}


def ask(argv: list[str]) -> str | None:
    """Return the output of a command, or None if it cannot run, fails or does not end."""
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            check=True,
            encoding="utf-8",
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            timeout=PROBE_LIMIT_S,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
