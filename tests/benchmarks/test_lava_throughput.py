"""The page of the Lava throughput benchmark, its arithmetic, and the stock network."""

import json
import sys
from typing import Any

import pytest

from benchmarks.lava_throughput.__main__ import GOAL, PAGE, RESULT, STOCK, rounds, stock, title
from benchmarks.lava_throughput.page import page, quartiles, ratios, verdict
from ipvae_snn.errors import BackendError
from ipvae_snn.hw.lava.guard import run_guarded


@pytest.fixture
def result() -> dict[str, Any]:
    """Three invented rounds of two stock networks and two of ours."""

    def run(*ms: float) -> dict[str, list[float]]:
        return {"ms_a_time_step": list(ms), "start_up_s": [0.5, 0.6, 0.7]}

    return {
        "date": "2026-01-01",
        "command": "python -m benchmarks.lava_throughput",
        "machine": {"cpu_cores": 2, "architecture": "x86_64", "ipvae_snn": "0.1"},
        "lava": "lava-nc 0.10.0, Python 3.10",
        "network": "mnist-512",
        "neurons": 512,
        "pixels": 784,
        "images": 10,
        "steps": 64,
        "active": 0.47,
        "spikes_a_step": 1000.0,
        "goal": 0.8,
        "rounds": 3,
        "stock": "stock",
        "ours": ["one", "two"],
        "runs": {
            "stock": run(0.4, 0.5, 0.6),
            "other": run(0.3, 0.3, 0.3),
            "one": run(0.4, 0.4, 0.4),
            "two": run(0.8, 0.8, 0.8),
        },
        "replicas": {"1": [2000.0, 2000.0, 2000.0], "2": [3000.0, 3200.0, 3400.0]},
    }


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    """The committed result."""
    loaded: dict[str, Any] = json.loads(RESULT.read_text())
    return loaded


def test_ratios_are_formed_within_a_round(result: dict[str, Any]) -> None:
    """Stock's time over ours, and the middle of the three."""
    assert ratios(result, "one") == pytest.approx([1.0, 1.25, 1.5])
    assert quartiles(ratios(result, "one")) == pytest.approx((1.125, 1.25, 1.375))
    assert ratios(result, "two", "other") == pytest.approx([0.375] * 3)


def test_the_page_lists_the_runs_that_miss_the_goal(result: dict[str, Any]) -> None:
    """By the median against the first stock network."""
    assert verdict(result) == "**Not reached** by: two."
    text = page(result)
    assert "| one | 1.25 (1.12..1.38) | 0.75 (0.75..0.75) |" in text
    assert "| stock | 0.500 | 0.450..0.550 | 2,000 | 0.6 |" in text
    assert "| 2 | 3,200 | 3,100..3,300 | 1.60 |" in text
    del result["runs"]["two"]
    assert verdict({**result, "ours": ["one"]}) == "All reach it."


def test_every_round_begins_with_another_run() -> None:
    """So that other work on the machine affects all alike."""
    order: list[str] = []

    def run(name: str) -> dict[str, float]:
        order.append(name)
        return {"start_up": 1.0, "seconds": 2.0, "time_steps": 1000.0}

    result = rounds({n: lambda n=n: run(n) for n in "abc"}, 2, lambda _: None)  # type: ignore[misc]
    assert order == list("abcbca")
    assert result["a"] == {"ms_a_time_step": [2.0, 2.0], "start_up_s": [1.0, 1.0]}


def test_the_page_is_the_results(measured: dict[str, Any]) -> None:
    """Generated from the JSON alone."""
    assert PAGE.read_text() == page(measured)


def test_the_result_has_every_run(measured: dict[str, Any]) -> None:
    """Both circuits, both inputs, the stock network of the same size, at least five rounds."""
    assert measured["goal"] == GOAL
    assert measured["neurons"] == 512
    assert measured["stock"] == "stock 512 x 512"
    assert set(measured["ours"]) == {
        title(circuit, source, model)
        for circuit in ("one-layer", "two-layer")
        for source in ("spikes", "bias")
        for model in ("parts", "fused")
    }
    for result in measured["runs"].values():
        assert len(result["ms_a_time_step"]) == measured["rounds"] >= 5


@pytest.mark.usefixtures("lava_python")
def test_the_stock_network_runs() -> None:
    """In the Lava environment; it reports the time of its time steps."""
    took = stock(8, 8, 0.5, 0, 20)
    assert took["time_steps"] == 20
    assert 0 < took["seconds"] < 20
    assert took["start_up"] > 0


@pytest.mark.usefixtures("lava_python")
def test_a_child_that_fails_is_reported() -> None:
    """With its own message, not as a missing figure."""
    with pytest.raises(BackendError, match=r"stock_network\.py: ended with status 1: (.|\n)*Error"):
        stock(-1, 8, 0.5, 0, 20)


def test_the_stock_network_explains_itself() -> None:
    """Its options need no Lava."""
    done = run_guarded([sys.executable, "-I", STOCK, "--help"], 20.0)
    assert done.returncode == 0
    assert "--active" in done.stdout
