"""Process of the self-check: it ends with its parent, and a hanging one is one line."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ipvae_snn.errors import BackendError
from ipvae_snn.export.frameworks import targets
from ipvae_snn.storage.temporary import is_running

CHECK = """
import sys
from ipvae_snn.export.frameworks import targets
targets._run([sys.executable, "-c", targets.WATCHED, sys.argv[1]])
"""
SLEEP = """
import os, time
from pathlib import Path
Path(__file__).with_name("pid").write_text(str(os.getpid()))
time.sleep(100)
"""


def wait_for(path: Path) -> int:
    """Return the number in a file, as soon as it is there."""
    while not path.exists() or not path.read_text():
        time.sleep(0.01)
    return int(path.read_text())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_orphan_stays(tmp_path: Path, number: signal.Signals) -> None:
    """Not even if this process is killed."""
    (tmp_path / "script.py").write_text(SLEEP)
    parent = subprocess.Popen([sys.executable, "-c", CHECK, str(tmp_path / "script.py")])
    child = wait_for(tmp_path / "pid")
    parent.send_signal(number)
    parent.wait()
    deadline = time.monotonic() + 20
    while is_running(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_running(child)


def test_a_script_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "CHECK_SECONDS", 0.2)
    (tmp_path / "script.py").write_text("import time; time.sleep(100)")
    with pytest.raises(BackendError, match=r"did not end within 0\.2 s; export with --no-check"):
        targets._run([sys.executable, "-c", targets.WATCHED, str(tmp_path / "script.py")])


def test_the_script_runs_as_a_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of the working folder, such as threading.py, takes no part; its own folder does."""
    own, here = tmp_path / "own", tmp_path / "here"
    own.mkdir()
    here.mkdir()
    (here / "threading.py").write_text("raise SystemExit('the working folder was searched')")
    (own / "beside.py").write_text("value = 3")
    (own / "script.py").write_text("import sys, beside; sys.exit(f'{sys.argv[1:]} {__name__}')")
    monkeypatch.chdir(here)
    command = [sys.executable, "-c", targets.WATCHED, str(own / "script.py"), "--x", "1"]
    assert targets._run(command) == (1, "['--x', '1'] __main__\n")
