"""Files of integer networks: networks are read as written, and bad files are refused."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from graphs import networks
from hypothesis import given, settings
from old_version import circuit_arrays, circuit_scalars
from safetensors import safe_open
from safetensors.numpy import save_file

from ipvae_snn.errors import FileFormatError
from ipvae_snn.ir.files import FORMAT, load_network, save_network, to_arrays, to_scalars
from ipvae_snn.ir.network import IntegerNetwork


def parts(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return a file's tensors and metadata, to be damaged."""
    with safe_open(path, framework="numpy") as handle:
        return {name: handle.get_tensor(name) for name in handle.keys()}, handle.metadata()  # noqa: SIM118 (no __iter__)


@pytest.mark.parametrize("circuit", ["network", "two_layer"])
def test_round_trip(circuit: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Every tensor, scalar and text of either circuit comes back."""
    network: IntegerNetwork = request.getfixturevalue(circuit)
    save_network(network, tmp_path / "net.safetensors")
    result = load_network(str(tmp_path / "net.safetensors"))
    assert to_scalars(result) == to_scalars(network)
    assert result.provenance == network.provenance
    assert result.circuit == network.circuit
    assert to_arrays(result).keys() == to_arrays(network).keys()
    for name, array in to_arrays(network).items():
        np.testing.assert_array_equal(array, to_arrays(result)[name])
        assert array.dtype == to_arrays(result)[name].dtype


def test_inspect_tells_the_circuit_and_its_worst_cases(
    network: IntegerNetwork,
    two_layer: IntegerNetwork,
    run: Callable[..., tuple[int, str, str]],
    tmp_path: Path,
) -> None:
    """The sums and limits that a circuit has, and no other."""
    path = tmp_path / "net.safetensors"
    for integer, own in ((network, "lateral"), (two_layer, "prediction")):
        save_network(integer, path)
        code, text, error = run("inspect", path, "--json")
        assert (code, error) == (0, "")
        result = json.loads(text)
        assert result["circuit"] == integer.circuit
        assert [*result["connections"]] == ["feedforward", own]
        assert result["populations"]["neurons"]["fraction_bits"] == 12
        assert ("residual" in result["populations"]) == (own == "prediction")
        assert [*result["worst_case"]] == ["feedforward sum", f"{own} sum", "current"]
        assert f"{own}.weights" in result["tensors"]


@pytest.mark.parametrize("circuit", ["network", "two_layer"])
def test_version_2_loads_as_a_graph(
    circuit: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """A file of that version gives the same network; a spoiled one is refused."""
    network: IntegerNetwork = request.getfixturevalue(circuit)
    path = tmp_path / "old.safetensors"
    scalars, arrays = circuit_scalars(network), circuit_arrays(network)
    metadata = {
        "format": FORMAT,
        "version": "2",
        "program": json.dumps(scalars),
        "provenance": json.dumps(network.provenance),
    }
    save_file({name: np.ascontiguousarray(a) for name, a in arrays.items()}, path, metadata)
    result = load_network(path)
    assert to_scalars(result) == to_scalars(network)
    for name, array in to_arrays(network).items():
        np.testing.assert_array_equal(array, to_arrays(result)[name], strict=True)
    for spoiled in (
        {**scalars, "residual_limit": 9 if scalars["residual_limit"] is None else None},
        {name: value for name, value in scalars.items() if name != "residual_limit"},
        {**scalars, "neurons": {}},
        {**scalars, "version": 2.0},
    ):
        save_file(arrays, path, metadata | {"program": json.dumps(spoiled)})
        with pytest.raises(FileFormatError, match=r"old\.safetensors: "):
            load_network(path)


@given(networks())
@settings(max_examples=30, deadline=None)
def test_any_graph_comes_back(network: IntegerNetwork) -> None:
    """Every tensor and scalar, from the parts and from a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.safetensors"
        save_network(network, path)
        result = load_network(path)
    assert to_scalars(result) == to_scalars(network)
    assert to_arrays(result).keys() == to_arrays(network).keys()
    for name, array in to_arrays(network).items():
        np.testing.assert_array_equal(array, to_arrays(result)[name], strict=True)


def test_equal_networks_are_equal_files(network: IntegerNetwork, tmp_path: Path) -> None:
    """The library alone writes metadata in another order from call to call."""
    for index in range(8):
        save_network(network, tmp_path / f"{index}.safetensors")
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


def test_missing_file(tmp_path: Path) -> None:
    """Says so."""
    with pytest.raises(FileFormatError, match="no such file; check the path"):
        load_network(tmp_path / "absent.safetensors")


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_truncated_file(network: IntegerNetwork, tmp_path: Path, kept: int) -> None:
    """A file cut anywhere is refused in one line."""
    path = tmp_path / "net.safetensors"
    save_network(network, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(FileFormatError, match="not a readable safetensors file"):
        load_network(path)


def test_foreign_newer_and_older_files(network: IntegerNetwork, tmp_path: Path) -> None:
    """Safetensors of other software, and ours of versions 5 and 1."""
    path = tmp_path / "net.safetensors"
    save_file({"x": np.zeros(3)}, path)
    with pytest.raises(FileFormatError, match=f"its format is None, not '{FORMAT}'"):
        load_network(path)
    save_network(network, path)
    arrays, metadata = parts(path)
    save_file(arrays, path, metadata | {"version": "5"})
    with pytest.raises(FileFormatError, match="version 5 is newer than 4, the newest"):
        load_network(path)
    save_file(arrays, path, metadata | {"version": "1"})
    with pytest.raises(
        FileFormatError,
        match=r"net\.safetensors: version 1 is older than 2, which draws from other uniforms; "
        "convert it again$",
    ):
        load_network(path)
    save_file(arrays, path, metadata | {"version": "one"})
    with pytest.raises(FileFormatError, match="version 'one' is not a number"):
        load_network(path)


SPOIL: dict[str, Callable[..., object]] = {
    "a tensor is missing": lambda a, m: a.__delitem__("neurons.bias"),
    "the JSON is cut": lambda a, m: m.update(program=m["program"][:-5]),
    "a connection to nowhere": lambda a, m: m.update(
        program=m["program"].replace('"target": "neurons"', '"target": "nerves"')
    ),
    "no list of populations": lambda a, m: m.update(
        program=m["program"].replace('"populations": [', '"people": [')
    ),
    "populations that are no list": lambda a, m: m.update(
        program=json.dumps({**json.loads(m["program"]), "populations": {"name": "neurons"}})
    ),
    "an unknown kind of neurons": lambda a, m: m.update(
        program=m["program"].replace('"kind": "poisson"', '"kind": "fish"')
    ),
    "an unknown kind of weights": lambda a, m: m.update(
        program=m["program"].replace('"kind": "dense"', '"kind": ["dense"]')
    ),
    "weights that claim to be a convolution": lambda a, m: m.update(
        program=m["program"].replace('"kind": "dense"', '"kind": "convolution"')
    ),
    "a grid of another size": lambda a, m: m.update(
        program=m["program"].replace('"grid": []', '"grid": [1, 2, 3]')
    ),
    "a scalar is missing": lambda a, m: m.update(
        program=m["program"].replace('"max_count": 40', '"most": 40')
    ),
    "a scalar too many": lambda a, m: m.update(program=m["program"].replace("max_count", "most")),
    "a wrong type": lambda a, m: a.update({"lateral.weights": a["lateral.weights"].astype("i2")}),
    "a wrong shape": lambda a, m: a.update({"decoder.scale": a["decoder.scale"][1:]}),
    "a negative image": lambda a, m: m.update(program=m["program"].replace("[4, 3]", "[-4, -3]")),
    "a half pixel": lambda a, m: m.update(program=m["program"].replace("[4, 3]", "[4.0, 3]")),
    "a scale that is not finite": lambda a, m: m.update(
        program=m["program"].replace('"scale": 0.05', '"scale": Infinity')
    ),
    "a scale of 400 digits": lambda a, m: m.update(
        program=m["program"].replace('"scale": 0.05', '"scale": ' + "9" * 400)
    ),
    "an absurd scale": lambda a, m: m.update(
        program=m["program"].replace('"scale": 0.05', '"scale": 1e300')
    ),
    "a kind of 100,000 characters": lambda a, m: m.update(
        program=m["program"].replace("standardised", "n" * 100_000)
    ),
    "a deep program": lambda a, m: m.update(program="[" * 9000 + "]" * 9000),
    "a deep origin": lambda a, m: m.update(provenance='{"a":' * 5000 + "1" + "}" * 5000),
    "an origin that is no text": lambda a, m: m.update(provenance='{"a": [1]}'),
    "a version of 5,000 digits": lambda a, m: m.update(version="9" * 5000),
    "a version that is a digit, but no number": lambda a, m: m.update(version="²"),
    "another version inside": lambda a, m: m.update(
        program=m["program"].replace('"version": 3', '"version": 3.0')
    ),
    "decoder scales beyond float32": lambda a, m: a.update(
        {"decoder.scale": np.full_like(a["decoder.scale"], 3e38)}
    ),
    **{
        f"a table of {kind}": lambda a, m, kind=kind: a.update(
            {"tables.coarse": a["tables.coarse"].astype(kind)}
        )
        for kind in ("i4", "u8", "f4", "f8")
    },
    "an altered table": lambda a, m: a.update({"tables.fine": a["tables.fine"] - 1}),
}


@pytest.mark.parametrize("what", SPOIL)
def test_spoiled_files(network: IntegerNetwork, tmp_path: Path, what: str) -> None:
    """Each raises FileFormatError with the name of the file."""
    path = tmp_path / "net.safetensors"
    save_network(network, path)
    arrays, metadata = parts(path)
    SPOIL[what](arrays, metadata)
    save_file(arrays, path, metadata)
    with pytest.raises(FileFormatError, match=r"net\.safetensors: ") as caught:
        load_network(path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def test_a_failed_save_leaves_the_old_file(
    network: IntegerNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fills up half-way keeps what was there, and leaves no temporary file."""
    path = tmp_path / "net.safetensors"
    save_network(network, path)
    before = path.read_bytes()

    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as handle:
            handle.write(data[:100])
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        save_network(network, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["net.safetensors"]
