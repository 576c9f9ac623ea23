"""Networks by name, by path and already loaded; one line for anything else."""

from pathlib import Path

import pytest

from ipvae_snn.errors import ConversionError, FileFormatError
from ipvae_snn.ir.files import save_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.models.networks import load, load_float, load_integer
from ipvae_snn.pretrained import network_path


def test_a_name_a_path_and_a_network(network: IntegerNetwork, tmp_path: Path) -> None:
    digits = load("digits")
    assert isinstance(digits, FloatNetwork)
    assert load(digits) is digits
    path = tmp_path / "net.safetensors"
    save_network(network, path)
    assert [type(load(source)) for source in (path, str(path))] == [IntegerNetwork] * 2
    assert load(network) is network


def test_what_needs_the_other_kind_says_so(network: IntegerNetwork) -> None:
    """Bytes: 84 + 56 feedforward, 49 + 56 lateral, 3 x 28 neurons, 168 + 48 decoder."""
    assert load_integer(network, "map") is network
    assert load_float("digits", "convert").n_neurons == 128
    with pytest.raises(ConversionError) as caught:
        load_integer(load("digits"), "map")
    assert str(caught.value) == (
        "map needs an integer network, but FloatNetwork(8x8 unit pixels, 128 neurons, trained on "
        "digits) is a float one; convert it first"
    )
    with pytest.raises(FileFormatError, match="'ipvae-snn/checkpoint', not 'ipvae-snn/integer-ne"):
        load_integer("digits", "map")
    with pytest.raises(ConversionError) as caught:
        load_float(network, "convert")
    assert str(caught.value) == (
        "convert needs a float network, but IntegerNetwork(4x3 pixels, 7 neurons, one-layer, "
        "feedforward 8 bits, lateral 8 bits, 545 bytes) is an integer one; give the checkpoint "
        "that it was converted from"
    )


def test_an_unknown_name_is_one_line() -> None:
    with pytest.raises(FileFormatError, match="digitz: no such file, nor a pretrained network"):
        load("digitz")


def test_a_run_folder_stands_for_its_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(Path(network_path("digits")).read_bytes())
    assert network_path(str(tmp_path)) == tmp_path / "model.safetensors"
    (tmp_path / "model.safetensors").rename(tmp_path / "other.safetensors")
    assert network_path(str(tmp_path)) == tmp_path
