"""LCA in integers beside LCA1Layer of Intel's lava-optimization: same dictionary, images, steps.

Codes have both signs there, so ours are pairs of elements, phi and -phi, as `import` makes them:
the cost |x - phi a|^2 / 2 + lambda sum |a| has the same least value. Both sides, in floats and in
integers, have the best of some step sizes, at each number of steps, on these images.
"""

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from sklearn.decomposition import sparse_encode

from benchmarks.report import table, wrapped
from ipvae_snn.arrays import Float32, Float64
from ipvae_snn.backends import compiled
from ipvae_snn.conversion.lca import lca_network
from ipvae_snn.data.base import ImageSet
from ipvae_snn.errors import BackendError, BackendUnavailableError
from ipvae_snn.hw.lava import stock_lca
from ipvae_snn.hw.lava.environment import require
from ipvae_snn.hw.lava.guard import last_lines, run_guarded
from ipvae_snn.hw.lava.probing import ISOLATED, ask, clean_environment
from ipvae_snn.inference.lca import Lca
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.circuits import FEEDFORWARD
from ipvae_snn.ir.encode import input_code, levels
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.parts import NEURONS
from ipvae_snn.ir.trace import RunRequest, counts_of
from ipvae_snn.models.float_network import FloatNetwork

PACKAGE: Final = "lava-optimization"
VERSION: Final = "0.5.0"  # the last release
SCRIPT: Final = Path(stock_lca.__file__)
LIMIT_S: Final = 7200.0
MARKS: Final = (64, 256, 512)
PENALTIES: Final = (0.05, 0.1, 0.2, 0.5)
# Step sizes, as shares of the way: n and s of n / 2**s. Ours are powers of 2.
STEP_SIZES: Final = ((1, 3), (1, 4), (1, 7))  # 1/128: that of the tutorial of lava-optimization
THEIR_SIZES: Final = (*STEP_SIZES, (3, 5))
OURS: Final = ("float", "integer", "driven")  # driven: integers, whose drive the host gives
THEIRS: Final = ("lava_float", "lava_fixed")
_PROBE: Final = (
    "from importlib.metadata import version; import lava.lib.optimization.solvers.lca.process; "
    f"print(version({PACKAGE!r}))"
)


class Way(NamedTuple):
    """A way to code: its form, the step size as in STEP_SIZES, and whether weights are rounded."""

    form: str
    size: tuple[int, int]
    rounded: bool = False

    def __str__(self) -> str:
        """Return "1/16", and how the solver's weights became integers."""
        rounding = ", rounded" if self.rounded else ", cut off"
        return f"{self.size[0]}/{1 << self.size[1]}{rounding if self.form == 'lava_fixed' else ''}"


class Problem(NamedTuple):
    """Images (N, M), directions phi (M, K), a penalty, and the exact lasso's codes (N, K)."""

    phi: Float64
    images: Float32
    penalty: float
    exact: Float64

    def figures(self, codes: Float64) -> dict[str, float]:
        """Return the mean cost of codes (N, K), its excess over the least, and the zeros."""
        cost = self._cost(codes)
        excess = cost - self._cost(self.exact)
        return {"cost": cost, "excess": excess, "zeros": float((codes == 0).mean())}

    def _cost(self, codes: Float64) -> float:
        error = self.images.astype(np.float64) - codes @ self.phi.T
        each = 0.5 * (error**2).sum(axis=1) + self.penalty * np.abs(codes).sum(axis=1)
        return float(each.mean())


Codes = dict[Way, Float64]  # (T, N, K) at MARKS
Solver = Callable[[Sequence[Problem]], list[Codes]]


def compared(
    network: FloatNetwork, train: ImageSet, test: ImageSet, solver: Solver
) -> list[dict[str, Any]]:
    """Return a row for each penalty and number of steps; `solver`: see `solved_in_lava`."""
    phi = Lca.of(network.phi, 0.0).phi
    problems = [_problem(phi, test, penalty) for penalty in PENALTIES]
    theirs = solver(problems)
    rows = []
    for problem, codes in zip(problems, theirs, strict=True):
        both = {**ours(network, problem, train), **codes}
        for index, steps in enumerate(MARKS):
            row: dict[str, Any] = {
                "penalty": problem.penalty,
                "steps": steps,
                "images": len(test),
                "lasso": problem.figures(problem.exact),
            }
            for form in (*OURS, *THEIRS):
                tried = {
                    str(way): problem.figures(sent[index])
                    for way, sent in both.items()
                    if way.form == form
                }
                best = min(tried, key=lambda way: tried[way]["cost"])
                row[form] = {"way": best, **tried[best]}
            rows.append(row)
    return rows


