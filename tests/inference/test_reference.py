"""Float inference against a plain loop over images in pixel space."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import small
from ipvae_snn.errors import DataError
from ipvae_snn.inference import reference
from ipvae_snn.inference.reference import run_float
from ipvae_snn.ir.decoding import decoding_of
from ipvae_snn.ir.float_sampler import poisson_from_uniforms
from ipvae_snn.ir.prng import uniforms
from ipvae_snn.ir.trace import RunRequest
from ipvae_snn.models.float_network import FloatNetwork

M, K = 12, 6


@pytest.fixture
def network() -> FloatNetwork:
    rng = np.random.default_rng(0)
    return small.float_network(
        phi=rng.normal(0, 0.5, (M, K)).astype(np.float32),
        log_sigma=rng.normal(-0.3, 0.2, M).astype(np.float32),
        u0=rng.uniform(-1, 0, K).astype(np.float32),
        log_bias=np.full(K, -2, np.float32),
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


@pytest.mark.parametrize("scale", [1.0, 8.0])
def test_compiled_steps_are_the_readable_ones(
    network: FloatNetwork, pixels: np.ndarray, scale: float
) -> None:
    """Counts of ir/float_sampler.py, updates of `step`, in NumPy; scale 8: rates of many parts."""
    result = run_float(network, scale * pixels, RunRequest(steps=12, seed=9, trace=True))
    assert result.counts is not None
    assert result.states is not None
    d = reference.dynamics(network)
    u = np.tile(d.u0, (len(pixels), 1))
    drive = (scale * pixels).astype(np.float64) @ d.feed_forward
    for t in range(12):
        z = poisson_from_uniforms(np.exp(u), 9, np.arange(len(pixels)), t)
        np.testing.assert_array_equal(result.counts[:, t], z)
        u = reference.step(d, u, drive, z)
        np.testing.assert_allclose(result.states[:, t], u, rtol=0, atol=1e-9)
    assert scale == 1.0 or result.counts.max() > 16


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


def in_numpy(d: reference.Dynamics, x: np.ndarray, steps: int, seed: int) -> list[np.ndarray]:
    """Return u, z (N, steps, K) and the spikes (N, steps, K) of each step: the rule written out.

    Update i of step t draws under the key t * updates + i; the leak pulls back to where the step
    began.
    """

    def clip(a: np.ndarray) -> np.ndarray:
        return d.clip - np.log1p(np.exp(d.clip - np.maximum(a, d.floor)))

    u, b = np.tile(d.u0, (len(x), 1)), x.astype(float) @ d.feed_forward
    states, counts, spikes = [], [], []
    for t in range(steps):
        prior, total = u, np.zeros(u.shape, np.int64)
        for i in range(d.updates):
            z = poisson_from_uniforms(np.exp(u), seed, np.arange(len(x)), t * d.updates + i)
            drive = b - z @ d.G
            u = u + clip(d.step_size * (drive - d.bias) - d.leak * (u - prior))
            u = clip(u)
            total += z
        states.append(u)
        counts.append(z)
        spikes.append(total)
    return [np.stack(result, axis=1) for result in (states, counts, spikes)]


@pytest.mark.parametrize(("updates", "leak"), [(1, 0.0), (1, 0.4), (4, 0.0), (3, 0.2)])
def test_updates_of_a_step_and_leak(
    network: FloatNetwork, pixels: np.ndarray, updates: int, leak: float
) -> None:
    """A trace holds the last update of each step; sums are over all updates."""
    d = replace(reference.dynamics(network), updates=updates, leak=leak)
    states, counts, spikes = in_numpy(d, pixels, 6, seed=4)
    progress = reference.start(d, pixels, seed=4)
    for first, last in ((0, 1), (1, 4), (4, 6)):
        progress = reference.advance(d, progress, last - first, threads=2, trace=True)
        np.testing.assert_array_equal(progress.trace_counts, counts[:, first:last])
        np.testing.assert_allclose(progress.trace_states, states[:, first:last], rtol=0, atol=1e-9)
        wanted = spikes[:, first:last].sum(axis=2)
        np.testing.assert_array_equal(progress.spikes_per_step, wanted)
    assert progress.step == 6
    np.testing.assert_array_equal(progress.counts, counts[:, -1])
    np.testing.assert_array_equal(progress.counts_sum, spikes.sum(axis=1))
    assert counts.sum() > 0


def test_one_update_has_nothing_to_leak(network: FloatNetwork, pixels: np.ndarray) -> None:
    """A step's only update has no leak: equal to the last bit."""
    d = reference.dynamics(network)
    assert (d.updates, d.leak) == (1, 0.0)
    wanted = reference.advance(d, reference.start(d, pixels), 9, trace=True)
    leaky = replace(d, leak=0.7)
    result = reference.advance(leaky, reference.start(leaky, pixels), 9, trace=True)
    np.testing.assert_array_equal(result.trace_states, wanted.trace_states)
    np.testing.assert_array_equal(result.trace_counts, wanted.trace_counts)


