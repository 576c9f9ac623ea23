"""Supervision of a Lava run from inside: a failure or hang ends it at once, with its cause.

Lava notices neither an exception in a ProcessModel nor a process that is killed, stopped or stuck
(lava-nc issues 83, 178, 231, 247, 850): the calls that wait for it wait for ever. So a thread
supervises the run from the compilation to the stop, and ends this process with a message. The guard
cleans up. An exported bundle contains a copy, so this module imports only modules of the bundle.
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

LOOK_S = 0.05  # between two checks
LATE_S = 1.0  # most that one check counts for, in case the machine was suspended
BUILT, RUNNING, STOPPED = "being built", "running", "being stopped"


class Watch:
    """Supervises one run; `show` receives the number of finished images, `fail` the failure.

    total: images of the run. stall_s: the run fails after this many seconds without a new time
    step, and sooner if a process was stopped by a signal; 0 is never. `fail` must end this process
    at once (os._exit): the exit handlers of multiprocessing and the destructors of Lava's Processes
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
        """Supervise the run of Lava's `process` and all connected ones during the block.

        progress: int64, first the images done, last the time step reached. reports: folder of the
        ProcessModels' error reports, each a line with the place and a traceback.
        """
        self.process, self.progress, self.reports = process, progress, reports
        with (reports / STACKS).open("ab", buffering=0) as log:
            # Forked processes inherit both: tracebacks of crashes, and of stuck processes.
            faulthandler.enable(log, all_threads=False)
            faulthandler.register(signal.SIGUSR1, log, all_threads=False)
            thread = threading.Thread(target=self._look_after, name="watch", daemon=True)
            thread.start()
            try:
                yield
            except Exception:
                # Most likely a process failed; then that is the cause to report.
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
        """Check repeatedly, and fail at the first fault."""
        try:
            self._look_on()
        except BaseException:
            # The run must not continue unsupervised.
            self.fail(f"its watch failed; the traceback follows\n{traceback.format_exc().rstrip()}")

    def _look_on(self) -> None:
        """Check until the run has ended."""
        clock, seen, quiet, before = StoppedClock(), (-1, ""), 0.0, time.monotonic()
        while not self.finished.wait(LOOK_S):
            now = time.monotonic()
            passed, before = min(now - before, LATE_S), now
            present = self._look()
            images, now_seen = int(self.progress[0]), (int(self.progress[-1]), self.phase)
            quiet, seen = (quiet + passed if now_seen == seen else 0.0), now_seen
            if self.phase is RUNNING:
                with suppress(OSError):  # the reader of our output has ended
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
        """Return the run's processes; fail if one reported an error or ended too early."""
        self._read_reports()
        present = members(self.process)
        ended = self._ended(present)
        if ended:
            # The first one to end need not be the cause: the others learn of it at once.
            time.sleep(LOOK_S)
            self._read_reports()
            self._fail_for(self._ended(members(self.process)) or ended)
        return present

    def _read_reports(self) -> None:
        """Fail if a ProcessModel reported an error."""
        for report in sorted(self.reports.glob("*.txt")):
            where, _, trace = report.read_text(encoding="utf-8").partition("\n")
            last = trace.strip().splitlines()[-1]
            self.fail(f"{where} {last}; its traceback follows\n{trace.rstrip()}")

    def _ended(self, present: list[Member]) -> list[Member]:
        """Return the processes that ended too early."""
        well = "ended" if self.phase is STOPPED else None
        return [one for one in present if one.ended() not in (None, well)]

    def _fail_for(self, ended: list[Member]) -> NoReturn:
        """Fail, and name the process at fault: one that was killed, or raised an error."""
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
        """Fail, and name the processes that do not wait for another, with their stack traces."""
        message = f"no new time step for {self.stall_s:g} s (see --stall), at {self._place()}"
        for one in present:
            stack = stack_of(one, self.reports / STACKS)
            if stack:
                message += f"; {one.title} does not come back; its traceback follows\n{stack}"
                break
        self.fail(message)

    def _place(self) -> str:
        """Return the image and time step that the run has reached."""
        image, time_step = min(int(self.progress[0]) + 1, self.total), int(self.progress[-1])
        return f"image {image} of {self.total}, after time step {time_step}"
