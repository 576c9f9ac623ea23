"""Evaluation: every figure against its definition, other sets, pictures."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

import small
from ipvae_snn import data
from ipvae_snn.data import ImageSet, rotate
from ipvae_snn.errors import ConfigError, DataError
from ipvae_snn.evaluation import evaluate as evaluation
from ipvae_snn.evaluation import plots
from ipvae_snn.evaluation.evaluate import (
    EvaluationRequest,
    evaluate,
    final_rates,
    recorded_steps,
    request_of,
)
from ipvae_snn.evaluation.generalisation import ANGLES, SETS, other_sets
from ipvae_snn.inference.fast import advance, counts, gram_network, start
from ipvae_snn.inference.reference import Dynamics, dynamics, run_float, soft_clip
from ipvae_snn.ir.trace import RunRequest
from ipvae_snn.metrics import estimates, quality, sparseness
from ipvae_snn.metrics.estimates import Estimate
from ipvae_snn.models import linear_gaussian, poisson
from ipvae_snn.models.float_network import FloatNetwork, load_float_network
from ipvae_snn.models.stored_dictionary import DenseMatrix
from ipvae_snn.pretrained import network_path
from ipvae_snn.report.picture_files import page

M, K = 12, 20


@pytest.fixture
def network() -> FloatNetwork:
    rng = np.random.default_rng(0)
    return small.float_network(
        phi=rng.normal(0, 0.5, (M, K)).astype(np.float32),
        log_sigma=rng.normal(-0.3, 0.2, M).astype(np.float32),
        u0=rng.uniform(-2, -1, K).astype(np.float32),
        log_bias=np.full(K, -2, np.float32),
    )


def image_set(n: int, seed: int = 1) -> ImageSet:
    pixels = np.random.default_rng(seed).normal(0, 1, (n, M)).astype(np.float32)
    return ImageSet("noise", "test", pixels, (3, 4), "standardised", citation="nobody")


def same(result: Estimate, expected: np.ndarray, tolerance: float = 1e-6) -> bool:
    e = estimates.estimate(expected.astype(np.float64))
    return np.allclose([result.mean, result.low, result.high], [e.mean, e.low, e.high], tolerance)


@pytest.mark.parametrize(
    ("steps", "horizon", "expected"),
    [
        (1, 16, (0, 1)),
        (8, 16, (0, 1, 2, 4, 8)),
        (20, 16, (0, 1, 2, 4, 8, 16, 20)),
        (40, 12, (0, 1, 2, 4, 8, 12, 16, 32, 40)),
    ],
)
def test_recorded_steps(steps: int, horizon: int, expected: tuple[int, ...]) -> None:
    assert recorded_steps(steps, horizon) == expected


def test_a_mean_of_one_draw_is_a_sample_and_one_of_many_has_less_noise() -> None:
    digits = load_float_network(network_path("digits"))
    images = data.load("digits", "test", limit=30)
    one, many = (
        evaluate(digits, images, EvaluationRequest(32, mean_steps=n)).evaluation for n in (1, 8)
    )
    for moment in one.moments:
        assert moment.r2_mean.mean == pytest.approx(moment.r2.mean, rel=1e-5)
    assert many.last.r2_mean.mean > many.last.r2.mean + 0.01
    assert [replace(m, r2_mean=m.r2) for m in many.moments] == [
        replace(m, r2_mean=m.r2) for m in one.moments
    ]


@pytest.mark.parametrize("form", ["code", "exact"])
def test_every_figure_is_what_its_name_says(network: FloatNetwork, form: str) -> None:
    images, request = image_set(30), EvaluationRequest(6, seed=3, kl=form, training_steps=5)
    result = evaluate(network, images, request, shown=2)
    c = gram_network(network)
    p = start(c, images.pixels, images.kind, images.name, 3)
    x = images.pixels.astype(np.float64)
    phi, sigma = network.phi.astype(np.float64), network.log_sigma.astype(np.float64)
    highest, draws = p.state, [counts(c, p)]
    assert [m.step for m in result.evaluation.moments] == [0, 1, 2, 4, 5, 6]
    for moment in result.evaluation.moments:
        while p.step < moment.step:
            p = advance(c, p, 1)
            draws.append(counts(c, p))
            highest = np.maximum(highest, p.state)
        z, u = counts(c, p).astype(np.float64), p.state.astype(np.float64)
        sample, mean = z @ phi.T, np.exp(u) @ phi.T
        r2 = quality.r2_per_image(x, sample)
        assert same(moment.r2, r2)
        assert same(moment.r2_map, quality.r2_per_image(x, mean), 1e-5)
        last = np.mean(draws[max(0, moment.step - 3) :], axis=0, dtype=np.float64)
        assert same(moment.r2_mean, quality.r2_per_image(x, last @ phi.T), 1e-5)
        assert same(moment.mse, ((x - sample) ** 2).mean(axis=1))
        assert same(moment.mse_map, ((x - mean) ** 2).mean(axis=1), 1e-5)
        assert same(moment.zeros, (z == 0).mean(axis=1))
        assert same(moment.spikes, z.sum(axis=1))
        nll = linear_gaussian.negative_log_likelihood(
            *map(torch.from_numpy, (x, z, phi, sigma))
        ).numpy()
        assert same(moment.nll, nll)
        assert moment.worst_r2 == pytest.approx(r2.min(), rel=1e-5)
        assert moment.r2_median == pytest.approx(np.median(r2), rel=1e-6)
        about = x - x.mean(axis=1, keepdims=True)
        pooled = 1 - ((x - sample) ** 2).sum() / (about**2).sum()
        assert moment.r2_pooled == pytest.approx(pooled, rel=1e-5)
        expected = math.hypot(1 - r2.mean(), 1 - (z == 0).mean())
        assert moment.corner.mean == pytest.approx(expected, rel=1e-6)
        np.testing.assert_allclose(result.samples[moment.step], sample[:2], atol=1e-5)
        np.testing.assert_allclose(result.maps[moment.step], mean[:2], atol=1e-5)
        if moment.step == 0:
            assert moment.kl is moment.free_energy is moment.du_norm is None
            continue
        before = p.before.astype(np.float64)
        kl = poisson.KL_FORMS[form](torch.from_numpy(u), torch.from_numpy(before)).numpy()
        assert moment.kl is not None
        assert same(moment.kl, kl)
        assert moment.free_energy is not None
        assert same(moment.free_energy, nll + kl)
        assert moment.du_norm is not None
        assert same(moment.du_norm, np.sqrt(((u - before) ** 2).sum(axis=1)))
    e = result.evaluation
    assert e.last is e.moments[-1]
    assert same(e.spikes_per_image, p.counts_sum.sum(axis=1))
    assert e.largest_rate == pytest.approx(math.exp(highest.max()), rel=1e-6)
    assert e.worst_image == r2.argmin()
    np.testing.assert_array_equal(result.rates, np.exp(p.state))
    assert same(e.lifetime_sparseness, sparseness.lifetime(result.rates))
    assert same(e.population_sparseness, sparseness.population(result.rates))


def test_chunks_and_threads_change_no_figure(
    network: FloatNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, request = image_set(23), EvaluationRequest(9)
    done: list[int] = []
    whole = evaluate(network, images, request, shown=8, report=done.append)
    assert sum(done) == 23 * 9
    monkeypatch.setattr(evaluation, "CHUNK", 5)
    parts = evaluate(network, images, replace(request, threads=3), shown=8)
    assert parts.evaluation.largest_rate == whole.evaluation.largest_rate
    np.testing.assert_array_equal(parts.rates, whole.rates)
    np.testing.assert_allclose(parts.maps[9], whole.maps[9], rtol=1e-4, atol=1e-5)
    assert parts.samples[0].shape == (8, M)
    for one, other in zip(parts.evaluation.moments, whole.evaluation.moments, strict=True):
        assert one.r2.mean == pytest.approx(other.r2.mean, rel=1e-6)
    assert np.array_equal(final_rates(network, images, request).shape, (23, K))


def test_another_sampler_and_the_reference_agree_within_noise(network: FloatNetwork) -> None:
    """inference.reference draws by another rule, in float64: means may differ by noise alone."""
    images = image_set(1500)
    trace = run_float(network, images.pixels, RunRequest(25, seed=1))
    fresh = evaluate(network, images, EvaluationRequest(24, seed=2)).evaluation.last
    theirs = quality.r2(images.pixels, trace.reconstruction)
    error = math.hypot(theirs.high - theirs.mean, fresh.r2.high - fresh.r2.mean) / 1.96
    assert abs(theirs.mean - fresh.r2.mean) < 4 * error
    spikes = estimates.estimate(trace.spikes_per_step[:, -1].astype(np.float64))
    error = math.hypot(spikes.high - spikes.mean, fresh.spikes.high - fresh.spikes.mean) / 1.96
    assert abs(spikes.mean - fresh.spikes.mean) < 4 * error


@pytest.fixture(scope="module")
def tied() -> FloatNetwork:
    """The network of 8x8 digits that comes with the package, with a step of four tied updates."""
    network = load_float_network(network_path("digits"))
    return replace(network, updates_per_step=4, leak=1.5)


def test_several_updates_and_a_leak_agree_with_the_formulas(tied: FloatNetwork) -> None:
    """Evaluation takes the network's own updates and leak: means may differ by noise alone."""
    digits = data.load("digits", "test")
    fresh = evaluate(tied, digits, EvaluationRequest(4, seed=2)).evaluation.last
    shown, spikes = in_numpy(tied, digits.pixels, 4)
    theirs, fired = quality.r2(digits.pixels, shown), estimates.estimate(spikes)
    assert abs(theirs.mean - fresh.r2.mean) < 4 * error_of(theirs, fresh.r2)
    assert abs(fired.mean - fresh.spikes.mean) < 4 * error_of(fired, fresh.spikes)
    # It matters: neither the same network without the leak nor with single updates is as near.
    for other in (replace(tied, leak=0.0), replace(tied, updates_per_step=1)):
        apart = evaluate(other, digits, EvaluationRequest(4, seed=2)).evaluation.last
        assert abs(theirs.mean - apart.r2.mean) > 6 * error_of(theirs, apart.r2)


