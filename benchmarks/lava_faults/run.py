"""Run a Lava bundle, or the toolkit, with a fault; check its message, remains and kept images."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.lava_faults.kinds import DONE, STEPS, Kind
from benchmarks.lava_faults.parts import COMMON, DRIVER, FAULT, IMAGES, MEMBERS, SLOW_S, pixels
from ipvae_snn.export.lava.bundle import write_bundle
from ipvae_snn.hw.lava.bundle.simulator.child import SHARED_MEMORY
from ipvae_snn.hw.lava.runner import bundle_sources
from ipvae_snn.ir.files import save_network
from ipvae_snn.ir.interpreter import run as interpret
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest

START_LIMIT_S: Final = 60.0  # for a run to reach the fault
END_LIMIT_S: Final = 30.0  # a longer run counts as hanging
LEFT_LIMIT_S: Final = 8.0  # for its remains to disappear


@dataclass(frozen=True)
class Outcome:
    """Outcome of a run with a fault.

    seconds: from the fault (without the allowed waiting time) until nothing of it was left. said:
    its error output. wrong: the faults of the outcome, in words; empty if it passes.
    """

    kind: str
    seconds: float
    said: str
    wrong: tuple[str, ...]


class Case:
    """One run in the folder `folder`, whose name must be short: it contains sockets."""

    def __init__(self, kind: Kind, network: IntegerNetwork, python: Path, folder: Path) -> None:
        self.kind, self.network, self.python, self.folder = kind, network, python, folder
        self.bundle, self.images = folder / "bundle", folder / "images.npy"
        self.out, self.temporary = folder / "out", folder / "tmp"
        self.marker, self.members = folder / "marker", folder / "members"
        self.pixels = pixels(network)
        self.process: subprocess.Popen[bytes]
        self.ending = False

    def prepare(self) -> None:
        """Write the files of the run."""
        for path in (self.out, self.temporary):
            path.mkdir()
        np.save(self.images, self.pixels.reshape(-1, *self.network.input.image_shape))
        kind = self.kind
        fault = FAULT.format(
            marker=str(self.marker),
            code=kind.code or "pass",
            model=kind.model,
            slow=SLOW_S,
            at=kind.at if kind.code else 1 << 60,
            later="note()" in kind.code,
        )
        self.appended = [
            (COMMON, fault),
            ("simulator/watch.py", MEMBERS.format(members=str(self.members))),
            *kind.append,
        ]
        sources = bundle_sources()
        for name, text in self.appended:
            sources[name] += text
        write_bundle(self.network, self.bundle, sources)
        if kind.setting == "before" and kind.inject:
            kind.inject(self)

    def command(self) -> tuple[list[str], dict[str, str]]:
        """Return the command line and its environment."""
        environment = {"TMPDIR": str(self.temporary), "PATH": os.environ["PATH"]}
        isolated = ["-I"]
        python = self.python
        if "-" in self.kind.setting and self.kind.setting[-1].isdecimal():
            self._pretend(self.folder / "site", *self.kind.setting.rsplit("-", 1))
            environment["PYTHONPATH"], isolated = str(self.folder / "site"), []
        if self.kind.entry == "toolkit":
            return self._toolkit(environment)
        if self.kind.setting == "python":
            python = Path(sys.executable)
        if self.kind.setting == "no-lava":
            isolated.append("-S")  # no site-packages
        argv = [
            str(python),
            *isolated,
            str(self.bundle / "run.py"),
            "--input",
            str(self.images),
            "--out",
            str(self.out / "result.npz"),
            "--steps",
            str(STEPS),
            *self.kind.options,
        ]
        if self.kind.mount:
            place = {"/dev/shm": SHARED_MEMORY, "tmp": self.temporary, "out": self.out}
            where = shlex.quote(str(place[self.kind.mount]))
            size, filled = {"/dev/shm": (48, 0), "tmp": (64, 0), "out": (8, 8)}[self.kind.mount]
            mount = f"mount -t tmpfs -o size={size}k tmpfs {where} && "
            mount += f"head -c {filled}k /dev/zero > {where}/filler; exec {shlex.join(argv)}"
            argv = ["unshare", "-m", "sh", "-c", mount]
        return argv, environment

    def _pretend(self, site: Path, name: str, version: str) -> None:
        """Create a folder of packages whose metadata state another version."""
        info = site / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        distribution = name.replace("_", "-")
        info.joinpath("METADATA").write_text(f"Name: {distribution}\nVersion: {version}\n")

    def _toolkit(self, environment: dict[str, str]) -> tuple[list[str], dict[str, str]]:
        """Return the toolkit's command line, and its environment."""
        appended, driver = self.folder / "appended.json", self.folder / "driver.py"
        appended.write_text(json.dumps(self.appended))
        driver.write_text(DRIVER)
        network = self.folder / "network.safetensors"
        save_network(self.network, network)
        path = environment.pop("PYTHONPATH", "")
        python = self.python
        if path:  # the toolkit removes that variable for Lava's interpreter, and isolates it
            python = self.folder / "python"
            python.write_text(
                f'#!/bin/sh\n[ "$1" = -I ] && shift\nPYTHONPATH={path} exec {self.python} "$@"\n'
            )
            python.chmod(0o755)
        environment |= {"HOME": str(self.folder), "IPVAE_SNN_LAVA_PYTHON": str(python)}
        if self.kind.setting == "no-environment":
            del environment["IPVAE_SNN_LAVA_PYTHON"]
        if "PYTHONPATH" in os.environ:
            environment["PYTHONPATH"] = os.environ["PYTHONPATH"]
        argv = [
            sys.executable,
            str(driver),
            str(appended),
            "run",
            str(network),
            "--backend",
            "lava",
            "--data",
            str(self.images),
            "--out",
            str(self.out / "result.npz"),
            "--limit",
            str(IMAGES),
            "--steps",
            str(STEPS),
            "--quiet",
            *self.kind.options,
        ]
        return argv, environment

    def run(self) -> Outcome:
        """Run the case, inject the fault, and judge the outcome."""
        self.prepare()
        argv, environment = self.command()
        said = self.folder / "said"
        with said.open("wb") as error:
            started = time.monotonic()
            self.process = subprocess.Popen(
                argv,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=error,
                start_new_session=True,
                cwd=self.folder,
                preexec_fn=default_signals,
            )
            try:
                at = self.break_it(started)
                self.ending = True
                deadline = time.monotonic() + END_LIMIT_S
                self.wait(lambda: self.process.poll() is not None, deadline)
                self.wait(lambda: not self.left(), min(deadline, time.monotonic() + LEFT_LIMIT_S))
                seconds, left = time.monotonic() - at, self.left()
            finally:
                for pid in processes_of(self.folder):
                    os.kill(pid, signal.SIGKILL)
                self.process.kill()
                self.process.wait()
                for path in self.segments():
                    path.unlink(missing_ok=True)
        text = said.read_text(errors="replace")
        wrong = [f"left: {left}"] if left else []
        return Outcome(self.kind.name, round(seconds, 2), text, (*wrong, *self.judge(text)))

    def break_it(self, started: float) -> float:
        """Wait for the right time step, inject the fault, and return its time."""
        kind = self.kind
        if kind.setting:
            return started
        deadline = time.monotonic() + START_LIMIT_S
        if kind.inject:
            ready = self.wait(
                lambda: (self.done() or 0) >= DONE and self.members.exists(), deadline
            )
            at = time.monotonic()
            if not ready:
                return at
            kind.inject(self)
            return at
        if kind.name == "limit":
            return started + kind.wait_s
        if kind.mount:  # the fault comes when the space is needed
            self.wait(lambda: self.process.poll() is not None, deadline)
            return started
        self.wait(self.marker.exists, deadline)
        at = float(self.marker.read_text()) if self.marker.exists() else time.monotonic()
        return at + kind.wait_s

    def wait(self, condition: Callable[[], object], deadline: float) -> bool:
        """Wait until the condition holds or the run has ended; return whether it holds."""
        while not condition():
            if self.process.poll() is not None and not self.ending:
                return False
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    def done(self) -> int | None:
        """Return the number of finished images."""
        for path in self.temporary.glob("ipvae-*/run/files/progress.npy"):
            try:
                return int(np.load(path)[0])
            except (OSError, ValueError, EOFError):
                return None
        return None

    def inner(self) -> int:
        """Return the id of the guarded run.py, which leads a session of its own."""
        for pid in processes_of(self.folder):
            if os.getsid(pid) == pid != self.process.pid:
                return pid
        raise AssertionError("there is no guarded run.py")

    def member(self, name: str) -> int:
        """Return the id of the process whose title begins with `name`."""
        result: dict[str, int] = json.loads(self.members.read_text())
        return next(pid for title, pid in result.items() if title.startswith(name))

    def left(self) -> list[str]:
        """Return the remains of the run: processes, shared memory, temporary files."""
        result = [f"process {pid}" for pid in processes_of(self.folder)]
        result += [path.name for path in self.segments()]
        spare = "ipvae-snn-result.partial.npz"
        result += [path.name for path in self.temporary.iterdir() if path.name != spare]
        result += [path.name for path in self.out.glob(".*")]
        return result

    def segments(self) -> list[Path]:
        """Return the existing shared memory of the run."""
        return list(SHARED_MEMORY.glob(f"*ipvae_{self.process.pid}_*"))

    def judge(self, said: str) -> list[str]:
        """Return the faults of the outcome, in words."""
        kind, wrong = self.kind, []
        status = self.process.returncode
        if status != kind.status:
            wrong.append(f"exit status {status}, not {kind.status}")
        lines = [line for line in said.splitlines() if re.match(r"(run\.py|ipvae-snn): ", line)]
        if kind.says and not (lines and re.search(kind.says, lines[0])):
            wrong.append(f"says {lines[:1]}, not {kind.says!r}")
        if kind.trace not in said:
            wrong.append(f"shows no {kind.trace!r}")
        if (self.out / "result.npz").exists():
            wrong.append("wrote a result")
        return wrong + self.judge_partial(said)

    def judge_partial(self, said: str) -> list[str]:
        """Return the faults of the partial result, in words."""
        result = [*self.out.glob("*.partial.npz"), *self.temporary.glob("*.partial.npz")]
        if self.kind.kept is None:
            return [f"there is {path.name}" for path in result]
        if len(result) != 1:
            return [f"there are {len(result)} partial results"]
        if self.kind.says and str(result[0]) not in said:
            return ["says nothing of the partial result"]
        with np.load(result[0]) as arrays:
            done = int(arrays["images_done"])
            wanted = interpret(self.network, self.pixels[:done], RunRequest(STEPS)).arrays()
            wrong = [
                f"{name} of the partial result is wrong"
                for name in ("counts_sum", "state", "spikes_per_step", "reconstruction")
                if not np.array_equal(arrays[name], wanted[name])
            ]
        if done < self.kind.kept:
            wrong.append(f"{done} images are kept, not {self.kind.kept}")
        return wrong


def default_signals() -> None:
    """Restore signals that a shell's background commands, and nohup's, ignore."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def processes_of(folder: Path) -> set[int]:
    """Return the living processes with `folder` in their command line or environment."""
    result = set()
    mark = os.fsencode(folder) + b"/"
    for path in Path("/proc").iterdir():
        if path.name.isdecimal() and int(path.name) != os.getpid():
            try:
                state = (path / "stat").read_bytes().rpartition(b")")[2].split()[0]
                owner = (path / "cmdline").read_bytes() + (path / "environ").read_bytes()
            except OSError:
                continue
            if state not in (b"Z", b"X") and mark in owner + b"/":
                result.add(int(path.name))
    return result
