"""Checkpoints: there and back, and one clear line for a torn or foreign file."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ipvae_snn.config.settings import Config, ModelConfig
from ipvae_snn.errors import FileFormatError
from ipvae_snn.models.checkpoint import Origin, load_checkpoint_config, save_model
from ipvae_snn.models.float_network import load_float_network
from ipvae_snn.models.parameters import IterativePoissonVAE
from ipvae_snn.training.state import TrainingState, load_state, save_state

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
    found = load_float_network(file)
    view = model().view()
    for name in ("phi", "log_sigma", "u0", "log_bias"):
        expected = getattr(view, name).detach().numpy()
        assert np.array_equal(getattr(found, name), expected.reshape(getattr(found, name).shape))
    assert found.log_lr == view.log_lr.item()
    assert (found.clip, found.floor, found.input_kind) == (9.0, -7.0, "unit")
    assert (found.image_shape, found.trained_on) == ((3, 4), "digits")
    # The noise is stored after its bound tanh, so no reader needs to know of it.
    assert np.abs(found.log_sigma).max() < 1.0
    assert load_checkpoint_config(file) == CONFIG


def test_equal_networks_are_equal_files(tmp_path: Path) -> None:
    for n in range(8):
        save_model(tmp_path / f"{n}.safetensors", model(), CONFIG, ORIGIN)
    assert len({file.read_bytes() for file in tmp_path.iterdir()}) == 1


def test_the_kl_form_is_recorded(tmp_path: Path) -> None:
    from safetensors import safe_open

    file = tmp_path / "model.safetensors"
    save_model(file, model(), CONFIG, ORIGIN)
    with safe_open(file, framework="numpy") as handle:
        assert handle.metadata()["kl"] == "code"


def test_state_round_trip(tmp_path: Path) -> None:
    file = tmp_path / "state.safetensors"
    save_state(file, state())
    found = load_state(file)
    assert (found.iteration, found.config, found.data) == (7, CONFIG, "abc")
    assert torch.equal(found.parameters["phi"], torch.ones(2, 3))
    assert torch.equal(found.moments["phi.step"], torch.tensor(7.0))


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
