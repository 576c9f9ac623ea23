"""Evaluation on sequences: potentials carry over, beside starting anew at every frame."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

import ipvae_snn as snn
from ipvae_snn import data
from ipvae_snn.data.sequences import Moving, Sequences, drifting
from ipvae_snn.errors import ConfigError, DataError, DataWarning
from ipvae_snn.evaluation import moving, moving_plots
from ipvae_snn.evaluation.evaluate import EvaluationRequest, evaluate
from ipvae_snn.evaluation.moving import evaluate_moving
from ipvae_snn.inference import fast
from ipvae_snn.inference.reference import run_float, run_frames
from ipvae_snn.ir.trace import RunRequest
from ipvae_snn.models.float_network import FloatNetwork, load_float_network
from ipvae_snn.pretrained import network_path
from ipvae_snn.workflows import evaluate_moving as workflow
from ipvae_snn.workflows.moving import steps_per_frame, trained_moving

Run = Callable[..., tuple[int, str, str]]
FRAMES, STEPS = 4, 3


@pytest.fixture(scope="module")
def network() -> FloatNetwork:
    return load_float_network(network_path("digits"))


@pytest.fixture(scope="module")
def sequences() -> Sequences:
    return drifting(data.load("digits", "test", limit=20), FRAMES)


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 3), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_one_frame_many_times_is_one_long_run(frames: int, steps: int, seed: int) -> None:
    """In float64: states and counts of frames that repeat are those of one run of all steps."""
    digits = load_float_network(network_path("digits"))
    pixels = data.load("digits", "test", limit=3).pixels
    repeated = np.repeat(pixels[:, None], frames, axis=1)
    parts = run_frames(digits, repeated, RunRequest(steps, seed, trace=True))
    whole = run_float(digits, pixels, RunRequest(frames * steps, seed, trace=True))
    assert len(parts) == frames
    for name in ("counts", "states", "spikes_per_step"):
        joined = np.concatenate([getattr(part, name) for part in parts], axis=1)
        np.testing.assert_array_equal(joined, getattr(whole, name))
    np.testing.assert_array_equal(sum(part.counts_sum for part in parts), whole.counts_sum)
    np.testing.assert_array_equal(parts[-1].reconstruction, whole.reconstruction)


def test_frames_of_another_shape_are_refused(network: FloatNetwork) -> None:
    for shape in ((2, 64), (2, 3, 63)):
        with pytest.raises(DataError, match="shape"):
            run_frames(network, np.zeros(shape, np.float32), RunRequest(2))
    c = fast.gram_network(network)
    p = fast.start(c, np.zeros((2, 64), np.float32), "unit", "a")
    with pytest.raises(DataError, match=r"a frame's drive has shape \(3, 128\)"):
        fast.show(c, p, np.zeros((3, 64), np.float32), "unit", "a")


def test_the_first_frame_is_an_evaluation_of_still_images(
    network: FloatNetwork, sequences: Sequences
) -> None:
    request = EvaluationRequest(STEPS, 5)
    result = evaluate_moving(network, sequences, request, shown=2)
    first = data.ImageSet("a", "test", sequences.pixels[:, 0], (8, 8), "unit")
    still = evaluate(network, first, request, shown=2)
    carried, restarted = result.evaluation.carried, result.evaluation.restarted
    assert carried.frames[0] == restarted.frames[0] == still.evaluation.last
    np.testing.assert_array_equal(result.shown.carried[:, 0], still.samples[STEPS])
    assert [frame.step for frame in carried.frames] == [3, 6, 9, 12]


def test_each_frame_anew_is_an_evaluation_under_its_own_keys(
    network: FloatNetwork, sequences: Sequences
) -> None:
    """Only potentials differ between the ways: drawn at u0, a frame's first counts are equal."""
    request = EvaluationRequest(STEPS, 5)
    whole = evaluate_moving(network, sequences, request)
    again = evaluate_moving(network, sequences.first(7), request)
    np.testing.assert_array_equal(again.rates, whole.rates[:7])
    result = whole.evaluation
    assert result.gain.mean == pytest.approx(
        np.mean(
            [
                a.r2.mean - b.r2.mean
                for a, b in zip(result.carried.frames[1:], result.restarted.frames[1:], strict=True)
            ]
        )
    )
    assert result.carried.r2.mean == pytest.approx(
        np.mean([frame.r2.mean for frame in result.carried.frames])
    )
    assert result.carried.frames[2] != result.restarted.frames[2]


def test_frames_that_stay_gain_by_carrying_over(network: FloatNetwork) -> None:
    """A fault on purpose would be a potential that is lost between frames."""
    images = data.load("digits", "test", limit=20)
    rows = np.repeat(images.pixels, FRAMES, axis=0)
    still = Sequences(data.ImageSet("still", "test", rows, (8, 8), "unit"), FRAMES)
    result = evaluate_moving(network, still, EvaluationRequest(8)).evaluation
    assert result.gain.low > 0.02
    means = [frame.r2_map.mean for frame in result.carried.frames]
    assert means == sorted(means)


