"""An iteration that was captured gives what it gives without, for changing inputs and keys."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from keyed_draws import KeyedDraws
from operation_tape import taped
from torch import Tensor

from ipvae_snn.config.settings import Config, DataConfig, ModelConfig, TrainConfig
from ipvae_snn.data import ImageSet
from ipvae_snn.errors import ConfigError, TrainingError
from ipvae_snn.models.poisson_samples import MAX_MEAN_ARRIVALS
from ipvae_snn.models.trainable import trainable
from ipvae_snn.training import cuda_graphs, loss, straight_through
from ipvae_snn.training.cuda_graphs import CaptureError, captured_on_cuda, uses_cuda_graphs
from ipvae_snn.training.loss import Batch, TrainingLoss
from ipvae_snn.training.random_streams import Stream, keyed_seed
from ipvae_snn.training.schedules import ScheduleValues
from ipvae_snn.training.straight_through import FakeRounding, rounded_rows_plain
from ipvae_snn.training.train import train
from ipvae_snn.watcher import Watcher, watched

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
SHAPE = (6, 6)
DENSE = ModelConfig(n_latents=7, phi_std=0.3, log_lr=-1.0, u0_low=-3.0, u0_high=-1.0)
SHARED = replace(DENSE, n_latents=0, dictionary="convolutional", features=3, kernel=4, stride=2)
SMALL = TrainConfig(steps=2, batch_size=5, iterations=8, validation_interval=0)
CASES = {
    "plain": (DENSE, SMALL),
    "two samples, cubic": (DENSE, replace(SMALL, samples=2, relaxation="cubic", kl="exact")),
    "updates and leak": (replace(DENSE, updates_per_step=2, leak=0.4), SMALL),
    "rounded": (DENSE, replace(SMALL, quantise_aware=4)),
    "convolutional": (SHARED, SMALL),
    "convolutional, through pixels": (replace(SHARED, stride=1, kernel=2, features=20), SMALL),
}


def schedules() -> Iterator[ScheduleValues]:
    """What changes from iteration to iteration, and the number of steps once."""
    for i in range(4):
        yield ScheduleValues(0.01, 20.0, 0.5 + i, 3.0 + 0.7 * i, 0.9 - 0.1 * i, 2 if i < 2 else 3)


class Both:
    """The same loss, captured on a tape and by torch alone."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
        self.config = Config(*CASES[case])
        patch_draws(monkeypatch)
        monkeypatch.setattr(loss, "uses_cuda_graphs", lambda *_: True)
        self.model = trainable(self.config.model, SHAPE, torch.Generator().manual_seed(1))
        pixels = torch.from_numpy(np.random.default_rng(0).normal(size=(20, 36)))
        bits = self.config.train.quantise_aware
        rounding = FakeRounding.of(pixels.float(), bits) if bits else None
        captured, plain = (
            TrainingLoss(self.config, CPU, self.model, rounding, print) for _ in range(2)
        )
        plain.captured = None
        self.ways = captured, plain

    def run(self, x: Tensor, iteration: int, now: ScheduleValues) -> list[list[Tensor]]:
        """Figures and gradients of both, copied."""
        results = []
        for way in self.ways:
            for parameter in self.model.parameters():
                parameter.grad = None
            result = way.differentiated(Batch(x, 3, 0.5), iteration, now)
            figures = (result.loss, result.nll, result.kl, result.rate, result.max_rate)
            gradients = [parameter.grad for parameter in self.model.parameters()]
            assert all(gradient is not None for gradient in gradients)
            results.append([each.detach().clone() for each in (*figures, *gradients)])
        return results


