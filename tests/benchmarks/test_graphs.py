"""The benchmark of graphs: its page agrees with its JSON, and its parts measure what they say."""

import json

import numpy as np
import pytest

from benchmarks.graphs import parts
from benchmarks.graphs.__main__ import PAGE, RESULT, with_results
from ipvae_snn.data.registry import load
from ipvae_snn.data.sequences import drifting
from ipvae_snn.models.networks import load_float


def test_the_page_is_that_of_the_result() -> None:
    """Both are committed; integers are as good as floats within the page's goals."""
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    text = PAGE.read_text(encoding="utf-8")
    assert with_results(text, result) == text
    for one in result["figures"]["lca"]["digits"]:
        assert one["integer"]["cost"] == pytest.approx(one["lasso"]["cost"], rel=0.02)


def test_restarting_needs_more_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """On few images of the embedded digits; every figure is there."""
    monkeypatch.setattr(parts, "CALIBRATION", 60)
    monkeypatch.setattr(parts, "LONGEST_RESTART", 8)
    network = load_float("digits", "the test")
    integer = parts.integers_of(network, load("digits", "train", limit=60))
    result = parts.online(integer, load("digits", "test", limit=6), 2, 1, 2)
    assert (result["sequences"], result["frames"], result["steps"]) == (6, 3, 2)
    assert 1 <= result["restart_steps"] <= 8
    assert result["restart_r2"] >= result["r2"] or result["restart_steps"] == 8
    assert result["operations"] > 0
    assert result["restart_operations"] > 0


def test_slow_drift_passes_through_every_frame() -> None:
    """Two shifts in three frames each: frames 0, 3, 6 are the shifted images, 4 is a third on."""
    fast = drifting(load("digits", "test", limit=2), 3)
    slow = parts.slowed(fast, 3)
    assert (slow.frames, len(slow)) == (7, 2)
    np.testing.assert_allclose(slow.pixels[:, ::3], fast.pixels, atol=1e-6)
    third = fast.pixels[:, 1] + (fast.pixels[:, 2] - fast.pixels[:, 1]) / 3
    np.testing.assert_allclose(slow.pixels[:, 4], third, atol=1e-6)
