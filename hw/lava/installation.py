"""Installation of the Lava environment: make it beside, prove it, and put it in its place.

An environment that exists is not touched before the new one has imported Lava, and comes back if
the new one fails in its place.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from ipvae_snn.errors import BackendError
from ipvae_snn.hw.lava.guard import last_lines, run_guarded
from ipvae_snn.hw.lava.probing import ISOLATED, LAVA_VERSION, clean_environment, probe
from ipvae_snn.storage.atomic import write_text

# Every package with the SHA-256 of its files; made from constraints.txt by `make lock`.
LOCK = Path(__file__).with_name("lock.txt")
PYTHON_VARIABLE = "IPVAE_SNN_LAVA_PYTHON"
FOLDER_VARIABLE = "IPVAE_SNN_LAVA_ENV"
MARKER = "ipvae-snn-ready.json"  # written last: the environment is complete
OWNED = "ipvae-snn-owned"  # written first: this module may remove the folder
INSTALL_LIMIT_S = 1200.0


def python_of(environment: Path) -> Path:
    """Return the interpreter of a virtual environment."""
    return environment / "bin" / "python"


def install(base: Path, folder: Path, report: Callable[[str], None]) -> Path:
    """Install Lava in `folder` with the Python 3.10 `base`, and return the interpreter there.

    What `folder` holds is replaced only by an environment that works, and only if this module made
    it. The caller holds the lock of `folder`. Raises BackendError, and leaves everything as it was,
    if a step fails.
    """
    target = folder.resolve()  # of a link: beside the real folder, on its disk
    fresh = _beside(target, "new")
    try:
        _refuse_foreign(folder)
        _remove(fresh)  # of a set-up that was killed
        _build(base, fresh, report)
        _rename_inside(fresh, target)
        _swap(fresh, target)
    except OSError as error:
        raise BackendError(
            f"lava setup: cannot write {error.filename or target}: {error.strerror or error}; "
            f"free some space, or choose another folder with {FOLDER_VARIABLE}"
        ) from error
    finally:
        _remove(fresh)
    return python_of(folder)


def restore(folder: Path) -> None:
    """Put back the environment of a set-up that was killed between its two renamings."""
    target = folder.resolve()
    before = _beside(target, "before")
    if before.is_dir() and not target.exists():
        before.rename(target)


def _beside(target: Path, role: str) -> Path:
    return target.with_name(f".{target.name}.{role}")


def _remove(folder: Path) -> None:
    if folder.is_dir():
        shutil.rmtree(folder, ignore_errors=True)


def _refuse_foreign(folder: Path) -> None:
    """Raise BackendError if `folder` holds something that this module did not make."""
    if not folder.exists() or (folder / OWNED).is_file():
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise BackendError(
            f"lava setup: {folder} holds something else; choose a new folder with "
            f"{FOLDER_VARIABLE}, or name an interpreter that has lava-nc in {PYTHON_VARIABLE}"
        )


def _build(base: Path, fresh: Path, report: Callable[[str], None]) -> None:
    """Make a complete environment in the new folder `fresh`; BackendError if it does not work."""
    python = python_of(fresh)
    fresh.mkdir(parents=True)
    (fresh / OWNED).touch()
    _step([str(base), ISOLATED, "-m", "venv", str(fresh)], fresh)
    report(f"installing lava-nc {LAVA_VERSION} and its dependencies")
    pip = [str(python), ISOLATED, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    _step([*pip, "install", "--no-deps", "--require-hashes", "-r", str(LOCK)], fresh)
    installed = _proven(python, "so it was removed")
    marker = {"base": str(base), **installed}
    write_text(fresh / MARKER, json.dumps(marker, indent=2) + "\n")


def _proven(python: Path, consequence: str) -> dict[str, str]:
    """Return the versions of an interpreter that imports Lava; raise BackendError otherwise."""
    probed = probe(python)
    if probed.fault:
        raise BackendError(
            f"lava setup: lava-nc was installed, but {python} {probed.fault}, {consequence}; run "
            "it again, or install lava-nc by hand and name the interpreter in "
            f"{PYTHON_VARIABLE}"
        )
    return probed.versions


def _rename_inside(fresh: Path, target: Path) -> None:
    """Write the path `target` for `fresh` in the scripts of an environment that will lie there.

    Its interpreter finds everything from its own place, but scripts (pip, activate) name it.
    """
    old, new = bytes(fresh), bytes(target)
    for path in (*(fresh / "bin").iterdir(), fresh / "pyvenv.cfg"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            if old in content:
                path.write_bytes(content.replace(old, new))


def _swap(fresh: Path, target: Path) -> None:
    """Put `fresh` in the place of `target`, and the old one back if that does not work there."""
    before = _beside(target, "before")
    _remove(before)
    if target.exists():
        target.rename(before)
    try:
        fresh.rename(target)
        _proven(python_of(target), "so the earlier environment stays")
    except BaseException:
        _remove(target)
        if before.exists():
            before.rename(target)
        raise
    _remove(before)


def _step(argv: list[str], folder: Path) -> None:
    """Run one step of the installation; BackendError with its last lines if it fails."""
    # In the new folder: a step must not import what lies where the user stands.
    done = run_guarded(argv, INSTALL_LIMIT_S, cwd=folder, env=clean_environment())
    if done.returncode != 0:
        raise BackendError(
            f"lava setup: `{' '.join(argv[:4])} ...` failed with status {done.returncode}: "
            f"{last_lines(done.stderr or done.stdout)}; correct that and run it again"
        )