def test_chunks_and_threads_change_no_figure(
    network: FloatNetwork, sequences: Sequences, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = evaluate_moving(network, sequences, EvaluationRequest(STEPS), shown=9)
    monkeypatch.setattr(moving, "CHUNK", 6)
    parts = evaluate_moving(network, sequences, EvaluationRequest(STEPS, threads=2), shown=9)
    np.testing.assert_array_equal(parts.rates, whole.rates)
    for way in ("carried", "restarted"):
        one, other = getattr(parts.shown, way), getattr(whole.shown, way)
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
        one, other = getattr(parts.evaluation, way), getattr(whole.evaluation, way)
        assert one.spikes_per_frame == other.spikes_per_frame
        assert one.r2.mean == pytest.approx(other.r2.mean, rel=1e-6)
    assert parts.evaluation.gain.mean == pytest.approx(whole.evaluation.gain.mean, rel=1e-5)


def test_pictures(network: FloatNetwork, sequences: Sequences) -> None:
    result = evaluate_moving(network, sequences, EvaluationRequest(STEPS), shown=2)
    drawn = moving_plots.pictures(network, sequences, result)
    assert tuple(picture.name for picture in drawn) == moving_plots.NAMES
    for picture in drawn:
        figure = Figure(figsize=picture.size)
        picture.draw(figure)
    figure = moving_plots.reconstructions(Figure(), sequences, result.shown, "Title")
    assert len(figure.axes) == 3 * 2 * FRAMES
    original = np.asarray(figure.axes[0].images[0].get_array())
    np.testing.assert_array_equal(original, sequences.pixels[0, 0].reshape(8, 8))
    none = evaluate_moving(network, sequences, EvaluationRequest(STEPS))
    with pytest.raises(ValueError, match="kept no reconstruction"):
        moving_plots.pictures(network, sequences, none)


def test_the_command(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "m.json"
    options = ("--frames", 3, "--limit", 6, "--steps", 2, "-o", out, "--plots", tmp_path / "p")
    code, text, error = run("evaluate", "digits", "--data", "digits", *options)
    assert (code, error) == (0, "")
    assert "6 sequences of 3 frames of digits, 2 steps per frame" in text
    assert "gain in R2 from the second frame on" in text
    written = json.loads(out.read_text())
    assert len(written["carried"]["frames"]) == len(written["restarted"]["frames"]) == 3
    assert written["training"] == "still images"
    assert {path.stem for path in (tmp_path / "p").iterdir()} == set(moving_plots.NAMES)
    assert run("evaluate", "digits", "--data", "digits", *options)[0] == 0  # replaced


def test_films_of_the_user(run: Run, tmp_path: Path) -> None:
    films = np.random.default_rng(0).integers(0, 256, (12, 5, 8, 8), np.uint8)
    np.save(tmp_path / "films.npy", films)
    options = ("--frames", 5, "--motion", "video", "--steps", 2)
    code, text, error = run("evaluate", "digits", "--data", tmp_path / "films.npy", *options)
    assert code == 0
    assert "1 sequences of 5 frames" in text  # of 12 films, the tenth is in the test split
    assert "test sequences: 1 of 5 frames of 8x8 from 12 films of 5" in error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--motion", "drift"), "--motion drift moves the frames of a sequence; give --frames too"),
        (("--frames", 4, "--motion", "drfit"), "(did you mean 'drift'?); give video or drift"),
        (("--frames", 4, "--generalise"), "--generalise is measured on still images"),
        (("--frames", 1025), "sequences of 1025 frames are not possible; give 2 to 1024"),
    ],
)
def test_options_that_do_not_fit(run: Run, options: tuple[object, ...], message: str) -> None:
    code, out, error = run("evaluate", "digits", "--data", "digits", *options)
    assert (code, out) == (1, "")
    assert message in error
    assert error.count("\n") == 1


