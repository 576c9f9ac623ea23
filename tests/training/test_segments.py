"""Truncated back-propagation against a plain loop that detaches the state, in float64."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sampled import Sampled
from short_runs import CONFIG, TEST, TRAIN, KilledError, files, killer
from torch import Tensor

from ipvae_snn.config import toml
from ipvae_snn.config.settings import Config
from ipvae_snn.errors import ConfigError
from ipvae_snn.image_shape import ImageShape
from ipvae_snn.models import linear_gaussian, poisson
from ipvae_snn.models.float_network import load_float_network
from ipvae_snn.models.latent_module import load_checked
from ipvae_snn.models.parameters import TrainableModule
from ipvae_snn.models.protocol import LatentModel, LatentSettings, drive, negative_log_likelihood
from ipvae_snn.models.registry import new_module
from ipvae_snn.training.cuda_graphs import reason_against
from ipvae_snn.training.loss import Batch, TrainingLoss, unrolling
from ipvae_snn.training.objective import REFERENCE_PIXELS, Unrolled, unrolled_loss
from ipvae_snn.training.random_streams import Stream, keyed_generator, noise_keys
from ipvae_snn.training.schedules import schedule_values
from ipvae_snn.training.train import train
from ipvae_snn.training.validation import Validation

SHAPE: ImageShape = (4, 4)
M, B, AT = 16, 6, 7  # pixels, images, iteration


def config_of(segments: int = 2, **model: Any) -> Config:
    return replace(
        CONFIG,
        model=replace(
            CONFIG.model,
            **{"phi_std": 0.3, "u0_low": -1.0, "u0_high": 0.5, "log_lr": -2.5, **model},
        ),
        train=replace(CONFIG.train, segments=segments, steps=3),
    )


def module_of(config: Config) -> TrainableModule:
    return new_module(config.model, SHAPE, torch.Generator().manual_seed(2)).double()


def images() -> Tensor:
    generator = torch.Generator().manual_seed(9)
    return torch.randn(B, M, dtype=torch.float64, generator=generator)


def differentiated(config: Config, module: TrainableModule) -> tuple[Unrolled, list[Tensor]]:
    """Return the figures and the gradients of an iteration, as a run takes them."""
    now = schedule_values(config.model, config.train, AT)
    loss = TrainingLoss(config, torch.device("cpu"), module, None, lambda _: None)
    module.zero_grad()
    figures = loss.differentiated(Batch(images(), 0, 0.5), AT, now)
    return figures, [p.grad.clone() for p in module.parameters() if p.grad is not None]


def by_hand(config: Config, module: TrainableModule) -> tuple[Tensor, list[Tensor]]:
    """Return the loss and its gradients by a loop over all steps, in pixels, which detaches."""
    c, x, view = config, images(), module.view()
    now = schedule_values(c.model, c.train, AT)
    model: LatentModel[Any] = view.latents(LatentSettings.of(c.model, now.clip, c.train))
    state, terms = model.first(x), []
    for segment in range(c.train.segments):
        keys = noise_keys(c.train, AT, 1, segment)
        settings = unrolling(c, now, keys)
        generator = keyed_generator(torch.device("cpu"), c.train.seed, Stream.NOISE, AT, 0, segment)

        def draw(u: Tensor, i: int, settings: Any = settings, generator: Any = generator) -> Tensor:
            if c.model.kind == "poisson":
                # torch leaves Function.apply without types.
                z: Tensor = Sampled.apply(u, i, settings)  # type: ignore[no-untyped-call]
                return z
            return torch.randn(u.shape, generator=generator, dtype=u.dtype)

        z = model.sample(state, lambda u: draw(u, 0))
        for i in range(1, c.train.steps + 1):
            linear = view.dictionary.linear
            assert linear is not None
            new = model.update(state, state, drive(linear, x, z), z)
            kl = model.divergence(new, state).mean()
            state = new
            z = model.sample(state, lambda u, i=i: draw(u, i))
            nll = negative_log_likelihood(view.dictionary, x, z).mean()
            terms.append(linear_gaussian.free_energy(nll, kl, now.beta))
        state = state.detach() if isinstance(state, Tensor) else type(state)(*map(_cut, state))
    loss = torch.stack(terms).mean() * REFERENCE_PIXELS / M
    gradients = torch.autograd.grad(0.5 * loss, list(module.parameters()))
    return loss.detach(), list(gradients)


def _cut(part: Tensor) -> Tensor:
    return part.detach()


@pytest.mark.parametrize("segments", [1, 2, 3])
@pytest.mark.parametrize("kind", ["poisson", "gaussian"])
def test_loss_and_gradients_are_those_of_a_plain_loop(kind: str, segments: int) -> None:
    """The compiled pass of the Poisson model, and automatic differentiation of the Gaussian."""
    config = config_of(segments, kind=kind)
    module = module_of(config)
    figures, result = differentiated(config, module)
    loss, expected = by_hand(config, module)
    torch.testing.assert_close(figures.loss.detach(), loss, rtol=1e-10, atol=0)
    for one, other in zip(result, expected, strict=True):
        assert (one - other).abs().max() <= 1e-10 * other.abs().max()
        assert other.abs().max() > 0


def test_one_segment_is_todays_loss_bit_for_bit() -> None:
    config = config_of(1)
    module = module_of(config)
    figures, result = differentiated(config, module)
    now = schedule_values(config.model, config.train, AT)
    keys = np.random.SeedSequence([config.train.seed, Stream.NOISE, AT]).generate_state(
        4, np.uint64
    )
    parameters: Any = module.view()
    before = unrolled_loss(parameters, images(), now.beta, unrolling(config, now, keys))
    expected = torch.autograd.grad(0.5 * before.loss, list(module.parameters()))
    assert torch.equal(figures.loss, before.loss)
    assert all(torch.equal(*pair) for pair in zip(result, expected, strict=True))


def test_the_prior_learns_from_the_first_segment_alone() -> None:
    """u0's gradient of n segments is the nth part of one segment's."""
    one, three = (config_of(n) for n in (1, 3))
    module = module_of(one)
    names = [name for name, _ in module.named_parameters()]
    gradients = [dict(zip(names, differentiated(c, module)[1], strict=True)) for c in (one, three)]
    torch.testing.assert_close(3 * gradients[1]["u0"], gradients[0]["u0"], rtol=1e-12, atol=0)
    assert not torch.allclose(3 * gradients[1]["phi"], gradients[0]["phi"], rtol=0.1)


def test_a_segment_goes_on_where_the_last_one_ended() -> None:
    """Without noise that matters, six steps are two segments of three: the state is the same."""
    halves, whole = config_of(2), replace(config_of(1), train=replace(CONFIG.train, steps=6))
    model = replace(halves.model, u0_low=-6.0, u0_high=-5.0, phi_std=1e-3)
    ends = []
    for config in (replace(halves, model=model), replace(whole, model=model)):
        figures, _ = differentiated(config, module_of(config))
        ends.append(figures.state)
    torch.testing.assert_close(ends[0], ends[1], rtol=1e-3, atol=1e-3)
    assert poisson.FLOOR < float(ends[0].min()) < float(ends[0].max()) < 0


@pytest.mark.parametrize("kind", ["poisson", "gaussian-relu", "semi-amortised-gaussian"])
def test_a_run_with_segments_resumes_and_is_validated_over_all_steps(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(CONFIG, model=replace(CONFIG.model, kind=kind))
    config = replace(config, train=replace(config.train, segments=3))
    seen: list[int] = []

    def noted(*given: Any, steps: int, **named: Any) -> Validation:
        seen.append(steps)
        return validate(*given, steps=steps, **named)

    from ipvae_snn.training import trainer

    validate = trainer.validate
    monkeypatch.setattr(trainer, "validate", noted)
    checkpoint = train(config, TRAIN, TEST, tmp_path / "whole").checkpoint
    assert set(seen) == {12}
    load = load_float_network if kind == "poisson" else load_checked
    assert load(checkpoint).training_steps == 12
    with pytest.raises(KilledError):
        train(config, TRAIN, TEST, tmp_path / "run", progress=killer(17))
    train(config, TRAIN, TEST, tmp_path / "run", resume=True)
    assert files(tmp_path / "run") == files(tmp_path / "whole")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (
            ["model.kind=lca"],
            "train.segments is 2, but a model of kind lca does not learn through the steps of its "
            "inference; set train.segments=1",
        ),
        (
            ["model.kind=amortised-gaussian", "train.steps=1"],
            "train.segments is 2, but a model of kind amortised-gaussian does not learn through "
            "the steps of its inference; set train.segments=1",
        ),
        (
            ["data.frames=3"],
            "--set: train.segments is 2, but data.frames is 3, and segments repeat the steps of "
            "still images; set one of them to 1",
        ),
        (
            ["train.steps=600"],
            "--set: train.segments is 2 and train.steps 600, 1200 steps in all, above 1024; lower "
            "one of them",
        ),
    ],
)
def test_what_has_no_segments_refuses(settings: list[str], reason: str, tmp_path: Path) -> None:
    def run() -> None:
        config = toml.with_overrides(CONFIG, ["train.segments=2", *settings])
        train(config, TRAIN, TEST, tmp_path / "run")

    with pytest.raises(ConfigError) as caught:
        run()
    assert str(caught.value) == reason


def test_a_cuda_graph_holds_one_segment() -> None:
    device = torch.device("cuda")
    assert reason_against(config_of(2), device) == (
        "train.segments is 2, and a graph holds one segment"
    )
