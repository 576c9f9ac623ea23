"""Comparison on sequences: both runs carry potentials over, and figures are those of frames."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from exact_pair import K, M, make_float, make_integer, make_pair, with_bias_fault
from hypothesis import given, settings
from hypothesis import strategies as st

import ipvae_snn as snn
from ipvae_snn.backends import compiled
from ipvae_snn.comparison import paired_runs
from ipvae_snn.comparison.attribution import attribute
from ipvae_snn.comparison.measure import measure, recorded_of
from ipvae_snn.comparison.paired_runs import Pair, blocks
from ipvae_snn.comparison.variants import last_step, variants
from ipvae_snn.errors import DataError
from ipvae_snn.inference import reference
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest
from ipvae_snn.ir.units import pixel_values
from ipvae_snn.metrics.quality import r2_per_image

N, FRAMES, STEPS = 5, 3, 4
Run = Callable[..., tuple[int, str, str]]


def moving_pair(network: IntegerNetwork, frames: int = FRAMES) -> Pair:
    pixels = np.random.default_rng(6).integers(0, 256, (N, frames, M)).astype(np.uint8)
    images = pixel_values(network, pixels.reshape(-1, M)).astype(np.float32)
    return Pair(make_float(), network, images.reshape(pixels.shape), pixels)


VARIANTS = variants(make_pair(with_bias_fault(make_integer())))


@settings(max_examples=6, deadline=None)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_a_frame_that_stays_is_one_long_run(frames: int, steps: int, seed: int) -> None:
    """Counts, potentials and single steps of repeated frames are those of all steps together."""
    still = make_pair(with_bias_fault(make_integer()), 3)
    repeated = replace(
        still,
        images=np.repeat(still.images[:, None], frames, axis=1),
        pixels=np.repeat(still.pixels[:, None], frames, axis=1),
    )
    parts = list(blocks(repeated, steps, seed))
    whole = list(blocks(still, frames * steps, seed))
    assert [part.first for part in parts] == [steps * frame for frame in range(frames)]
    for name in ("drawn", "stepped", "saturated"):
        joined = np.concatenate([getattr(part, name) for part in parts], axis=1)
        np.testing.assert_array_equal(joined, getattr(whole[0], name))
    for side in ("floats", "integers"):
        for name in ("counts", "before", "after"):
            ours = [getattr(getattr(part, side), name) for part in parts]
            expected = getattr(getattr(whole[0], side), name)
            np.testing.assert_array_equal(np.concatenate(ours, axis=1), expected)
    for variant in (VARIANTS["float"], VARIANTS["together"]):
        ours = last_step(repeated, variant, slice(0, 3), steps, seed)
        expected = last_step(still, variant, slice(0, 3), frames * steps, seed)
        for mine, theirs in zip(ours, expected, strict=True):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("two_layer", [False, True])
def test_both_runs_are_those_of_run_and_evaluate(
    two_layer: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against the float run on frames and the back end's; cut into blocks of 2 images, 3 steps."""
    pair = moving_pair(make_integer(two_layer))
    monkeypatch.setattr(paired_runs, "IMAGES", 2)
    monkeypatch.setattr(paired_runs, "ENTRIES", 6 * K)
    request = RunRequest(STEPS, 9, trace=True)
    integers = compiled.run(pair.integer, pair.pixels, request)
    floats = reference.run_frames(pair.network, pair.images, request)
    counts = np.zeros((2, N, FRAMES * STEPS, K), np.int32)
    for block in blocks(pair, STEPS, 9, threads=2):
        span = slice(block.first, block.first + block.drawn.shape[1])
        assert {block.frame} == set(range(span.start // STEPS, (span.stop - 1) // STEPS + 1))
        counts[0, block.rows, span] = block.floats.counts
        counts[1, block.rows, span] = block.integers.counts
    np.testing.assert_array_equal(counts[1], integers.counts)
    traces = [trace.counts for trace in floats if trace.counts is not None]
    np.testing.assert_array_equal(counts[0], np.concatenate(traces, axis=1))


def test_an_exact_network_shows_no_difference_on_sequences() -> None:
    result = measure(moving_pair(make_integer()), STEPS, (0, 7))
    assert result.steps == FRAMES * STEPS
    assert result.marks == tuple(result.curve) == (4, 8, 12)
    assert result.free.equal.mean == result.single.equal.mean == 1.0
    assert result.divergence.first is None
    assert result.over_frames is not None
    assert result.over_frames.means["spikes"].seeds["delta"].mean == 0.0


def test_figures_are_those_of_each_frame() -> None:
    """R2 belongs to a frame's last step and its own image, spikes to all of its steps."""
    pair = moving_pair(with_bias_fault(make_integer()))
    result = measure(pair, STEPS, (3,))
    floats = reference.run_frames(pair.network, pair.images, RunRequest(STEPS, 3))
    integers = compiled.run(pair.integer, pair.pixels, RunRequest(STEPS, 3))
    spikes = integers.spikes_per_step.reshape(N, FRAMES, STEPS).sum(axis=2)
    over = result.over_frames
    assert over is not None
    for frame, step in enumerate(result.marks):
        for side, image, count in (
            ("float", floats[frame].reconstruction, floats[frame].spikes_per_step.sum(axis=1)),
            ("integer", integers.reconstruction[:, frame], spikes[:, frame]),
        ):
            quality = r2_per_image(pair.images[:, frame], image).mean()
            assert result.curve[step]["r2"].seeds[side].mean == pytest.approx(quality)
            assert over.spikes[frame].images[side].mean == pytest.approx(count.mean())
    mean = compiled.run(pair.integer.with_decoding("mean:4"), pair.pixels, RunRequest(STEPS, 3))
    for frame, step in enumerate(result.marks):
        quality = r2_per_image(pair.images[:, frame], mean.reconstruction[:, frame]).mean()
        assert result.curve[step]["r2_mean"].seeds["integer"].mean == pytest.approx(quality)
    assert over.means["spikes"].seeds["integer"].mean == pytest.approx(spikes.mean())
    mean = np.mean([result.curve[step]["r2"].seeds["float"].mean for step in result.marks])
    assert over.means["r2"].seeds["float"].mean == pytest.approx(mean)
    shown = result.as_json()
    assert [mark["step"] for mark in shown["marks"]] == [4, 8, 12]
    first = shown["marks"][0]["spikes_per_frame"]["integer"]
    assert first == pytest.approx(spikes[:, 0].mean())
    assert shown["over_frames"]["spikes"]["integer"] == pytest.approx(spikes.mean())


def test_causes_are_found_on_sequences() -> None:
    """All changes together give the integer network's counts and states after the last frame."""
    pair = moving_pair(with_bias_fault(make_integer()))
    assert attribute(pair, STEPS, (2,)).largest.name == "bias"
    counts, states = last_step(pair, variants(pair)["together"], slice(0, N), STEPS, 2)
    whole = interpreter.run(pair.integer, pair.pixels, RunRequest(STEPS, 2, trace=True))
    assert whole.counts is not None
    np.testing.assert_array_equal(counts, whole.counts[:, -1])
    np.testing.assert_allclose(states, whole.state * pair.unit, rtol=0, atol=1e-9)


def test_still_images_have_no_frames() -> None:
    pair = make_pair(make_integer())
    assert pair.frames == 1
    assert measure(pair, 4, (0,)).over_frames is None
    assert recorded_of(pair, 8) == (1, 2, 3, 4, 6, 8)
    with pytest.raises(DataError, match="3 frames of 400000 steps are 1200000 steps"):
        measure(moving_pair(make_integer()), 400_000, (0,))


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pretrained network for digits in 8 bits."""
    out = tmp_path_factory.mktemp("converted") / "net.safetensors"
    snn.convert("digits", images=60, steps=4, out=out)
    return out


def test_the_command_compares_sequences(run: Run, converted: Path, tmp_path: Path) -> None:
    out = tmp_path / "c.json"
    data = ("--data", "digits", "--frames", 3, "--steps", 4, "--limit", 6, "--seeds", 2)
    pictures = ("--plots", tmp_path / "pictures")
    code, text, error = run("compare", "digits", converted, *data, "--out", out, *pictures)
    assert (code, error) == (0, "")
    assert "6 sequences of 3 frames of drift from digits, 4 steps a frame" in text
    assert "potentials carry over" in text
    result = json.loads(out.read_text())
    expected = ("sequences", 6), ("frames", 3), ("motion", "drift"), ("steps_per_frame", 4)
    assert [(name, result[name]) for name, _ in expected] == list(expected)
    assert result["steps"] == 12
    assert abs(result["over_frames"]["r2"]["delta"]) < 0.05
    assert len(list((tmp_path / "pictures").iterdir())) == 5
    assert result["over_frames"]["spikes"]["float"] == pytest.approx(
        np.mean([mark["spikes_per_frame"]["float"] for mark in result["marks"]])
    )


def test_films_of_the_user_are_compared(run: Run, converted: Path, tmp_path: Path) -> None:
    films = np.random.default_rng(0).integers(0, 256, (3, 7, 8, 8), np.uint8)
    np.save(tmp_path / "films.npy", films)
    which = ("--data", tmp_path / "films.npy", "--frames", 3, "--motion", "video", "--json")
    few = ("--steps", 2, "--seeds", 1, "--no-attribution")
    code, text, error = run("compare", "digits", converted, *which, *few)
    assert code == 0, error
    assert '"sequences": 6' in text  # two of each film
    code, text, error = run("verify", converted, *which, "--steps", 2, "--backends", "compiled")
    assert code == 0, error
    assert '"sequences": 6' in text
    for command in (("compare", "digits", converted), ("verify", converted)):
        code, _, error = run(*command, "--data", "digits", "--motion", "drift")
        assert code == 1
        assert error.count("\n") == 1
        assert "moves the frames of a sequence; give --frames too" in error