def error_of(one: Estimate, other: Estimate) -> float:
    return math.hypot(one.high - one.mean, other.high - other.mean) / 1.96


def in_numpy(network: FloatNetwork, pixels: np.ndarray, steps: int) -> tuple[Any, Any]:
    """Return the reconstruction (N, M) and spikes (N,) of a draw after `steps` steps."""
    rng = np.random.default_rng(5)
    d = dynamics(network)
    b, u = pixels.astype(np.float64) @ d.feed_forward, np.tile(d.u0, (len(pixels), 1))
    for _ in range(steps):
        start_of_step = u
        for _ in range(network.updates_per_step):
            push = b - rng.poisson(np.exp(u)) @ d.G - d.bias
            du = d.step_size * (push - network.leak * (u - start_of_step))
            u = soft_clip(u + soft_clip(du, d.clip, d.floor), d.clip, d.floor)
    z = rng.poisson(np.exp(u))
    return z @ network.phi.T.astype(np.float64), z.sum(axis=1).astype(np.float64)


@pytest.mark.skipif(
    "updates" not in Dynamics.__dataclass_fields__,
    reason="the float64 kernel has single updates; connect them in inference.reference.dynamics",
)
def test_evaluate_equals_run_with_several_updates_and_a_leak(tied: FloatNetwork) -> None:
    """Counts are drawn anew at the potentials after step 4, as in evaluation."""
    digits = data.load("digits", "test")
    result = evaluate(tied, digits, EvaluationRequest(4, seed=2)).evaluation
    trace = run_float(tied, digits.pixels, RunRequest(4, seed=1))
    rates = np.exp(trace.state)
    mean = quality.r2(digits.pixels, rates @ tied.phi.T)
    sample = quality.r2(digits.pixels, np.random.default_rng(4).poisson(rates) @ tied.phi.T)
    spikes = estimates.estimate(trace.spikes_per_step.sum(axis=1).astype(np.float64))
    for one, other in (
        (mean, result.last.r2_map),
        (sample, result.last.r2),
        (spikes, result.spikes_per_image),
    ):
        assert abs(one.mean - other.mean) < 4 * error_of(one, other)


