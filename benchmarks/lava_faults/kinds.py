"""The faults injected into Lava runs, as data: the injection and the required outcome.

A run is slowed down, to leave time for the fault, and breaks when two images are finished. `code`
is appended to a bundle's processes/common.py and runs in the ProcessModel `model` from time step
`at` on; `inject` acts from outside. The run itself is `benchmarks.lava_faults.run`.
"""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

STEPS: Final = 3  # per image: 5 time steps
DONE: Final = 2  # finished images at the fault
AT: Final = 13  # time step of an internal fault: in the third image
STALL_S: Final = 1.5
LIMIT_S: Final = 4
RAISE: Final = 'raise ZeroDivisionError("broken on purpose")'
BROKEN: Final = r".*ZeroDivisionError: broken on purpose"


@dataclass(frozen=True)
class Kind:
    """One fault: its injection, and the required outcome.

    entry: "bundle", its run.py, or "toolkit", `ipvae-snn run`. says: pattern that the first line
    of the error must match; "" if no process is left to report. append: further text for the
    bundle's files. options: more of the command line. status: exit status (negative for a signal).
    kept: least number of images in the partial result, None for no such file. trace: text that the
    error output must contain. wait_s: waiting time of the run before it gives up. mount: folder
    that is a small tmpfs for the run ("/dev/shm", "tmp" or "out"; root only). setting: fault of the
    machine, which exists from the start.
    """

    name: str
    what: str
    says: str
    entry: str = "bundle"
    code: str = ""
    model: str = "NeuronModel"
    at: int = AT
    append: tuple[tuple[str, str], ...] = ()
    inject: Callable[[Any], None] | None = None
    options: tuple[str, ...] = ()
    status: int = 1
    kept: int | None = DONE
    trace: str = ""
    wait_s: float = 0.0
    mount: str = ""
    setting: str = ""


def send(number: int, group: bool = False) -> Callable[[Any], None]:
    """Return an injection that sends the command, or its process group, a signal."""
    return lambda case: (os.killpg if group else os.kill)(case.process.pid, number)


def send_to_member(name: str, number: int) -> Callable[[Any], None]:
    """Return an injection that sends a process of Lava's a signal; its title begins with `name`."""
    return lambda case: os.kill(case.member(name), number)


def send_to_inner(number: int) -> Callable[[Any], None]:
    """Return an injection that sends the guarded run.py a signal."""
    return lambda case: os.kill(case.inner(), number)


def alter_network(case: Any) -> None:
    """Change one byte of the network's file."""
    path = case.bundle / "network.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def truncate_images(case: Any) -> None:
    """Cut the images' file."""
    case.images.write_bytes(case.images.read_bytes()[:-10])


INIT: Final = (
    "simulator/processes/neuron/__init__.py",
    "\nfrom ..common import note\ndef _broken(self, proc_params):\n    note()\n    {}\n"
    "NeuronModel.__init__ = _broken\n",
)
CLASS: Final = (
    "import threading\nclass Unsendable(Exception):\n    def __init__(self):\n"
    '        super().__init__("broken on purpose")\n        self.lock = threading.Lock()\n'
)
UNREPORTED: Final = (
    "simulator/circuit.py",
    "\nfrom .processes.common import note\n_plain = MODELS[Dense].run_spk\n"
    f"def _broken(self):\n    if self.time_step >= {AT}:\n        note()\n        {RAISE}\n"
    "    _plain(self)\nMODELS[Dense].run_spk = _broken\n",
)
COMPILE: Final = (
    "simulator/circuit.py",
    "\nfrom .processes.common import note\ndef run_configuration(*args):\n    note()\n"
    f"    {RAISE}\n",
)
STOP: Final = (
    "model._stop = lambda: (note(), time.sleep(600)); model._cmd_handlers[-1] = model._stop"
)
RECORD: Final = (
    "simulator/processes/recording.py",
    "\nfrom .common import note\n_plain = Recording.beat\ndef _broken(self, time_step):\n"
    f"    if time_step >= {AT}:\n        note()\n        {RAISE}\n    _plain(self, time_step)\n"
    "Recording.beat = _broken\n",
)
KILLED: Final = r" \(.*process \d+\) was killed by SIGKILL"
BY: Final = r"^run\.py: error: interrupted by "
TOOLKIT: Final = r"^ipvae-snn: "

