"""Systems other than POSIX: every module imports there, and files are written whole."""

import subprocess
import sys
from pathlib import Path

import pytest

# What Windows has not, taken away after the libraries, which do the same by other means there.
TAKE_AWAY = """
import os, signal, sys
{libraries}
for name in ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty"):
    sys.modules[name] = None
for name in ("geteuid", "getegid", "getuid", "fchmod", "chown", "pread", "mkfifo", "fork", "killpg",
             "sysconf", "sysconf_names", "O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK"):
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGHUP", "SIGKILL", "SIGUSR1", "SIGALRM", "SIGSTOP"):
    delattr(signal, name)
"""
WRITE = """
import types
from pathlib import Path
held = set()
def locking(handle, kind, n):  # as the C library of Windows: of one process, by file and byte
    place = os.fstat(handle).st_ino, os.lseek(handle, 0, os.SEEK_CUR)
    if place in held:
        raise PermissionError(13, "Permission denied")
    held.add(place)
sys.modules["msvcrt"] = types.SimpleNamespace(LK_NBLCK=2, locking=locking)
from ipvae_snn.errors import OutputError
from ipvae_snn.storage.atomic import atomic_folder, write_text
from ipvae_snn.storage.locks import locked, require_free
folder = Path(sys.argv[1])
for text in ("one", "two"):
    write_text(folder / "a.txt", text)
    with atomic_folder(folder / "b") as new:
        (new / text).touch()
with locked(folder):
    for refused in (lambda: require_free(folder), lambda: locked(folder).__enter__()):
        try:
            refused()
        except OutputError as error:
            print("another run writes there (process" in str(error))
print((folder / "a.txt").read_text(), *sorted(path.name for path in folder.rglob("*")))
"""
IMPORT_ALL = """
import importlib, pkgutil
import ipvae_snn, ipvae_snn.hw, ipvae_snn.export
lava = "ipvae_snn.hw.lava.bundle.", "ipvae_snn.hw.lava.simulation_child"
for one in pkgutil.walk_packages(ipvae_snn.__path__, "ipvae_snn."):
    importlib.import_module(one.name)
for package in (ipvae_snn.hw, ipvae_snn.export):
    for one in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not one.name.startswith(lava) and not one.name.endswith("__main__"):
            importlib.import_module(one.name)
print("imported", sum(name.startswith("ipvae_snn") for name in sys.modules) > 200)
"""
LIBRARIES = (
    "import torch, numba, scipy, sklearn, matplotlib, onnx, onnxruntime, snntorch, norse, pooch, "
    "platformdirs, platformdirs.unix, rich.progress, typer"
)


def windows(code: str, *arguments: object, libraries: str = "") -> str:
    """Return what `code` prints where all that only POSIX has is missing."""
    done = subprocess.run(
        [sys.executable, "-c", TAKE_AWAY.format(libraries=libraries) + code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_files_are_written_and_folders_locked_without_posix(tmp_path: Path) -> None:
    text = windows(WRITE, tmp_path, libraries="import subprocess, tempfile, shutil, socket")
    assert text == "True\nTrue\ntwo a.txt b two\n"


@pytest.mark.slow
def test_every_module_imports_without_posix() -> None:
    """Modules of an exported Lava bundle excepted, which run in Lava's own environment."""
    assert windows(IMPORT_ALL, libraries=LIBRARIES) == "imported True\n"