def patch_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let both ways draw by one key, on the path of a device."""

    def relaxed(
        config: Config, _: object, generator: torch.Generator, temperature: float
    ) -> Callable[[Tensor], Tensor]:
        draws, numbers = of(config), iter(range(1000))
        draws.prepare(generator.initial_seed(), temperature)
        return lambda u: draws.sample(u, next(numbers))

    def of(config: Config, device: torch.device = CPU) -> KeyedDraws:
        return KeyedDraws(law=loss.RELAXATIONS[config.train.relaxation])

    monkeypatch.setattr(loss, "relaxed_draws", relaxed)
    monkeypatch.setattr(loss, "device_draws", of)
    monkeypatch.setattr(loss, "captured_on_cuda", taped)
    monkeypatch.setattr(loss, "COMPILED", "none")
    # On the CPU rows are rounded by compiled code, which a tape does not see.
    monkeypatch.setattr(
        straight_through,
        "rounded_rows",
        lambda rows, bits: rounded_rows_plain(rows, (1 << (bits - 1)) - 1),
    )


@pytest.mark.parametrize("case", CASES)
def test_replays_are_the_iterations_that_torch_differentiates(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Losses and gradients are equal to the last bit; parameters change in between."""
    both, rng = Both(monkeypatch, case), np.random.default_rng(3)
    seen = []
    for iteration, now in enumerate(schedules()):
        x = torch.from_numpy(rng.normal(size=(5, 36)).astype(np.float32))
        captured, plain = both.run(x, iteration, now)
        for one, other in zip(captured, plain, strict=True):
            assert torch.equal(one, other)
        seen.append(captured[0].item())
        with torch.no_grad():
            for parameter in both.model.parameters():
                parameter.add_(0.01 * torch.randn(parameter.shape))
    assert len(set(seen)) == len(seen)


def test_frames_are_replayed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    both = Both(monkeypatch, "plain")
    for iteration, now in enumerate(schedules()):
        x = torch.randn(5, 2, 36, generator=torch.Generator().manual_seed(iteration))
        captured, plain = both.run(x, iteration, now)
        assert all(torch.equal(*pair) for pair in zip(captured, plain, strict=True))


def test_equal_inputs_differ_by_their_key_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every replay has noise of its own, and the same one for the same iteration."""
    both, now = Both(monkeypatch, "plain"), next(schedules())
    x = torch.randn(5, 36, generator=torch.Generator().manual_seed(0))
    losses = [both.run(x, iteration, now)[0][0].item() for iteration in (0, 1, 2, 0)]
    assert losses[0] == losses[3]
    assert len(set(losses)) == 3


def test_it_is_captured_once_for_each_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    both, captures = Both(monkeypatch, "plain"), []

    def counted(work: Callable[[], None]) -> Callable[[], None]:
        captures.append(work)
        return taped(work)

    assert both.ways[0].captured is not None
    both.ways[0].captured.capture = counted
    first = next(schedules())
    for rows, steps in ((5, 2), (5, 2), (5, 3), (5, 3), (4, 3)):
        both.run(torch.zeros(rows, 36), 0, replace(first, steps=steps))
    assert len(captures) == 3


def test_rates_that_ran_away_end_in_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    both, now = Both(monkeypatch, "plain"), next(schedules())
    monkeypatch.setattr(KeyedDraws, "arrivals", lambda _: MAX_MEAN_ARRIVALS + 1.0)
    with pytest.raises(TrainingError, match=r"^training ran away: rates reached "):
        both.run(torch.zeros(5, 36), 0, now)


def test_a_tape_refuses_what_a_graph_cannot_hold() -> None:
    """The stand-in is a check: without it the tests above could not fail."""
    source = torch.tensor([1.0, 0.0, 2.0])
    for work in (
        lambda: float(source.sum()),
        lambda: torch.nonzero(source),
        lambda: torch.tensor([1.0]),
        lambda: torch.empty(3).uniform_(),
    ):
        with pytest.raises(CaptureError):
            taped(work)  # type: ignore[arg-type]
    number, out = [1.0], torch.zeros(3)

    def scaled() -> None:
        out.copy_(source * number[0])

    replay = taped(scaled)
    number[0] = 5.0
    source.fill_(3.0)
    replay()
    assert out.tolist() == [3.0, 3.0, 3.0]  # new memory, old number


PIXELS = np.random.default_rng(1).normal(size=(40, 36)).astype(np.float32)
IMAGES = ImageSet("noise", "train", PIXELS, SHAPE, "standardised")


def trained(folder: Path, **settings: object) -> bytes:
    config = Config(DENSE, replace(SMALL, **settings), DataConfig())  # type: ignore[arg-type]
    return train(config, IMAGES, IMAGES.first(10), folder).checkpoint.read_bytes()


def test_a_whole_run_writes_the_same_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through warm-up, growing steps, validation and checkpoints."""
    patch_draws(monkeypatch)
    growing = {"steps": 4, "steps_start": 1, "log_interval": 1}
    plain = trained(tmp_path / "plain", **growing)
    monkeypatch.setattr(loss, "uses_cuda_graphs", lambda *_: True)
    assert trained(tmp_path / "captured", **growing) == plain
    metrics = [(tmp_path / name / "metrics.jsonl").read_bytes() for name in ("plain", "captured")]
    assert metrics[0] == metrics[1]


