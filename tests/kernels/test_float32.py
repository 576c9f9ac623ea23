"""Compiled float32 dynamics: Poisson counts, the update's formula, and keyed noise."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import small
from ipvae_snn.errors import DataError
from ipvae_snn.inference import fast
from ipvae_snn.inference.fast import GramNetwork, advance, counts, gram_network, start
from ipvae_snn.kernels import float32, rows
from ipvae_snn.kernels.float32 import draw_rows
from ipvae_snn.kernels.rows import Engine, Progress, Share
from ipvae_snn.models import linear_gaussian, poisson
from ipvae_snn.models.float_network import FloatNetwork

M, K = 12, 37  # K is no multiple of a vector's width, nor of the four rows that are added at once


def make_network(seed: int = 0, log_lr: float = -3.0) -> FloatNetwork:
    rng = np.random.default_rng(seed)
    return small.float_network(
        phi=rng.normal(0, 0.5, (M, K)).astype(np.float32),
        log_sigma=rng.normal(-0.3, 0.2, M).astype(np.float32),
        u0=rng.uniform(-2, 0, K).astype(np.float32),
        log_bias=rng.normal(-2, 0.3, K).astype(np.float32),
        log_lr=log_lr,
    )


def make_pixels(n: int) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 1, (n, M)).astype(np.float32)


def begin(
    network: FloatNetwork, n: int, seed: int = 0, first_image: int = 0
) -> tuple[GramNetwork, Progress]:
    c = gram_network(network)
    return c, start(c, make_pixels(n), "standardised", "test", seed, first_image)


def drawn(u: np.ndarray, seed: int = 0, update: int = 0, first: int = 0) -> np.ndarray:
    z = np.empty_like(u)
    images = np.arange(first, first + len(u), dtype=np.uint64)
    draw_rows(Share(0, len(u), update, 1, np.uint64(seed)), images, u, u.dtype.type(1), z)
    return z


# Above 32 spikes per step the step is split into parts; e^9 = 8103 has 254 of them.
@pytest.mark.parametrize("log_rate", [-8.0, -2.0, 0.0, 1.5, math.log(31.9), 3.6, 6.0, 9.0])
def test_counts_follow_the_poisson_law(log_rate: float) -> None:
    n = 2_000_000 if log_rate < -5 else 200_000 if log_rate < 4 else 20_000
    u = np.full((n // 100, 100), log_rate, np.float32)
    result = drawn(u, seed=5).astype(np.int64).ravel()
    law = stats.poisson(math.exp(float(np.float32(log_rate))))
    edges = np.unique(law.ppf(np.linspace(0.02, 0.98, 40))).astype(int)
    # Bins: up to edges[0], between the edges, above the last; the rare ones where rates are low.
    cdf = np.concatenate([[0.0], law.cdf(edges), [1.0]])
    observed = np.bincount(np.searchsorted(edges, result), minlength=len(edges) + 1)
    assert observed.sum() == result.size
    assert stats.chisquare(observed, np.diff(cdf) * result.size).pvalue > 1e-3


def test_neurons_images_updates_and_seeds_have_their_own_noise() -> None:
    """Equal potentials everywhere: every pair of draws is uncorrelated."""
    u = np.zeros((4, 5000), np.float32)
    draws = [drawn(u), drawn(u, seed=1), drawn(u, update=1), drawn(u, first=4)]
    rows = np.concatenate(draws)
    off = np.corrcoef(rows)[~np.eye(len(rows), dtype=bool)]
    assert np.abs(off).max() < 5 / math.sqrt(5000)
    assert abs(np.corrcoef(rows[:, :-1].ravel(), rows[:, 1:].ravel())[0, 1]) < 0.02


def test_a_potential_that_is_no_number_is_silent() -> None:
    assert drawn(np.full((1, 3), np.nan, np.float32)).tolist() == [[0, 0, 0]]


def run_steps(
    network: float32.Network, u: np.ndarray, b: np.ndarray, steps: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the potentials after some steps, the peaks and the spikes, in the type of `one`."""
    dtype = np.asarray(network.one).dtype
    network = float32.Network(
        *(np.asarray(value, dtype)[()] for value in network[:-1]), network[-1]
    )
    engine = Engine(
        float32.advance_rows,
        (network, None),
        np.zeros(K, dtype),
        np.uint64,
        network.updates,
        keeps_range=True,
    )
    progress = rows.start(engine, b.astype(dtype), seed=3)
    u = u.astype(dtype)
    progress = replace(progress, rows=progress.rows._replace(state=u, before=u, peak=u))
    done = rows.advance(engine, progress, steps)
    return done.state, done.peak, done.spikes_per_step.sum(axis=1)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 1000),
    log_lr=st.floats(-4, 1),
    clip=st.floats(0.5, 10),
    floor=st.floats(-10, -1),
    scale=st.floats(0.01, 20),
)
def test_one_update_is_the_formula(
    seed: int, log_lr: float, clip: float, floor: float, scale: float
) -> None:
    """In float64 to rounding, in float32 to its rounding of terms that nearly cancel."""
    rng = np.random.default_rng(seed)
    u, b = rng.uniform(-6, 3, (5, K)), rng.normal(0, scale, (5, K))
    phi = rng.normal(0, scale / 4, (M, K))
    G, log_bias = phi.T @ phi, rng.normal(-2, 1, K)
    u, b, G = (a.astype(np.float32).astype(np.float64) for a in (u, b, G))
    for dtype, tolerance in ((np.float64, 1e-11), (np.float32, 4e-5)):
        z = drawn(u.astype(dtype), seed=3).astype(np.float64)
        drive = linear_gaussian.gram_drive(*map(torch.from_numpy, (b, z, G)))
        expected = poisson.update(
            torch.from_numpy(u),
            drive,
            torch.from_numpy(log_bias),
            torch.tensor(log_lr, dtype=torch.float64),
            clip,
            floor,
        ).numpy()
        constants = float32.Network(
            G, np.exp(log_bias), dtype(1), math.exp(log_lr), 0.0, clip, floor, 1
        )
        result, peak, spikes = run_steps(constants, u, b)
        size = 1 + math.exp(log_lr) * (np.abs(b) + z @ np.abs(G))
        assert (np.abs(result - expected) <= tolerance * size).all()
        np.testing.assert_array_equal(peak, np.maximum(u.astype(dtype), result))
        assert spikes.tolist() == z.sum(axis=1).tolist()


