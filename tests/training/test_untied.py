"""Weights of inference of their own: gradients, pruning while training, and the way to integers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sampled import Sampled
from torch import Tensor

import small
from ipvae_snn.config.settings import Config, DataConfig, ModelConfig, RelaxationKind, TrainConfig
from ipvae_snn.config.toml import from_toml, to_toml
from ipvae_snn.conversion.calibration import calibrate
from ipvae_snn.conversion.convert import convert
from ipvae_snn.conversion.settings import ConversionSettings
from ipvae_snn.data.base import ImageSet
from ipvae_snn.errors import ConfigError, ConversionError
from ipvae_snn.inference import reference
from ipvae_snn.models import linear_gaussian
from ipvae_snn.models.float_network import load_float_network
from ipvae_snn.models.likelihood import drive_at
from ipvae_snn.models.parameters import Parameters
from ipvae_snn.models.poisson import PoissonLatents
from ipvae_snn.models.protocol import drive, inference
from ipvae_snn.models.relaxations import RELAXATIONS
from ipvae_snn.models.trainable import parameters_of
from ipvae_snn.models.untied import UntiedParameters
from ipvae_snn.training import objective, pruning
from ipvae_snn.training.train import TrainResult, train
from ipvae_snn.training.trainer import TrainProgress
from ipvae_snn.training.unrolling import Unrolling

M, K, B = 12, 9, 6
NAMES = ("phi", "feedforward", "lateral", "log_sigma", "u0", "log_bias", "log_lr")
CONFIG = Config(
    ModelConfig(n_latents=K, phi_std=0.3, log_lr=-1.0, u0_low=-2.0, u0_high=-1.0),
    TrainConfig(
        steps=4,
        batch_size=8,
        iterations=60,
        learning_rate=0.01,
        validation_interval=0,
        checkpoint_interval=30,
        log_interval=60,
    ),
    DataConfig(name="noise"),
)
UNTIED = replace(
    CONFIG,
    model=replace(CONFIG.model, dictionary="untied"),
    train=replace(CONFIG.train, lateral_sparsity=0.6, feedforward_sparsity=0.4),
)


def noise(n: int, split: str = "train") -> ImageSet:
    pixels = np.random.default_rng(len(split)).standard_normal((n, M)).astype(np.float32)
    return ImageSet("noise", split, pixels, (3, 4), "standardised")


@pytest.fixture(scope="module")
def tied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("untied") / "tied"
    return train(CONFIG, noise(80), noise(20, "test"), out).checkpoint


@pytest.fixture(scope="module")
def pruned(tied: Path) -> Path:
    return run(UNTIED, tied.parents[1] / "pruned", tied).checkpoint


def run(config: Config, out: Path, start: Path | None, **given: Any) -> TrainResult:
    return train(config, noise(80), noise(20, "test"), out, start_from=start, **given)


def leaves(seed: int = 0) -> list[Tensor]:
    """Return parameters of a lively network whose inference is not its decoder's, in float64."""
    g = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=g)

    phi, log_sigma = normal(M, K) * 0.3, normal(1, M) * 0.2
    tensors = (
        phi,
        phi.T + 0.1 * normal(K, M),
        linear_gaussian.gram(phi, log_sigma) + 0.1 * normal(K, K),
        log_sigma,
        normal(1, K) * 0.7,
        normal(1, K) * 0.3 - 1.0,
        torch.tensor(-0.7, dtype=torch.float64),
    )
    return [tensor.requires_grad_() for tensor in tensors]


def unrolling(**changes: Any) -> Unrolling:
    settings = replace(small.small_unrolling(5, clip=5.0, temperature=0.3), **changes)
    keys = settings.samples * settings.updates + 1
    return replace(settings, keys=np.random.SeedSequence(4).generate_state(keys, np.uint64))


