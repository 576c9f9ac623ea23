"""Training of a stack of networks, in Triton's interpreter; run by test_together.py."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from ipvae_snn.config.settings import Config, KlForm, ModelConfig, TrainConfig
from ipvae_snn.config.toml import load_config, with_overrides
from ipvae_snn.errors import ConfigError, FileFormatError, OutputError
from ipvae_snn.models.latent_module import load_any
from ipvae_snn.models.protocol import LatentSettings
from ipvae_snn.models.registry import new_module
from ipvae_snn.training.cuda_graphs import Work
from ipvae_snn.training.loss import unrolling
from ipvae_snn.training.objective import unrolled_by_autodiff
from ipvae_snn.training.random_streams import batch_indices
from ipvae_snn.training.schedules import ScheduleValues, schedule_values
from ipvae_snn.training.together import adamax
from ipvae_snn.training.together.gradient import gradient
from ipvae_snn.training.together.history import Constants, history_of
from ipvae_snn.training.together.iteration import Feed, Iteration, Tables
from ipvae_snn.training.together.passes import PASSES, passes_of
from ipvae_snn.training.together.stack import stacked
from ipvae_snn.training.together.train import epoch_order, train_together
from tests.support.short_runs import CONFIG, TEST, TRAIN

CPU = torch.device("cpu")
IMAGES, STEPS, CLIP, TEMPERATURE = 3, 4, 3.0, 0.4
BETAS = (2.0, 0.5)


def replayed(work: Work) -> Work:
    """Stand for a capture: run the work twice, as a capture does to warm up, and return it."""
    work()
    work()
    return work


@pytest.mark.parametrize("kind", PASSES)
@pytest.mark.parametrize("kl", ["code", "exact"])
def test_gradients_are_those_of_automatic_differentiation(kind: str, kl: KlForm) -> None:
    """In float64, of every parameter of two networks; their noise is given to both."""
    model = ModelConfig(7, clip=CLIP, floor=-2.0, phi_std=0.4, u0_low=-1.0, u0_high=1.0, kind=kind)
    config = Config(model, TrainConfig(steps=STEPS, kl=kl, late_power=0.5))
    generator = torch.Generator().manual_seed(9)
    modules = [new_module(model, (3, 3), generator) for _ in BETAS]
    for module in modules:
        for name, parameter in module.named_parameters():
            if name != "phi":
                parameter.data.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    x = torch.randn(len(BETAS), IMAGES, 9, generator=generator)
    history = history_of(passes_of(config), len(BETAS), STEPS, IMAGES, 7, CPU)
    grown = [float(t + 1) ** 0.5 for t in range(STEPS)]
    constants = Constants(
        scalars=torch.tensor([CLIP, TEMPERATURE]),
        seed=torch.tensor([(7 << 33) + 5]),
        to_fit=torch.tensor([0.0, *(each / sum(grown) / IMAGES for each in grown)]),
        to_kl=torch.tensor(BETAS) / (IMAGES * STEPS),
    )
    found = gradient(
        passes_of(config), stacked(modules, CPU), x, constants, history, model.log_sigma_limit
    )
    assert history.z.abs().max() > 1
    for e, (module, beta) in enumerate(zip(modules, BETAS, strict=True)):
        view = module.double().view()
        latents = view.latents(LatentSettings.of(model, CLIP, config.train))
        z, noise = history.z[e].double(), history.noise[e].double()

        def sample(u: Tensor, i: int, z: Tensor = z, noise: Tensor = noise) -> Tensor:
            """The kernel's counts, with their slope; or the kernel's Gaussian noise."""
            return z[i] + noise[i] * (u - u.detach()) if kind == "poisson" else noise[i]

        now = ScheduleValues(0.0, 0.0, beta, CLIP, TEMPERATURE, STEPS)
        unroll = unrolling(config, now, np.zeros(0, np.uint64))
        result = unrolled_by_autodiff(latents, view.dictionary, x[e].double(), sample, beta, unroll)
        names = dict(module.named_parameters())
        wanted = torch.autograd.grad(result.loss, list(names.values()))
        assert found.keys() == names.keys()
        for name, gradients in zip(names, wanted, strict=True):
            largest = float(gradients.abs().max())
            assert largest > 0
            found_here = found[name][e].double().reshape(gradients.shape)
            torch.testing.assert_close(found_here, gradients, rtol=0, atol=1e-4 * largest)


def test_noise_is_that_of_its_law() -> None:
    """Means and variances of Poisson counts at the lowest temperature, and of Gaussian noise."""
    n = 512
    for kind, low in (("poisson", 0.7), ("gaussian", 0.0)):
        model = ModelConfig(n, kind=kind, u0_low=low, u0_high=low, phi_std=0.1)
        config = Config(model, TrainConfig(steps=1))
        p = stacked([new_module(model, (2, 2), torch.Generator().manual_seed(0))], CPU)
        history = history_of(passes_of(config), 1, 1, 2, n, CPU)
        constants = Constants(
            torch.tensor([5.0, 0.001]), torch.tensor([3]), torch.zeros(2), torch.zeros(1)
        )
        passes_of(config).begin(p, constants, history)
        z = history.z[0, 0].double().numpy()
        mean, variance = (np.exp(low), np.exp(low)) if kind == "poisson" else (0.0, 1.0)
        assert abs(z.mean() - mean) < 5 * np.sqrt(variance / z.size)
        assert abs(z.var() - variance) < 0.4
        assert abs(np.corrcoef(z[0], z[1])[0, 1]) < 5 / np.sqrt(n)  # images have their own
        again = z.copy()
        passes_of(config).begin(p, constants, history)
        assert np.array_equal(history.z[0, 0].double().numpy(), again)


def test_the_optimiser_is_torchs() -> None:
    generator = torch.Generator().manual_seed(0)
    p = {"a": torch.randn(3, 4, 5, generator=generator), "s": torch.randn(3, generator=generator)}
    alone = [
        {name: value[e].clone().requires_grad_() for name, value in p.items()} for e in range(3)
    ]
    optimisers = [torch.optim.Adamax(each.values(), weight_decay=0.1) for each in alone]
    moments = adamax.Moments.of(p)
    still = p["a"][2].clone()
    for t in range(1, 8):
        gradients = {
            name: 3 * torch.randn(value.shape, generator=generator) for name, value in p.items()
        }
        norm, rate = adamax.norms(gradients), 0.01 * t
        for e, (each, optimiser) in enumerate(zip(alone, optimisers, strict=True)):
            for name, parameter in each.items():
                parameter.grad = gradients[name][e].clone()
            total = torch.nn.utils.clip_grad_norm_(each.values(), 10.0)
            assert float(total) == pytest.approx(float(norm[e]), rel=1e-6)
            optimiser.param_groups[0]["lr"] = rate
            optimiser.step()
        adamax.step(
            p,
            adamax.clipped(gradients, norm, torch.tensor(10.0)),
            moments,
            torch.tensor(rate / (1 - adamax.BETA1**t)),
            0.1,
            torch.tensor([True, True, False]),
        )
    for name, value in p.items():
        for e in (0, 1):
            torch.testing.assert_close(value[e], alone[e][name].detach())
    assert torch.equal(p["a"][2], still)  # a network whose gradient is beyond its limit


def settings(kind: str, *overrides: str) -> Config:
    """Settings of so few elements that the interpreter takes a second for an iteration."""
    small = ["model.n_latents=8", "train.batch_size=4", "train.steps=2", "train.iterations=3"]
    return with_overrides(CONFIG, [f'model.kind="{kind}"', *small, *overrides])


def test_iterations_see_the_batches_and_schedules_of_train() -> None:
    configs = [settings("poisson", f"train.seed={e}", f"train.beta={e + 1}.0") for e in (0, 1)]
    modules = [
        new_module(config.model, TRAIN.image_shape, torch.Generator().manual_seed(0))
        for config in configs
    ]
    p = stacked(modules, CPU)
    before = {name: value.clone() for name, value in p.items()}
    passes, n = passes_of(configs[0]), len(TRAIN)
    order = epoch_order(configs, n, 0, 4)
    iteration = Iteration(
        configs[0],
        p,
        passes,
        history_of(passes, 2, 2, 4, 8, CPU),
        Tables.of(configs, 4, CPU),
        Feed(torch.from_numpy(TRAIN.pixels), order, 4),
    )
    for i in range(3):
        iteration.run()
        for e, config in enumerate(configs):
            batch = TRAIN.pixels[batch_indices(n, 4, config.train.seed, i)]
            assert np.array_equal(iteration.x[e].numpy(), batch)
            now = schedule_values(config.model, config.train, i)
            found = iteration.constants
            assert float(found.to_kl[e]) == pytest.approx(now.beta / (4 * 2))
            assert found.scalars.tolist() == pytest.approx([now.clip, now.temperature])
    assert int(iteration.counter) == 3
    for name, value in p.items():
        assert not torch.equal(value[0], before[name][0]), name
        assert not torch.equal(value[0], value[1]), name


@pytest.mark.parametrize("kind", PASSES)
def test_checkpoints_are_written_as_train_writes_them(kind: str, tmp_path: Path) -> None:
    configs = [settings(kind, f"train.seed={seed}") for seed in (0, 1)]
    outs = [tmp_path / "a", tmp_path / "b"]
    seen: list[tuple[int, int]] = []
    members = train_together(
        configs, TRAIN, TEST, outs, lambda *done: seen.append(done), capture=replayed
    )
    assert seen[-1] == (3, 3)
    for config, member, out in zip(configs, members, outs, strict=True):
        assert load_config(out / "config.toml") == config
        records = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
        assert [record["kind"] for record in records] == ["train"] * 3 + ["validation"]
        assert records[-1]["networks_together"] == 2
        assert member.skipped == 0
        assert member.validation.r2 == records[-1]["r2"]
        load_any(member.checkpoint)
    assert members[0].checkpoint.read_bytes() != members[1].checkpoint.read_bytes()


def test_what_cannot_be_trained_together_is_refused(tmp_path: Path) -> None:
    one, out = settings("poisson"), [tmp_path / "a", tmp_path / "b"]
    other = settings("poisson", "train.learning_rate=0.01", "model.clip=5.0")
    with pytest.raises(ConfigError, match=r"model.clip, train.learning_rate differ"):
        train_together([one, other], TRAIN, TEST, out, capture=replayed)
    with pytest.raises(ConfigError, match=r"train.samples is 2, but .* have 1; train it alone"):
        train_together([settings("poisson", "train.samples=2")], TRAIN, TEST, out[:1])
    with pytest.raises(ConfigError, match=r"model.kind is lca, but only poisson, gaussian"):
        train_together([settings("lca")], TRAIN, TEST, out[:1])
    with pytest.raises(ConfigError, match="no settings were given"):
        train_together([], TRAIN, TEST, [])
    with pytest.raises(OutputError, match="2 networks need as many different folders, not 1"):
        train_together([one, one], TRAIN, TEST, [out[0], out[0]], capture=replayed)
    out[0].mkdir()
    (out[0] / "model.safetensors").write_bytes(b"")
    with pytest.raises(FileFormatError, match="holds a training run already"):
        train_together([one], TRAIN, TEST, out[:1], capture=replayed)
    assert not out[1].exists()