def test_leak_pulls_back_to_where_the_step_began() -> None:
    """No weights and no threshold: u changes by nothing but the leak, so not in the first update.

    From u = 1 with a drive of 0.5 and lr 1: 1.5 after the first update of the step, then
    1.5 + 0.5 - 0.1 * 0.5 = 1.95 after the second; the next step begins there: 2.45, then 2.9.
    """
    u, b, G = np.full((1, 3), 1.0), np.full((1, 3), 0.5), np.zeros((3, 3))
    for steps, updates, expected in ((1, 1, 1.5), (1, 2, 1.95), (2, 2, 2.9)):
        constants = float32.Network(G, np.zeros(3), np.float64(1), 1.0, 0.1, 30.0, -30.0, updates)
        result, _, _ = run_steps(constants, u, b, steps)
        np.testing.assert_allclose(result, expected, atol=1e-9)


@settings(deadline=None, max_examples=15)
@given(rows=st.integers(0, 9), steps=st.integers(0, 12), threads=st.integers(1, 4))
def test_cuts_in_images_steps_and_threads_change_nothing(
    rows: int, steps: int, threads: int
) -> None:
    network = make_network()
    c, p = begin(network, 9, seed=2)
    whole = advance(c, p, 12)
    parts = []
    for first, last in ((0, rows), (rows, 9)):
        if first == last:
            continue
        q = start(c, make_pixels(9)[first:last], "standardised", "test", 2, first)
        for n in (steps, 12 - steps):
            q = advance(c, q, n, threads) if n else q
        parts.append(q)
    for name in ("state", "before", "peak", "counts", "counts_sum", "images"):
        joined = np.concatenate([getattr(part, name) for part in parts])
        np.testing.assert_array_equal(joined, getattr(whole, name))
    assert whole.step == 12
    assert p.step == 0
    np.testing.assert_array_equal(p.state, np.tile(network.u0, (9, 1)))


