"""The guard leaves no process, no shared memory and no folder behind, however a command ends."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from ipvae_snn.errors import BackendError
from ipvae_snn.hw.lava.bundle.simulator import child
from ipvae_snn.hw.lava.bundle.simulator.ending import owned_processes
from ipvae_snn.hw.lava.guard import last_lines, run_guarded

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="looks for leftovers in Linux's /proc"
)
CHILD = child.__file__

# First action of a bundle's run.py: load the child module beside it, and call it.
UNDER_GUARD = f"""
import importlib.util, multiprocessing, os, signal, subprocess, sys, time
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory
spec = importlib.util.spec_from_file_location("guard_child", {CHILD!r})
guard_child = importlib.util.module_from_spec(spec)
spec.loader.exec_module(guard_child)
"""
# A segment that no process removes: created, then taken off the resource tracker's list.
LEAK = """
segment = SharedMemory(create=True, size=4096)
resource_tracker.unregister(segment._name, "shared_memory")
print(segment.name, flush=True)
"""
# Processes that ignore SIGTERM: in the group, in another group, in another session.
STUBBORN = """
def stubborn(leave):
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        leave()
        note(os.getpid())
        time.sleep(600)
stubborn(lambda: None)
stubborn(lambda: os.setpgid(0, 0))
stubborn(os.setsid)
"""


def script(*parts: str) -> list[str]:
    return [sys.executable, "-c", "\n".join(textwrap.dedent(part) for part in parts)]


def notes_to(path: Path) -> str:
    """Code of a function `note` that appends a number to `path`."""
    return f"""
def note(number):
    with open({str(path)!r}, "a") as handle:
        handle.write(f"{{number}}\\n")
"""


def noted(path: Path, count: int, limit_s: float = 20.0) -> list[int]:
    """Wait until `count` numbers are noted in `path`; return them."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        numbers = path.read_text().split() if path.exists() else []
        if len(numbers) >= count:
            return [int(number) for number in numbers]
        time.sleep(0.02)
    raise AssertionError(f"only {numbers} were noted")


def is_running(pid: int) -> bool:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return False
    return fields[0] not in "ZX"