def test_run_aways_and_silent_neurons_are_seen(network: FloatNetwork) -> None:
    """One image in four drives neuron 0 to the clip; neuron 1 is held at the floor."""
    phi = np.zeros((M, K), np.float32)
    phi[0, 0] = 1e-3  # no competition worth the name, so only the drive counts
    log_bias = np.full(K, -20, np.float32)
    log_bias[1] = 3.0  # e^3 is taken from its drive at every step
    still = replace(network, dictionary=DenseMatrix(phi), u0=np.zeros(K, np.float32))
    wild = replace(still, log_bias=log_bias, log_lr=3.0)
    images = image_set(8)
    pixels = images.pixels.copy()
    pixels[:, 0] = 0.0
    pixels[[2, 5], 0] = 1e4
    result = evaluate(wild, replace(images, pixels=pixels), EvaluationRequest(4)).evaluation
    assert result.reached_clip == estimates.share(2, 8)
    assert result.largest_rate > math.exp(9)
    assert (result.silent_neurons, result.neurons) == (1, K)


def test_the_settings_of_training_decide(network: FloatNetwork) -> None:
    trained = replace(network, kl="exact", training_steps=12)
    assert request_of(trained, 50, 7, 2) == EvaluationRequest(50, 7, "exact", 12, 2)