def test_a_population_keeps_the_books_of_its_steps() -> None:
    """Step by step: spikes are the sum of the counts drawn, peak is the largest u."""
    c, p = begin(make_network(), 6, seed=4)
    spikes, peak = np.zeros(6), p.state
    for _ in range(15):
        spikes += counts(c, p).sum(axis=1)
        q = advance(c, p, 1)
        np.testing.assert_array_equal(q.before, p.state)
        p, peak = q, np.maximum(peak, q.state)
    np.testing.assert_array_equal(p.counts_sum.sum(axis=1), spikes)
    np.testing.assert_array_equal(p.peak, peak)
    assert p.counts_sum.sum(axis=1).min() > 0


def test_images_of_another_size_or_kind_are_refused() -> None:
    c = gram_network(make_network())
    with pytest.raises(DataError) as caught:
        start(c, np.zeros((2, 9), np.float32), "standardised", "mine")
    assert str(caught.value) == (
        "mine: images of 9 pixels, but the network takes 3x4 = 12; choose the data that it was "
        "trained on, or resize"
    )


def test_potentials_that_overflow_are_named() -> None:
    """A drive and a competition both beyond float32 leave no number, and no silent result."""
    c, p = begin(make_network(), 3, first_image=40)
    endless = replace(c, G=np.full((K, K), np.inf, np.float32))
    drive = p.drive.copy()
    drive[1] = np.inf
    with pytest.raises(DataError) as caught:
        advance(endless, replace(p, rows=p.rows._replace(drive=drive)), 20)
    assert str(caught.value) == (
        "image 41: a membrane potential is no longer a number after 20 steps; the network's "
        "weights or the pixels are too large for float32"
    )


def test_the_largest_drives_stop_at_the_clip_and_the_floor() -> None:
    c, p = begin(make_network(), 2)
    for drive, expected in ((1e30, 10.0), (-1e30, None)):
        driven = replace(p, rows=p.rows._replace(drive=np.full_like(p.drive, drive)))
        q = advance(replace(c, G=np.zeros_like(c.G)), driven, 3)
        assert np.isfinite(q.state).all()
        if expected is not None:
            # clip - softplus(clip - a) tends to the clip from below.
            assert (q.state <= expected).all()
            assert (q.state > expected - 0.1).all()
        else:
            assert (q.state >= -8.0 - 1e-5).all()
            assert (q.state < -7.9).all()


def test_one_step_size_of_the_kernel_is_the_population_s() -> None:
    """The population is the kernel with the network's G, b and constants: against the formulas."""
    network = make_network(seed=3)
    c, p = begin(network, 4, seed=9)
    z = counts(c, p)
    x = torch.from_numpy(make_pixels(4).astype(np.float64))
    phi, sigma = (torch.from_numpy(a.astype(np.float64)) for a in (network.phi, network.log_sigma))
    drive = linear_gaussian.drive(x, torch.from_numpy(z.astype(np.float64)), phi, sigma)
    expected = poisson.update(
        torch.from_numpy(p.state.astype(np.float64)),
        drive,
        torch.from_numpy(network.log_bias),
        torch.tensor(network.log_lr),
        network.clip,
        network.floor,
    )
    np.testing.assert_allclose(advance(c, p, 1).state, expected.numpy(), atol=2e-5)
    assert fast.gram_network(network).G.flags.c_contiguous