@pytest.mark.parametrize(("updates_per_step", "leak", "n_frames"), [(1, 0.0, 0), (3, 0.3, 3)])
@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize("relaxation", ["sigmoid", "cubic"])
def test_loss_and_gradients_equal_automatic_ones(
    updates_per_step: int, leak: float, n_frames: int, samples: int, relaxation: RelaxationKind
) -> None:
    how = unrolling(
        updates_per_step=updates_per_step,
        leak=leak,
        samples=samples,
        relaxation=relaxation,
        cutoff=RELAXATIONS[relaxation].cutoff,
        late_power=1.0,
        priced=True,
        message_price=0.5,
    )
    g = torch.Generator().manual_seed(9)
    shape = (B, n_frames, M) if n_frames else (B, M)
    x = torch.randn(*shape, dtype=torch.float64, generator=g)
    values = leaves()
    p = UntiedParameters(*values)

    def sample(u: Tensor, update: int) -> Tensor:
        # torch leaves Function.apply without types.
        z: Tensor = Sampled.apply(u, update, how)  # type: ignore[no-untyped-call]  # torch
        return z

    model = PoissonLatents.of(p, how.latents)
    fast = objective.unrolled_loss(p, x, 2.0, how)
    plain = objective.unrolled_by_autodiff(model, p.dictionary, x, sample, 2.0, how)
    for name in ("loss", "nll", "kl", "messages", "rate", "max_rate"):
        one, other = getattr(fast, name), getattr(plain, name)
        torch.testing.assert_close(one, other, rtol=1e-12, atol=0, msg=name)
    result = torch.autograd.grad(fast.loss, values)
    expected = torch.autograd.grad(plain.loss, values)
    for name, one, other in zip(NAMES, result, expected, strict=True):
        largest = other.abs().max().item()
        assert largest > 0, name
        assert (one - other).abs().max().item() <= 1e-11 * largest, name


