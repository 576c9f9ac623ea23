"""Watch a Lava run from inside: whatever breaks or hangs ends it at once, with a named cause.

Lava notices neither an exception in a ProcessModel nor a process that is killed, stopped or stuck
(lava-nc issues 83, 178, 231, 247, 850): the calls that wait for it wait for ever. So a thread looks
after the run from the compilation to the stop, and ends this process with a message; what is left
is the guard's work. An exported bundle carries a copy, so nothing of ours is imported here but what
goes with it.
"""

import faulthandler
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from .ending import StoppedClock
from .members import Member, members, stack_of
from .salvage import STACKS, own_frames

LOOK_S = 0.05  # between two looks
LATE_S = 1.0  # most that one look counts for: if the whole machine was frozen, nothing stalled
BUILT, RUNNING, STOPPED = "being built", "running", "being stopped"


class Watch:
    """Looks after one run; `show` is told the images done, `fail` the reason if it breaks.

    total: images of the run. stall_s: seconds without a new time step after which it is given up,
    as it is, soon, if a process was stopped by a signal; 0 is never. `fail` must end this process
    at once (os._exit): both multiprocessing's farewell and the destructors of Lava's Processes
    would wait for ever for the children, which the guard ends.
    """

    def __init__(
        self,
        total: int,
        stall_s: float,
        show: Callable[[int], None],
        fail: Callable[[str], NoReturn],
    ) -> None:
        self.total, self.stall_s, self.show, self.fail = total, stall_s, show, fail
        self.phase = BUILT
        self.finished = threading.Event()
        self.all_done = threading.Event()

    @contextmanager
    def over(self, process: Any, progress: npt.NDArray[np.int64], reports: Path) -> Iterator[None]:
        """Watch the run of Lava's `process` and all that is connected to it while the block lasts.

        progress: int64, first the images done, last the time step reached. reports: folder of the
        ProcessModels' error reports, each a line that says where and a traceback.
        """
        self.process, self.progress, self.reports = process, progress, reports
        with (reports / STACKS).open("ab", buffering=0) as log:
            # Forked processes inherit both: where a crash happened, and where a stuck one is.
            faulthandler.enable(log, all_threads=False)
            faulthandler.register(signal.SIGUSR1, log, all_threads=False)
            thread = threading.Thread(target=self._look_after, name="watch", daemon=True)
            thread.start()
            try:
                yield
            except Exception:
                # Most likely a process failed, and then that is the reason to tell.
                self.finished.set()
                thread.join()
                time.sleep(LOOK_S)
                self._look()
                raise
            finally:
                self.finished.set()
                thread.join()
                faulthandler.unregister(signal.SIGUSR1)
                faulthandler.disable()

    def follow(self) -> None:
        """Return when all images are done; call it while Lava runs in the background."""
        self.phase = RUNNING
        self.all_done.wait()
        self.phase = STOPPED

    def _look_after(self) -> None:
        """Look again and again, and fail once a fault is seen."""
        try:
            self._look_on()
        except BaseException:
            # The run must not go on with nobody looking.
            self.fail(f"its watch failed; the traceback follows\n{traceback.format_exc().rstrip()}")

    def _look_on(self) -> None:
        """Do it until the run has ended."""
        clock, seen, quiet, before = StoppedClock(), (-1, ""), 0.0, time.monotonic()
        while not self.finished.wait(LOOK_S):
            now = time.monotonic()
            passed, before = min(now - before, LATE_S), now
            present = self._look()
            images, now_seen = int(self.progress[0]), (int(self.progress[-1]), self.phase)
            quiet, seen = (quiet + passed if now_seen == seen else 0.0), now_seen
            if self.phase is RUNNING:
                with suppress(OSError):  # whoever read our output has gone
                    self.show(images)
                if images >= self.total:
                    self.all_done.set()
            if not self.stall_s:
                continue
            halted = clock.look({one.pid for one in present if one.state == "T"})
            for one in present:
                if one.pid in halted:
                    self.fail(f"{one.title} was stopped by a signal (SIGSTOP), at {self._place()}")
            if self.phase is not BUILT and quiet >= self.stall_s:
                self._stalled(present)

    def _look(self) -> list[Member]:
        """Return the run's processes; fail if one reported an error or ended where it must not."""
        self._read_reports()
        present = members(self.process)
        ended = self._ended(present)
        if ended:
            # Who ends first need not be the reason: the others learn of it at once.
            time.sleep(LOOK_S)
            self._read_reports()
            self._tell(self._ended(members(self.process)) or ended)
        return present

    def _read_reports(self) -> None:
        """Fail if a ProcessModel reported an error."""
        for report in sorted(self.reports.glob("*.txt")):
            where, _, trace = report.read_text(encoding="utf-8").partition("\n")
            last = trace.strip().splitlines()[-1]
            self.fail(f"{where} {last}; its traceback follows\n{trace.rstrip()}")

    def _ended(self, present: list[Member]) -> list[Member]:
        """Return those that ended where they must not."""
        well = "ended" if self.phase is STOPPED else None
        return [one for one in present if one.ended() not in (None, well)]

    def _tell(self, ended: list[Member]) -> NoReturn:
        """Fail, and name the process whose fault it is: one that was killed, or raised an error."""
        failures = {one.pid: one.failure() for one in ended}

        def innocence(one: Member) -> tuple[bool, bool, bool]:
            return (one.status or 0) >= 0, not failures[one.pid][1], not one.status

        one = min(ended, key=innocence)
        cause, trace = failures[one.pid]
        trace = trace or own_frames((self.reports / STACKS).read_text(errors="replace"))
        self.fail(
            f"{one.title} {one.ended()} while the run was {self.phase}"
            + (f": {cause}" if cause else "")
            + (f"; its traceback follows\n{trace}" if trace else "")
        )

    def _stalled(self, present: list[Member]) -> NoReturn:
        """Fail, and say which process is not waiting for another, and where it is."""
        told = f"no new time step for {self.stall_s:g} s (see --stall), at {self._place()}"
        for one in present:
            stack = stack_of(one, self.reports / STACKS)
            if stack:
                told += f"; {one.title} does not come back; its traceback follows\n{stack}"
                break
        self.fail(told)

    def _place(self) -> str:
        """Return where the run is."""
        image, time_step = min(int(self.progress[0]) + 1, self.total), int(self.progress[-1])
        return f"image {image} of {self.total}, after time step {time_step}"