def test_updates_without_a_leak_are_so_many_steps(
    network: FloatNetwork, pixels: np.ndarray
) -> None:
    single = reference.dynamics(network)
    triple = replace(single, updates=3)
    wanted = reference.advance(single, reference.start(single, pixels, 2), 12, trace=True)
    result = reference.advance(triple, reference.start(triple, pixels, 2), 4, trace=True)
    np.testing.assert_array_equal(result.trace_states, wanted.trace_states[:, 2::3])
    np.testing.assert_array_equal(result.trace_counts, wanted.trace_counts[:, 2::3])
    np.testing.assert_array_equal(result.counts_sum, wanted.counts_sum)
    in_threes = wanted.spikes_per_step.reshape(len(pixels), 4, 3).sum(axis=2)
    np.testing.assert_array_equal(result.spikes_per_step, in_threes)


def test_updates_beyond_the_keys_are_refused(network: FloatNetwork, pixels: np.ndarray) -> None:
    d = replace(reference.dynamics(network), updates=3)
    late = replace(reference.start(d, pixels), step=349524)
    assert reference.advance(d, late, 1).step == 349525
    with pytest.raises(DataError, match=r"^2 steps from step 349524 leave 1\.\.349525$"):
        reference.advance(d, late, 2)


@pytest.mark.parametrize("text", ["sample", "mean:1", "mean:3", "mean:99", "map"])
@pytest.mark.parametrize("trace", [False, True])
def test_decodings_are_those_of_the_kept_steps(
    network: FloatNetwork, pixels: np.ndarray, text: str, trace: bool
) -> None:
    """Of two frames, each of which has its own last steps; nothing else depends on a decoding."""
    request = RunRequest(steps=5, seed=2, trace=True)
    frames = np.stack([pixels, pixels[::-1]], axis=1)
    decoding = decoding_of(text)
    kept = reference.run_frames(network, frames, request)
    some = reference.run_frames(network, frames, replace(request, trace=trace), decoding=decoding)
    for whole, part in zip(kept, some, strict=True):
        assert whole.counts is not None
        n = min(decoding.steps, 5)
        payload = np.exp(whole.state) if text == "map" else whole.counts[:, -n:].mean(axis=1)
        wanted = reference.reconstruct(network, payload)
        np.testing.assert_array_equal(part.reconstruction, wanted, strict=True)
        for name, value in part.arrays().items():
            if name != "reconstruction":
                np.testing.assert_array_equal(value, whole.arrays()[name], strict=True)


def test_a_mean_is_over_all_updates(network: FloatNetwork, pixels: np.ndarray) -> None:
    """Of two updates per step, the last two steps have four draws."""
    twice = replace(network, updates_per_step=2)
    result = run_float(twice, pixels, RunRequest(4), decoding=decoding_of("mean:2"))
    draws = run_float(network, pixels, RunRequest(8, trace=True)).counts
    assert draws is not None
    wanted = reference.reconstruct(network, draws[:, -4:].mean(axis=1))
    np.testing.assert_array_equal(result.reconstruction, wanted)
