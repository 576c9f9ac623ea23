"""The environment of Lava 0.10: find or create a Python 3.10 with lava-nc."""

import fcntl
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import platformdirs

from ipvae_snn.errors import BackendError, BackendUnavailableError
from ipvae_snn.hw.lava.guard import last_lines, run_guarded
from ipvae_snn.hw.lava.probing import (
    LAVA_VERSION,
    PYTHON_VERSION,
    ask,
    clean_environment,
    probe,
    versions,
)
from ipvae_snn.storage.atomic import write_text

CONSTRAINTS = Path(__file__).with_name("constraints.txt")
PYTHON_VARIABLE = "IPVAE_SNN_LAVA_PYTHON"
FOLDER_VARIABLE = "IPVAE_SNN_LAVA_ENV"
MARKER = "ipvae-snn-ready.json"  # written last: the environment is complete
OWNED = "ipvae-snn-owned"  # written first: this module may remove the folder
INSTALL_LIMIT_S = 1200.0
HOW_TO_GET_PYTHON = (
    "get a Python 3.10 by `pyenv install 3.10`, `uv python install 3.10` or, where the system "
    "has it, `apt install python3.10-venv`, then run `ipvae-snn lava setup`; or name an "
    f"interpreter that has lava-nc in {PYTHON_VARIABLE}"
)

_PYTHON_PROBE = "import sys, venv, ensurepip; print(*sys.version_info[:2])"


@dataclass(frozen=True)
class LavaEnvironment:
    """An interpreter that imports lava: the running one ("current") or a separate one ("own")."""

    python: Path
    kind: Literal["current", "own"]


def find() -> LavaEnvironment | None:
    """Return the Lava environment, or None if there is none (takes about a second).

    Searched in this order: the running interpreter, the one named in IPVAE_SNN_LAVA_PYTHON, the
    one that `setup` created. Raises BackendUnavailableError if the named one has no lava, or
    versions that do not work.
    """
    if sys.version_info[:2] == PYTHON_VERSION and not probe(Path(sys.executable)).fault:
        return LavaEnvironment(Path(sys.executable), "current")
    named = os.environ.get(PYTHON_VARIABLE)
    if named:
        fault = probe(Path(named)).fault
        if fault:
            raise BackendUnavailableError(
                f"{PYTHON_VARIABLE}: {named} {fault}; name a Python 3.10 that has lava-nc "
                f"{LAVA_VERSION} and numpy < 2, or unset the variable"
            )
        return LavaEnvironment(Path(named), "own")
    if _made_fault() == "":
        return LavaEnvironment(python_of(folder()), "own")
    return None


def require() -> LavaEnvironment:
    """Return the Lava environment; raise BackendUnavailableError, with the remedy, without one."""
    environment = find()
    if environment is None:
        fault = _made_fault()
        raise BackendUnavailableError(
            f"lava: {python_of(folder())} {fault}; make it anew by `ipvae-snn lava setup`"
            if fault
            else f"lava: no environment with lava-nc {LAVA_VERSION} at {folder()}; "
            "make it by `ipvae-snn lava setup`"
        )
    return environment


def setup(report: Callable[[str], None]) -> LavaEnvironment:
    """Return the Lava environment, created if missing; `report` receives progress messages.

    Takes less than a minute. Concurrent calls wait for each other. A call that fails or is
    interrupted leaves nothing. Raises BackendUnavailableError without a Python 3.10, BackendError
    if the installation fails.
    """
    environment = find()
    if environment is not None:
        report(f"Lava environment ready: {environment.python}")
        return environment
    base = find_python()
    with _lock(folder(), report):
        environment = find()  # another run may have created it meanwhile
        if environment is None:
            fault = _made_fault()
            if fault:
                report(f"{python_of(folder())} {fault}")
            report(f"making the Lava environment (about 300 MB) in {folder()} with {base}")
            environment = _make(base, folder(), report)
    report(f"Lava environment ready: {environment.python}")
    return environment


