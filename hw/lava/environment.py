"""The environment of Lava 0.10: find or create a Python 3.10 with lava-nc."""

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
from ipvae_snn.hw.lava.installation import (
    FOLDER_VARIABLE,
    MARKER,
    PYTHON_VARIABLE,
    install,
    python_of,
    restore,
)
from ipvae_snn.hw.lava.probing import (
    ISOLATED,
    LAVA_VERSION,
    NO_ANSWER,
    PYTHON_VERSION,
    ask,
    probe,
    versions,
)
from ipvae_snn.storage.handle_locks import lock

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
        python = _absolute(named)
        fault = probe(python).fault
        if fault:
            raise BackendUnavailableError(
                f"{PYTHON_VARIABLE}: {named} {fault}; name a Python 3.10 that has lava-nc "
                f"{LAVA_VERSION} and numpy < 2, or unset the variable"
            )
        return LavaEnvironment(python, "own")
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

    Takes about a minute. Concurrent calls wait for each other. A call that fails or is interrupted
    leaves what was there before, and nothing else. Raises BackendUnavailableError without a Python
    3.10, BackendError if the installation fails or an environment is too busy to answer.
    """
    environment = find()
    if environment is not None:
        report(f"Lava environment ready: {environment.python}")
        return environment
    base = find_python()
    with _lock(folder(), report):
        restore(folder())
        environment = find()  # another run may have created it meanwhile
        if environment is None:
            _report_fault(report)
            report(f"making the Lava environment (about 300 MB) in {folder()} with {base}")
            environment = LavaEnvironment(install(base, folder(), report), "own")
    report(f"Lava environment ready: {environment.python}")
    return environment


def folder() -> Path:
    """Return the folder for `setup` (IPVAE_SNN_LAVA_ENV, or in the user's data folder)."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named).expanduser().absolute()
    return platformdirs.user_data_path("ipvae-snn") / f"lava-{LAVA_VERSION}"


def _absolute(named: str) -> Path:
    """Return the interpreter that a user named; commands are started in another folder."""
    # Not resolved: a link to the base interpreter is what makes a virtual environment.
    return Path(shutil.which(named) or Path(named).expanduser()).absolute()


def _report_fault(report: Callable[[str], None]) -> None:
    """Report why an existing environment is made anew; BackendError if it is only too slow."""
    fault = _made_fault()
    if fault == NO_ANSWER:
        raise BackendError(
            f"lava setup: {python_of(folder())} {fault}; the machine may be too busy: try again, "
            f"or remove {folder()} to make it anew"
        )
    if fault:
        report(f"{python_of(folder())} {fault}")


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
        answer = ask([str(candidate), ISOLATED, "-c", _PYTHON_PROBE])
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
            lock(handle.fileno())
        except BlockingIOError:
            report(f"another set-up is at work in {target}; waiting for it")
            lock(handle.fileno(), wait=True)
        yield
