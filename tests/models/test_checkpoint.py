"""Checkpoints: written and read, and a one-line error for a truncated or foreign file."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save as to_bytes

import small
from ipvae_snn.config.settings import Config, ModelConfig
from ipvae_snn.errors import ConversionError, FileFormatError
from ipvae_snn.inference import fast
from ipvae_snn.models.checkpoint import Origin, load_checkpoint_config, save_model
from ipvae_snn.models.float_network import FloatNetwork, load_float_network
from ipvae_snn.models.parameters import IterativePoissonVAE
from ipvae_snn.training.state import (
    MOMENTS,
    TrainingState,
    load_state,
    require_fit,
    save_state,
)

CONFIG = Config(ModelConfig(n_latents=5, clip=9.0, floor=-7.0, log_sigma_limit=1.0))
ORIGIN = Origin("digits", "unit", (3, 4))


def model() -> IterativePoissonVAE:
    network = IterativePoissonVAE(12, CONFIG.model, torch.Generator().manual_seed(0))
    with torch.no_grad():
        network.log_sigma.copy_(torch.linspace(-4, 4, 12))
    return network


def state() -> TrainingState:
    return TrainingState(
        7, {"phi": torch.ones(2, 3)}, {"phi.step": torch.tensor(7.0)}, CONFIG, "abc"
    )


def test_model_round_trip(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    save_model(file, model(), CONFIG, ORIGIN)
    result = load_float_network(file)
    view = model().view()
    for name in ("phi", "log_sigma", "u0", "log_bias"):
        expected = getattr(view, name).detach().numpy()
        assert np.array_equal(getattr(result, name), expected.reshape(getattr(result, name).shape))
    assert result.log_lr == view.log_lr.item()
    assert (result.clip, result.floor, result.input_kind) == (9.0, -7.0, "unit")
    assert (result.image_shape, result.trained_on) == ((3, 4), "digits")
    assert (result.kl, result.training_steps) == (CONFIG.train.kl, CONFIG.train.steps)
    # The noise is stored after its bound tanh, so a reader does not need the bound.
    assert np.abs(result.log_sigma).max() < 1.0
    assert load_checkpoint_config(file) == CONFIG


def rewritten(file: Path, edit: Callable[[dict[str, str]], None]) -> None:
    """Write `file` anew with its metadata edited."""
    with safe_open(file, framework="numpy") as handle:
        metadata = handle.metadata()
        tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118 (no mapping)
    edit(metadata)
    file.write_bytes(to_bytes(tensors, metadata=metadata))


def as_version_1(metadata: dict[str, str]) -> None:
    """Put the dynamics where files of version 1 had them: into the [train] table alone."""
    network = json.loads(metadata["network"])
    for name in ("kind", "updates_per_step", "leak"):
        del network[name]
    lines = [
        line
        for line in metadata["config"].splitlines()
        if not line.startswith(("kind", "updates_per_step", "leak"))
    ]
    at = lines.index("[train]") + 1
    lines[at:at] = ["inner_steps = 4", "leak = 0.2"]
    metadata |= {"version": "1", "network": json.dumps(network), "config": "\n".join(lines)}


def test_the_dynamics_and_the_clip_in_force_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    config = replace(CONFIG, model=replace(CONFIG.model, updates_per_step=3, leak=0.7))
    save_model(file, model(), config, ORIGIN, 2.5)
    result = load_float_network(file)
    assert (result.updates_per_step, result.leak, result.clip) == (3, 0.7, 2.5)
    # The config keeps the final clip of the schedule, with which a run continues.
    assert load_checkpoint_config(file) == config


def test_an_old_file_keeps_its_constant_pull(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    network = model()
    with torch.no_grad():
        network.log_lr.fill_(-1.7)
    save_model(file, network, CONFIG, ORIGIN)
    rewritten(file, as_version_1)
    result = load_float_network(file)
    assert result.updates_per_step == 4
    # What inference takes per update, the step size times the leak, is the old constant.
    assert np.float32(fast.gram_network(result).leak) == np.float32(0.2)
    config = load_checkpoint_config(file)
    assert (config.model.updates_per_step, config.model.leak) == (4, result.leak)


def test_an_old_file_without_a_config_has_single_updates(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    save_model(file, model(), CONFIG, ORIGIN)

    def edit(metadata: dict[str, str]) -> None:
        as_version_1(metadata)
        del metadata["config"]

    rewritten(file, edit)
    result = load_float_network(file)
    assert (result.updates_per_step, result.leak) == (1, 0.0)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("kind", "gaussian", "a network of kind 'gaussian', but only 'poisson' ones are read"),
        ("updates_per_step", 0, "0 updates per step with a leak of 0.0, but 1 to 64 and a leak"),
        ("leak", -1.0, "1 updates per step with a leak of -1.0, but 1 to 64 and a leak from 0 up"),
        ("updates_per_step", "many", "a checkpoint with a missing or malformed part"),
    ],
)
def test_dynamics_that_no_network_has(
    tmp_path: Path, name: str, value: object, message: str
) -> None:
    file = tmp_path / "model.safetensors"
    save_model(file, model(), CONFIG, ORIGIN)

    def edit(metadata: dict[str, str]) -> None:
        metadata["network"] = json.dumps(json.loads(metadata["network"]) | {name: value})

    rewritten(file, edit)
    with pytest.raises(FileFormatError, match=re.escape(message)):
        load_float_network(file)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("clip", "NaN", "NaN is no number"),
        ("clip", "Infinity", "Infinity is no number"),
        ("clip", "9" * 400, "a checkpoint with a missing or malformed part"),
        ("clip", "1e300", "clip is 1e+300; it must lie in (0, 10]"),
        ("clip", "0", "clip is 0.0; it must lie in (0, 10]"),
        ("clip", "-1", "clip is -1.0; it must lie in (0, 10]"),
        ("clip", '"8"', "clip is '8', not a number"),
        ("floor", "-100.0", "floor is -100.0; it must lie in [-16, -1]"),
        ("leak", "1e4", "leak is 10000.0; it must lie in [0, 1000]"),
        ("image_shape", "[-3, -4]", "(-3, -4) is no (height, width)"),
        ("image_shape", "[12.0, 1]", "image_shape is 12.0, not a whole number"),
        ("image_shape", "[2, 2, 3, 1]", "(2, 2, 3, 1) is no (height, width)"),
        ("image_shape", "[1, 1, 65]", "(1, 1, 65) has 65 channels; at most 64"),
        ("image_shape", "[[[]]]", "a checkpoint with a missing or malformed part"),
        ("image_shape", "[" * 9000 + "]" * 9000, "values nested deeper than 32"),
        ("trained_on", "3", "trained_on is 3, not a text"),
        ("input_kind", '"\\u001b[31m"', r"input kind '\x1b[31m' is not known here"),
    ],
)
def test_constants_that_no_training_gives(
    tmp_path: Path, name: str, value: str, message: str
) -> None:
    """NaN and absurd constants gave NaN results, or tracebacks, when the network ran."""
    file = tmp_path / "model.safetensors"
    save_model(file, model(), CONFIG, ORIGIN)

    def edit(metadata: dict[str, str]) -> None:
        network = json.dumps(json.loads(metadata["network"]) | {name: "HERE"})
        metadata["network"] = network.replace('"HERE"', value)

    rewritten(file, edit)
    with pytest.raises(FileFormatError, match=re.escape(message)) as caught:
        load_float_network(file)
    assert "model.safetensors: " in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("log_lr", 200.0, "log_lr reaches 200..200, but only -30..10 are possible"),
        ("log_lr", np.nan, "log_lr holds values that are not finite"),
        ("phi", np.inf, "phi holds values that are not finite"),
        ("phi", 1e20, "phi reaches 1e+20..1e+20, but only"),
        ("phi", 1e8, "step size x phi^2 / sigma^2 reaches "),
        ("log_sigma", -50.0, "log_sigma reaches -50..-50, but only -20..20 are possible"),
        ("u0", 90.0, "u0 reaches 90..90, but only -100..20 are possible"),
    ],
)
def test_tensors_that_no_training_gives(
    tmp_path: Path, name: str, value: float, message: str
) -> None:
    file = tmp_path / "model.safetensors"
    network = model()
    network.config = replace(CONFIG.model, log_sigma_limit=0.0)
    with torch.no_grad():
        getattr(network, name).fill_(value)
    save_model(file, network, CONFIG, ORIGIN)
    with pytest.raises(FileFormatError, match=re.escape(message)):
        load_float_network(file)


def test_a_state_that_does_not_fit_the_model() -> None:
    named = {"phi": torch.ones(2, 3, requires_grad=True)}
    moments = {f"phi.{name}": torch.zeros(2, 3) for name in MOMENTS}
    sound = TrainingState(7, named, moments, CONFIG, "abc")
    require_fit(sound, named, Path("s"))
    fixed = named | {"u0": torch.ones(1, 3)}  # is not learnt, and has no moments
    require_fit(replace(sound, parameters=fixed), fixed, Path("s"))
    for spoilt, message in (
        (replace(sound, parameters={}), "s: it holds no parameters, but the model has phi; train"),
        (replace(sound, parameters={"phi": torch.ones(3, 2)}), "parameter phi is torch.float32 of"),
        (replace(sound, parameters={"phi": torch.full((2, 3), torch.nan)}), "not finite; train"),
        (replace(sound, parameters={"phi": torch.ones(2, 3).half()}), "phi is torch.float16 of"),
        (
            replace(sound, moments={"x.step": torch.ones(1)}),
            "moment x.step belongs to no",
        ),
        (replace(sound, moments={"phi.step": torch.ones(())}), "moment phi.exp_avg is missing"),
        (replace(sound, moments=moments | {"phi.step": torch.ones(5)}), "moment phi.step is"),
    ):
        with pytest.raises(FileFormatError, match=re.escape(message)):
            require_fit(spoilt, named, Path("s"))


@pytest.mark.parametrize("iteration", ["-1", "5001", "²", "7.0", "9" * 5000, ""])
def test_iterations_that_a_run_never_has(tmp_path: Path, iteration: str) -> None:
    file = tmp_path / "state.safetensors"
    save_state(file, state())
    rewritten(file, lambda metadata: metadata.update(iteration=iteration))
    with pytest.raises(FileFormatError, match=r"iteration .* is not in 0\.\.5000"):
        load_state(file)


def test_updates_as_steps_of_their_own() -> None:
    single = make_network()
    assert replace(single, updates_per_step=4).with_single_updates() == single
    assert replace(single, leak=0.5).with_single_updates() == single
    with pytest.raises(ConversionError) as caught:
        replace(single, updates_per_step=4, leak=0.5).with_single_updates()
    assert str(caught.value) == (
        "the network takes 4 updates per step with a leak of 0.5 back to where the step began, but "
        "an integer network has steps of one update; train with model.leak=0 or "
        "model.updates_per_step=1"
    )


def make_network() -> FloatNetwork:
    nothing = np.zeros(0, np.float32)  # arrays that compare equal as they are the same
    return small.float_network(
        phi=nothing,
        log_sigma=nothing,
        u0=nothing,
        log_bias=nothing,
        log_lr=-1.0,
        input_kind="unit",
    )


def test_equal_networks_are_equal_files(tmp_path: Path) -> None:
    for n in range(8):
        save_model(tmp_path / f"{n}.safetensors", model(), CONFIG, ORIGIN)
    assert len({file.read_bytes() for file in tmp_path.iterdir()}) == 1


def test_the_kl_form_is_recorded(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    save_model(file, model(), CONFIG, ORIGIN)
    with safe_open(file, framework="numpy") as handle:
        assert handle.metadata()["kl"] == "code"


def test_state_round_trip(tmp_path: Path) -> None:
    file = tmp_path / "state.safetensors"
    save_state(file, state())
    result = load_state(file)
    assert (result.iteration, result.config, result.data) == (7, CONFIG, "abc")
    assert torch.equal(result.parameters["phi"], torch.ones(2, 3))
    assert torch.equal(result.moments["phi.step"], torch.tensor(7.0))


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_torn_files(tmp_path: Path, keep: int) -> None:
    file = tmp_path / "torn.safetensors"
    for save, load in (
        (lambda: save_state(file, state()), load_state),
        (lambda: save_model(file, model(), CONFIG, ORIGIN), load_float_network),
    ):
        save()
        file.write_bytes(file.read_bytes()[:keep])
        with pytest.raises(FileFormatError, match=r"torn\.safetensors: not a readable safetensors"):
            load(file)


def test_one_kind_is_not_the_other(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    save_model(file, model(), CONFIG, ORIGIN)
    with pytest.raises(FileFormatError, match=r"its format is 'ipvae-snn/checkpoint', not "):
        load_state(file)


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "state.safetensors"
    save_state(file, state())
    before = file.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ipvae_snn.models.checkpoint.sorted_metadata", full)
    with pytest.raises(OSError, match="No space left"):
        save_state(file, state())
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]
