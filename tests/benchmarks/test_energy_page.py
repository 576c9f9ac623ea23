"""The energy benchmark: its page agrees with its JSON, and its baselines are correct."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.energy.amortised import components_needed, judge, train, unit
from benchmarks.energy.page import BEGIN, picture, with_results
from ipvae_snn.errors import FileFormatError

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "energy.md"
RESULT = json.loads((ROOT / "benchmarks" / "results" / "energy.json").read_text())


def test_the_page_holds_the_results() -> None:
    text = PAGE.read_text("utf-8")
    assert with_results(text, RESULT) == text


def test_a_page_without_its_marks_is_not_written() -> None:
    with pytest.raises(FileFormatError, match=r"docs/energy.md has no '<!-- results: "):
        with_results("# Energy\n", RESULT)
    with pytest.raises(FileFormatError, match="put them back"):
        with_results(f"# Energy\n{BEGIN}\n", RESULT)


def test_the_stored_results_name_their_sources() -> None:
    """Every number of every estimate; Loihi 2 has none."""
    every = [each for result in RESULT["circuits"].values() for each in result["estimates"]]
    for each in (*every, *RESULT["encoders"]):
        for item in each["items"]:
            assert item["nj"]["low"] is None or item["figure"]["source"] in each["sources"]
        assert (each["dynamic_nj"]["low"] is None) == (each["profile"] == "loihi2")


def test_encoders_are_counted_by_events_too() -> None:
    """What is 0 costs nothing, so fewer operations are left; 8 bits cost little R2."""
    dense = {each["what"]: each["multiply_adds"] for each in RESULT["encoders"]}
    for code, sweep in RESULT["encoder_sweeps"].items():
        counted = RESULT["encoders_by_events"][code]
        assert counted["input_operations"] < counted["synaptic_operations"]
        assert counted["synaptic_operations"] < dense[f"encoder, code {code}, int8"]
        assert abs(counted["r2_int8"] - sweep[-1]["r2"]) < 0.01


def test_a_picture_is_drawn(tmp_path: Path) -> None:
    picture(RESULT, tmp_path / "energy.png")
    assert (tmp_path / "energy.png").read_bytes()[:4] == b"\x89PNG"


def test_components_needed_by_hand() -> None:
    """Three uncorrelated pixels of variance 16, 4 and 1 about zero: one component holds 16 / 21.

    Two hold 20 / 21 = .952. R2 of an image divides by its own variance, so each image here is
    (a, b, c) and its negative, each of which has the mean of one third of its sum.
    """
    signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T
    images = (signs * [4.0, 2.0, 1.0]).astype(np.float32)
    least, reached = components_needed(images, images, 0.9999)
    assert (least, reached) == (3, pytest.approx(1.0, abs=1e-6))
    first, r2 = components_needed(images, images, 0.5)
    # Kept: the first pixel. The rest of every image is 4 + 1 = 5, its variance 21 - (sum)^2 / 3.
    spreads = 21 - (images.sum(axis=1) ** 2) / 3
    assert first == 1
    assert r2 == pytest.approx(float((1 - 5 / spreads).mean()), abs=1e-5)


@pytest.mark.parametrize("signed", [True, False])
def test_an_encoder_learns_a_code_of_its_kind(signed: bool) -> None:
    """Images from the dictionary; a code restricted to nonnegative values is nonnegative."""
    rng = np.random.default_rng(0)
    phi = rng.normal(0, 1e-3, (12, 6)).astype(np.float32)
    codes = rng.exponential(1, (20000, 6)).astype(np.float32)
    images = codes @ unit(phi).T
    encoder = train(phi, images, 32, signed)
    result = judge(encoder, phi, images)
    assert result.hidden == 32
    assert result.r2 > 0.9
    assert (result.zeros == 0) == signed


def test_unit_has_elements_of_length_one() -> None:
    phi = np.array([[3.0, 0.0], [4.0, 0.0]], np.float32)
    np.testing.assert_allclose(unit(phi), [[0.6, 0.0], [0.8, 0.0]], atol=1e-7)