IMAGES = np.random.default_rng(0).integers(0, 256, (30, 4, 5), np.uint8)
MODEL, NET = "run/model.safetensors", "net.safetensors"
STILL = ("--data", "images.npy", "--steps", 2)
COMMANDS: dict[str, tuple[object, ...]] = {
    "evaluate": ("evaluate", MODEL, "--limit", 3),
    "run": ("run", MODEL),
    "run integer": ("run", NET),
    "verify": ("verify", NET, "--backends", "compiled"),
    "compare": ("compare", MODEL, NET, "--no-attribution", "--seeds", 2),
    "energy": ("energy", NET, "--profile", "loihi1"),
    "bench": ("bench", NET, "--checkpoint", MODEL, "--backends", "compiled"),
    "map": ("map", NET),
}
SMALL = {
    "train.iterations": 3,
    "train.steps": 6,
    "model.n_latents": 6,
    "model.u0_low": -1.0,
    "model.u0_high": 0.0,
    "data.frames": 3,
    "data.motion": "drift",
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of moving images, and the integer network converted from it."""
    folder = tmp_path_factory.mktemp("moving")
    np.save(folder / "images.npy", IMAGES)
    snn.train(IMAGES, settings=SMALL, out=folder / "run")
    model = folder / "run" / "model.safetensors"
    snn.convert(model, calibrate=IMAGES, frames=3, out=folder / "net.safetensors")
    return folder


def test_what_a_network_was_trained_on_goes_with_it(trained: Path) -> None:
    model = load_float_network(trained / "run" / "model.safetensors")
    integer = snn.load(trained / "net.safetensors")
    assert trained_moving(model) == trained_moving(integer) == Moving(3, "drift")
    assert steps_per_frame(model) == 2
    digits = load_float_network(network_path("digits"))
    assert trained_moving(digits) is None
    assert steps_per_frame(digits) == 16
    asked = workflow.Asked(5)
    assert asked.moving(model) == Moving(5, "drift")
    images = trained / "images.npy"
    result = workflow.evaluate_moving(trained / "run" / "model.safetensors", images, asked)
    assert result.report.evaluation.steps == 2
    assert result.report.evaluation.training == "3 frames of drift"


@pytest.mark.filterwarnings("always::ipvae_snn.errors.DataWarning")
@pytest.mark.parametrize("silence", [(), ("--quiet",), ("--json",)])
@pytest.mark.parametrize("command", [*COMMANDS])
def test_a_network_of_moving_images_is_not_silently_judged_on_still_ones(
    trained: Path, run: Run, monkeypatch: pytest.MonkeyPatch, command: str, silence: tuple[str, ...]
) -> None:
    monkeypatch.chdir(trained)
    code, _, error = run(*COMMANDS[command], *STILL, *silence)
    assert code == 0, error
    (warning,) = [line for line in error.splitlines() if "warning" in line]
    assert "trained on 3 frames of drift, but judged on still images here" in warning
    assert "take moving ones with --frames 3 --motion drift" in warning


@pytest.mark.filterwarnings("always::ipvae_snn.errors.DataWarning")
def test_calibration_on_still_images_warns_too(
    trained: Path, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(trained)
    convert = ("convert", MODEL, "--calibrate", "images.npy", "--steps", 2)
    code, _, error = run(*convert, "--out", tmp_path / "n.safetensors")
    assert code == 0, error
    assert "trained on 3 frames of drift, but calibrated on still images here" in error


@pytest.mark.parametrize("command", ["evaluate", "run integer", "verify", "compare"])
def test_moving_images_give_no_warning(
    trained: Path, run: Run, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(trained)
    code, _, error = run(*COMMANDS[command], *STILL, "--frames", 3)
    assert code == 0, error
    assert "warning" not in error


JUDGES: dict[str, Callable[[Path, Path], object]] = {
    "evaluate": lambda model, _: snn.evaluate(model, IMAGES, steps=2),
    "run": lambda model, _: snn.run(model, IMAGES, steps=2),
    "run integer": lambda _, net: snn.run(net, IMAGES, steps=2),
    "verify": lambda _, net: snn.verify(net, IMAGES, backends=["compiled"], steps=2),
    "compare": lambda model, net: snn.compare(
        model, net, IMAGES, steps=2, seeds=2, attribution=False
    ),
    "energy": lambda _, net: snn.energy(net, IMAGES, ["loihi1"], steps=2),
    "map": lambda _, net: snn.map(net, "loihi2", IMAGES, steps=2),
    "convert": lambda model, _: snn.convert(model, IMAGES, steps=2),
}


@pytest.mark.parametrize("judge", [*JUDGES])
def test_python_warns_as_the_command_line_does(trained: Path, judge: str) -> None:
    with pytest.warns(DataWarning, match="trained on 3 frames of drift, but .* on still images"):
        JUDGES[judge](trained / MODEL, trained / "net.safetensors")


def test_python_takes_sequences(trained: Path) -> None:
    """Without a warning, which would be an error here."""
    net = trained / "net.safetensors"
    verified = snn.verify(net, IMAGES, backends=["compiled"], frames=3, steps=2, limit=2)
    assert verified.compared == 2 * 3 * 2 * 6
    report = snn.compare(
        trained / MODEL, net, IMAGES, frames=3, steps=2, limit=2, seeds=1, attribution=False
    ).report
    assert report.moving == Moving(3, "drift")
    with pytest.raises(ConfigError, match="give --frames too"):
        snn.verify(net, IMAGES, motion="drift")


@pytest.mark.parametrize("text", ["", "many drift", "3 sideways", "3", "-3 drift", "3 drift 4"])
def test_a_record_that_is_not_readable_is_none(trained: Path, text: str) -> None:
    integer = snn.load(trained / "net.safetensors")
    assert isinstance(integer, snn.IntegerNetwork)
    changed = replace(integer, provenance={**integer.provenance, "trained_frames": text})
    assert trained_moving(changed) is None


def test_an_unknown_motion_is_refused() -> None:
    with pytest.raises(ConfigError, match="--motion 'sideways' is not known"):
        workflow.motion_of(3, "sideways")
    assert workflow.motion_of(None, None) is None