def test_a_capture_that_fails_is_said_once_and_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patch_draws(monkeypatch)
    plain = trained(tmp_path / "plain")
    monkeypatch.setattr(loss, "uses_cuda_graphs", lambda *_: True)

    def fails(work: Callable[[], None]) -> Callable[[], None]:
        raise CaptureError("operation not permitted")

    monkeypatch.setattr(loss, "captured_on_cuda", fails)
    said: list[str] = []
    with watched(Watcher(notice=said.append)):
        assert trained(tmp_path / "fails") == plain
    assert said == ["training without CUDA graphs: operation not permitted"]
    message = r"^train.cuda_graphs is on, but operation not permitted; set train.cuda_graphs=auto$"
    with pytest.raises(ConfigError, match=message):
        trained(tmp_path / "insists", cuda_graphs="on")


def test_without_a_device_a_capture_is_an_error() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(CaptureError):
        captured_on_cuda(lambda: None)


def choice(wanted: str, sampling: str = "auto") -> Config:
    return Config(train=replace(SMALL, cuda_graphs=wanted, sampling=sampling))  # type: ignore[arg-type]


def test_auto_captures_where_triton_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(cuda_graphs, "uses_triton", lambda c, _: c.train.sampling == "triton")
    assert uses_cuda_graphs(choice("auto", "triton"), CUDA, said.append)
    assert uses_cuda_graphs(choice("on", "triton"), CUDA, said.append)
    assert not uses_cuda_graphs(choice("off", "triton"), CUDA, said.append)
    assert not uses_cuda_graphs(choice("auto"), CPU, said.append)
    assert said == []
    assert not uses_cuda_graphs(choice("auto", "torch"), CUDA, said.append)
    assert not uses_cuda_graphs(choice("auto"), CUDA, said.append)
    many = "and torch's samples take as many passes as the rates need"
    assert said == [
        f"training without CUDA graphs: {reason}, {many}"
        for reason in ("train.sampling is torch", "triton is not installed")
    ]
    with pytest.raises(ConfigError, match=r"^train.cuda_graphs is on, but train.sampling is torch"):
        uses_cuda_graphs(choice("on", "torch"), CUDA, said.append)


def test_on_is_refused_on_the_cpu(tmp_path: Path) -> None:
    message = (
        "^train.cuda_graphs is on, but train.device is cpu, and CUDA graphs are for cuda; "
        "set train.cuda_graphs=auto$"
    )
    with pytest.raises(ConfigError, match=message):
        trained(tmp_path / "run", cuda_graphs="on")
    assert not (tmp_path / "run").exists()


def test_the_key_is_that_of_the_uncaptured_iteration() -> None:
    generator = loss.keyed_generator(CPU, 4, Stream.NOISE, 7, 2)
    assert generator.initial_seed() == keyed_seed(4, Stream.NOISE, 7, 2)
