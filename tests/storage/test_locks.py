"""Lock of a folder: the second run is refused and names the first; a dead one blocks nobody."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ipvae_snn.errors import OutputError
from ipvae_snn.storage.locks import locked, require_free

HOLD = """
import os, signal, sys
from pathlib import Path
from ipvae_snn.storage.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(folder: Path) -> subprocess.Popen[str]:
    """Start a process that holds the lock until its standard input closes."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_second_run_is_refused_and_names_the_first(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "run"
    with hold(folder) as process:
        for call in (require_free, lambda path: locked(path).__enter__()):
            with pytest.raises(OutputError) as caught:
                call(folder)
            assert str(caught.value).startswith(
                f"{folder}: another run writes there (process {process.pid} on "
            )
        process.kill()
    require_free(folder)  # although the file is still there
    with locked(folder):
        assert [path.name for path in folder.iterdir()] == [".ipvae-snn.lock"]
    assert list(folder.iterdir()) == []


def test_it_leaves_nothing(tmp_path: Path) -> None:
    """Neither the file nor empty folders, which it made; what a run wrote stays."""
    with locked(tmp_path / "a" / "b"):
        pass
    assert list(tmp_path.iterdir()) == []
    with locked(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b" / "result").touch()
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["result"]
    require_free(tmp_path / "absent")
    (tmp_path / "mine").mkdir()
    with locked(tmp_path / "mine"):
        pass
    assert (tmp_path / "mine").is_dir()


def test_the_holder_is_named_in_the_file(tmp_path: Path) -> None:
    with locked(tmp_path):
        text = (tmp_path / ".ipvae-snn.lock").read_text()
        assert text.startswith(f"process {os.getpid()} on ")