def _problem(phi: Float64, images: ImageSet, penalty: float) -> Problem:
    exact = sparse_encode(
        images.pixels.astype(np.float64),
        phi.T,
        algorithm="lasso_cd",
        alpha=penalty,
        max_iter=20_000,
    )
    return Problem(phi, images.pixels, penalty, exact)


def ours(network: FloatNetwork, problem: Problem, train: ImageSet) -> Codes:
    """Return our codes, in floats and in 8-bit integers, for every step size.

    "driven": integers whose input current is given, as the bias of LCA1Layer is, in place of the
    sums of 8-bit pixels and weights.
    """
    code = input_code(network.input_kind, network.image_shape, float(np.abs(train.pixels).max()))
    pixels = levels(code, problem.images)
    pairs = np.concatenate([problem.phi, -problem.phi], axis=1)
    result: Codes = {}
    for size in STEP_SIZES:
        dynamics = Lca(pairs, problem.penalty, size[1])
        integer, report = lca_network(dynamics, train.pixels, code, MARKS[-1])
        trace = compiled.run(integer, pixels, RunRequest(MARKS[-1], trace=True))
        sent = [counts_of(trace)[:, steps - 1] * report.code_unit for steps in MARKS]
        result[Way("integer", size)] = _signed(np.stack(sent))
        drive = problem.images.astype(np.float64) @ pairs / report.state_unit
        plain, _ = lca_network(dynamics, train.pixels, code, MARKS[-1], fine=False)
        result[Way("driven", size)] = _signed(_driven(plain, drive) * report.code_unit)
        floats = [dynamics.run(problem.images, steps)[0] for steps in MARKS]
        result[Way("float", size)] = _signed(np.stack(floats))
    return result


def _driven(network: IntegerNetwork, drive: Float64) -> Float64:
    """Return the payloads (T, N, K) at MARKS of the reference with this input current (N, K).

    The network has one feed-forward connection.
    """
    n = len(drive)
    current = np.rint(drive).astype(np.int64)
    shown = interpreter.show(network, np.zeros((n, network.n_pixels), np.uint8))
    shown = replace(shown, sums={**shown.sums, FEEDFORWARD: current})
    states, result = interpreter.initial(network, n), []
    for step in range(MARKS[-1]):
        sent = interpreter.send(network, states, interpreter.Keys(0, np.arange(n), step))
        states, _ = interpreter.integrate(network, states, shown, sent)
        if step + 1 in MARKS:
            result.append(sent[NEURONS])
    return np.stack(result).astype(np.float64)


def _signed(codes: Float64) -> Float64:
    """Return codes of both signs (..., K) of those of pairs (..., 2 K)."""
    positive, negative = np.split(codes, 2, axis=-1)
    return np.asarray(positive - negative, np.float64)


def solver_python() -> tuple[Path, str]:
    """Return the Lava environment's interpreter, and its version of lava-optimization.

    Raises BackendUnavailableError, with the remedy, where it lacks one.
    """
    python = require().python
    version = ask([str(python), ISOLATED, "-c", _PROBE])
    if version is None:
        raise BackendUnavailableError(
            f"lava-lca: {python} has no {PACKAGE}; install it there by `{python} -m pip install "
            f"--no-deps {PACKAGE}=={VERSION}`, or leave this part out"
        )
    return python, version


