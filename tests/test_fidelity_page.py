"""The fidelity page is what its JSON says, and docs/numerics.md quotes it truly."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.fidelity import MARKS, NETWORKS, PAGE, RESULT, SHORT, WIDTHS
from benchmarks.fidelity_page import page, pictures

NUMERICS = PAGE.parent / "numerics.md"


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    """The result that is committed."""
    loaded: dict[str, Any] = json.loads(RESULT.read_text())
    return loaded


def test_the_page_is_the_results(result: dict[str, Any]) -> None:
    """Made from the JSON, and from nothing else."""
    assert PAGE.read_text() == page(result)


def test_the_result_has_every_figure(result: dict[str, Any]) -> None:
    """Both networks, all widths, at least 1,000 held-out images."""
    assert [network["network"] for network in result["networks"]] == list(NETWORKS)
    for network in result["networks"]:
        assert network["images"] >= 1000
        assert len(network["widths"]) == len(WIDTHS)
        for row, (forward, lateral, circuit, marks) in zip(network["widths"], WIDTHS, strict=True):
            settings = row["settings"]
            assert (settings["feedforward_bits"], settings["lateral_bits"]) == (forward, lateral)
            assert settings["circuit"] == circuit
            assert [int(mark) for mark in row["steps"]] == list(marks)
            assert marks in (MARKS, SHORT)
            assert row["certificate"]["barrier"] <= row["certificate"]["barrier_limit"]
            assert row["certificate"]["energy_margin"] >= -1e-9


def test_pictures_are_drawn(result: dict[str, Any], tmp_path: Path) -> None:
    """Both, and not empty."""
    pictures(result, tmp_path)
    for name in ("fidelity_bits.png", "fidelity_sparsity.png"):
        assert (tmp_path / name).stat().st_size > 10_000


def test_numerics_quotes_the_result(result: dict[str, Any]) -> None:
    """Zeros with and without the soft clip, and run-aways on strange images."""
    text = " ".join(NUMERICS.read_text().split())
    mnist = result["networks"][0]
    found = re.search(
        r"zeros on MNIST differ from float's by ([+-]\.\d+) at step 1000, with it by ([+-]\.\d+)",
        text,
    )
    assert found is not None
    without, with_it = (
        row["steps"]["1000"]["zeros"]["delta"]
        for row in (mnist["without_soft_clip"], mnist["widths"][0])
    )
    assert float(found.group(1)) == pytest.approx(without, abs=5e-5)
    assert float(found.group(2)) == pytest.approx(with_it, abs=5e-5)
    strange = mnist["strangers"][0]
    assert strange["data"] == "fashion-mnist"
    assert (
        f"{strange['float']['run_away']} of {strange['images']} images run away in float and "
        f"{strange['integer']['run_away']} in integers"
    ) in text