KINDS: Final = (
    Kind("limit", "time limit", r"still running at its limit of 4 s", options=("--timeout", "4"),
         wait_s=LIMIT_S),
    Kind("sigint", "Ctrl-C (SIGINT to the process group)", BY + "SIGINT", status=130,
         inject=send(signal.SIGINT, group=True)),
    Kind("sigterm", "SIGTERM", BY + "SIGTERM", status=143, inject=send(signal.SIGTERM)),
    Kind("sighup", "SIGHUP", BY + "SIGHUP", status=129, inject=send(signal.SIGHUP)),
    Kind("sigkill", "SIGKILL of run.py", r"^run\.py: its guard was killed; \d+ of", status=-9,
         inject=send(signal.SIGKILL)),
    Kind("sigkill-inner", "SIGKILL of the guarded run.py", r"the guarded run\.py was killed by SIG",
         inject=send_to_inner(signal.SIGKILL)),
    Kind("sigstop-inner", "SIGSTOP of the guarded run.py", r"was stopped by a signal \(SIGSTOP\)",
         inject=send_to_inner(signal.SIGSTOP)),
    Kind("neuron", "exception in the neuron's run_spk", "NeuronModel, time step 13: " + BROKEN[2:],
         code=RAISE, trace=RAISE),
    Kind("source", "exception in the source's run_spk",
         "ImageSourceModel, time step 13: " + BROKEN[2:], code=RAISE, model="ImageSourceModel",
         trace=RAISE),
    Kind("synapses", "exception in a connection's run_spk",
         "SynapsesModel, time step 13: " + BROKEN[2:], code=RAISE, model="SynapsesModel",
         trace=RAISE),
    Kind("unreported", "exception in a model that reports nothing, such as a stock one's",
         r"SynapsesModel, process \d+\) ended while the run was running: " + BROKEN[2:],
         append=(UNREPORTED,), trace=RAISE),
    Kind("recording", "exception while results are recorded", "NeuronModel, time step 13: .*broken",
         append=(RECORD,), trace=RAISE),
    Kind("init", "exception in a ProcessModel's __init__", r"neurons? .*was being built: " + BROKEN,
         append=((INIT[0], INIT[1].format(RAISE)),), kept=None, trace=RAISE),
    Kind("init-unsendable", "such an exception that cannot be pickled",
         r"neuron.* ended with exit status 1 while the run was being built",
         append=((INIT[0], CLASS + INIT[1].format("raise Unsendable()")),), kept=None,
         trace="Unsendable: broken on purpose"),
    Kind("compile", "exception while Lava compiles", BROKEN, append=(COMPILE,), kept=None,
         trace=RAISE),
    Kind("stop-hangs", "a process that does not stop at the end",
         r"no new time step for 1\.5 s", code=STOP, options=("--stall", "1.5", "--limit", "4"),
         at=1, wait_s=STALL_S, kept=4, trace="does not come back"),
    Kind("child-killed", "SIGKILL of a ProcessModel's process", "neuron" + KILLED,
         inject=send_to_member("neuron", signal.SIGKILL)),
    Kind("child-exits", "a ProcessModel that calls os._exit(3)",
         r"neuron.* ended with exit status 3 while the run was running", code="os._exit(3)"),
    Kind("child-segfaults", "a segmentation fault in a ProcessModel",
         r"neuron.* was killed by SIGSEGV", code="ctypes.string_at(0)",
         trace="Fatal Python error: Segmentation fault"),
    Kind("child-stopped", "SIGSTOP of a ProcessModel's process",
         r"neuron.* was stopped by a signal \(SIGSTOP\)",
         inject=send_to_member("neuron", signal.SIGSTOP)),
    Kind("child-hangs", "a ProcessModel that does not come back",
         r"no new time step for 1\.5 s .*neuron.* does not come back", code="time.sleep(600)",
         options=("--stall", "1.5"), wait_s=STALL_S, trace="in act"),
    Kind("child-loops", "a ProcessModel in an endless loop",
         r"no new time step for 1\.5 s .*neuron.* does not come back", code="while True: pass",
         options=("--stall", "1.5"), wait_s=STALL_S, trace="in act"),
    Kind("service-killed", "SIGKILL of Lava's runtime service", "Lava's runtime service" + KILLED,
         inject=send_to_member("Lava's runtime service", signal.SIGKILL)),
    Kind("manager-killed", "SIGKILL of Lava's shared-memory manager",
         "Lava's shared-memory manager" + KILLED,
         inject=send_to_member("Lava's shared-memory manager", signal.SIGKILL)),
    Kind("full-shm", "a full /dev/shm", r"/dev/shm", kept=None,
         mount="/dev/shm"),
    Kind("full-scratch", "a full disk of temporary files", r"/tmp.*No space left", kept=None,
         mount="tmp"),
    Kind("full-results", "a full disk of results", r"No space left on device", mount="out",
         options=("--limit", "8"), kept=8),
    Kind("no-lava", "missing Lava", r"lava-nc is not installed", status=2, kept=None,
         setting="no-lava"),
    Kind("other-lava", "wrong version of Lava", r"lava-nc 0\.9\.0, but this needs 0\.10\.0",
         status=2, kept=None, setting="lava_nc-0.9.0"),
    Kind("other-numpy", "wrong version of NumPy", r"numpy 2\.1\.0, but this needs 1\.x", status=2,
         kept=None, setting="numpy-2.1.0"),
    Kind("other-python", "wrong version of Python", r"Python 3\.\d+\.\d+, but lava-nc", status=2,
         kept=None, setting="python"),
    Kind("altered-network", "altered network file", r"network\.npz: not the file that", status=2,
         kept=None, inject=alter_network, setting="before"),
    Kind("truncated-images", "truncated file of images", r"images\.npy: no readable",
         status=2, kept=None, inject=truncate_images, setting="before"),
    Kind("toolkit-sigint", "Ctrl-C", TOOLKIT + "interrupted by SIGINT; ", "toolkit", status=130,
         inject=send(signal.SIGINT, group=True)),
    Kind("toolkit-sigterm", "SIGTERM", TOOLKIT + "interrupted by SIGTERM; ", "toolkit", status=143,
         inject=send(signal.SIGTERM)),
    Kind("toolkit-sighup", "SIGHUP", TOOLKIT + "interrupted by SIGHUP; ", "toolkit", status=129,
         inject=send(signal.SIGHUP)),
    Kind("toolkit-sigkill", "SIGKILL", "", "toolkit", status=-9, inject=send(signal.SIGKILL)),
    Kind("toolkit-neuron", "exception in a ProcessModel",
         TOOLKIT + "error: lava: NeuronModel, time step 13: " + BROKEN[2:], "toolkit", code=RAISE,
         trace=RAISE),
    Kind("toolkit-child-killed", "SIGKILL of a ProcessModel's process",
         TOOLKIT + "error: lava: neuron" + KILLED, "toolkit",
         inject=send_to_member("neuron", signal.SIGKILL)),
    Kind("toolkit-inner-killed", "SIGKILL of the guarded run.py",
         TOOLKIT + r"error: lava: run\.py was killed by SIGKILL", "toolkit",
         inject=send_to_inner(signal.SIGKILL)),
    Kind("toolkit-no-lava", "missing Lava", TOOLKIT + r"error: lava: no environment with lava-nc",
         "toolkit", kept=None, setting="no-environment"),
    Kind("toolkit-other-lava", "wrong version of Lava",
         TOOLKIT + r"error: IPVAE_SNN_LAVA_PYTHON: .* has lava-nc 0\.9\.0, but this needs 0\.10\.0",
         "toolkit", kept=None, setting="lava_nc-0.9.0"),
)  # fmt: skip
BY_NAME: Final = {kind.name: kind for kind in KINDS}