def test_weights_that_equal_the_decoders_give_the_tied_loss() -> None:
    phi, _, _, log_sigma, *rest = (value.detach() for value in leaves())
    feedforward = (phi * linear_gaussian.precision(log_sigma).reshape(-1, 1)).T
    own = UntiedParameters(phi, feedforward, feedforward @ phi, log_sigma, *rest)
    x = torch.randn(B, M, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
    result = objective.unrolled_loss(own, x, 2.0, unrolling())
    expected = objective.unrolled_loss(Parameters(phi, log_sigma, *rest), x, 2.0, unrolling())
    torch.testing.assert_close(result.loss, expected.loss, rtol=1e-12, atol=0)


def test_a_run_starts_as_the_tied_network(tied: Path, tmp_path: Path) -> None:
    still = replace(UNTIED, train=replace(CONFIG.train, iterations=1, learning_rate=1e-12))
    own = load_float_network(run(still, tmp_path / "run", tied).checkpoint)
    before, after = (
        reference.dynamics(replace(network, clip=10.0))
        for network in (load_float_network(tied), own)
    )
    np.testing.assert_allclose(after.G, before.G, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(after.feed_forward, before.feed_forward, rtol=1e-4, atol=1e-6)


def test_weights_go_while_it_trains_and_self_inhibition_stays(pruned: Path) -> None:
    network = load_float_network(pruned)
    own = network.dictionary.own
    assert own is not None
    assert (own.lateral == 0).sum() == int(0.6 * K * K)
    assert (own.feedforward == 0).sum() == int(0.4 * K * M)
    assert (np.diagonal(own.lateral) != 0).all()
    assert (network.phi != 0).all()


def test_a_killed_run_resumes_to_the_same_bytes(tied: Path, pruned: Path, tmp_path: Path) -> None:
    def kill(at: TrainProgress) -> None:
        if at.iteration == 40:
            raise KeyboardInterrupt

    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        run(UNTIED, out, tied, progress=kill)
    again = run(UNTIED, out, None, resume=True)
    assert again.checkpoint.read_bytes() == pruned.read_bytes()


@given(
    iteration=st.integers(0, 1000),
    goal=st.floats(0.01, 0.99),
    fraction=st.floats(0.0, 1.0),
)
def test_the_share_rises_to_its_goal(iteration: int, goal: float, fraction: float) -> None:
    config = TrainConfig(iterations=1000, sparsity_fraction=fraction, lateral_sparsity=goal)
    now = pruning.share(config, goal, iteration)
    assert 0 <= now <= goal
    assert now <= pruning.share(config, goal, iteration + 1)
    assert pruning.share(config, goal, int(fraction * 1000) + 1) == goal
    last = max(i for i in range(0, 1000 + pruning.INTERVAL) if pruning.due(config, i))
    assert pruning.share(config, goal, last) == goal


def test_saliency_is_the_power_per_operation() -> None:
    # By hand: rms of sent payloads 2, 1; |w| rms = .6, .5 / .4, .9, so the third of them goes.
    pixels = torch.tensor([[2.0, 0.0], [0.0, 1.0], [2.0, -1.0]])
    config = TrainConfig(feedforward_sparsity=0.3, sparsity_fraction=0.0)
    sent = pruning.sent_size(pixels)
    assert sent.tolist() == [2.0, 1.0]
    weights = torch.tensor([[0.3, 0.5], [-0.2, 0.9]])
    kept = pruning.masks({pruning.FEEDFORWARD: weights}, sent, sent, config, 1, (1, len(sent)))
    assert kept[pruning.FEEDFORWARD].tolist() == [[1.0, 1.0], [0.0, 1.0]]


def test_sent_counts_are_those_of_the_dynamics(pruned: Path) -> None:
    network = load_float_network(pruned)
    p = parameters_of(network)
    x = torch.from_numpy(noise(40).pixels)
    model = PoissonLatents.of(p, unrolling().latents)
    given = torch.Generator().manual_seed(2)
    result = pruning.sent_counts(model, p.dictionary, x, 3, model.draws(given))
    u, squares, sent = model.initial(40), 0.0, 0.0
    draw = model.draws(torch.Generator().manual_seed(2))
    for _ in range(3):
        z = draw(u)
        squares, sent = squares + z.square().sum(0), sent + (z > 0).sum(0)
        u = model.update(u, u, drive(p.dictionary, x, z), z)
    torch.testing.assert_close(result, (squares / sent.clamp(min=1)).sqrt(), rtol=1e-4, atol=1e-5)
    result = drive_at(inference(p.dictionary, x.unsqueeze(0)), 0, z)
    torch.testing.assert_close(result, drive(p.dictionary, x, z), rtol=1e-4, atol=1e-5)


def test_a_clip_of_training_is_the_cap(tied: Path) -> None:
    network = replace(load_float_network(tied), clip=2.2)
    calibration = calibrate(network, noise(80).pixels, "noise", 8)
    integer, report = convert(network, calibration, ConversionSettings())
    assert integer.neurons.state_max == int(2.2 / np.log(2) * (1 << integer.neurons.fraction_bits))
    assert (report.certificate.exempt, report.certificate.strengthened) == (K, 0)
    assert report.certificate.rate_cap == pytest.approx(np.exp(2.2), rel=1e-3)


def test_conversion_keeps_the_zeros(pruned: Path) -> None:
    network = load_float_network(pruned)
    calibration = calibrate(network, noise(80).pixels, "noise", 8)
    integer, _ = convert(network, calibration, ConversionSettings())
    own = network.dictionary.own
    assert own is not None
    off = ~np.eye(K, dtype=bool)
    assert integer.lateral is not None
    lateral, feedforward = integer.lateral.matrix, integer.feedforward.matrix
    assert not lateral[(own.lateral == 0) & off].any()
    assert not feedforward[own.feedforward == 0].any()
    # And they are the network's: what remains has the sign of the inhibition or drive.
    large = np.abs(own.lateral) > 0.3 * np.abs(own.lateral[off]).max()
    assert (np.sign(lateral[large & off]) == -np.sign(own.lateral[large & off])).all()
    with pytest.raises(ConversionError, match="an untied network has no two-layer circuit"):
        convert(network, calibration, ConversionSettings(circuit="two-layer"))


def test_settings_that_do_not_fit() -> None:
    for text, message in (
        ("[train]\nlateral_sparsity = 0.5", "train.lateral_sparsity is 0.5, but the weights of a"),
        ("[model]\ndictionary = 'untied'\n[train]\nquantise_aware = 4", "for untied ones"),
        ("[model]\ndictionary = 'untied'\nphi_start = 'sparse-coding'", "--start-from"),
    ):
        with pytest.raises(ConfigError, match=message):
            from_toml(text, "x")
    assert from_toml(to_toml(UNTIED), "x") == UNTIED
