"""Networks of a layer: objects, files, pretrained names; and conversion for a layer."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ipvae_snn import data
from ipvae_snn.errors import ConfigError, ConversionError, DataError, FileFormatError
from ipvae_snn.frameworks.networks import from_checkpoint
from ipvae_snn.frameworks.norse_cell import IterativePoissonCell
from ipvae_snn.frameworks.snntorch_neuron import IterativePoisson
from ipvae_snn.ir.files import load_network, save_network, to_arrays, to_scalars
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.models.networks import load
from ipvae_snn.pretrained import network_path

Run = Callable[..., tuple[int, str, str]]
LAYERS = (IterativePoisson, IterativePoissonCell)


def parts(network: IntegerNetwork) -> dict[str, object]:
    """All parts of an integer network, for comparison."""
    arrays = {name: array.tolist() for name, array in to_arrays(network).items()}
    return {**arrays, **to_scalars(network), "provenance": network.provenance}


def program_of(layer: IterativePoisson | IterativePoissonCell) -> IntegerNetwork:
    """The integer network that a layer runs."""
    (result,) = (m.network for m in layer.modules() if hasattr(m, "network"))
    assert isinstance(result, IntegerNetwork)
    return result


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("as_path", [str, Path])
def test_a_layer_is_built_from_a_file(
    network: IntegerNetwork,
    tmp_path: Path,
    layer: type[IterativePoisson] | type[IterativePoissonCell],
    as_path: type[str] | type[Path],
) -> None:
    file = tmp_path / "net.safetensors"
    save_network(network, file)
    assert parts(program_of(layer(as_path(file)))) == parts(network)


@pytest.mark.parametrize("layer", LAYERS)
def test_from_pretrained_is_the_network_of_the_command_line(
    run: Run, tmp_path: Path, layer: type[IterativePoisson] | type[IterativePoissonCell]
) -> None:
    out = tmp_path / "net.safetensors"
    code, _, error = run("convert", "digits", "--weight-bits", 6, "--out", out)
    assert (code, error) == (0, "")
    result = layer.from_pretrained("digits", bits=6, seed=4)
    assert parts(program_of(result)) == parts(load_network(out))
    assert result.seed == 4
    assert "bits=6" in repr(result)


def test_float_mode_takes_a_name_and_converts_nothing() -> None:
    phi = torch.tensor(load("digits").phi)
    for layer in (
        IterativePoisson("digits", "float"),
        IterativePoisson.from_pretrained("digits", "float"),
    ):
        assert torch.equal(layer.get_buffer("layer.dynamics.phi"), phi)


def test_calibration_images_come_as_arrays_tensors_or_names() -> None:
    images = data.load("digits", limit=64)
    path = network_path("digits")

    def converted(images: object) -> IntegerNetwork:
        result = from_checkpoint(path, "integer", bits=8, circuit="two-layer", images=images)  # type: ignore[arg-type]  # object
        assert isinstance(result, IntegerNetwork)
        assert result.circuit == "two-layer"
        return result

    array, tensor = (
        converted(images.pixels),
        converted(torch.tensor(images.pixels).reshape(64, 8, 8)),
    )
    assert parts(array) == parts(tensor)
    assert array.provenance["calibration_images"] == "64"
    assert converted("digits").provenance["calibration_images"] == "1442"


def test_what_is_no_network_is_refused(tmp_path: Path, network: IntegerNetwork) -> None:
    with pytest.raises(FileFormatError, match=r"^digit: no such file, nor a pretrained network"):
        load("digit")
    with pytest.raises(ConfigError, match=r"^int is no network; give an IntegerNetwork, "):
        load(3)  # type: ignore[arg-type]  # the fault
    save_network(network, tmp_path / "net.safetensors")
    message = "net.safetensors is an integer network already; give it to the layer itself, without"
    with pytest.raises(ConfigError, match=message):
        IterativePoisson.from_pretrained(tmp_path / "net.safetensors")
    with pytest.raises(ConversionError, match=r"^feedforward weights of 9 bits are not possible"):
        IterativePoisson.from_pretrained("digits", bits=9)


def test_images_that_are_not_at_hand_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a download, even where one is allowed elsewhere."""
    monkeypatch.delenv("IPVAE_SNN_DATA", raising=False)
    message = (
        "vanhateren-512 was trained on vanhateren, which is not at hand to calibrate its "
        "integers; give calibrate= images (N, 256), the name of a data set, or a folder of data "
        "sets in IPVAE_SNN_DATA"
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        IterativePoisson.from_pretrained("vanhateren-512")


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((9, 64), np.uint8), r"calibrate= is uint8\(9, 64\); give N images as floats"),
        (np.zeros(64, np.float32), r"calibrate= is float32\(64,\); give N images as floats"),
        (np.zeros((9, 63), np.float32), r"calibrate: pixels have shape \(9, 63\), but images of"),
        ("natural", r"natural.*: standardised pixels, but the network takes unit ones"),
    ],
)
def test_images_that_do_not_fit_are_refused(images: object, message: str) -> None:
    network = load("digits")
    assert isinstance(network, FloatNetwork)
    with pytest.raises(DataError, match=message):
        from_checkpoint(network, "integer", bits=8, circuit="one-layer", images=images)  # type: ignore[arg-type]  # faults


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("mode", ["integer", "float"])
def test_an_empty_batch_gives_no_counts(
    network: IntegerNetwork,
    layer: type[IterativePoisson] | type[IterativePoissonCell],
    mode: Any,
) -> None:
    for input_ in (torch.zeros(0, 12), torch.zeros(0, 12, dtype=torch.uint8)):
        assert layer(network, mode)(input_)[0].shape == (0, 7)
    with pytest.raises(DataError, match="the network takes N images of 12 values"):
        layer(network, mode)(torch.zeros(0, 11))
