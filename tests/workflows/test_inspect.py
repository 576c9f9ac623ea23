"""Contents of files: exact integers in JSON and on the terminal."""

from pathlib import Path

import numpy as np
from circuits import replace

from ipvae_snn.ir.files import save_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.pretrained import network_path
from ipvae_snn.report import markdown
from ipvae_snn.workflows.inspect import inspect_file


def test_an_integer_network_is_shown_exactly(network: IntegerNetwork, tmp_path: Path) -> None:
    bias = network.neurons.bias.copy()
    bias[0] = -1_234_567
    odd = replace(network, neurons=replace(network.neurons, bias=bias))
    save_network(odd, tmp_path / "net.safetensors")
    result = inspect_file(tmp_path / "net.safetensors")
    data = result.as_json()
    assert data["tensors"]["neurons.bias"] == {
        "name": "neurons.bias",
        "dtype": "int32",
        "shape": [7],
        "bytes": 28,
        "low": -1_234_567,
        "high": int(bias.max()),
        "part": "neurons",
    }
    assert data["tensors"]["tables.coarse"]["high"] == 2**31
    assert data["constant_bytes"] == sum(each["bytes"] for each in data["tensors"].values())
    assert data["worst_case"]["current"]["worst"] == int(odd.worst_current.max())
    text = markdown.render(result.document())
    for part in ("-1,234,567", "2,147,483,648", "membrane potential, bits", "every step"):
        assert part in text
    assert f"{data['worst_case']['current']['worst']:,} of 8,388,607" in text


def test_a_result_and_a_checkpoint_have_tensors_too(tmp_path: Path) -> None:
    counts = {
        "counts_sum": np.array([[70_000_001, 3]]),
        "spikes_per_step": np.array([[70_000_004]]),
    }
    np.savez(tmp_path / "r.npz", **counts, empty=np.zeros((0, 2)))
    result = inspect_file(tmp_path / "r.npz")
    assert result.as_json()["tensors"]["counts_sum"]["high"] == 70_000_001
    text = markdown.render(result.document())
    assert "70,000,001" in text
    assert "empty" in text
    checkpoint = inspect_file(network_path("digits"))
    assert checkpoint.footprint is None
    assert checkpoint.as_json()["tensors"]["phi"]["dtype"] == "float32"
