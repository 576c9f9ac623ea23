"""Training with a convolutional dictionary: equal to the dense one that shares its weights."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from convolutions import positions, shared_parameters
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

import small
from ipvae_snn.config.settings import (
    Config,
    DataConfig,
    ModelConfig,
    RelaxationKind,
    TrainConfig,
)
from ipvae_snn.data.base import ImageSet
from ipvae_snn.errors import ConfigError, MemoryLimitError
from ipvae_snn.models import kernel_positions
from ipvae_snn.models.checkpoint import load_checkpoint_config
from ipvae_snn.models.convolutional import SharedParameters
from ipvae_snn.models.float_network import load_float_network
from ipvae_snn.models.kernel_positions import KernelPositions
from ipvae_snn.models.parameters import Parameters
from ipvae_snn.models.poisson import PoissonLatents
from ipvae_snn.models.relaxations import RELAXATIONS
from ipvae_snn.training import dictionary_start
from ipvae_snn.training.objective import (
    Unrolled,
    unrolled_by_autodiff,
    unrolled_loss,
    unrolled_plain,
)
from ipvae_snn.training.train import train
from ipvae_snn.training.trainer import TrainProgress

SEEDS = st.integers(0, 1 << 30)
SHAPE = (7, 9, 2)
GAINS = (0, 1 << 20)  # so that competition goes through the pixels, and by distance
CONFIG = Config(
    ModelConfig(
        n_latents=0,
        dictionary="convolutional",
        features=5,
        kernel=3,
        stride=2,
        phi_std=0.2,
        log_lr=-1.0,
        u0_low=-3.0,
        u0_high=-1.0,
    ),
    TrainConfig(
        steps=4,
        batch_size=8,
        iterations=12,
        learning_rate=0.02,
        beta=1.0,
        log_interval=1,
        checkpoint_interval=4,
        validation_interval=6,
    ),
    DataConfig(name="noise"),
)


def noise(n: int, seed: int = 0) -> ImageSet:
    pixels = np.random.default_rng(seed).normal(size=(n, 7 * 9 * 2)).astype(np.float32)
    return ImageSet("noise", "train", pixels, SHAPE, "standardised")


def matrices(q: SharedParameters, in_order_of_position: bool = False) -> Parameters:
    """Return the parameters of the dense network that the shared ones are, differentiable."""
    p = q.positions
    identity = torch.eye(p.n_neurons, dtype=q.kernels.dtype)
    order = torch.arange(p.n_neurons)
    if in_order_of_position:
        order = order.reshape(p.features, -1).T.reshape(-1)
    return Parameters(
        phi=q.dictionary.decode(identity).T[:, order],
        log_sigma=q.log_sigma.repeat(1, p.n_pixels // p.channels),
        u0=q.u0[:, order],
        log_bias=q.log_bias[:, order],
        log_lr=q.log_lr,
    )


@settings(deadline=None, max_examples=10)
@given(
    p=positions(),
    seed=SEEDS,
    updates=st.integers(1, 2),
    frames=st.integers(1, 2),
    gain=st.sampled_from(GAINS),
    samples=st.integers(1, 2),
)
def test_loss_and_gradients_are_those_of_the_dense_network(
    p: KernelPositions, seed: int, updates: int, frames: int, gain: int, samples: int
) -> None:
    """Through the pixels, and by distance."""
    q, generator = shared_parameters(p, seed), torch.Generator().manual_seed(seed)
    x = torch.randn(3, frames, p.n_pixels, generator=generator, dtype=torch.float64)
    unrolling = small.small_unrolling(4, updates_per_step=updates, leak=0.3, samples=samples)
    slopes = torch.rand(2 * 8 + 1, 3, p.n_neurons, generator=generator, dtype=torch.float64)

    def sample(u: Tensor, update: int) -> Tensor:
        return slopes[update] * torch.exp(u)

    leaves = [q.kernels, q.log_sigma, q.feature_u0, q.feature_log_bias, q.log_lr]
    model = PoissonLatents.of(q, unrolling.latents)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel_positions, "DISTANCE_GAIN", gain)
        shared = unrolled_by_autodiff(model, q.dictionary, x, sample, 2.0, unrolling)
    dense = unrolled_plain(matrices(q), x, sample, 2.0, unrolling)
    assert_equal(shared, dense, leaves)


@settings(deadline=None, max_examples=20)
@given(
    p=positions(),
    seed=SEEDS,
    updates=st.integers(1, 2),
    frames=st.integers(0, 2),
    temperature=st.sampled_from([0.05, 1.0]),
    relaxation=st.sampled_from(["sigmoid", "cubic"]),
    samples=st.integers(1, 2),
)
def test_the_compiled_loss_is_that_of_the_dense_network(
    p: KernelPositions,
    seed: int,
    updates: int,
    frames: int,
    temperature: float,
    relaxation: RelaxationKind,
    samples: int,
) -> None:
    """With equal keys, and so with equal noise: neurons are numbered by their position first."""
    q, generator = shared_parameters(p, seed), torch.Generator().manual_seed(seed)
    shape = (3, frames, p.n_pixels) if frames else (3, p.n_pixels)
    x = torch.randn(shape, generator=generator, dtype=torch.float64)
    keys = np.random.default_rng(seed).integers(1 << 60, size=6 * updates + 1, dtype=np.uint64)
    unrolling = small.small_unrolling(
        3,
        updates_per_step=updates,
        leak=0.3,
        keys=keys,
        temperature=temperature,
        cutoff=RELAXATIONS[relaxation].cutoff,
        relaxation=relaxation,
        samples=samples,
    )
    leaves = [q.kernels, q.log_sigma, q.feature_u0, q.feature_log_bias, q.log_lr]
    shared, dense = (
        unrolled_loss(r, x, 2.0, unrolling) for r in (q, matrices(q, in_order_of_position=True))
    )
    assert_equal(shared, dense, leaves)
    assert shared.arrivals == dense.arrivals


@settings(deadline=None, max_examples=5)
@given(p=positions(), seed=SEEDS, kind=st.sampled_from([torch.float32, torch.float64]))
def test_threads_change_no_bit(p: KernelPositions, seed: int, kind: torch.dtype) -> None:
    """Of the shared products; a single position has the dense ones, tested elsewhere."""
    assume(p.rows * p.columns > 1)
    p = replace(p, features=40)  # features are divided by sixteens, as rows are
    x = torch.randn(35, p.n_pixels, generator=torch.Generator().manual_seed(seed), dtype=kind)
    results = []
    for threads in (1, 2, 3):
        q = shared_parameters(p, seed, kind)
        keys = np.arange(4, dtype=np.uint64)
        unrolling = small.small_unrolling(3, keys=keys, threads=threads)
        loss = unrolled_loss(q, x, 2.0, unrolling).loss
        leaves = [q.kernels, q.log_sigma, q.feature_u0, q.feature_log_bias, q.log_lr]
        results.append([loss, *torch.autograd.grad(loss, leaves)])
    for other in results[1:]:
        for one, another in zip(results[0], other, strict=True):
            assert torch.equal(one, another)


def assert_equal(shared: Unrolled, dense: Unrolled, leaves: list[Tensor]) -> None:
    for name in ("loss", "nll", "kl", "rate", "max_rate"):
        torch.testing.assert_close(getattr(shared, name), getattr(dense, name), rtol=1e-9, atol=0)
    for one, other in zip(
        torch.autograd.grad(shared.loss, leaves),
        torch.autograd.grad(dense.loss, leaves),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("gain", GAINS)
def test_a_run_learns_resumes_exactly_and_warms_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gain: int
) -> None:
    """Through the pixels, and by distance."""
    monkeypatch.setattr(kernel_positions, "DISTANCE_GAIN", gain)
    whole = train(CONFIG, noise(40), noise(8, 1), tmp_path / "whole")
    assert load_checkpoint_config(whole.checkpoint) == CONFIG
    network = load_float_network(whole.checkpoint)
    assert network.dictionary.population == (5, 3, 4)
    assert network.n_parameters == 5 * 3 * 3 * 2 + 2 + 5 + 5 + 1
    assert network.image_shape == SHAPE

    def stop(event: TrainProgress) -> None:
        if event.iteration == 6:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        train(CONFIG, noise(40), noise(8, 1), tmp_path / "part", progress=stop)
    again = train(CONFIG, noise(40), noise(8, 1), tmp_path / "part", resume=True)
    assert again.checkpoint.read_bytes() == whole.checkpoint.read_bytes()
    assert again.validation == whole.validation

    still = replace(CONFIG, train=replace(CONFIG.train, iterations=1, learning_rate=1e-9))
    warm = train(
        still, noise(40), noise(8, 1), tmp_path / "warm", start_from=whole.checkpoint
    ).checkpoint
    for name, array in load_float_network(warm).stored.items():
        np.testing.assert_allclose(array, network.stored[name], atol=1e-5)
    for wrong, message in (
        ({"features": 4}, "5 kernels of 3x3 pixels moved by 2 in 7x9x2 images, but this run needs"),
        ({"dictionary": "dense", "n_latents": 60}, "is convolutional, but this run's is dense; se"),
    ):
        config = replace(still, model=replace(still.model, **wrong))
        with pytest.raises(ConfigError, match=message):
            train(config, noise(40), noise(8), tmp_path / "wrong", start_from=whole.checkpoint)


def test_a_run_lowers_the_loss(tmp_path: Path) -> None:
    """Images that are sums of two kernels: far more is explained than by chance."""
    rng = np.random.default_rng(0)
    places = KernelPositions((9, 9), 2, (3, 3), 2)
    truth = shared_parameters(places, 3)
    z = torch.tensor(rng.poisson(0.3, (400, places.n_neurons)), dtype=torch.float64)
    pixels = (truth.dictionary.decode(z).detach().numpy() * 5).astype(np.float32)
    images = ImageSet("kernels", "train", pixels, (9, 9), "standardised")
    model = replace(CONFIG.model, features=4)
    fast = replace(CONFIG.train, iterations=120, steps=6, beta=0.2, validation_interval=0)
    result = train(Config(model, fast, CONFIG.data), images, images, tmp_path / "run")
    assert result.validation.r2_pooled > 0.5


def test_sparse_coding_gives_the_first_kernels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dictionary_start, "BATCHES", 5)
    config = replace(
        CONFIG,
        model=replace(CONFIG.model, phi_start="sparse-coding"),
        train=replace(CONFIG.train, iterations=1, learning_rate=1e-9),
    )
    kernels = [
        load_float_network(train(config, noise(40), noise(8), tmp_path / name).checkpoint).stored[
            "kernels"
        ]
        for name in ("a", "b")
    ]
    np.testing.assert_array_equal(*kernels)
    assert np.sqrt((kernels[0] ** 2).mean((1, 2, 3))) == pytest.approx(0.2, rel=1e-3)


def test_what_does_not_fit_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for wrong, message in (
        ({"kernel": 4}, "5 kernels of 4x4 pixels moved by 2 in 7x9x2 images do not end at the ed"),
        ({"n_latents": 61}, "model.n_latents is 61, but 5 kernels of 3x3 pixels moved by 2 in 7x9"),
    ):
        config = replace(CONFIG, model=replace(CONFIG.model, **wrong))
        with pytest.raises(ConfigError, match=message):
            train(config, noise(40), noise(8), tmp_path / "run")
    monkeypatch.setenv("IPVAE_SNN_MEMORY", "50K")
    with pytest.raises(MemoryLimitError, match=r"training 60 neurons .* model\.features"):
        train(CONFIG, noise(40), noise(8), tmp_path / "run")
    assert not (tmp_path / "run").exists()
