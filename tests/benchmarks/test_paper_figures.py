"""The paper's figures: what they collect, their tables and pictures, and the page."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gabor_networks import lca

from benchmarks.paper import __main__ as command
from benchmarks.paper import page, pictures
from benchmarks.paper.figures import neurons
from benchmarks.paper.figures.catalogue import FIGURES
from benchmarks.paper.figures.operations import operations
from benchmarks.paper.measurements import codes
from benchmarks.paper.measurements.neurons import LEVELS, answers
from benchmarks.paper.plan import Member, full, quick
from ipvae_snn.models.networks import load_float
from ipvae_snn.probing.recorder import PERCENT, SPIKES


def about(value: float) -> dict[str, float]:
    return {"mean": value, "low": value - 0.01, "high": value + 0.01}


def moment(step: int, seed: int) -> dict[str, Any]:
    """Made-up figures of a step: R2 rises to .5, zeros to .6."""
    rise = (1 - 0.9**step) + seed * 0.001
    figures = {
        "r2": 0.5 * rise,
        "r2_map": 0.7 * rise,
        "zeros": 0.6 * rise,
        "mse": 1 - 0.5 * rise,
        "corner": 1.0,
    }
    named = {name: about(value) for name, value in figures.items()}
    return {"step": step, "r2_median": 0.55 * rise, **named}


def made_up(member: Member, what: str) -> dict[str, Any]:
    """Return made-up measurements, as `measurements.stored` stores them."""
    last = moment(200, member.seed)
    moments = [moment(step, member.seed) for step in (0, 1, 4, 16, 64)]
    sets = {name: {"category": "between", "final": last} for name in ("omniglot", "natural")}
    turned = [{"angle": angle, **last} for angle in range(0, 181, 15)]
    return {
        "run": {"iterations": 400 + member.steps},
        "evaluation": {
            "data": "mnist",
            "moments": [*moments, last],
            "final": last,
            "readout": {"paper": {"accuracy": about(0.9 + 0.01 * member.seed)}},
            "generalisation": {"sets": sets, "left_out": {"kmnist": "why"}, "by_angle": turned},
        },
        "code": {"rate": 10 + member.beta, "messages": [{"steps": 16, "messages": 100.0}]},
        "operations": {
            "pixels": 200.0,
            "inputs": 256,
            "neurons": 256,
            "encoder": 1000 if member.one_step else 0,
            "runs": []
            if member.kind not in ("poisson", "lca")
            else [{"steps": 16, "r2": 0.4, "operations": 5e4, "messages": 90.0}],
        },
        "seconds": {
            "images": 5,
            "rows": [{"steps": 4, "milliseconds": 0.1, "r2": 0.2, "r2_map": 0.3}],
        },
        "neurons": neurons_of(member),
        "photographs": {
            "patches": 2,
            "photographs": [
                {"r2": 0.7 + by, "zeros": 0.6 + by, "distance": 0.5 - by} for by in (0.0, 0.1)
            ],
        },
    }[what]


def neurons_of(member: Member) -> dict[str, Any]:
    """Return two features of 2x2 pixels; of one-pass models no neuron is recorded."""
    features = {"r2": [0.1, 0.9], "side": 2, "fields": [[0, 100, -100, 0], [100, 0, 0, -50]]}
    data = {"unit": "", "features": 2, "described": about(0.5), **features, "recorded": 0}
    if member.one_step:
        return {**data, "left_out": "why"}
    late = {"contrasts": [0.5, 1.0], "latencies": [{"mean": None}, about(8.0)]}
    figures = {name: about(0.25) for name, _ in neurons.FIGURES}
    return {**data, "unit": SPIKES, "recorded": 1, **late, "figures": figures}


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    figures = {name: figure.collect(quick(), made_up) for name, figure in FIGURES.items()}
    machine = {"cpu_cores": 2, "architecture": "a", "ipvae_snn": "v"}
    head = {"command": "c", "date": "d", "machine": machine}
    protocol = {"images": 1, "steps": 2, "readout": 3, "per_angle": 4, "coded": 5}
    return {**head, "preset": "quick", "protocol": protocol, "figures": figures}


def test_tables_state_the_difference(result: dict[str, Any]) -> None:
    text = page.page(result)
    # R2 .5 and zeros .6 beside .82678 and .77452 as published
    row = next(
        line for line in text.splitlines() if line.startswith("| iP-VAE, T 16, beta 24 | 0.5")
    )
    assert row.startswith(
        "| iP-VAE, T 16, beta 24 | 0.500 | 0.827 | -0.327 | 0.600 | 0.775 | -0.175 |"
    )
    assert row.endswith("| 416 |")  # iterations
    assert "| iP-VAE | T 16, beta 16, K 256 | 2 | T 128, beta 128, K 512 | 0.500 ± " in text
    assert "kmnist is left out" in text
    assert max(len(line) for line in text.splitlines() if not line.startswith("|")) <= 99
    for name, figure in FIGURES.items():
        assert f"## {figure.title}" in text
        assert figure.section(result["figures"][name]).count("\n") > 2


def test_seeds_have_an_interval() -> None:
    """Five made-up seeds of `full`: R2 .5, .51 .. beside the published point."""
    whole = full()
    *rows, over = FIGURES["seeds"].collect(whole, made_up)
    assert [row["seed"] for row in rows] == [0, 1, 2, 3, 4]
    r2 = [row["r2"] for row in rows]
    assert over["r2"][0] == pytest.approx(np.mean(r2))
    half = 2.7764 * np.std(r2, ddof=1) / np.sqrt(5)  # Student's t of four degrees of freedom
    assert over["r2"][2] - over["r2"][0] == pytest.approx(half, abs=1e-4)
    assert over["published"]["distance"] == pytest.approx(0.28387, abs=1e-5)
    assert "| mean | " in FIGURES["seeds"].section([*rows, over])


def test_the_mnist_table_is_over_seeds(result: dict[str, Any]) -> None:
    first = result["figures"]["mnist_table"][0]
    # accuracies .90 and .91: mean .905; t of one degree of freedom is 12.706, the deviation of the
    # mean .005
    assert first["accuracy"] == pytest.approx([0.905, 0.905 - 0.06353, 0.905 + 0.06353], abs=1e-4)
    assert first["published"]["accuracy"][0] == pytest.approx(0.96458)
    assert first["published"]["seeds"] == 5


def test_pictures_are_drawn_and_say_how_networks_were_trained(
    result: dict[str, Any], tmp_path: Path
) -> None:
    pictures.draw_all(result, tmp_path, ("svg",))
    drawn = sorted(path.name for path in tmp_path.iterdir())
    assert drawn == sorted(file.name for file in pictures.files_of(tmp_path, FIGURES, ("svg",)))
    note = pictures.note_of("quick", result["figures"]["landscape"])
    assert note == "quick: 401 to 432 iterations, not the paper's training"
    assert pictures.note_of("full", result["figures"]["latents"]) == "full: 416 iterations"


def test_operations_follow_from_what_is_not_0() -> None:
    sizes = {"pixels": 10.0, "inputs": 20, "neurons": 4, "encoder": 0}
    assert operations(sizes, messages=3.0) == (10 + 3) * 4
    assert operations({**sizes, "encoder": 80}, messages=3.0) == 80 * 10 / 20


def test_the_mean_over_photographs_has_their_interval() -> None:
    """Distances .5 and .4: mean .45; t of one degree of freedom is 12.706, the deviation .0707."""
    row = FIGURES["photographs"].collect(quick(), made_up)[0]
    mean, low, high = row["over"]["distance"]
    assert mean == pytest.approx(0.45)
    assert (high - low) / 2 == pytest.approx(12.706 * 0.1 / 2, rel=1e-3)
    assert "| 0.450 ± 0.635 | 0.400 to 0.500 |" in FIGURES["photographs"].section([row])


def test_neurons_answer_as_probe_measures_them() -> None:
    """Eight Gabor functions of 10x10 pixels: all are described. A step moves by exp(-2)."""
    found = answers(lca(), lambda what, done, total: None)
    assert (found["features"], found["recorded"], found["described"]["mean"]) == (8, 8, 1.0)
    assert found["unit"] == PERCENT
    assert (len(found["fields"]), len(found["fields"][0])) == (8, 100)
    assert {max(map(abs, field)) for field in found["fields"]} == {LEVELS}
    half = np.log(2) / -np.log1p(-np.exp(-2))  # steps, of a code that nothing else moves
    assert all(half < value["mean"] < 2 * half for value in found["latencies"])
    assert {name for name, _ in neurons.FIGURES} <= found["figures"].keys()


def test_the_rate_of_a_poisson_code(monkeypatch: pytest.MonkeyPatch) -> None:
    network = load_float("digits", "test")
    prior = np.exp(network.u0.astype(np.float64))
    unread: Any = None  # images, whose rates are given
    # KL(Poisson(e r) || Poisson(r)) = e r log e - e r + r = r
    for factor, rate in ((1.0, 0.0), (math.e, prior.sum())):
        given = np.tile(prior * factor, (2, 1)).astype(np.float32)
        monkeypatch.setattr(codes, "final_rates", lambda *_, given=given: given)
        code = codes.code_of(network, unread, 3, (), lambda _: None)
        assert code.rate == pytest.approx(rate, abs=1e-4 * prior.sum())


def test_the_page_is_that_of_its_result() -> None:
    results = page.stored_results()
    assert page.page(*results) == page.PAGE.read_text(encoding="utf-8")
    for stored in results:
        file = page.result_file(stored["preset"])
        assert command.as_text(stored) == file.read_text(encoding="utf-8")
    names = page.shown(results)
    assert all(file.is_file() for file in pictures.files_of(page.IMAGES, names, ("png",)))


def test_a_figure_is_that_of_the_first_result_that_has_it(result: dict[str, Any]) -> None:
    rows = result["figures"]["seeds"]
    whole = {**result, "preset": "full", "figures": {"seeds": rows, "latents": []}}
    assert {name: one["preset"] for name, one in page.shown([whole, result]).items()} == {
        name: "full" if name == "seeds" else "quick" for name in FIGURES
    }
    text = page.page(whole, result)
    assert text.count("**Of `quick`.**") == len(FIGURES) - 1
    assert "| published (one seed) | 0.8269 | 0.7750 | 0.2839 |" in text
