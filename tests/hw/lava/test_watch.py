"""The supervision of a Lava run, tested without Lava."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ipvae_snn.hw.lava.bundle.simulator import salvage, watch
from ipvae_snn.hw.lava.bundle.simulator.ending import (
    HaltedError,
    Interrupted,
    StoppedClock,
    handled,
    how_it_ended,
    interrupt,
    state_of,
    wait_for,
)
from ipvae_snn.hw.lava.bundle.simulator.members import Member, stack_of

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="looks at processes in Linux's /proc"
)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "ended"),
        (None, "ended"),
        (3, "ended with exit status 3"),
        (-9, "was killed by SIGKILL (if nobody did that, memory ran out)"),
        (-7, "was killed by SIGBUS (most likely because /dev/shm or the disk is full)"),
        (-11, "was killed by SIGSEGV"),
        (-200, "was killed by signal 200"),
    ],
)
def test_an_exit_status_in_words(status: int | None, words: str) -> None:
    assert how_it_ended(status) == words


def test_the_state_and_status_of_a_process_are_read_without_waiting_for_it() -> None:
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.exit(3)"]) as process:
        deadline = time.monotonic() + 20
        while state_of(process.pid) != ("Z", 3):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert process.returncode == 3
    assert state_of(process.pid) == ("", None)


def test_a_stopped_process_is_reported_only_when_it_stays_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    clock = StoppedClock()
    result = []
    # A check counts for 1 s at most: before the second one the machine slept for an hour.
    for passed, stopped in ((0.5, {7}), (3600, {7}), (0.4, {7, 8}), (0.2, {7}), (1.0, {8})):
        now[0] += passed
        result.append(clock.look(stopped))
    assert result == [set(), set(), set(), {7}, set()]


def test_a_command_that_is_stopped_is_not_waited_for() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        os.kill(process.pid, signal.SIGSTOP)
        started = time.monotonic()
        with pytest.raises(HaltedError, match=rf"^its process {process.pid} was stopped by a sig"):
            wait_for(process, started + 30)
        assert time.monotonic() - started < 5
        process.kill()


@pytest.fixture
def default_signals() -> Iterator[None]:
    """Python's own handlers, also where the suite runs under nohup or in the background."""
    own = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.SIG_DFL,
        signal.SIGHUP: signal.SIG_DFL,
    }
    before = {number: signal.signal(number, handler) for number, handler in own.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("default_signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_raise_in_the_block_only(number: signal.Signals) -> None:
    before = signal.getsignal(number)

    def ask_to_end() -> None:
        with handled(interrupt):
            os.kill(os.getpid(), number)
            time.sleep(5)

    with pytest.raises(KeyboardInterrupt) as caught:
        ask_to_end()
    assert isinstance(caught.value, Interrupted)
    assert (caught.value.number, str(caught.value)) == (number, f"interrupted by {number.name}")
    assert signal.getsignal(number) is before


@pytest.mark.usefixtures("default_signals")
def test_a_users_own_handler_and_other_threads_are_left_alone() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    try:
        with handled(interrupt):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [signal.SIGTERM]

    def work() -> None:
        with handled(interrupt):
            seen.append(signal.getsignal(signal.SIGHUP))

    seen: list[Any] = []
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.SIG_DFL]


HANGS = """
import faulthandler, signal, sys, time
faulthandler.register(signal.SIGUSR1, open(sys.argv[1], "ab", 0), all_threads=False)
def stuck():
    print("ready", flush=True)
    time.sleep(60)
stuck()
"""


@pytest.mark.parametrize(("name", "waits"), [("model.py", False), ("pypychannel.py", True)])
def test_a_process_that_does_not_wait_for_another_is_found(
    name: str, waits: bool, tmp_path: Path
) -> None:
    script, log = tmp_path / name, tmp_path / "log"
    script.write_text(HANGS)
    log.write_text("of an earlier one\n")
    argv = [sys.executable, str(script), str(log)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        stack = stack_of(Member("it", process.pid, "S", None, process), log)
        process.kill()
    if waits:
        assert stack == ""
    else:
        first, inner, outer = stack.splitlines()
        assert first.endswith("(most recent call first):")
        assert inner.startswith(f'  File "{script}", line ')
        assert inner.endswith(" in stuck")
        assert outer == f'  File "{script}", line 7 in <module>'


def test_a_stack_ends_where_the_process_was_forked() -> None:
    text = 'Stack:\n  File "a.py", line 1 in f\n  File "/x/multiprocessing/popen_fork.py", line 7\n'
    assert salvage.own_frames(text + "  File b\n") == 'Stack:\n  File "a.py", line 1 in f'
    assert salvage.own_frames("Fatal\n  File a\n\nExtension modules: numpy") == "Fatal\n  File a"


class Failed(BaseException):
    """The failure of a watch in these tests, in place of the end of the process."""


@pytest.fixture
def watching(tmp_path: Path) -> Callable[..., tuple[list[str], list[int]]]:
    """Return a function that watches a simulated run while `happens(progress)` acts.

    It returns what the watch failed with and the images that it showed.
    """

    def look(
        happens: Callable[[np.ndarray], object], stall_s: float = 0.0, total: int = 3
    ) -> tuple[list[str], list[int]]:
        progress = np.zeros(4, dtype=np.int64)
        failed: list[str] = []
        shown: list[int] = []

        def fail(message: str) -> Any:
            failed.append(message)
            one.all_done.set()
            raise Failed

        one = watch.Watch(total, stall_s, shown.append, fail)
        thread = threading.Thread(target=happens, args=[progress])
        handlers = threading.excepthook
        threading.excepthook = lambda _: None  # Failed leaves the watching thread
        try:
            with one.over(SimpleNamespace(runtime=None), progress, tmp_path):
                thread.start()
                one.follow()
                thread.join()
        finally:
            threading.excepthook = handlers
        return failed, shown

    return look


def test_a_run_that_goes_on_is_left_alone(watching: Callable[..., Any]) -> None:
    def happens(progress: np.ndarray) -> None:
        for step in range(12):
            time.sleep(0.1)
            progress[-1] = step + 1
            progress[0] = (step + 1) // 4

    failed, shown = watching(happens, stall_s=0.3)
    assert failed == []
    assert sorted(set(shown)) == [0, 1, 2, 3]


def test_a_run_without_time_steps_is_given_up(watching: Callable[..., Any]) -> None:
    def happens(progress: np.ndarray) -> None:
        progress[0], progress[-1] = 1, 9

    failed, _ = watching(happens, stall_s=0.3)
    assert (
        failed[0] == "no new time step for 0.3 s (see --stall), at image 2 of 3, after time step 9"
    )


def test_a_report_of_a_process_ends_the_run(watching: Callable[..., Any], tmp_path: Path) -> None:
    def happens(progress: np.ndarray) -> None:
        trace = "Traceback (most recent call last):\n  File x\nValueError: too big\n"
        tmp_path.joinpath("NeuronModel.txt").write_text(f"NeuronModel, time step 4:\n{trace}")

    failed, _ = watching(happens)
    assert failed[0].splitlines() == [
        "NeuronModel, time step 4: ValueError: too big; its traceback follows",
        "Traceback (most recent call last):",
        "  File x",
        "ValueError: too big",
    ]


def test_a_watch_that_fails_itself_ends_the_run(watching: Callable[..., Any]) -> None:
    failed, _ = watching(lambda progress: None, total="many")
    assert failed[0].startswith("its watch failed; the traceback follows\nTraceback")
    assert "TypeError" in failed[0]
