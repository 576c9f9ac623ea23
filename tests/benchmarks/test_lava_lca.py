"""LCA beside lava-optimization: what is compared, the guard's messages, and the solver itself."""

import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import typer

import small
from benchmarks.graphs import __main__ as benchmark
from benchmarks.graphs import lava_lca
from benchmarks.graphs.lava_lca import Codes, Problem, Way
from ipvae_snn.backends import compiled
from ipvae_snn.conversion.lca import lca_network
from ipvae_snn.data.base import ImageSet
from ipvae_snn.errors import BackendError, BackendUnavailableError
from ipvae_snn.hw.lava import stock_lca
from ipvae_snn.inference.lca import Lca
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.circuits import FEEDFORWARD
from ipvae_snn.ir.encode import input_code, levels
from ipvae_snn.ir.trace import RunRequest, counts_of

SIZE = (1, 3)
SIZES = {"log_sigma": 12, "u0": 20, "log_bias": 20}


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lava_lca, "MARKS", (4, 40))
    monkeypatch.setattr(lava_lca, "PENALTIES", (0.5,))
    monkeypatch.setattr(lava_lca, "STEP_SIZES", (SIZE, (1, 6)))
    monkeypatch.setattr(lava_lca, "THEIR_SIZES", (SIZE, (3, 5)))


def problem(images: int = 2) -> Problem:
    """Three directions of two pixels; the first and the last are no right angle apart."""
    phi = Lca.of(np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]), 0.1).phi
    pixels = np.array([[1.0, 0.2], [-0.5, 0.9]], np.float32)[:images]
    return Problem(phi, pixels, 0.1, np.array([[0.9, 0.1, 0.0], [-0.4, 0.8, 0.0]])[:images])


@pytest.mark.usefixtures("few")
def test_both_sides_solve_the_same_problem() -> None:
    """A solver that gives the exact codes has no excess; ours come close, with both signs."""

    def exact(problems: Sequence[Problem]) -> list[Codes]:
        wrong = np.zeros((2, *problems[0].exact.shape))
        return [
            {
                Way("lava_float", SIZE): np.stack([one.exact] * 2),
                Way("lava_fixed", SIZE, True): np.stack([one.exact] * 2),
                Way("lava_fixed", SIZE): wrong,  # the best of all ways is shown
            }
            for one in problems
        ]

    rng = np.random.default_rng(0)
    network = small.float_network(
        phi=rng.normal(0, 1, (12, 20)).astype(np.float32),
        **{name: np.zeros(n, np.float32) for name, n in SIZES.items()},
    )
    pixels = rng.normal(0, 1, (20, 12)).astype(np.float32)
    train = ImageSet("noise", "train", pixels, (3, 4), "standardised")
    test = train.first(3)
    rows = lava_lca.compared(network, train, test, exact)
    assert [(row["penalty"], row["steps"], row["images"]) for row in rows] == [
        (0.5, 4, 3),
        (0.5, 40, 3),
    ]
    for row in rows:
        for form in lava_lca.THEIRS:
            assert row[form]["excess"] == 0.0
            assert row[form]["zeros"] == row["lasso"]["zeros"]
        assert row["lava_fixed"]["way"] == "1/8, rounded"
        for form in lava_lca.OURS:
            assert row[form]["excess"] == pytest.approx(row[form]["cost"] - row["lasso"]["cost"])
            assert row[form]["excess"] > -1e-9  # none costs less than the exact lasso
    early, late = (row["integer"]["excess"] for row in rows)
    assert late < 0.02 * rows[0]["lasso"]["cost"]
    assert early > 3 * late
    text = lava_lca.section({"version": "0.5.0", "rows": rows})
    assert text.count("\n| 0.5 |") == 2
    assert "3 test images" in text


@pytest.mark.usefixtures("few")
def test_a_drive_that_is_given_is_used_as_the_image_own() -> None:
    """The sums of the image, given from outside, lead to the payloads of a run."""
    pixels = np.random.default_rng(1).normal(0, 1, (9, 12)).astype(np.float32)
    code = input_code("standardised", (3, 4), float(np.abs(pixels).max()))
    phi = np.random.default_rng(2).normal(0, 1, (12, 20))
    network, _ = lca_network(Lca.of(phi, 0.1), pixels, code, 40, fine=False)
    encoded = levels(code, pixels)
    drive = interpreter.show(network, encoded).sums[FEEDFORWARD]
    sent = lava_lca._driven(network, drive.astype(np.float64))
    counts = counts_of(compiled.run(network, encoded, RunRequest(40, trace=True)))
    assert sent.max() > 0
    np.testing.assert_array_equal(sent[0], counts[:, 3])
    np.testing.assert_array_equal(sent[1], counts[:, 39])


