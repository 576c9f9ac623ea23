"""Integer LCA networks: as exact as LCA in floats, which finds the lasso's codes."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import sparse_encode

from ipvae_snn.backends import compiled
from ipvae_snn.conversion.lca import lca_network
from ipvae_snn.errors import ConversionError
from ipvae_snn.inference.lca import Lca
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.encode import input_code, levels
from ipvae_snn.ir.files import load_network
from ipvae_snn.ir.trace import RunRequest, counts_of

PENALTY = 0.3
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def problem() -> tuple[Lca, np.ndarray]:
    """Return dynamics of 12 elements of 9 pixels, and images that few of them make."""
    rng = np.random.default_rng(3)
    phi = rng.normal(0, 1, (9, 12))
    codes = rng.random((40, 12)) * (rng.random((40, 12)) < 0.2) * 3
    pixels = (codes @ phi.T).astype(np.float32)
    return Lca.of(phi, PENALTY), pixels[pixels.any(axis=1)]


def test_floats_find_the_lassos_codes(problem: tuple[Lca, np.ndarray]) -> None:
    lca, pixels = problem
    codes, _ = lca.run(pixels, 4000)
    expected = sparse_encode(
        pixels.astype(np.float64),
        lca.phi.T,
        algorithm="lasso_cd",
        alpha=PENALTY,
        positive=True,
        max_iter=50_000,
    )
    np.testing.assert_allclose(lca.cost(pixels, codes), lca.cost(pixels, expected), rtol=1e-3)
    assert np.linalg.norm(lca.phi, axis=0) == pytest.approx(1)


@pytest.mark.parametrize(("bits", "most"), [(8, 0.01), (5, 0.1)])
def test_integers_are_nearly_as_good(
    problem: tuple[Lca, np.ndarray], bits: int, most: float
) -> None:
    lca, pixels = problem
    code = input_code("standardised", (3, 3), float(np.abs(pixels).max()))
    network, report = lca_network(lca, pixels, code, 400, bits)
    assert all(one.synapses.weight_bits <= bits for one in network.connections)
    assert report.worst_sum_share <= 1
    trace = compiled.run(network, levels(code, pixels), RunRequest(400, trace=True))
    assert trace.saturated is not None
    assert trace.saturated.sum() == 0
    sent = counts_of(trace)[:, -1].astype(np.float64) * report.code_unit
    codes, _ = lca.run(pixels, 400)
    assert lca.cost(pixels, sent).mean() < (1 + most) * lca.cost(pixels, codes).mean()
    np.testing.assert_allclose(trace.reconstruction, sent @ lca.phi.T, atol=1e-3 * sent.max())


def test_a_second_connection_holds_what_the_first_loses(problem: tuple[Lca, np.ndarray]) -> None:
    """At 5 bits: the drive's error falls by more than 8, and codes are nearer to the floats'."""
    lca, pixels = problem
    code = input_code("standardised", (3, 3), float(np.abs(pixels).max()))
    errors, costs = [], []
    for fine in (False, True):
        network, report = lca_network(lca, pixels, code, 400, 5, fine=fine)
        once = [one for one in network.connections if network.once(one)]
        assert len(once) == 1 + fine
        shown = interpreter.show(network, levels(code, pixels))
        drive = sum(shown.sums.values()) * report.state_unit
        exact = (shown.payload * code.scale) @ lca.phi
        errors.append(np.abs(drive - exact).max())
        trace = compiled.run(network, levels(code, pixels), RunRequest(400, trace=True))
        sent = counts_of(trace)[:, -1].astype(np.float64) * report.code_unit
        costs.append(lca.cost(pixels, sent).mean())
    assert errors[1] < errors[0] / 8
    assert costs[1] < costs[0]


def test_a_penalty_that_silences_all_is_refused(problem: tuple[Lca, np.ndarray]) -> None:
    lca, pixels = problem
    code = input_code("standardised", (3, 3), 1.0)
    with pytest.raises(ConversionError, match=r"^a penalty of 1e\+09 silences every neuron"):
        lca_network(Lca(lca.phi, 1e9, 3), pixels, code, 10)


def test_the_command_makes_a_network(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "lca.safetensors"
    options = ("--limit", 30, "--steps", 60, "--out", out, "--json")
    code, text, error = run("lca", "digits", "--penalty", 0.2, *options)
    assert code == 0, error
    result = json.loads(text)
    assert result["integer"]["cost"] < 1.01 * result["float"]["cost"]
    assert load_network(out).provenance["neurons"] == "lca"
    code, _, error = run("lca", "digits", "--penalty", 0, "--out", tmp_path / "x.safetensors")
    assert code == 1
    assert "a penalty of 0 is not possible; give a number above 0" in error