@pytest.mark.parametrize(
    ("name", "value", "limits"), [("steps", 0, "1 to 1048575"), ("threads", 0, "1 to 1024")]
)
def test_impossible_requests_are_refused(name: str, value: int, limits: str) -> None:
    with pytest.raises(ConfigError) as caught:
        EvaluationRequest(**{"steps": 4, name: value})
    assert str(caught.value) == f"evaluation: {name} is {value}; give {limits}"


def squares(name: str = "mnist", side: int = 28, kind: str = "unit") -> ImageSet:
    pixels = np.zeros((6, side, side), np.float32)
    pixels[:, side // 2 - 4 : side // 2 + 4, side // 2 - 7 : side // 2 + 7] = 1.0
    pixels[:, 2, side // 2] = 0.5
    return ImageSet(name, "test", pixels.reshape(6, -1), (side, side), kind, np.arange(6), "who")


def test_a_quarter_turn_is_numpy_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotate, "angles", lambda n, seed: np.full(n, 90.0))
    result = rotate.rotated(squares())
    expected = np.rot90(squares().pixels.reshape(6, 28, 28), axes=(1, 2))
    np.testing.assert_allclose(result.pixels.reshape(6, 28, 28), expected, atol=1e-6)
    assert (result.name, result.citation) == ("rotated mnist", "who")
    np.testing.assert_array_equal(result.labels, np.arange(6))


def test_images_turned_by_one_angle() -> None:
    images = squares()
    assert rotate.rotated_by(images, 0).pixels == pytest.approx(images.pixels)
    upside_down = images.pixels.reshape(6, 28, 28)[:, ::-1, ::-1]
    result = rotate.rotated_by(images, 180)
    np.testing.assert_allclose(result.pixels.reshape(6, 28, 28), upside_down, atol=1e-6)
    assert result.name == "mnist, 180 degrees"
    sets = other_sets(images, lambda name: squares(name), per_angle=4)
    assert list(sets.by_angle) == list(ANGLES) == [*range(0, 181, 15)]
    assert {len(one) for one in sets.by_angle.values()} == {4}
    quarter = rotate.rotated_by(images, 90).pixels
    np.testing.assert_array_equal(sets.by_angle[90].pixels, quarter[:4])


def test_angles_fill_the_circle_and_are_keyed() -> None:
    result = rotate.angles(4000, seed=0)
    assert np.histogram(result, 8, (0, 360))[0].min() > 400
    np.testing.assert_array_equal(result[:10], rotate.angles(10, seed=0))
    assert (result != rotate.angles(4000, seed=1)).mean() > 0.99
    np.testing.assert_array_equal(
        rotate.rotated(squares()).pixels, rotate.rotated(squares()).pixels
    )


def test_other_sets_tell_what_is_left_out() -> None:
    def load(name: str) -> ImageSet:
        if name == "kmnist":
            raise DataError("kmnist (test): not found")
        return squares(name)

    result = other_sets(squares("mnist"), load)
    assert [s.name for s in result.within] == ["rotated mnist"]
    names = ["fashion-mnist", "omniglot", "natural", "vanhateren"]
    assert [s.name for s in result.between] == names
    assert result.found == result.within + result.between
    assert result.by_angle == {}
    assert result.left_out == {"kmnist": "kmnist (test): not found"}
    assert set(SETS) >= {"mnist", "kmnist"}


@pytest.mark.parametrize(
    ("images", "what"),
    [
        (squares("digits", 16), "unit images of 16x16"),
        (squares("mine", 28, "standardised"), "standardised images of 28x28"),
    ],
)
def test_generalisation_needs_28x28(images: ImageSet, what: str) -> None:
    with pytest.raises(DataError) as caught:
        other_sets(images, squares)
    assert str(caught.value) == (
        f"{images.name}: {what}, but generalisation is measured on unit images of 28x28 (digits, "
        "clothing, characters); leave out --generalise"
    )


def ink(path: Path) -> float:
    with Image.open(path) as picture:
        return float((np.asarray(picture.convert("L")) < 250).mean())


def test_pictures_are_not_empty(network: FloatNetwork, tmp_path: Path) -> None:
    images = image_set(5)
    result = evaluate(network, images, EvaluationRequest(40, training_steps=12), shown=2)
    drawings: dict[str, Callable[[Figure], Figure]] = {
        "convergence": lambda f: plots.convergence(f, result.evaluation),
        "reconstructions": lambda f: plots.reconstructions(
            f, images.pixels[:2], result.samples, result.maps, (3, 4), "Title"
        ),
        "dictionary": lambda f: plots.dictionary_by_use(f, network.phi, (3, 4), result.rates),
    }
    for name, draw in drawings.items():
        with page(tmp_path / f"{name}.png", *plots.CONVERGENCE_SIZE) as figure:
            draw(figure)
        assert 0.01 < ink(tmp_path / f"{name}.png") < 0.95, name
    # One image: intervals are infinite, so there is no band, and still a picture.
    one = evaluate(network, image_set(1), EvaluationRequest(1)).evaluation
    with page(tmp_path / "one.png", *plots.CONVERGENCE_SIZE) as figure:
        plots.convergence(figure, one)
    assert 0 < ink(tmp_path / "one.png") < ink(tmp_path / "convergence.png")


def test_steps_are_spread_and_keep_their_ends() -> None:
    steps = [0, 1, 2, 4, 8, 16, 32, 64, 128, 200]
    result = plots.spread(steps, 5)
    assert (result[0], result[-1], len(result)) == (0, 200, 5)
    assert plots.spread([0, 1], 8) == [0, 1]
