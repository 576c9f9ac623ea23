"""Float inference against a plain loop over images in pixel space."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from ipvae_snn.errors import DataError
from ipvae_snn.inference import reference
from ipvae_snn.inference.reference import run_float
from ipvae_snn.ir.float_sampler import poisson_from_uniforms
from ipvae_snn.ir.prng import uniforms
from ipvae_snn.ir.trace import RunRequest
from ipvae_snn.models.float_network import FloatNetwork

M, K = 12, 6


@pytest.fixture
def network() -> FloatNetwork:
    rng = np.random.default_rng(0)
    return FloatNetwork(
        phi=rng.normal(0, 0.5, (M, K)).astype(np.float32),
        log_sigma=rng.normal(-0.3, 0.2, M).astype(np.float32),
        u0=rng.uniform(-1, 0, K).astype(np.float32),
        log_bias=np.full(K, -2, np.float32),
        log_lr=-3.0,
        clip=10.0,
        floor=-8.0,
        input_kind="standardised",
        image_shape=(3, 4),
        source="",
        trained_on="test",
    )


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(1).normal(0, 1, (7, M)).astype(np.float32)


def plain(network: FloatNetwork, x: np.ndarray, image: int, steps: int, seed: int) -> tuple:
    def clip(a: np.ndarray) -> np.ndarray:
        return 10 - np.log1p(np.exp(10 - np.maximum(a, -8)))

    phi, variance = network.phi.astype(float), np.exp(2 * network.log_sigma.astype(float))
    u, counts, states = network.u0.astype(float), [], []
    for t in range(steps):
        uniform = (uniforms(seed, [image], t, K)[0] + 0.5) / 2**31
        assert np.exp(u).max() < 8  # one part only; more of them are tested with the sampler
        z = stats.poisson.ppf(uniform, np.exp(u))
        drive = phi.T @ ((x - phi @ z) / variance)
        u = clip(
            u + clip(np.exp(network.log_lr) * (drive - np.exp(network.log_bias.astype(float))))
        )
        counts.append(z)
        states.append(u)
    return np.array(counts), np.array(states), phi @ z


def test_equals_a_plain_loop(network: FloatNetwork, pixels: np.ndarray) -> None:
    trace = run_float(network, pixels, RunRequest(steps=20, seed=3, first_image=5, trace=True))
    assert trace.counts is not None
    assert trace.states is not None
    for n, x in enumerate(pixels):
        counts, states, shown = plain(network, x.astype(float), n + 5, 20, 3)
        assert (trace.counts[n] == counts).all()
        assert trace.states[n] == pytest.approx(states, abs=1e-9)
        assert trace.reconstruction[n] == pytest.approx(shown, abs=1e-5)
    assert (trace.counts_sum == trace.counts.sum(1)).all()
    assert (trace.spikes_per_step == trace.counts.sum(2)).all()
    assert (trace.state == trace.states[:, -1]).all()
    assert trace.counts.sum() > 0


def test_without_a_trace_the_rest_is_the_same(network: FloatNetwork, pixels: np.ndarray) -> None:
    full = run_float(network, pixels, RunRequest(steps=4, trace=True))
    short = run_float(network, pixels, RunRequest(steps=4))
    assert set(full.arrays()) - set(short.arrays()) == {"counts", "states"}
    for name, value in short.arrays().items():
        assert (full.arrays()[name] == value).all()


def test_cuts_of_images_steps_and_threads_change_nothing(
    network: FloatNetwork, pixels: np.ndarray
) -> None:
    whole = run_float(network, pixels, RunRequest(steps=6, trace=True))
    d = reference.dynamics(network)
    progress, counts = reference.start(d, pixels), []
    for steps in (1, 3, 2):
        progress = reference.advance(d, progress, steps, threads=3, trace=True)
        counts.append(progress.trace_counts)
    assert whole.counts is not None
    assert (np.concatenate(counts, axis=1) == whole.counts).all()
    assert (progress.state == whole.state).all()
    assert (progress.counts == whole.counts[:, -1]).all()
    alone = run_float(network, pixels[4:], RunRequest(steps=6, first_image=4))
    assert (whole.counts_sum[4:] == alone.counts_sum).all()


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_compiled_steps_are_the_readable_ones(
    network: FloatNetwork, pixels: np.ndarray, scale: float
) -> None:
    """Counts of inversion.py, updates of `step`, in NumPy; scale 30 gives rates of many parts."""
    found = run_float(network, scale * pixels, RunRequest(steps=12, seed=9, trace=True))
    assert found.counts is not None
    assert found.states is not None
    d = reference.dynamics(network)
    u = np.tile(d.u0, (len(pixels), 1))
    drive = (scale * pixels).astype(np.float64) @ d.feed_forward
    for t in range(12):
        z = poisson_from_uniforms(np.exp(u), 9, np.arange(len(pixels)), t)
        np.testing.assert_array_equal(found.counts[:, t], z)
        u = reference.step(d, u, drive, z)
        np.testing.assert_allclose(found.states[:, t], u, rtol=0, atol=1e-9)
    assert scale == 1.0 or found.counts.max() > 16


def test_masked_pixels_do_not_matter(network: FloatNetwork, pixels: np.ndarray) -> None:
    mask = np.ones(M, dtype=bool)
    mask[[2, 9]] = False
    changed = pixels.copy()
    changed[:, ~mask] = 50.0
    request = RunRequest(steps=8)
    first = run_float(network, pixels, request, mask)
    assert (first.state == run_float(network, changed, request, mask).state).all()
    # Left-out pixels are as good as pixels of endless noise.
    deaf = replace(network, log_sigma=np.where(mask, network.log_sigma, 30).astype(np.float32))
    assert first.state == pytest.approx(run_float(deaf, pixels, request).state, abs=1e-9)


def test_wrong_sizes(network: FloatNetwork, pixels: np.ndarray) -> None:
    with pytest.raises(
        DataError, match=r"^pixels have shape \(7, 11\), but the network needs \(N, 12\)$"
    ):
        run_float(network, pixels[:, :11], RunRequest(steps=1))
    with pytest.raises(DataError, match=r"^pixel mask has shape \(3,\), but the network needs"):
        run_float(network, pixels, RunRequest(steps=1), np.ones(3, dtype=bool))
