"""The engine benchmark: the plain formulation, measured arms, and the page."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.engine import __main__, contest, limits
from benchmarks.engine.page import END, START, section, with_section
from benchmarks.engine.plain import advance, plain_step
from ipvae_snn.data import load
from ipvae_snn.inference import fast
from ipvae_snn.models.float_network import FloatNetwork, load_float_network
from ipvae_snn.pretrained import network_path


@pytest.fixture(scope="module")
def digits() -> FloatNetwork:
    """The shipped network of digits."""
    return load_float_network(network_path("digits"))


def test_the_plain_step_is_the_networks_rule(digits: FloatNetwork) -> None:
    """After the same counts, the potentials are the fast path's."""
    images = load("digits", "test", None, 3)
    network = fast.gram_network(replace(digits, updates_per_step=1, leak=0.0))
    progress = fast.start(network, images.pixels, images.kind, images.name)
    after = fast.advance(network, progress, 1)
    step, drawn = plain_step(network), torch.from_numpy(after.counts.astype(np.float32))
    poisson, torch.poisson = torch.poisson, lambda _: drawn
    try:
        u = torch.from_numpy(np.tile(network.u0, (3, 1)))
        b = torch.from_numpy(network.drive(images.pixels).astype(np.float32))
        result = advance(step, u, b, 1)
    finally:
        torch.poisson = poisson
    np.testing.assert_allclose(result.numpy(), after.state, atol=2e-5)


def test_arms_are_timed_in_turn_and_compared(digits: FloatNetwork) -> None:
    images = load("digits", "test", None, 8)
    match = replace(__main__.match(digits, images, images), steps=2)
    arms = {contest.EAGER: contest.eager(match), contest.OURS: contest.ours(match)}
    result = contest.measured(match, arms, rounds=3)
    assert result["us"].keys() == arms.keys()
    assert 0 < result["ratio"][contest.EAGER]["low"] <= result["ratio"][contest.EAGER]["high"]
    onnx = {contest.ONNX: contest.onnx(match), f"{contest.ONNX} start": contest.onnx_start(match)}
    both = contest.measured(match, {**arms, **onnx}, rounds=1)
    assert set(both["us"]) == {*arms, contest.ONNX}


def test_parts_and_curve_have_figures(
    digits: FloatNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SIZES", (32,))
    images = load("digits", "test", None, 8)
    parts = limits.parts(__main__.match(digits, images, images), rounds=1)
    assert parts["spikes"] >= parts["active"] > 0
    assert all(one["median"] > 0 for one in parts["us"].values())
    points = list(limits.curve(rounds=1))
    assert [one["active"] for one in points] == [1, 2, 6, 16]


def test_the_page_has_a_place_for_the_tables() -> None:
    """The stored result makes what the page shows."""
    text = __main__.PAGE.read_text("utf-8")
    result = json.loads(__main__.RESULT.read_text("utf-8"))
    assert with_section(text, section(result)) == text
    with pytest.raises(ValueError, match="has no place"):
        with_section("nothing", START + END)
