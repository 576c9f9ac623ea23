"""`ipvae-snn lava run`: tables, files, and one line for wrong input."""

import json

import numpy as np
import pytest
from circuits import replace
from hand_made import chain, lca

from ipvae_snn.errors import DataError
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.encode import encode
from ipvae_snn.ir.files import save_network
from ipvae_snn.ir.trace import RunRequest
from ipvae_snn.workflows.lava import neurons_of, octave_of


@pytest.fixture
def files(network, tmp_path):
    integer = replace(network, input=replace(network.input, kind="unit", scale=1 / 255))
    integer = replace(integer, input=replace(integer.input, zero_point=0))
    save_network(integer, tmp_path / "net.safetensors")
    images = np.random.default_rng(0).random((3, 4, 3)).astype(np.float32)
    np.save(tmp_path / "images.npy", images)
    flat = images.reshape(3, 12)
    return integer, encode(integer.input, flat, "unit", "images")[0]


@pytest.mark.usefixtures("lava_python")
def test_both_inputs_are_compared_and_what_is_monitored_is_kept_and_drawn(files, run, tmp_path):
    network, pixels = files
    code, text, error = run(
        "lava",
        "run",
        tmp_path / "net.safetensors",
        "--data",
        tmp_path / "images.npy",
        "--steps",
        "5",
        "--source",
        "both",
        "--monitor",
        "1,4-5",
        "--raster",
        tmp_path / "raster.png",
        "--out",
        tmp_path / "out.npz",
        "--json",
    )
    assert (code, error) == (0, "")
    result = json.loads(text)
    wanted = interpreter.run(network, pixels, RunRequest(5, trace=True))
    spikes, bias = result["runs"]["spikes"], result["runs"]["bias"]
    assert spikes["spikes"] == bias["spikes"] == pytest.approx(wanted.counts.sum() / 3)
    assert spikes["traffic"]["lateral"] == bias["traffic"]["lateral"]
    assert spikes["traffic"]["feedforward"]["messages"] == pytest.approx((pixels != 0).sum() / 3)
    assert "feedforward" not in bias["traffic"]
    assert (spikes["host_writes"], bias["host_writes"]) == (0, 7)
    assert spikes["saturated"] == wanted.saturated.sum()
    with np.load(tmp_path / "out.npz") as result:
        assert result["monitor"].tolist() == [1, 4, 5]
        np.testing.assert_array_equal(result["monitor_counts"], wanted.counts[..., [1, 4, 5]])
        np.testing.assert_array_equal(result["monitor_states"], wanted.states[..., [1, 4, 5]])
        np.testing.assert_array_equal(result["saturated"], wanted.saturated)
    assert (tmp_path / "raster.png").read_bytes().startswith(b"\x89PNG")


def test_neurons_are_listed_one_by_one_by_ranges_or_all():
    assert neurons_of("", 7) == ()
    assert neurons_of("all", 3) == (0, 1, 2)
    assert neurons_of("5,0-2,1", 7) == (5, 0, 1, 2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("3,x", "--monitor '3,x': 'x' is no neuron; give them as 0,5,20-29"),
        ("5-2", "--monitor '5-2': '5-2' is no neuron; give them as 0,5,20-29"),
        ("-2", "--monitor '-2': '-2' is no neuron; give them as 0,5,20-29"),
        ("2-7", "--monitor '2-7': '2-7' is not in 0..6"),
    ],
)
def test_what_is_no_neuron_is_one_line(text, words):
    with pytest.raises(DataError) as caught:
        neurons_of(text, 7)
    assert str(caught.value) == words


def test_too_many_replicas_are_one_line_before_lava_is_looked_for(files, run, tmp_path):
    code, text, error = run(
        "lava",
        "run",
        tmp_path / "net.safetensors",
        "--data",
        tmp_path / "images.npy",
        "--replicas",
        "65",
        "--quiet",
    )
    assert (code, text, error) == (1, "", "ipvae-snn: error: replicas 65 are not in 1..64\n")


def test_states_that_are_no_rates_are_not_drawn(run, tmp_path):
    """One line, before anything runs; of Poisson neurons, every population has its own unit."""
    save_network(lca(), tmp_path / "net.safetensors")
    code, text, error = run(
        "lava",
        "run",
        tmp_path / "net.safetensors",
        "--data",
        tmp_path / "images.npy",
        "--raster",
        tmp_path / "raster.png",
        "--quiet",
    )
    assert (code, text) == (1, "")
    assert error == (
        "ipvae-snn: error: --plots: the states of code, lca neurons, are no rates to draw; leave "
        "it out\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["net.safetensors"]
    np.testing.assert_array_equal(octave_of(chain()), np.full(8, 2.0**-10))
