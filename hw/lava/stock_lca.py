"""Sparse codes of LCA1Layer, the LCA solver of Intel's lava-optimization, as a baseline for ours.

Runs in a Lava environment that has lava-optimization, under a guard (guard.py):

    python -I stock_lca.py jobs.npz codes.npz

jobs.npz holds `dictionary` (K, M) with rows of length 1, `images` (N, M), `marks` (T,) of steps,
rising, and `jobs`, JSON: a list of {"form", "penalty", "tau", "tau_exp", "rounded", "largest"}. A
step goes tau 2**tau_exp of the way. codes.npz receives `codes` (J, T, N, K): what each neuron sends
in step `marks[t]`.

Weights, bias and scale are made by the solver's own functions, as in its tutorial 04_lca: weights
are 8-bit mantissas with one exponent, and the code is scaled by the largest power of 2 with which
`largest`, the largest code that is expected, stays within 2**24. `rounded` rounds weights to the
nearest value that Dense keeps of them (it drops the last bit of weights of both signs); the
tutorial cuts them off.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = npt.NDArray[Any]
FIXED, FLOAT = "fixed_pt", "floating_pt"
MANTISSA_BITS = 8  # of a weight
DROPPED = 2  # weights of both signs keep multiples of it


def name_what_it_makes() -> None:
    """Let the guard identify the shared memory and processes of this run."""
    sys.path.insert(0, str(Path(__file__).parent))
    importlib.import_module("stock_network").name_what_it_makes()


class Solver:
    """LCA1Layer with one dictionary, penalty and time constant, in a simulator that stays."""

    def __init__(self, dictionary: Arrays, job: dict[str, Any]) -> None:
        from lava.lib.optimization.solvers.lca import util
        from lava.lib.optimization.solvers.lca.process import LCA1Layer
        from lava.magma.core.run_configs import Loihi1SimCfg

        self.util, self.dictionary = util, dictionary
        self.form, self.tau = job["form"], job["tau"] * 2.0 ** job["tau_exp"]
        weights = util.get_1_layer_weights(dictionary, self.tau)
        shape = len(dictionary)
        if self.form == FLOAT:
            self.scale, self.threshold = 1.0, job["penalty"]
            given = {"tau": self.tau}
        else:
            self.scale = float(util.get_fixed_pt_scale(np.array([job["largest"]])))
            self.threshold = int(job["penalty"] * self.scale)
            exponent = int(np.frexp(np.abs(weights).max())[1]) - MANTISSA_BITS
            weights = weights * 2.0**-exponent
            if job["rounded"]:
                weights = DROPPED * np.rint(weights / DROPPED)
            weights = weights.astype(np.int32)
            given = {"weights_exp": exponent, "tau": job["tau"], "tau_exp": job["tau_exp"]}
        self.rest = np.zeros(shape, np.float64 if self.form == FLOAT else np.int64)
        self.process = LCA1Layer(weights=weights, bias=self.rest, threshold=self.threshold, **given)
        self.config = Loihi1SimCfg(select_tag=self.form, select_sub_proc_model=True)
        self.run(1)  # at rest; values can be set from here on

    def run(self, steps: int) -> None:
        """Take `steps` steps."""
        from lava.magma.core.run_conditions import RunSteps

        self.process.run(condition=RunSteps(num_steps=steps), run_cfg=self.config)

    def codes(self, image: Arrays, marks: Arrays) -> Arrays:
        """Return what is sent in each of the steps `marks` (T,) of an image (M,), (T, K)."""
        bias = self.util.get_1_layer_bias(self.dictionary, self.tau, image) * self.scale
        # A step at rest, since Dense still holds what was sent in the last step.
        self._begin(self.rest)
        self.run(1)
        self._begin(bias.astype(self.rest.dtype))
        sent, done = [], 0
        for mark in marks.tolist():
            if mark - 1 > done:
                self.run(mark - 1 - done)
                done = mark - 1
            sent.append(self.util.apply_activation(self.process.voltage.get(), self.threshold))
        return np.array(sent) / self.scale

    def _begin(self, bias: Arrays) -> None:
        self.process.bias.set(bias)
        self.process.voltage.set(self.rest)

    def stop(self) -> None:
        """End the simulator."""
        self.process.stop()


def main(jobs: Path, out: Path) -> None:
    """Run every job and write the codes."""
    with np.load(jobs, allow_pickle=False) as given:
        dictionary, images, marks = (given[name] for name in ("dictionary", "images", "marks"))
        asked = json.loads(str(given["jobs"]))
    codes = np.zeros((len(asked), len(marks), len(images), len(dictionary)))
    for index, job in enumerate(asked):
        solver = Solver(dictionary, job)
        try:
            for n, image in enumerate(images):
                codes[index, :, n] = solver.codes(image, marks)
        finally:
            solver.stop()
    np.savez(out, codes=codes)


if __name__ == "__main__":
    name_what_it_makes()
    main(Path(sys.argv[1]), Path(sys.argv[2]))
