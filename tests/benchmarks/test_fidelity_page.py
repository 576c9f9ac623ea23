"""The fidelity page agrees with its JSON, and docs/numerics.md quotes it correctly."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.fidelity.__main__ import MARKS, NETWORKS, PAGE, RESULT, SHORT, WIDTHS
from benchmarks.fidelity.page import page, pictures
from ipvae_snn.conversion.convert import WEAK_SHARE
from ipvae_snn.conversion.quantise import CLIP_RATIOS
from ipvae_snn.conversion.second_moments import WITHIN
from ipvae_snn.conversion.stability import ENERGY_RANGE, EXEMPT, LARGEST_GAIN, RATE_BOUND

NUMERICS = PAGE.parent / "numerics.md"


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    """The committed result."""
    loaded: dict[str, Any] = json.loads(RESULT.read_text())
    return loaded


def test_the_page_is_the_results(result: dict[str, Any]) -> None:
    """Generated from the JSON alone."""
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
            assert row["certificate"]["rate_bound"] <= row["certificate"]["rate_bound_limit"]
            assert row["certificate"]["energy_margin"] >= -1e-9


def test_pictures_are_drawn(result: dict[str, Any], tmp_path: Path) -> None:
    """Both, and not empty."""
    pictures(result, tmp_path)
    for name in ("fidelity_bits.png", "fidelity_sparsity.png"):
        assert (tmp_path / name).stat().st_size > 10_000


def test_numerics_quotes_the_result(result: dict[str, Any]) -> None:
    """Zeros with and without the soft clip, and run-aways on out-of-distribution images."""
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
    fashion = mnist["out_of_distribution"][0]
    assert fashion["data"] == "fashion-mnist"
    assert (
        f"{fashion['float']['run_away']} of {fashion['images']} images run away in float and "
        f"{fashion['integer']['run_away']} in integers"
    ) in text


def test_numerics_has_its_constants_right() -> None:
    """Units of the potential, the soft clip's share, the certificate's limits."""
    text = " ".join(NUMERICS.read_text().split())
    unit = 2.0**-12 * np.log(2)
    assert f"one unit is {unit:.5f} nats: the rate is exact to {100 * unit:.3f} %" in text
    assert f"exp(-c) = {np.exp(-10):.6f} nats per spike" in text
    assert f"must be at most {RATE_BOUND:.0e}".replace("e-0", "e-") in text
    assert f"rho_i = {ENERGY_RANGE} E[z^2] / E[z]" in text
    assert f"its own gain is below {EXEMPT:g} nat" in text
    assert f"must be below {LARGEST_GAIN:g}" in text
    assert f"plus {WITHIN} of the covariance within an image" in text
    assert f"at most {100 * WEAK_SHARE:g} % of the neurons need help" in text
    assert f"from 1 to {min(CLIP_RATIOS)} of the row's largest weight" in text
    assert len(CLIP_RATIOS) == 8
    assert "among eight clippings" in text
