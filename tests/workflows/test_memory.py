"""Work that would need more memory than is free is refused before it starts, in one line."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from ipvae_snn.config.settings import Config
from ipvae_snn.config.toml import load_preset, with_overrides
from ipvae_snn.conversion.calibration import calibrate
from ipvae_snn.data import ImageSet
from ipvae_snn.errors import MemoryLimitError
from ipvae_snn.inference.reference import dynamics, run_float
from ipvae_snn.ir.back_ends import registered
from ipvae_snn.ir.encode import encode
from ipvae_snn.ir.files import save_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.session import FromFunction
from ipvae_snn.ir.trace import RunRequest, Trace, require_memory
from ipvae_snn.storage import memory
from ipvae_snn.training.memory import require_iteration
from ipvae_snn.workflows import run_moving as run_workflow
from ipvae_snn.workflows.back_ends import Contest, Networks, compare_backends
from ipvae_snn.workflows.images import Images
from ipvae_snn.workflows.train import train_network
from ipvae_snn.workflows.verify import verify
from small import float_network

Command = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize("name", sorted(registered()))
def test_every_back_end_refuses_what_cannot_fit(name: str, network: IntegerNetwork) -> None:
    """A billion images that take no memory themselves; their results would take 216 GB."""
    pixels = np.broadcast_to(np.zeros(network.n_pixels, np.uint8), (10**9, network.n_pixels))
    with pytest.raises(MemoryLimitError) as caught:
        network.prepare(name).run(pixels, RunRequest(3))
    said = str(caught.value)
    assert said.startswith("a run of 1000000000 images, 3 steps and 7 neurons: needs 201 GiB of ")
    assert said.endswith(
        " is free; give fewer images (--limit) or steps (--steps), or set IPVAE_SNN_MEMORY "
        "(as 16G, or off)"
    )


@pytest.mark.parametrize("name", ["reference", "compiled", "torch", "onnx"])
@pytest.mark.parametrize("trace", [False, True])
def test_the_bytes_are_those_of_the_results(
    name: str,
    trace: bool,
    network: IntegerNetwork,
    pixels_factory: Callable[..., np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pixels, request = pixels_factory(network, 5), RunRequest(4, trace=trace)
    session = network.prepare(name)
    result = session.run(pixels, request)
    size = sum(array.nbytes for array in result.arrays().values())
    monkeypatch.setenv(memory.VARIABLE, str(size))
    session.run(pixels, request)
    monkeypatch.setenv(memory.VARIABLE, str(size - 1))
    with pytest.raises(MemoryLimitError) as caught:
        session.run(pixels, request)
    assert ("leave out --trace" in str(caught.value)) is trace


def test_the_bytes_of_a_float_run_are_those_of_its_results(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = a_float_network()
    request = RunRequest(4, trace=True)
    result = run_float(network, np.zeros((5, 12), np.float32), request)
    size = sum(array.nbytes for array in result.arrays().values())
    # A float run counts no saturations: its five numbers per step are a reserve.
    monkeypatch.setenv(memory.VARIABLE, str(size + 5 * 4 * 20 - 1))
    with pytest.raises(MemoryLimitError):
        run_float(network, np.zeros((5, 12), np.float32), request)


def a_float_network():
    rng = np.random.default_rng(0)
    phi = rng.standard_normal((12, 9)).astype(np.float32) * np.float32(0.3)
    zeros = np.zeros(9, np.float32)
    return float_network(
        phi=phi, log_sigma=np.zeros(12, np.float32), u0=zeros - 2, log_bias=zeros - 3
    )


def test_a_network_whose_competition_cannot_fit_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(memory.VARIABLE, str(8 * (81 + 3 * 12 * 9) - 1))
    with pytest.raises(MemoryLimitError, match=r"^a network of 9 neurons and 12 pixels: needs "):
        dynamics(a_float_network())


def given_images(network: IntegerNetwork, n: int) -> Images:
    floats = np.random.default_rng(0).standard_normal((n, network.n_pixels)).astype(np.float32)
    given = ImageSet("mine", "test", floats, network.input.image_shape, "standardised")
    pixels, saturated = encode(network.input, floats, "standardised", "mine")
    return Images(given, pixels, saturated)


def nothing_runs(name: str) -> FromFunction:
    def run(*_: object) -> Trace:
        raise AssertionError(f"{name} ran")

    return FromFunction(run)


def test_a_comparison_counts_all_traces_that_it_keeps(
    network: IntegerNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, request = given_images(network, 4), RunRequest(3)
    one = 4 * (7 * 12 + 3 * 28 + 4 * 12 + 3 * 7 * 8)
    two = 2 * one + 4 * 10 * 3 * 7  # and what compares them
    monkeypatch.setenv(memory.VARIABLE, str(two))
    assert len(verify(network, images, request, ["compiled", "torch"]).backends) == 3
    monkeypatch.setenv(memory.VARIABLE, str(two - 1))
    monkeypatch.setattr("ipvae_snn.ir.back_ends.load_backend", nothing_runs)
    with pytest.raises(MemoryLimitError, match=r"^a run of 4 images, 3 steps and 7 neurons \(c"):
        verify(network, images, request, ["compiled", "torch"])
    networks = Networks(a_float_network(), network)
    with pytest.raises(MemoryLimitError, match=r" every step\), kept 4 times: needs "):
        compare_backends(networks, images, request, Contest(("compiled", "torch")))


def test_a_conversion_is_refused_before_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).standard_normal((9, 12)).astype(np.float32)
    with pytest.raises(MemoryLimitError) as caught:
        calibrate(a_float_network(), pixels, "mine", 10**9)
    assert str(caught.value).startswith(
        "converting 9 neurons and 12 pixels with 9 images and 1000000000 steps: needs 2.95 TiB"
    )
    assert "; give fewer calibration steps (--steps) or images (--limit), or" in str(caught.value)


def test_training_is_refused_before_it_writes(tmp_path: Path) -> None:
    wanted = ["model.n_latents=65536", "train.batch_size=65536", "train.steps=1024"]
    config = with_overrides(load_preset("digits"), wanted)
    with pytest.raises(MemoryLimitError) as caught:
        train_network(config, tmp_path / "run")
    said = str(caught.value)
    assert not (tmp_path / "run").exists()
    # 1,442 digits: a batch is never larger than the set.
    assert said.startswith("training 65536 neurons with batches of 1442 images and 1024 steps: ")
    assert "; lower train.batch_size, train.steps or model.n_latents (--set train." in said


def test_the_history_grows_with_batch_steps_updates_and_rounding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def needed(config: Config, rows: int) -> int:
        sizes: list[int] = []
        monkeypatch.setattr(memory, "require", lambda size, *_: sizes.append(size))
        require_iteration(config, rows, (8, 8))
        return sizes[0]

    plain = Config()
    k, t = plain.model.n_latents, plain.train.steps
    base = needed(plain, 10)
    assert needed(plain, 11) - base == 4 * k * (4 * (t + 1) + 7)
    longer = replace(plain, train=replace(plain.train, steps=t + 1))
    assert needed(longer, 10) - base == 4 * k * 4 * 10
    inner = replace(plain, model=replace(plain.model, updates_per_step=2))
    assert needed(inner, 10) - base == 4 * k * 4 * 10 * t
    second = replace(plain, train=replace(plain.train, samples=2))
    assert needed(second, 10) - base == 4 * k * 3 * 10 * t
    rounded = replace(plain, train=replace(plain.train, quantise_aware=8))
    assert needed(rounded, 10) - base == 4 * k * 10 * (t + 1)


def test_an_iteration_of_a_convolutional_dictionary_is_linear_in_the_pixels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes: list[int] = []
    monkeypatch.setattr(memory, "require", lambda size, *_: sizes.append(size))
    config = with_overrides(Config(), ["model.dictionary=convolutional"])
    for side in (64, 128, 256):
        require_iteration(config, 4, (side, side, 3))
    # A little faster than the pixels, as fewer positions are lost at the edges.
    growth = [b / a for a, b in pairwise(sizes)]
    assert all(4.0 <= each < 4.4 for each in growth)
    assert growth[1] < growth[0]
    assert sizes[2] < 2**34  # phi alone would take 199 GB


def test_the_command_line_refuses_in_one_line(
    run: Command, network: IntegerNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(memory.VARIABLE, "1G")
    save_network(network, tmp_path / "net.safetensors")
    np.save(tmp_path / "a.npy", np.random.default_rng(0).standard_normal((99, 4, 3), np.float32))
    out = tmp_path / "r.npz"
    arguments = ("run", tmp_path / "net.safetensors", "--data", tmp_path / "a.npy", "--out", out)
    code, _, said = run(*arguments, "--steps", 2**20, "--trace", "--quiet")
    assert code == 1
    assert said.startswith("ipvae-snn: error: a run of 99 images, 1048576 steps and 7 neurons (")
    assert said.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        MemoryError("Unable to allocate 7.28 TiB for an array with shape\n(1000000, 1000000)"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
)
def test_a_failed_allocation_is_one_line(
    error: BaseException, run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(run_workflow, "run_as_asked", fail)
    code, _, said = run("run", "digits", "--data", "digits", "--out", tmp_path / "r.npz")
    assert code == 1
    assert said.startswith("ipvae-snn: error: out of memory")
    assert said.count("\n") == 1


def test_another_error_of_a_library_is_not_called_one_of_memory(
    run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("sizes do not fit")

    monkeypatch.setattr(run_workflow, "run_as_asked", fail)
    with pytest.raises(RuntimeError, match="sizes do not fit"):
        run("run", "digits", "--data", "digits", "--out", tmp_path / "r.npz")


def test_large_numbers_of_images_do_not_overflow() -> None:
    with pytest.raises(MemoryLimitError, match="needs "):
        require_memory(2**32, (65536, 10**6), RunRequest(2**20, trace=True), traces=9, state=8)