def folder() -> Path:
    """Return the folder for `setup` (IPVAE_SNN_LAVA_ENV, or in the user's data folder)."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named).expanduser().absolute()
    return platformdirs.user_data_path("ipvae-snn") / f"lava-{LAVA_VERSION}"


def python_of(environment: Path) -> Path:
    """Return the interpreter of a virtual environment."""
    return environment / "bin" / "python"


def _made_fault() -> str | None:
    """Return the fault of the environment of `setup`, "" if it works; None without one."""
    return probe(python_of(folder())).fault if (folder() / MARKER).is_file() else None


def describe() -> dict[str, object]:
    """Return the data for `doctor`: state, kind, interpreter, folder, versions, remedy."""
    plain: dict[str, object] = {
        "state": "missing",
        "kind": None,
        "python": None,
        "folder": str(folder()),
        "versions": {},
        "remedy": "make it by `ipvae-snn lava setup`",
    }
    try:
        environment = find()
        if environment is None and _made_fault():
            require()
    except BackendUnavailableError as error:
        return {**plain, "state": "broken", "remedy": str(error)}
    if environment is None:
        try:
            find_python()
        except BackendUnavailableError as error:
            return {**plain, "remedy": str(error)}
        return plain
    return {
        **plain,
        "state": "ready",
        "kind": environment.kind,
        "python": str(environment.python),
        "versions": versions(environment.python),
        "remedy": None,
    }


def find_python() -> Path:
    """Return a Python 3.10 with venv and ensurepip; BackendUnavailableError if there is none."""
    for candidate in _candidates():
        # Run it: a pyenv shim of an inactive version exists, but exits 127.
        answer = ask([str(candidate), "-c", _PYTHON_PROBE])
        if answer is not None and answer.split() == [str(part) for part in PYTHON_VERSION]:
            return candidate
    raise BackendUnavailableError(f"lava: needs Python 3.10, found none; {HOW_TO_GET_PYTHON}")


def _candidates() -> Iterator[Path]:
    """Yield interpreters that may be a Python 3.10, the most likely first."""
    if sys.version_info[:2] == PYTHON_VERSION:
        yield Path(sys.executable)
    on_path = shutil.which("python3.10")
    if on_path:
        yield Path(on_path)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    report = [path for path in (pyenv / "versions").glob("3.10*/bin/python") if path.is_file()]
    yield from sorted(report, key=_patch_level, reverse=True)
    uv = shutil.which("uv")
    if uv:
        answer = ask([uv, "python", "find", "--no-project", "3.10"])
        if answer:
            yield Path(answer)


def _patch_level(python: Path) -> int:
    """Return 13 for .../3.10.13/bin/python, and -1 if the folder's name has no such number."""
    patch = python.parent.parent.name.removeprefix("3.10.")
    return int(patch) if patch.isdecimal() else -1


@contextmanager
def _lock(target: Path, report: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock beside `target`; the kernel releases it however this process ends."""
    path = target.with_name(f".{target.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.open("w")
    except OSError as error:
        raise BackendError(
            f"lava setup: cannot write in {path.parent}: {error.strerror}; "
            f"choose another folder with {FOLDER_VARIABLE}"
        ) from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f"another set-up is at work in {target}; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _make(base: Path, target: Path, report: Callable[[str], None]) -> LavaEnvironment:
    """Create the environment at `target`; first remove the remains of a failed attempt.

    In place, because a virtual environment cannot be moved. The marker, written last, identifies a
    complete one.
    """
    python = python_of(target)
    done = False
    try:
        _clear(target)
        target.mkdir(parents=True)
        (target / OWNED).touch()
        _step([str(base), "-m", "venv", str(target)])
        report(f"installing lava-nc {LAVA_VERSION} and its dependencies")
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
        _step([*pip, "-c", str(CONSTRAINTS), f"lava-nc=={LAVA_VERSION}"])
        probed = probe(python)
        if probed.fault:
            raise BackendError(
                f"lava setup: lava-nc was installed in {target}, but {python} {probed.fault}; "
                f"see more with `{python} -c 'import lava.proc.dense.process'`"
            )
        marker = {"base": str(base), **probed.versions}
        write_text(target / MARKER, json.dumps(marker, indent=2) + "\n")
        done = True
    except OSError as error:
        raise BackendError(
            f"lava setup: cannot write {error.filename or target}: {error.strerror}; "
            f"free some space, or choose another folder with {FOLDER_VARIABLE}"
        ) from error
    finally:
        if not done and (target / OWNED).is_file():
            shutil.rmtree(target, ignore_errors=True)
    return LavaEnvironment(python, "own")


def _clear(target: Path) -> None:
    """Remove the remains of an earlier attempt at `target`, and nothing else."""
    if not target.exists():
        return
    if not (target / OWNED).is_file() and (not target.is_dir() or any(target.iterdir())):
        raise BackendError(
            f"lava setup: {target} holds something else; choose a new folder with "
            f"{FOLDER_VARIABLE}, or name an interpreter that has lava-nc in {PYTHON_VARIABLE}"
        )
    shutil.rmtree(target)


def _step(argv: list[str]) -> None:
    """Run one step of the installation; BackendError with its last lines if it fails."""
    done = run_guarded(argv, INSTALL_LIMIT_S, env=clean_environment())
    if done.returncode != 0:
        raise BackendError(
            f"lava setup: `{' '.join(argv[:4])} ...` failed with status {done.returncode}: "
            f"{last_lines(done.stderr or done.stdout)}; correct that and run it again"
        )
