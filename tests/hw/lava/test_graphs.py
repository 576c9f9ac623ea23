"""Any graph in Lava, both ways: equal to the interpreter in every array that a run gives."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hand_made import chain, convolved, lca, relayed, with_read_out
from variants import with_counters

from ipvae_snn.errors import BackendError, DataError
from ipvae_snn.export.lava.bundle import fill_readme, write_bundle
from ipvae_snn.hw.lava import backend, runner
from ipvae_snn.hw.lava.simulation import MAX_ENTRIES, LavaOptions
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.decoding import MAP, Decoding
from ipvae_snn.ir.interpreter import Read
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest, Trace

REQUEST = RunRequest(5, 3, 2, trace=True)
FUSED, PARTS = LavaOptions(fused=True), LavaOptions()
Make = Callable[[], IntegerNetwork]
GRAPHS: dict[str, Make] = {
    "convolved": convolved,
    "chain": lambda: chain().with_decoding(Decoding("mean", 3)),
    "lca": lambda: lca().with_decoding(Decoding("mean", 9)),
    "relayed": lambda: relayed().with_decoding(MAP),
}


def shown(network: IntegerNetwork, *frames: int) -> np.ndarray:
    """Return three images, or moving ones, in which a third of the pixels change."""
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (3, *frames, network.n_pixels)).astype(np.uint8)
    if frames:
        still = np.broadcast_to(pixels[:, :1], pixels.shape)
        pixels = np.where(rng.random(pixels.shape) < 0.3, pixels, still)
    return pixels


def assert_equal(result: Trace, wanted: Trace) -> None:
    """Every array: counts, states, saturations, scores, reconstructions."""
    assert result.arrays().keys() == wanted.arrays().keys()
    for name, array in result.arrays().items():
        np.testing.assert_array_equal(array, wanted.arrays()[name], err_msg=name, strict=True)


SLOW = pytest.mark.slow
EACH = [
    *(pytest.param(name, FUSED, id=f"{name} fused") for name in GRAPHS),
    pytest.param("relayed", PARTS, id="relayed parts"),
    *(
        pytest.param(name, PARTS, id=f"{name} parts", marks=SLOW)
        for name in ("convolved", "chain", "lca")
    ),
]


@pytest.mark.parametrize(("graph", "way"), EACH)
def test_a_graph_equals_the_interpreter(lava_python: object, graph: str, way: LavaOptions) -> None:
    network = GRAPHS[graph]()
    pixels = shown(network)
    wanted = interpreter.run(network, pixels, REQUEST)
    assert (wanted.counts_sum.sum(axis=0) > 0).any()
    assert wanted.saturated is not None
    assert wanted.saturated.any()
    run = backend.simulate(network, pixels, REQUEST, way)
    assert_equal(run.trace, wanted)
    assert {*run.traffic} - {"image"} == {one.name for one in network.connections}


READ_OUTS = [
    pytest.param("network", PARTS, id="one-layer parts"),
    pytest.param("two_layer", FUSED, id="two-layer fused"),
    pytest.param("network", FUSED, id="one-layer fused", marks=SLOW),
    pytest.param("two_layer", PARTS, id="two-layer parts", marks=SLOW),
]


@pytest.mark.parametrize(("circuit", "way"), READ_OUTS)
def test_a_read_out_gives_the_interpreters_scores(
    lava_python: object, circuit: str, way: LavaOptions, request: pytest.FixtureRequest
) -> None:
    network = with_read_out(request.getfixturevalue(circuit))
    pixels = shown(network)
    wanted = interpreter.run(network, pixels, REQUEST)
    assert wanted.scores is not None
    assert len(np.unique(wanted.scores)) > 20
    assert_equal(backend.simulate(network, pixels, REQUEST, way).trace, wanted)


def test_accumulators_on_the_chip_hold_what_a_mean_decodes(
    lava_python: object, network: IntegerNetwork
) -> None:
    """Their readings after the last step and n steps before it differ by the counts in between."""
    counting = with_counters(network).with_decoding(Decoding("mean", 3))
    run = backend.simulate(counting, shown(network), REQUEST, FUSED)
    scores = run.trace.scores
    assert scores is not None
    read = Read(scores[:, 4] - scores[:, 1], run.trace.state, 3)
    decoded = interpreter.reconstruct(counting, read)
    np.testing.assert_array_equal(decoded, run.trace.reconstruction, strict=True)
    counts = run.trace.counts
    assert counts is not None
    # One synaptic operation for each count that is not 0.
    np.testing.assert_array_equal(run.traffic["counting"][:, 1], (counts > 0).sum(axis=(1, 2)))


MOVING = [
    pytest.param("network", PARTS, id="one-layer parts"),
    pytest.param("two_layer", FUSED, id="two-layer fused"),
    pytest.param("network", LavaOptions("bias", fused=True, replicas=2), id="one-layer bias"),
    pytest.param("two_layer", LavaOptions("bias"), id="two-layer bias", marks=SLOW),
    pytest.param("relayed", PARTS, id="relayed parts", marks=SLOW),
    pytest.param("convolved", FUSED, id="convolved fused", marks=SLOW),
]


@pytest.mark.parametrize(("graph", "way"), MOVING)
def test_moving_images_equal_the_interpreter(
    lava_python: object, graph: str, way: LavaOptions, request: pytest.FixtureRequest
) -> None:
    """States go on from frame to frame, and only pixels that change are sent."""
    if graph in GRAPHS:
        network = GRAPHS[graph]()
    else:  # a mean of two steps of every frame, or the rates after it
        decoding = MAP if way.source == "bias" else Decoding("mean", 2)
        network = request.getfixturevalue(graph).with_decoding(decoding)
    pixels = shown(network, 3)
    wanted = interpreter.run(network, pixels, REQUEST)
    run = backend.simulate(network, pixels, REQUEST, way)
    assert_equal(run.trace, wanted)
    assert run.trace.reconstruction.shape == pixels.shape
    if way.source == "spikes":
        signed = pixels.astype(np.int64)
        sent = (signed[:, 0] != network.input.zero_point).sum(axis=1)
        sent += (np.diff(signed, axis=1) != 0).sum(axis=(1, 2))
        first = next(name for name in ("image", "feedforward") if name in run.traffic)
        np.testing.assert_array_equal(run.traffic[first][:, 0], sent)


def test_one_frame_is_a_moving_image_too(lava_python: object) -> None:
    network = chain()
    pixels = shown(network)[:, np.newaxis]
    request = RunRequest(2)
    wanted = interpreter.run(network, pixels, request)
    assert_equal(backend.simulate(network, pixels, request, FUSED).trace, wanted)


def test_the_host_writes_to_one_population_only(lava_python: object) -> None:
    with pytest.raises(BackendError, match=re.escape("image reaches error, scores, but the host")):
        backend.simulate(convolved(), shown(convolved()), REQUEST, LavaOptions("bias", fused=True))


def test_what_lava_cannot_hold_is_refused_before_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_ENTRIES == 1 << 26
    monkeypatch.setattr("ipvae_snn.hw.lava.simulation.MAX_ENTRIES", 100)
    with pytest.raises(DataError, match="up: 12 x 96 weights as a matrix, but Lava takes 100 at"):
        backend.run_fused(convolved(), shown(convolved()), REQUEST)
    monkeypatch.setattr("ipvae_snn.hw.lava.simulation.MAX_INPUTS", 1)
    with pytest.raises(DataError, match="2 connections lead to first, but Lava takes 1"):
        backend.run_fused(chain(), shown(chain()), REQUEST)


def test_the_script_prints_classes_and_their_accuracy(
    lava_python: Path, network: IntegerNetwork, tmp_path: Path
) -> None:
    scored = with_read_out(network)
    write_bundle(scored, tmp_path / "bundle", runner.bundle_sources())
    pixels = shown(scored)
    scores = interpreter.run(scored, pixels, RunRequest(4)).scores
    assert scores is not None
    classes = scored.labels[scores[:, -1].argmax(axis=1)]
    labels = np.where(np.arange(3) < 2, classes, 99)
    for name, array in (("images", pixels), ("labels", labels), ("few", labels[:2])):
        np.save(tmp_path / f"{name}.npy", array)

    def run(bundle: str, labels: str) -> tuple[int, str, str]:
        out = tmp_path / "out.npz"
        command = [lava_python, "-I", tmp_path / bundle / "run.py", "--fused", "--steps", "4"]
        command += ["--input", tmp_path / "images.npy", "--out", out, "--labels", tmp_path / labels]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout, done.stderr

    said = " ".join(map(str, classes))
    code, text, _ = run("bundle", "labels.npy")
    assert (code, text) == (0, f"classes: {said}\naccuracy: 0.6667 (2 of 3)\n")
    with np.load(tmp_path / "out.npz") as result:
        np.testing.assert_array_equal(result["classes"], classes)
    code, text, error = run("bundle", "few.npy")
    assert (code, text) == (2, "")
    assert error.endswith("int64(2,), but 3 images need as many whole numbers (N,)\n")
    write_bundle(network, tmp_path / "plain", runner.bundle_sources())
    code, text, error = run("plain", "labels.npy")
    assert (code, text) == (2, "")
    assert "this network has no read-out that names classes" in error
    readme = (tmp_path / "bundle" / "README.md").read_text()
    assert "neurons -> Dense (readout) -> scores" in readme
    assert "| scores | (N, T, 3) int32 |" in readme
    assert "--labels" not in (tmp_path / "plain" / "README.md").read_text()


@pytest.mark.parametrize("graph", GRAPHS)
def test_the_readme_draws_any_graph(graph: str) -> None:
    network = GRAPHS[graph]()
    text = fill_readme(network, runner.bundle_sources()["README.md"])
    assert "$" not in text
    for one in network.connections:
        assert f"{one.source} -> Dense ({one.name}) -> {one.target}" in text
    steps = {"convolved": "2T + 2", "relayed": "3T + 2"}.get(graph, "T + 2")
    assert f"A presentation takes {steps} time steps" in text