def wait_until_ended(pids: list[int], limit_s: float = 10.0) -> list[int]:
    """Return those of `pids` that still run after the limit, most often none and at once."""
    deadline = time.monotonic() + limit_s
    while (left := [pid for pid in pids if is_running(pid)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def test_returns_what_the_command_wrote_and_its_status() -> None:
    code = "import sys; print('räte'); print('bad', file=sys.stderr); sys.exit(3)"
    done = run_guarded([sys.executable, "-X", "utf8", "-c", code], timeout_s=30)
    assert (done.returncode, done.stdout, done.stderr) == (3, "räte\n", "bad\n")
    assert 0 < done.seconds < 30
    assert done.leaked == ()


def test_runs_in_the_folder_and_environment_asked_for(tmp_path: Path) -> None:
    code = "import os; print(os.getcwd()); print(os.environ['WHO'], 'HOME' in os.environ)"
    done = run_guarded(script(code), 30, cwd=tmp_path, env={"WHO": "me"})
    assert done.stdout.splitlines() == [str(tmp_path), "me False"]


def test_time_out_ends_stubborn_grandchildren_and_names_the_limit(tmp_path: Path) -> None:
    notes = tmp_path / "pids"
    complain = "print('warming up', file=sys.stderr, flush=True)"
    argv = script(UNDER_GUARD, notes_to(notes), STUBBORN, complain, "time.sleep(600)")
    with pytest.raises(BackendError) as caught:
        run_guarded(argv, timeout_s=1.5)
    assert str(caught.value) == (
        f"{Path(sys.executable).name} -c: still running at its limit of 1.5 s, so it was ended; "
        "last of its error output: warming up; raise the time limit, or run fewer images or steps"
    )
    assert wait_until_ended(noted(notes, 3), 0) == []


def test_grandchildren_do_not_outlive_a_command_that_ends_well(tmp_path: Path) -> None:
    notes = tmp_path / "pids"
    wait = f"""
    def count():
        return len(open({str(notes)!r}).read().split()) if os.path.exists({str(notes)!r}) else 0
    while count() < 3:
        time.sleep(0.01)
    """
    done = run_guarded(script(UNDER_GUARD, notes_to(notes), STUBBORN, wait), timeout_s=60)
    assert done.returncode == 0
    assert done.seconds < 30  # it does not wait for processes that keep its output open
    assert wait_until_ended(noted(notes, 3), 0) == []


def test_removes_its_own_segments_and_no_others() -> None:
    other = subprocess.run(
        script(UNDER_GUARD, LEAK), check=True, capture_output=True, encoding="utf-8", timeout=60
    ).stdout.strip()  # not under guard: keeps the standard library's name
    assert other.startswith("psm_")
    try:
        done = run_guarded(script(UNDER_GUARD, "guard_child.under_guard()", LEAK), 60)
        name = done.stdout.strip()
        assert name.startswith(f"ipvae_{os.getpid()}_")
        assert done.leaked == (name,)
        assert not (child.SHARED_MEMORY / name).exists()
        assert (child.SHARED_MEMORY / other).exists()
    finally:
        (child.SHARED_MEMORY / other).unlink()


def test_forked_children_share_segments_and_semaphores_by_the_marked_name() -> None:
    use = """
    guard_child.under_guard()
    context = multiprocessing.get_context("fork")
    segment = SharedMemory(create=True, size=8)
    ready = context.Semaphore(0)
    def work():
        attached = SharedMemory(segment.name)
        attached.buf[0] = 7
        print(SharedMemory(create=True, size=8).name, flush=True)
        ready.release()
    worker = context.Process(target=work)
    worker.start()
    worker.join()
    print(segment.name, ready.acquire(timeout=5), segment.buf[0], flush=True)
    segment.unlink()
    """
    done = run_guarded(script(UNDER_GUARD, use), 60)
    assert done.returncode == 0, done.stderr
    of_child, of_parent = done.stdout.splitlines()
    assert of_child.startswith(f"ipvae_{os.getpid()}_")
    assert of_parent.split()[1:] == ["True", "7"]
    assert not list(child.SHARED_MEMORY.glob(f"*ipvae_{os.getpid()}_*"))


def test_gives_a_private_temporary_folder_and_removes_it() -> None:
    code = "import tempfile; print(tempfile.mkdtemp())"
    done = run_guarded(script(code), 30)
    report = Path(done.stdout.strip())
    assert report.parent.name.startswith(child.SCRATCH_PREFIX)
    assert not report.parent.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_when_the_guard_itself_is_ended(
    tmp_path: Path, number: signal.Signals
) -> None:
    """SIGINT runs the guard's clean-up; the others end it at once, and the watcher cleans up."""
    notes, name = tmp_path / "pids", tmp_path / "segment"
    inner = script(
        UNDER_GUARD,
        notes_to(notes),
        "guard_child.under_guard()",
        LEAK,
        f"open({str(name)!r}, 'w').write(segment.name + ' ' + os.environ['TMPDIR'])",
        "if os.fork() == 0: signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "note(os.getpid())",
        "time.sleep(600)",
    )
    outer = f"from ipvae_snn.hw.lava.guard import run_guarded; run_guarded({inner!r}, 300)"
    guard = subprocess.Popen(script(outer), stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        pids = noted(notes, 2)
        segment, scratch = name.read_text().split()
        assert (child.SHARED_MEMORY / segment).exists()
        guard.send_signal(number)
        assert guard.wait(timeout=30) != 0
    finally:
        guard.kill()
        guard.wait()
    assert wait_until_ended(pids) == []
    deadline = time.monotonic() + 10
    left = [child.SHARED_MEMORY / segment, Path(scratch)]
    while any(path.exists() for path in left) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [path for path in left if path.exists()] == []


def test_a_command_that_is_missing_is_one_clear_line(tmp_path: Path) -> None:
    missing = tmp_path / "python3.10"
    with pytest.raises(BackendError) as caught:
        run_guarded([missing, "run.py"], 5)
    assert str(caught.value) == (
        f"python3.10 run.py: cannot be started: No such file or directory: {missing}"
    )


def test_the_child_half_does_nothing_without_a_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(child.TOKEN_VARIABLE, raising=False)
    assert child.under_guard() is False


def test_owned_processes_finds_no_strangers() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as stranger:
        try:
            assert owned_processes(session=2**30, token="ipvae_0_none") == set()
        finally:
            stranger.kill()


def test_last_lines() -> None:
    assert last_lines("a\n\n b \nc\nd\n") == "b | c | d"
    assert last_lines("\n") == "(nothing)"
