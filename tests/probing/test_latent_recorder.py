"""Probes of models beside the iP-VAE: graded latents, encoders, integers without noise."""

from pathlib import Path

import numpy as np
import pytest
from gabor_networks import NEURONS, SIDE, features, lca, network, waves

from ipvae_snn.conversion.lca import lca_network
from ipvae_snn.data.base import ImageSet
from ipvae_snn.inference.lca import Lca
from ipvae_snn.ir.encode import input_code
from ipvae_snn.models.family import MEMBERS
from ipvae_snn.models.latent_network import LatentNetwork
from ipvae_snn.probing import latency, orientation, prior, sparsification, stimuli
from ipvae_snn.probing.features import features_of
from ipvae_snn.probing.integer_recorder import IntegerRecorder
from ipvae_snn.probing.latent_recorder import LatentRecorder
from ipvae_snn.probing.recorder import PERCENT, SPIKES, in_percent, responses, unit
from ipvae_snn.probing.recorders import recorder_of
from ipvae_snn.probing.subject import Subject
from ipvae_snn.report.picture_files import PictureFolder
from ipvae_snn.workflows.probe import ProbeSettings, probe

KINDS = [kind for kind in MEMBERS if kind != "poisson"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_shown_twice_is_one_long_run(kind: str) -> None:
    frames = np.random.default_rng(0).normal(0, 1, (3, 1, SIDE * SIDE)).astype(np.float32)
    recorder = recorder_of(network(kind))
    assert isinstance(recorder, LatentRecorder)
    assert recorder.what == f"float {MEMBERS[kind].name}"
    once = recorder.latents(frames, 4, 7, 4)
    assert once.shape == (3, 4, NEURONS)
    assert once.dtype == (np.int32 if MEMBERS[kind].counts else np.float32)
    np.testing.assert_array_equal(recorder.latents(np.repeat(frames, 2, axis=1), 2, 7, 4), once)
    again = recorder.latents(frames, 4, 8, 4)
    assert (again != once).any() == MEMBERS[kind].random


@pytest.mark.parametrize("kind", ["amortised-poisson", "amortised-gaussian"])
def test_an_encoder_sees_every_frame(kind: str) -> None:
    """The latents of a frame do not depend on the frames before it, but for the draws' keys."""
    frames = np.random.default_rng(0).normal(0, 3, (2, 2, SIDE * SIDE)).astype(np.float32)
    recorder = recorder_of(network(kind))
    many = np.repeat(frames, 400, axis=0)
    both = recorder.latents(many, 1, 0, 0).reshape(2, 400, 2, NEURONS).mean(axis=1)
    alone = recorder.latents(many[:, 1:], 1, 5, 0).reshape(2, 400, NEURONS).mean(axis=1)
    np.testing.assert_allclose(both[:, 1], alone, atol=0.25)


def test_a_graded_response_is_a_share_of_a_grating() -> None:
    """Of 100 standardised pixels of deviation 1 the norm is 10; a feature of norm 1 has 10 %."""
    recorder = recorder_of(lca())
    np.testing.assert_allclose(in_percent(recorder), 10.0, rtol=1e-5)
    assert unit(recorder) == PERCENT
    latents = np.array([[0.5, -2.0, 0, 0, 0, 0, 0, 3.0]], np.float32)
    np.testing.assert_allclose(responses(recorder, latents), [[5, 0, 0, 0, 0, 0, 0, 30]], rtol=1e-5)
    counts = recorder_of(network("amortised-poisson"))
    assert unit(counts) == SPIKES
    assert responses(counts, np.array([2, 0])).tolist() == [2, 0]


def test_pixels_in_0_1_have_half_the_amplitude() -> None:
    assert stimuli.grating_rms("standardised") == pytest.approx(1.0)
    assert stimuli.grating_rms("unit") == pytest.approx(0.5 / 2**0.5)


def test_sparse_codes_answer_their_own_grating() -> None:
    subject = Subject(recorder_of(lca()), features_of(recorder_of(lca())), steps=48)
    tuned = orientation.measure(subject)
    assert (tuned.curves.argmax(axis=1) == np.flatnonzero(orientation.OFFSETS == 0)).all()
    assert (tuned.modulation > 1).all()
    strong = latency.measure(subject)
    assert strong.unit == PERCENT
    assert (np.diff(strong.sustained.mean(axis=0)) > 0).all()
    # In the dark codes stay 0, so it is the response to an image from the start, in units of 10 %.
    light = stimuli.gratings((SIDE, SIDE), subject.waves, np.ones(NEURONS))
    pixels = stimuli.pixels(light, (SIDE, SIDE), "standardised")
    codes = recorder_of(lca()).latents(pixels[:, None], 48, 0, 0)[:, 24:].mean(axis=1)
    np.testing.assert_allclose(strong.sustained[:, -1], 10.0 * codes.diagonal(), rtol=1e-4)


def test_images_and_the_prior_of_graded_latents_have_no_spikes() -> None:
    pixels = np.random.default_rng(3).normal(0, 1, (6, SIDE * SIDE)).astype(np.float32)
    images = ImageSet("noise", "test", pixels, (SIDE, SIDE), "standardised", "made here")
    recorder = recorder_of(lca())
    found = sparsification.measure(recorder, images, 8, 0)
    assert found.spikes == ()
    assert found.active[0].mean == 0.0  # potentials begin at 0
    assert found.active[-1].mean > 0.0
    assert prior.measure(recorder, 4, 0).spikes == ()
    dense = sparsification.measure(recorder_of(network("gaussian")), images, 2, 0)
    assert [value.mean for value in dense.active] == [1.0, 1.0]


def test_a_network_without_tuned_features_has_a_picture_of_them(tmp_path: Path) -> None:
    flat = lca()
    tensors = {**flat.tensors, "phi": np.full((SIDE * SIDE, NEURONS), 0.1, np.float32)}
    plain = LatentNetwork(**{**vars(flat), "tensors": tensors})
    report = probe(plain, ProbeSettings(("gabor",)), pictures=PictureFolder(tmp_path)).report
    assert report.outcomes["gabor"].data["tuned"]["mean"] == 0.0
    assert [Path(path).name for path in report.plots] == ["gabor.png"]


def test_integers_without_noise_answer_as_their_float_form() -> None:
    """Codes of 8-bit LCA neurons are whole numbers of a unit; responses are in percent alike."""
    float_lca = Lca.of(features(), 0.1)
    light = stimuli.gratings((SIDE, SIDE), waves(), np.ones(NEURONS))
    pixels = stimuli.pixels(light, (SIDE, SIDE), "standardised")
    code = input_code("standardised", (SIDE, SIDE), float(np.abs(pixels).max()))
    recorder = recorder_of(lca_network(float_lca, pixels, code, 64)[0])
    assert isinstance(recorder, IntegerRecorder)
    assert unit(recorder) == PERCENT
    sent = responses(recorder, recorder.latents(pixels[:, None], 64, 0, 0))[:, -1]
    codes, _ = float_lca.run(pixels, 64)
    np.testing.assert_allclose(sent, 10.0 * codes, atol=1.0)
    assert sent.diagonal().min() > 30.0
    tuned = orientation.measure(Subject(recorder, features_of(recorder), steps=64))
    assert (tuned.curves.argmax(axis=1) == np.flatnonzero(orientation.OFFSETS == 0)).all()
