"""Probes of a network whose features are Gabor functions, as float and as integers."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import ipvae_snn as snn
from ipvae_snn.conversion.settings import ConversionSettings
from ipvae_snn.data.base import ImageSet
from ipvae_snn.errors import ConfigError, DataError, MemoryLimitError
from ipvae_snn.ir.files import save_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.probing import bar, latency, masking, movies, noise, orientation, prior, stimuli
from ipvae_snn.probing.features import features_of
from ipvae_snn.probing.float_recorder import FloatRecorder
from ipvae_snn.probing.integer_recorder import IntegerRecorder
from ipvae_snn.probing.probes import PICTURES, STIMULI
from ipvae_snn.probing.recorder import Recorder
from ipvae_snn.probing.recorders import recorder_of
from ipvae_snn.probing.subject import Subject
from ipvae_snn.storage import memory
from ipvae_snn.workflows.convert import convert_network
from ipvae_snn.workflows.probe import ProbeSettings, probe
from small import float_network

Run = Callable[..., tuple[int, str, str]]
SIDE, NEURONS = 10, 8
ANGLES = np.arange(NEURONS) * 180.0 / NEURONS + 3.0


def features() -> np.ndarray:
    """Return Gabor functions of 8 orientations in the middle, (100, 8)."""
    middle = np.full(NEURONS, 4.5)
    waves = stimuli.Waves(middle, middle, np.full(NEURONS, 0.2), ANGLES, np.zeros(NEURONS))
    y, x = np.mgrid[:SIDE, :SIDE] - 4.5
    envelope = np.exp(-(x**2 + y**2) / (2 * 2.2**2)).ravel()
    return (0.2 * envelope * stimuli.gratings((SIDE, SIDE), waves, np.ones(NEURONS))).T


@pytest.fixture(scope="module")
def network() -> FloatNetwork:
    return float_network(
        phi=features().astype(np.float32),
        log_sigma=np.full(SIDE * SIDE, -0.5, np.float32),
        u0=np.zeros(NEURONS, np.float32),
        log_bias=np.full(NEURONS, -1.0, np.float32),
        log_lr=-2.0,
        image_shape=(SIDE, SIDE),
        trained_on="gratings of the test",
    )


@pytest.fixture(scope="module")
def images() -> ImageSet:
    """Sums of the features, and some noise."""
    rng = np.random.default_rng(2)
    pixels = rng.poisson(0.6, (60, NEURONS)) @ (2.0 * features().T)
    pixels += rng.uniform(-2, 2, pixels.shape)
    return ImageSet("features", "train", pixels.astype(np.float32), (SIDE, SIDE), "standardised")


@pytest.fixture(scope="module")
def integer(network: FloatNetwork, images: ImageSet) -> IntegerNetwork:
    converted, _ = convert_network(network, images, ConversionSettings(), steps=16, seed=0)
    return converted


@pytest.fixture(params=["float", "integer"])
def recorder(request: pytest.FixtureRequest, network: FloatNetwork) -> Recorder:
    if request.param == "float":
        return recorder_of(network)
    return recorder_of(request.getfixturevalue("integer"))


@pytest.fixture
def subject(recorder: Recorder) -> Subject:
    return Subject(recorder, features_of(recorder), steps=48)


def test_features_are_the_gabor_functions_that_they_are(recorder: Recorder) -> None:
    found = features_of(recorder)
    assert found.fitted.mean == 1.0
    assert found.tuned.n == NEURONS
    np.testing.assert_allclose(found.gabors.orientation, ANGLES, atol=1.5)
    np.testing.assert_allclose(found.gabors.frequency, 0.2, atol=0.01)


def test_the_float_recorder_carries_potentials_over(network: FloatNetwork) -> None:
    """A frame shown twice is one long run; other keys give other counts."""
    frames = np.random.default_rng(0).normal(0, 1, (3, 1, 100)).astype(np.float32)
    recorder = FloatRecorder(network)
    twice = recorder.latents(np.repeat(frames, 2, axis=1), 5, 7, 4)
    np.testing.assert_array_equal(twice, recorder.latents(frames, 10, 7, 4))
    np.testing.assert_array_equal(twice[1:], recorder.latents(frames[1:], 10, 7, 5))
    assert (twice != recorder.latents(frames, 10, 8, 4)).any()


def test_the_integer_recorder_is_a_run(integer: IntegerNetwork, images: ImageSet) -> None:
    frames = images.pixels[:6].reshape(3, 2, 100)
    counts = IntegerRecorder(integer).latents(frames, 4, 3, 0)
    code = integer.input
    levels = np.clip(np.rint(frames / code.scale) + code.zero_point, 0, 255).astype(np.uint8)
    trace = integer.prepare("reference").run(levels, RunRequest(4, 3, trace=True))
    np.testing.assert_array_equal(counts, trace.counts)


def test_responses_begin_at_the_onset(recorder: Recorder) -> None:
    """Two trials of two conditions in pieces of one movie: the same as all together."""
    light = np.random.default_rng(1).uniform(-1, 1, (2, 3, 100)).astype(np.float32)
    shown = movies.Movies(light, steps=50, trials=2)
    assert (shown.blank_frames, shown.onset, shown.all_steps) == (3, 150, 300)
    kept = np.array([[0, 3], [5, 1]])
    found = movies.record(recorder, shown, kept, 9, "test")
    assert found.values.shape == (2, 2, 150, 2)
    frames = np.concatenate([np.zeros((2, 3, 100), np.float32), light], axis=1)
    pixels = stimuli.pixels(frames[1:], (SIDE, SIDE), "standardised")
    alone = recorder.latents(pixels, 50, 9, 3)  # the second trial of the second condition
    np.testing.assert_array_equal(found.values[1, 1], alone[0, 150:][:, [5, 1]])
    np.testing.assert_allclose(found.blank[1, 1], alone[0, 75:150][:, [5, 1]].mean(axis=0))


def test_chunks_change_nothing(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    light = np.random.default_rng(1).uniform(-1, 1, (3, 1, 100)).astype(np.float32)
    shown, kept = movies.Movies(light, 16, 2), np.array([[0], [1], [2]])
    whole = movies.record(recorder, shown, kept, 0, "test")
    monkeypatch.setattr(movies, "CHUNK_BYTES", 1)
    parts = movies.record(recorder, shown, kept, 0, "test")
    np.testing.assert_array_equal(whole.values, parts.values)


def test_inference_that_runs_away_is_refused(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(movies, "RUNAWAY", 0)
    dark = movies.Movies(np.zeros((1, 1, 100), np.float32), 16)
    with pytest.raises(
        DataError, match=r"^test: inference runs away, a neuron's response is [1-9]"
    ):
        movies.record(recorder, dark, np.array([[0]]), 0, "test")


def test_neurons_prefer_their_own_orientation(subject: Subject) -> None:
    found = orientation.measure(subject)
    assert (found.curves.argmax(axis=1) == np.flatnonzero(orientation.OFFSETS == 0)).all()
    assert np.abs(found.preferred).max() < 10
    assert (found.circular_variance < 0.5).all()
    assert (found.modulation > 1).all(), "linear sums under a threshold are simple cells"


def test_latency_shortens_with_contrast(subject: Subject) -> None:
    found = latency.measure(subject)
    late = np.array([value.mean for value in found.latencies])
    assert late[-1] < late[-3] < late[-5]
    assert (np.diff(found.sustained.mean(axis=0)) > 0).all()


def test_a_mask_that_no_feature_shares_takes_little(subject: Subject) -> None:
    found = masking.measure(subject)
    assert found.responses.shape == (NEURONS, 5, 5)
    assert abs(found.figures["suppression of a grating of 0.5 by a mask of 0.5"].mean) < 0.2


def test_noise_finds_the_feature(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noise, "SEQUENCES", 32)
    found = noise.measure(subject)
    assert found.correlation.mean() > 0.5
    assert np.abs(found.course[:, 0]).max() < 0.5 * found.course.max(axis=1).min()


def test_bars_are_seen_along_the_stripes(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bar, "TRIALS", 2)
    found = bar.measure(subject)
    assert found.orientation_index.mean() > 0.5
    assert (found.delay > 0).all()


def test_the_first_images_without_input_are_drawn_from_the_prior(recorder: Recorder) -> None:
    """Rates begin at exp(u0) = 1: 8 spikes, of which a share 1 - 1/e is of active neurons."""
    found = prior.measure(recorder, 20, seed=3)
    assert found.steps == (1, 2, 4, 8, 16, 20)
    assert found.spikes[0].mean == pytest.approx(NEURONS, abs=1.2)
    assert found.active[0].mean == pytest.approx(1 - np.exp(-1), abs=0.07)
    counts = recorder.latents(np.zeros((8, 1, 100), np.float32), 1, 3, 0)[:, 0]
    np.testing.assert_allclose(found.images[0], recorder.decode(counts), atol=1e-6)
    assert found.deviation[-1].mean < found.deviation[0].mean


def test_all_of_it_with_pictures(
    integer: IntegerNetwork,
    images: ImageSet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run: Run,
) -> None:
    """From the command line: JSON and every picture; a second run replaces its own files."""
    for module, name, value in (
        (noise, "SEQUENCES", 16),
        (bar, "TRIALS", 1),
        (masking, "TRIALS", 1),
        (latency, "TRIALS", 1),
    ):
        monkeypatch.setattr(module, name, value)
    save_network(integer, tmp_path / "net.safetensors")
    np.save(tmp_path / "images.npy", images.pixels.reshape(-1, SIDE, SIDE))
    given = ("probe", tmp_path / "net.safetensors", "--neurons", "4", "--steps", "24")
    given = (*given, "--data", tmp_path / "images.npy", "--limit", "5", "--json")
    given = (*given, "--plots", tmp_path / "pictures", "-o", tmp_path / "probe.json")
    code, text, errors = run(*map(str, given))
    assert (code, errors) == (0, "")
    result = json.loads(text)
    assert result == json.loads((tmp_path / "probe.json").read_text())
    assert list(result["stimuli"]) == list(STIMULI)
    assert result["left_out"] == {}
    assert result["kind"] == "integer network"
    drawn = {path.stem for path in (tmp_path / "pictures").iterdir()}
    assert drawn == set(PICTURES.values())
    assert result["stimuli"]["sparsification"]["steps"] == [1, 2, 4, 8, 16, 24]
    code, text, errors = run(*map(str, given), "--stimulus", "gabor")
    assert (code, errors) == (0, "")
    assert list(json.loads(text)["stimuli"]) == ["gabor"]


def test_the_face_gives_figures(network: FloatNetwork) -> None:
    result = snn.probe(network, ["gabor", "contrast"], neurons=2, steps=16)
    assert list(result.report.outcomes) == ["gabor", "contrast"]
    assert len(result.report.outcomes["contrast"].data["neurons"]) == 2
    assert len(result.document().blocks) == 6  # three tables, two pictures, a line


def test_what_is_not_possible_is_one_line(
    network: FloatNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        ConfigError, match=r"no stimulus is called 'grating' \(did you mean 'gratings'\?\)"
    ):
        ProbeSettings(("grating",))
    with pytest.raises(ConfigError, match="neurons is 129; give 1 to 128"):
        ProbeSettings(neurons=129)
    with monkeypatch.context() as patch:
        patch.setenv(memory.VARIABLE, "1000")
        with pytest.raises(MemoryLimitError, match=r"stimuli of 16 neurons in images of 10x10"):
            probe(network, ProbeSettings(("contrast",)))
    with pytest.raises(DataError) as caught:
        probe(network, ProbeSettings(("sparsification",)))
    assert str(caught.value) == (
        "the images that the network was trained on (gratings of the test) are not known here; "
        "name images like those with --data"
    )


def test_a_network_without_gabor_features_says_so(network: FloatNetwork) -> None:
    """Blobs prefer plain light; of all stimuli, those that need gratings are left out."""
    y, x = np.mgrid[:SIDE, :SIDE] - 4.5
    blob = np.exp(-(x**2 + y**2) / (2 * 2.0**2)).reshape(-1, 1)
    blobs = float_network(
        phi=(0.2 * np.repeat(blob, 2, axis=1)).astype(np.float32),
        log_sigma=network.log_sigma,
        u0=network.u0[:2],
        log_bias=network.log_bias[:2],
        image_shape=(SIDE, SIDE),
    )
    message = (
        "no feature has a Gabor function that explains 70% of it and prefers gratings to plain "
        "light (best: 100%); give --stimulus gabor or sparsification, or a network of natural "
        "images"
    )
    with pytest.raises(DataError) as caught:
        probe(blobs, ProbeSettings(("bar",)))
    assert str(caught.value) == message
    report = probe(blobs).report
    assert list(report.outcomes) == ["gabor", "prior"]
    assert report.left_out["gratings"] == report.left_out["bar"] == message
    assert "sparsification" in report.left_out
