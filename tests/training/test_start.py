"""A learnt start: gradients, warm start, pruning, resume, and the way to integers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sampled import Sampled
from torch import Tensor

import small
from ipvae_snn.comparison.paired_runs import Pair
from ipvae_snn.comparison.variants import last_step, variants
from ipvae_snn.config.settings import Config, DataConfig, ModelConfig, RelaxationKind, TrainConfig
from ipvae_snn.config.toml import from_toml, to_toml
from ipvae_snn.conversion.calibration import calibrate
from ipvae_snn.conversion.convert import convert
from ipvae_snn.conversion.settings import ConversionSettings
from ipvae_snn.data.base import ImageSet
from ipvae_snn.errors import BackendError, ConfigError, FileFormatError
from ipvae_snn.evaluation.evaluate import EvaluationRequest, evaluate
from ipvae_snn.export.onnx.files import run_inference, run_steps, write_float_onnx
from ipvae_snn.frameworks.layers import make_layer
from ipvae_snn.inference import fast, reference
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.encode import levels
from ipvae_snn.ir.trace import RunRequest
from ipvae_snn.models import checkpoint as checkpoints
from ipvae_snn.models import linear_gaussian
from ipvae_snn.models.float_network import FloatNetwork, load_float_network
from ipvae_snn.models.half_precision import save_half
from ipvae_snn.models.poisson import PoissonLatents
from ipvae_snn.models.protocol import first_state
from ipvae_snn.models.relaxations import RELAXATIONS
from ipvae_snn.models.stored_dictionary import StoredWeights
from ipvae_snn.models.trainable import parameters_of, settings_of
from ipvae_snn.models.untied import UntiedParameters
from ipvae_snn.storage.tensor_files import read_header
from ipvae_snn.training import blocks, costs, objective, pruning
from ipvae_snn.training.train import TrainResult, train
from ipvae_snn.training.trainer import TrainProgress
from ipvae_snn.training.unrolling import Unrolling

M, K, B = 12, 9, 6
NAMES = ("phi", "feedforward", "lateral", "log_sigma", "u0", "log_bias", "log_lr", "start")
PLAIN = Config(
    ModelConfig(
        n_latents=K,
        phi_std=0.3,
        log_lr=-1.0,
        u0_low=-2.0,
        u0_high=-1.0,
        dictionary="untied",
    ),
    TrainConfig(
        steps=4,
        batch_size=8,
        iterations=60,
        learning_rate=0.01,
        validation_interval=0,
        checkpoint_interval=20,
        log_interval=60,
    ),
    DataConfig(name="noise"),
)
STARTED = replace(
    PLAIN,
    model=replace(PLAIN.model, start="linear"),
    train=replace(PLAIN.train, start_sparsity=0.5),
)


def noise(n: int, split: str = "train") -> ImageSet:
    pixels = np.random.default_rng(len(split)).standard_normal((n, M)).astype(np.float32)
    return ImageSet("noise", split, pixels, (3, 4), "standardised")


def run(config: Config, out: Path, start: Path | None = None, **given: Any) -> TrainResult:
    return train(config, noise(80), noise(20, "test"), out, start_from=start, **given)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(PLAIN, tmp_path_factory.mktemp("start") / "plain").checkpoint


@pytest.fixture(scope="module")
def learnt(plain: Path) -> Path:
    return run(STARTED, plain.parents[1] / "started", plain).checkpoint


def leaves() -> list[Tensor]:
    """Return parameters of a lively network in float64, with a start that passes both bounds."""
    g = torch.Generator().manual_seed(3)

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
        normal(K, M) * 0.6,
    )
    return [tensor.requires_grad_() for tensor in tensors]


def unrolling(**changes: Any) -> Unrolling:
    settings = replace(small.small_unrolling(5, clip=2.0, temperature=0.3), **changes)
    keys = settings.samples * settings.updates + 1
    return replace(settings, keys=np.random.SeedSequence(4).generate_state(keys, np.uint64))


@pytest.mark.parametrize(("updates_per_step", "n_frames"), [(1, 0), (3, 0), (1, 3)])
@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize("relaxation", ["sigmoid", "cubic"])
def test_loss_and_gradients_equal_automatic_ones(
    updates_per_step: int, n_frames: int, samples: int, relaxation: RelaxationKind
) -> None:
    """All parameters', and the figures, to 1e-12; some first potentials lie at either bound."""
    how = unrolling(
        updates_per_step=updates_per_step,
        leak=0.0,
        floor=-4.0,
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
    started = first_state(model, p.dictionary, x if n_frames == 0 else x[:, 0])
    assert (started == how.clip).any()
    assert (started == how.floor).any()
    compiled = objective.unrolled_loss(p, x, 2.0, how)
    by_torch = objective.unrolled_by_autodiff(model, p.dictionary, x, sample, 2.0, how)
    for name in ("loss", "nll", "kl", "messages", "rate", "max_rate"):
        one, other = getattr(compiled, name), getattr(by_torch, name)
        torch.testing.assert_close(one, other, rtol=1e-12, atol=0, msg=name)
    result = torch.autograd.grad(compiled.loss, values)
    expected = torch.autograd.grad(by_torch.loss, values)
    for name, one, other in zip(NAMES, result, expected, strict=True):
        largest = other.abs().max().item()
        assert largest > 0, name
        assert (one - other).abs().max().item() <= 1e-12 * largest, name


def test_a_start_of_zeros_changes_nothing() -> None:
    """Where u0 lies between the bounds."""
    *rest, _ = (value.detach() for value in leaves())
    x = torch.randn(B, M, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
    zeros = UntiedParameters(*rest, start=torch.zeros(K, M, dtype=torch.float64))
    result = objective.unrolled_loss(zeros, x, 2.0, unrolling(clip=5.0))
    expected = objective.unrolled_loss(UntiedParameters(*rest), x, 2.0, unrolling(clip=5.0))
    assert result.loss == expected.loss
    assert result.kl == expected.kl


def test_the_first_kl_is_to_the_prior() -> None:
    """Of one step: KL between its potentials and u0, wherever the start has put the image."""
    values = [value.detach() for value in leaves()]
    p, how = UntiedParameters(*values), unrolling(steps=1)
    x = torch.randn(B, M, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
    model = PoissonLatents.of(p, how.latents)

    def sample(u: Tensor, update: int) -> Tensor:
        return torch.exp(u.detach())  # the mean

    result = objective.unrolled_by_autodiff(model, p.dictionary, x, sample, 2.0, how)
    started = first_state(model, p.dictionary, x)
    drive = x @ p.feedforward.T - torch.exp(started) @ p.lateral.T
    after = model.update(started, started, drive, torch.exp(started))
    expected = model.divergence(after, model.initial(B)).mean()
    torch.testing.assert_close(result.kl, expected, rtol=1e-12, atol=0)


def test_training_learns_prunes_and_stores_a_start(plain: Path, learnt: Path) -> None:
    network = load_float_network(learnt)
    assert network.start is not None
    assert network.start.shape == (K, M)
    assert (network.start == 0).sum() == int(0.5 * K * M)
    assert int(read_header(learnt, "ipvae-snn/checkpoint", 4)["version"]) == 4
    assert int(read_header(plain, "ipvae-snn/checkpoint", 4)["version"]) == 3
    assert load_float_network(plain).start is None
    with pytest.raises(FileFormatError, match="version 4"):  # as readers before it see the file
        read_header(learnt, "ipvae-snn/checkpoint", 3)
    assert settings_of(network.dictionary)["start"] == "linear"
    assert checkpoints.load_checkpoint_config(learnt).model.start == "linear"


def test_a_killed_run_resumes_to_the_same_bytes(plain: Path, learnt: Path, tmp_path: Path) -> None:
    """Before weights of the start are removed first, and after."""

    def kill(at: TrainProgress) -> None:
        if at.iteration in (20, 40):
            raise KeyboardInterrupt

    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        run(STARTED, out, plain, progress=kill)
    for _ in range(2):
        try:
            again = run(STARTED, out, None, resume=True, progress=kill)
        except KeyboardInterrupt:
            continue
    assert again.checkpoint.read_bytes() == learnt.read_bytes()


def test_a_run_without_a_start_does_not_drop_one(learnt: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has a start, but this run has none; set model\.start"):
        run(PLAIN, tmp_path / "run", learnt)
    again = replace(STARTED, train=replace(PLAIN.train, iterations=1, learning_rate=1e-12))
    kept = load_float_network(run(again, tmp_path / "again", learnt).checkpoint).start
    np.testing.assert_allclose(kept, load_float_network(learnt).start, atol=1e-9)


def test_half_precision_keeps_a_start(learnt: Path, tmp_path: Path) -> None:
    save_half(learnt, tmp_path / "half.safetensors")
    before = load_float_network(learnt).start
    after = load_float_network(tmp_path / "half.safetensors").start
    assert before is not None
    assert after is not None
    np.testing.assert_array_equal(after, before.astype(np.float16).astype(np.float32))


def with_own(network: FloatNetwork, own: StoredWeights) -> FloatNetwork:
    """Return the network with other weights of inference."""
    # The protocol of dictionaries does not say that they are dataclasses.
    changed = replace(network.dictionary, own=own)  # type: ignore[type-var]
    return replace(network, dictionary=changed)


def without_start(network: FloatNetwork) -> FloatNetwork:
    """Return the network whose images begin at u0."""
    own = network.dictionary.own
    assert own is not None
    return with_own(network, own._replace(start=None))


def strong(path: Path) -> FloatNetwork:
    """Return the network of a checkpoint with a start that matters."""
    network = load_float_network(path)
    own = network.dictionary.own
    assert own is not None
    assert own.start is not None
    return with_own(network, own._replace(start=(own.start * 8).astype(np.float32)))


def test_every_float_inference_begins_there(learnt: Path) -> None:
    """float64, float32, torch and NumPy agree on the first potentials, within the bounds."""
    network, x = strong(learnt), noise(5).pixels
    assert network.start is not None
    wanted = np.clip(x @ network.start.T + network.u0, network.floor, network.clip)
    assert np.abs(wanted - network.u0).max() > 0.5
    p = parameters_of(network)
    model = PoissonLatents.of(p, replace(unrolling().latents, clip=network.clip, floor=-8.0))
    torched = first_state(model, p.dictionary, torch.from_numpy(x)).numpy()
    floats = reference.start(reference.dynamics(network), x)
    single = fast.start(fast.gram_network(network), x, "standardised", "noise")
    for have in (torched, floats.state, single.state, single.before, single.peak):
        np.testing.assert_allclose(have, wanted, rtol=1e-5, atol=1e-5)
    with pytest.raises(BackendError, match="the layers of snnTorch and Norse begin"):
        make_layer(network, "float", False, "relaxed", 0.1)


def test_float_onnx_models_begin_there(learnt: Path, tmp_path: Path) -> None:
    """Both models, the step-wise ones and the whole inference."""
    network, pixels = strong(learnt), noise(4).pixels
    request = RunRequest(3, seed=5, trace=True)
    expected = reference.run_float(network, pixels, request)
    write_float_onnx(network, tmp_path / "onnx")
    for result in (
        run_steps(tmp_path / "onnx", pixels, request),
        run_inference(tmp_path / "onnx", pixels, request),
    ):
        np.testing.assert_array_equal(result.counts_sum, expected.counts_sum)
        np.testing.assert_allclose(result.state, expected.state, rtol=0, atol=1e-9)


def test_conversion_rounds_a_start(learnt: Path) -> None:
    """First potentials to a hundredth of a nat, zeros kept, and a column in the report."""
    network, images = strong(learnt), noise(80)
    calibration = calibrate(network, images.pixels, "noise", 8)
    integer, report = convert(network, calibration, ConversionSettings())
    assert integer.start is not None
    assert network.start is not None
    assert not integer.start.synapses.matrix[network.start == 0].any()
    started = interpreter.appear(integer, levels(integer.input, images.pixels))["neurons"]
    nats = started * np.log(2) / (1 << integer.neurons.fraction_bits)
    wanted = np.clip(
        images.pixels @ network.start.T + network.u0, network.floor, integer.neurons.state_max
    )
    assert np.abs(nats - wanted).max() < 0.05
    assert np.abs(nats - wanted).mean() < 0.01
    assert [one.name for one in report.connections] == ["feedforward", "lateral", "start"]
    assert "start sum" in [one.name for one in report.bounds]
    assert report.connections[2].relative_error_max < 0.02
    still = without_start(network)
    plain, plain_report = convert(
        still, calibrate(still, images.pixels, "noise", 8), ConversionSettings()
    )
    assert plain.start is None
    assert len(plain_report.connections) == 2


def test_comparison_and_evaluation_begin_there(learnt: Path) -> None:
    """All of the integer network's parts together give its states, nearly; and R2 is judged."""
    network, images = strong(learnt), noise(40)
    integer, _ = convert(
        network, calibrate(network, images.pixels, "noise", 8), ConversionSettings()
    )
    pixels = levels(integer.input, images.pixels)
    pair = Pair(network, integer, images.pixels, pixels)
    found = variants(pair)
    assert found["initial_state"].dynamics.start is not None
    counts, state = last_step(pair, found["together"], slice(0, 40), 1, 0)
    run_of_integers = interpreter.run(integer, pixels, RunRequest(1, 0, trace=True))
    assert run_of_integers.counts is not None
    assert (counts == run_of_integers.counts[:, 0]).mean() > 0.99
    assert np.abs(state - pair.nats(run_of_integers.state)).mean() < 0.02
    judged = evaluate(network, images, EvaluationRequest(steps=2))
    other = evaluate(without_start(network), images, EvaluationRequest(steps=2))
    assert judged != other


def test_costs_and_pruning_of_a_start() -> None:
    values = [value.detach() for value in leaves()]
    started = values[-1] * (torch.arange(M) % 3 == 0)
    p = UntiedParameters(*values[:-1], start=started)
    counted = costs.Costs(p.dictionary, M)
    x = torch.ones(2, M, dtype=torch.float64)
    x[1, 0] = 0.0
    counted.begin(x)
    assert counted.operations == K * 4 + K * 3
    settings = TrainConfig(start_sparsity=0.5, sparsity_fraction=0.0, iterations=100)
    zeros = {pruning.START: torch.zeros(K, M)}
    size = torch.ones(M)
    assert pruning.masks(zeros, size, torch.ones(K), settings, 0, (1, M)) == {}
    assert pruning.present(zeros, settings, pruning.INTERVAL) == {}
    later = {pruning.START: torch.arange(K * M).reshape(K, M).float()}
    masks = pruning.masks(later, size, torch.ones(K), settings, pruning.INTERVAL, (1, M))
    kept = masks[pruning.START]
    assert kept.sum() == K * M - K * M // 2
    assert pruning.present(later, settings, 26)[pruning.START].sum() == K * M - 1


def test_neurons_ordered_for_blocks_keep_their_starts() -> None:
    *rest, start = (value.detach() for value in leaves())
    names = ("phi", "psi", "lateral", "log_sigma", "u0", "log_bias", "log_lr")
    given = {**dict(zip(names, rest, strict=True)), "start": start}
    moved = blocks.ordered(given, 3)
    order = blocks.grouped(given["lateral"], 3)
    assert order.tolist() != list(range(K))
    assert torch.equal(moved["start"], start[order])
    assert blocks.ordered({name: given[name] for name in names}, 3).keys() == {*names}


def test_settings_that_do_not_fit() -> None:
    for text, message in (
        ("[train]\nstart_sparsity = 0.5", "train.start_sparsity is 0.5, but there is no start"),
        ("[model]\nstart = 'linear'", "model.start is linear, but a dense dictionary has no"),
        (
            "[model]\ndictionary = 'untied'\nstart = 'linear'\nleak = 1.0\nupdates_per_step = 2",
            "a leak of 1 pulls back",
        ),
    ):
        with pytest.raises(ConfigError, match=message):
            from_toml(text, "x")
    assert from_toml(to_toml(STARTED), "x") == STARTED
