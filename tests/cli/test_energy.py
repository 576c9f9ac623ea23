"""`ipvae-snn energy`: counts, proxies with their sources, JSON, pictures, wrong input."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from circuits import replace

from ipvae_snn.data.base import ImageSet
from ipvae_snn.hw.chips.profile import load_profile
from ipvae_snn.hw.cost.activity import activity
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.encode import encode
from ipvae_snn.ir.files import save_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest
from ipvae_snn.workflows import energy
from ipvae_snn.workflows.images import Images

Run = Callable[..., tuple[int, str, str]]
STEPS = 5


@pytest.fixture
def example(tmp_path: Path, network: IntegerNetwork) -> Path:
    """Return a folder with a small network and seven images that it takes."""
    save_network(network, tmp_path / "net.safetensors")
    rng = np.random.default_rng(0)
    np.save(tmp_path / "images.npy", rng.normal(0, 1, (7, 4, 3)).astype(np.float32))
    return tmp_path


def command(example: Path, *more: object) -> tuple[object, ...]:
    data = ("--data", example / "images.npy", "--steps", STEPS)
    return ("energy", example / "net.safetensors", *data, *more)


def test_counts_and_proxies_are_those_of_the_reference(
    example: Path, network: IntegerNetwork, run: Run
) -> None:
    """As JSON, for all packaged profiles; each result names its source."""
    code, out, _ = run(*command(example, "--json"))
    assert code == 0
    result = json.loads(out)
    images = np.load(example / "images.npy").reshape(7, 12)
    pixels, _ = encode(network.input, images, "standardised", "x")
    trace = interpreter.run(network, pixels, RunRequest(STEPS, trace=True))
    wanted = activity(network, pixels, trace.counts).as_json()
    assert result["activity"] == pytest.approx(wanted)
    assert (result["images"], result["steps"], result["circuit"]) == (7, STEPS, "one-layer")
    assert result["neurobench"]["dense_operations"] == wanted["dense_operations"]
    named = [(each["profile"], each["what"]) for each in result["estimates"]]
    ways = ("event-driven int8", "Gram int8", "Gram float", "iterative float")
    chips = ("loihi1", "loihi1-sanafe", "loihi2", "spinnaker2", "truenorth")
    assert named == [*(("cpu-45nm", way) for way in ways), *((c, "integer run") for c in chips)]
    for each in result["estimates"]:
        assert bool(each["sources"]) == (each["profile"] != "loihi2")
    assert set(result["traffic"]) == {"loihi1", "loihi1-sanafe", "loihi2"}
    assert result["traffic"]["loihi1"]["barriers"] == STEPS + 2


def test_what_a_user_sees(example: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sources below the table, "not public" where nothing is, a picture, and the JSON file."""
    monkeypatch.setenv("COLUMNS", "100")
    code, out, _ = run(*command(example, "--plots", example / "p", "--out", example / "e.json"))
    assert code == 0
    for words in (
        "synaptic operations, by payload",
        "effective ACs",
        "event-driven int8",
        "[1] Horowitz 2014",
        "loihi2: Counts only: no energy per operation is public",
        "static (leakage during an image's barrier synchronisations, not in the table): loihi1 >= ",
        "loihi1: placed on 1 core of 1 chip (`ipvae-snn map` checks whether it fits)",
    ):
        assert words in out
    row = next(line for line in out.splitlines() if line.strip().startswith("loihi2 "))
    assert row.split() == ["loihi2", *["not", "public"] * 4]
    assert (example / "p" / "energy.png").read_bytes()[:4] == b"\x89PNG"
    assert json.loads((example / "e.json").read_text())["images"] == 7


def test_requested_profiles(example: Path, run: Run) -> None:
    """A file of the user's too, in the order given."""
    mine = example / "mine.toml"
    mine.write_text(
        'name = "mine"\ntitle = "t"\ncaveat = "c"\n[sources]\np = "A paper, 2026"\n[energy]\n'
        'synaptic_operation = { value = 2, unit = "pJ", source = "p", confidence = "low" }\n'
    )
    code, out, _ = run(*command(example, "--profile", mine, "--profile", "truenorth", "--json"))
    assert code == 0
    first, second = json.loads(out)["estimates"]
    assert (first["profile"], second["profile"]) == ("mine", "truenorth")
    operations = json.loads(out)["activity"]["synaptic_operations"]
    assert first["dynamic_nj"]["low"] == pytest.approx(operations * 2e-3)
    assert first["sources"] == ["A paper, 2026"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--profile", "loihi9"), "no profile is called 'loihi9' (did you mean 'loihi2'?)"),
        (("--profile", "generic"), "profile generic has no energies, so nothing can be "),
        (("--profile", "none.toml"), "none.toml: no such file; check the path"),
        (("--data", "digits"), "digits: images of 64 pixels, but the network takes 4x3 = 12"),
    ],
)
def test_wrong_input_is_one_line(
    example: Path, run: Run, arguments: tuple[str, ...], message: str
) -> None:
    code, out, error = run(*command(example, *arguments))
    assert (code, out) == (1, "")
    assert error.startswith(f"ipvae-snn: error: {message}")
    assert error.count("\n") == 1


def test_a_float_checkpoint_is_refused_with_the_way_on(run: Run) -> None:
    code, _, error = run("energy", "digits", "--data", "digits")
    assert code == 1
    assert "digits.safetensors: a float checkpoint, but energy counts an integer network's" in error
    assert "ipvae-snn convert" in error


@pytest.mark.parametrize("circuit", ["one-layer", "two-layer"])
def test_parts_of_a_run_give_what_the_whole_does(
    network: IntegerNetwork,
    two_layer: IntegerNetwork,
    circuit: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three images at a time: the same draws, counts, events and sparsities."""
    integer = {"one-layer": network, "two-layer": two_layer}[circuit]
    pixels = np.random.default_rng(3).normal(0, 1, (7, 12)).astype(np.float32)
    data = ImageSet("x", "test", pixels, (4, 3), "standardised")
    images = Images(data, encode(integer.input, pixels, data.kind, data.name)[0], 0)
    profiles = [load_profile("loihi1-sanafe"), load_profile("loihi2")]
    whole = energy.report(integer, images, STEPS, 1, profiles).as_json()
    monkeypatch.setattr(energy, "CHUNK_BYTES", 3 * STEPS * integer.n_neurons * 8)
    parts = energy.report(integer, images, STEPS, 1, profiles).as_json()
    for name in ("activity", "neurobench"):
        assert parts[name] == pytest.approx(whole[name])
    assert parts["traffic"]["loihi2"] == pytest.approx(whole["traffic"]["loihi2"])
    assert parts["r2"] == pytest.approx(whole["r2"])


def test_nothing_sent_costs_no_message(network: IntegerNetwork) -> None:
    """A silent network: updates and the image only."""
    silent = replace(
        network.neurons,
        initial_state=np.full(7, network.neurons.state_min, np.int32),
        state_max=network.neurons.state_min + 1,
    )
    integer = replace(network, neurons=silent)
    pixels = np.zeros((2, 12), np.float32)
    data = ImageSet("x", "test", pixels, (4, 3), "standardised")
    images = Images(data, encode(integer.input, pixels, data.kind, data.name)[0], 0)
    result = energy.report(integer, images, STEPS, 1, [load_profile("loihi1-sanafe")])
    assert result.activity.messages == 0
    assert result.estimates[0].part("messages").low is None
    result.document()