def solved_in_lava(python: Path) -> Solver:
    """Return the solver that runs LCA1Layer on Lava's CPU simulator, under the guard.

    It raises BackendError if the simulator fails, or is not done in time.
    """
    ways = [
        *(Way("lava_float", size) for size in THEIR_SIZES),
        *(Way("lava_fixed", size, rounded) for size in THEIR_SIZES for rounded in (False, True)),
    ]

    def solve(problems: Sequence[Problem]) -> list[Codes]:
        asked = [job_of(problem, way) for problem in problems for way in ways]
        codes = _run(python, problems[0], asked).reshape(len(problems), len(ways), len(MARKS), -1)
        shape = (len(MARKS), *problems[0].exact.shape)
        return [
            {way: sent.reshape(shape) for way, sent in zip(ways, each, strict=True)}
            for each in codes
        ]

    return solve


def job_of(problem: Problem, way: Way) -> dict[str, Any]:
    """Return a way as hw/lava/stock_lca.py reads it."""
    return {
        "form": stock_lca.FLOAT if way.form == "lava_float" else stock_lca.FIXED,
        "penalty": problem.penalty,
        "tau": way.size[0],
        "tau_exp": -way.size[1],
        "rounded": way.rounded,
        "largest": float(np.abs(problem.exact).max()),
    }


def _run(python: Path, problem: Problem, asked: list[dict[str, Any]]) -> Float64:
    with tempfile.TemporaryDirectory() as folder:
        jobs, out = Path(folder, "jobs.npz"), Path(folder, "codes.npz")
        np.savez(
            jobs,
            dictionary=problem.phi.T,
            images=problem.images.astype(np.float64),
            marks=np.array(MARKS),
            jobs=np.array(json.dumps(asked)),
        )
        done = run_guarded([python, ISOLATED, SCRIPT, jobs, out], LIMIT_S, env=clean_environment())
        if done.returncode != 0:
            raise BackendError(
                f"{SCRIPT.name}: ended with status {done.returncode}: {last_lines(done.stderr)}"
            )
        with np.load(out, allow_pickle=False) as result:
            codes: Float64 = result["codes"]
        return codes


def _listed(sizes: Sequence[tuple[int, int]]) -> str:
    return ", ".join(f"{share}/{1 << shift}" for share, shift in sizes)


def section(part: dict[str, Any]) -> str:
    """Return the part's heading, table and explanation."""
    rows = [
        [
            f"{one['penalty']:g}",
            f"{one['steps']}",
            f"{one['lasso']['cost']:.4f}",
            *(f"{one[form]['excess']:.4f}" for form in (*OURS, *THEIRS)),
            *(f"{one[form]['zeros']:.3f}" for form in ("lasso", "integer", "lava_fixed")),
            *(one[form]["way"] for form in ("integer", "driven", "lava_fixed")),
        ]
        for one in part["rows"]
    ]
    head = [
        "lambda",
        "steps",
        "exact lasso",
        "excess: float",
        "integer",
        "drive given",
        "Lava, float",
        "Lava, fixed",
        "zeros: lasso",
        "integer",
        "Lava, fixed",
        "step size: integer",
        "drive given",
        "Lava, fixed",
    ]
    count = part["rows"][0]["images"]
    note = wrapped(
        f"""The cost |x - phi a|^2 / 2 + lambda sum |a| of {count} test images of `digits`, codes
        of both signs, and its excess over the exact lasso (scikit-learn). Lava:
        `LCA1Layer` of Intel's {PACKAGE} {part["version"]} on Lava's CPU simulator, in its models
        for floats and in fixed point. Ours has 8-bit weights and
        codes of some 11 bits, so that sums provably fit 24 bits; a code of both signs is a pair of
        elements. `integer` computes its drive from 8-bit pixels and two 8-bit weights each; `drive
        given` is told the drive phi^T x by the host, as LCA1Layer is. Theirs has 8-bit weights with
        one exponent, of which `Dense` drops the last bit, and codes and drives of 24 bits and more,
        which the simulator does not limit; its `Dense` delivers a step later. Drive, weights and
        scale are made by its own functions, as in its tutorial 04. A step goes a share of the way;
        at each number of steps, each has the best of some shares on these images: ours and theirs
        of {_listed(STEP_SIZES)} (1/128: that tutorial's), theirs also of
        {_listed(THEIR_SIZES[-1:])}, and the better of weights cut off, as there, and rounded to
        what `Dense` keeps."""
    )
    return (
        f"## LCA beside Intel's solver: cost above the exact lasso\n\n{table(head, rows)}\n\n{note}"
    )