def test_codes_of_both_signs_are_those_of_pairs() -> None:
    """Element and negated element never compete for long: LCA reaches the signed lasso's codes."""
    one = problem()
    pairs = np.concatenate([one.phi, -one.phi], axis=1)
    sent, _ = Lca(pairs, one.penalty, 3).run(one.images, 2000)
    codes = lava_lca._signed(sent)
    assert codes.shape == (2, 3)
    assert codes.min() < -0.1
    residual = (one.images - codes @ one.phi.T) @ one.phi
    active = codes != 0  # optimality: what remains is lambda where active, at most lambda elsewhere
    np.testing.assert_allclose(residual[active], 0.1 * np.sign(codes[active]), atol=1e-6)
    assert (np.abs(residual[~active]) <= 0.1 + 1e-6).all()


def test_an_environment_without_the_package_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        lava_lca, "require", lambda: SimpleNamespace(python=Path("elsewhere/python"))
    )
    monkeypatch.setattr(lava_lca, "ask", lambda argv: None)
    with pytest.raises(
        BackendUnavailableError, match="elsewhere/python has no lava-optimization; ins"
    ) as e:
        lava_lca.solver_python()
    assert "\n" not in str(e.value)
    monkeypatch.setattr(lava_lca, "ask", lambda argv: "0.5.0")
    assert lava_lca.solver_python() == (Path("elsewhere/python"), "0.5.0")


@pytest.mark.usefixtures("few")
def test_a_solver_that_fails_or_hangs_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """This interpreter has no Lava."""
    solve = lava_lca.solved_in_lava(Path(sys.executable))
    with pytest.raises(BackendError, match=r"stock_lca\.py: ended with status 1: (.|\n)*'lava'"):
        solve([problem()])
    monkeypatch.setattr(lava_lca, "LIMIT_S", 0.2)
    with pytest.raises(BackendError, match=r"still running at its limit of 0\.2 s, so it was ende"):
        solve([problem()])


def test_parts_that_are_not_measured_stay() -> None:
    before = {
        "made": {"readout": "then", "lca": "then"},
        "figures": {"readout": {"digits": 1, "mnist-512": 2}, "lca": 3},
    }
    result = benchmark.merged(before, {"readout": {"digits": 9}, "lava-lca": 4}, {"date": "now"})
    assert result["figures"] == {
        "readout": {"digits": 9, "mnist-512": 2},
        "lca": 3,
        "lava-lca": 4,
    }
    now = {"date": "now"}
    assert result["made"] == {"readout": now, "lca": "then", "lava-lca": now}


@pytest.mark.parametrize(
    ("only", "message"),
    [
        (["lava-lcs"], "no part is called 'lava-lcs' (did you mean 'lava-lca'?)"),
        (["online"], "online: not measured without the files of MNIST"),
        (["lava-lca"], "no environment"),
    ],
)
def test_what_cannot_be_measured_is_one_line_and_writes_nothing(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    only: list[str],
    message: str,
) -> None:
    def missing() -> tuple[Path, str]:
        raise BackendUnavailableError("lava: no environment")

    monkeypatch.setattr(lava_lca, "solver_python", missing)
    before = benchmark.RESULT.read_bytes(), benchmark.PAGE.read_bytes()
    with pytest.raises(typer.Exit) as stopped:
        benchmark.main(data_root=tmp_path, only=only)
    assert stopped.value.exit_code == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err
    assert (benchmark.RESULT.read_bytes(), benchmark.PAGE.read_bytes()) == before


def plain(one: Problem, image: int, steps: int, tau: float) -> np.ndarray:
    """LCA1Layer in NumPy, with the step by which Dense delivers later."""
    gram = (np.eye(one.phi.shape[1]) - one.phi.T @ one.phi) * tau
    bias = one.images[image].astype(float) @ one.phi * tau
    v, held = np.zeros(len(gram)), np.zeros(len(gram))
    for _ in range(steps):
        sent = np.maximum(np.abs(v) - one.penalty, 0) * np.sign(v)
        v = v * (1 - tau) + held + bias
        held = gram @ sent
    return sent


@pytest.mark.slow
@pytest.mark.usefixtures("lava_python", "few")
def test_the_solver_runs_as_its_formulas_say() -> None:
    """In floats, and in fixed point within 8-bit weights; no image depends on the one before."""
    try:
        python, _ = lava_lca.solver_python()
    except BackendUnavailableError as error:
        pytest.skip(str(error))
    one = problem()
    (codes,) = lava_lca.solved_in_lava(python)([one])
    (alone,) = lava_lca.solved_in_lava(python)(
        [Problem(one.phi, one.images[1:], 0.1, one.exact[1:])]
    )
    for way, sent in codes.items():
        assert sent.shape == (2, 2, 3)
        np.testing.assert_array_equal(sent[:, 1:], alone[way])
        close = 1e-12 if way.form == "lava_float" else 0.02
        for index, steps in enumerate((4, 40)):
            for image in (0, 1):
                wanted = plain(one, image, steps, way.size[0] * 2.0 ** -way.size[1])
                np.testing.assert_allclose(sent[index, image], wanted, rtol=0, atol=close)


def test_jobs_are_named_as_the_script_reads_them() -> None:
    job = lava_lca.job_of(problem(), Way("lava_fixed", (3, 5), True))
    assert job == {
        "form": stock_lca.FIXED,
        "penalty": 0.1,
        "tau": 3,
        "tau_exp": -5,
        "rounded": True,
        "largest": 0.9,
    }
