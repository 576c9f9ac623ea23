"""One run, from Python: arrays in memory, and files only where a path is given."""

import json
from pathlib import Path

import numpy as np
import pytest

from ipvae_snn.data import ImageSet
from ipvae_snn.errors import BackendError, SaturatedError
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.decoding import decoding_of
from ipvae_snn.ir.encode import encode
from ipvae_snn.ir.files import save_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest
from ipvae_snn.metrics.quality import r2
from ipvae_snn.pretrained import network_path
from ipvae_snn.watcher import partial_path
from ipvae_snn.workflows.image_choice import ImageChoice
from ipvae_snn.workflows.run import RunOptions, run_file, run_integer


@pytest.fixture
def choice(tmp_path: Path) -> ImageChoice:
    """Three images of the small network's size, as a file."""
    images = np.random.default_rng(0).standard_normal((3, 4, 3)).astype(np.float32)
    np.save(tmp_path / "images.npy", images)
    return ImageChoice(str(tmp_path / "images.npy"))


def test_an_integer_run_is_the_interpreters(network: IntegerNetwork, choice: ImageChoice) -> None:
    images, request = choice.encoded_for(network), RunRequest(5, seed=2, trace=True)
    result = run_integer(network, images, request)
    expected = interpreter.run(network, images.pixels, request)
    np.testing.assert_array_equal(result.trace.counts, expected.counts)
    assert (result.backend, result.steps, len(result.images)) == ("compiled", 5, 3)
    assert result.spikes_per_image == expected.counts_sum.sum() / 3
    assert result.saturations is not None
    assert result.as_json()["out"] is None


def test_a_file_is_written_only_where_a_path_is_given(
    network: IntegerNetwork, choice: ImageChoice, tmp_path: Path
) -> None:
    path, out = tmp_path / "net.safetensors", tmp_path / "r.npz"
    save_network(network, path)
    before = set(tmp_path.iterdir())
    plain = run_file(path, choice, RunRequest(4), RunOptions())
    assert (plain.backend, plain.as_json()["backend_by_default"]) == ("compiled", True)
    assert "steps on compiled (default) in" in plain.document().blocks[0].plain
    assert set(tmp_path.iterdir()) == before
    done = {"counts_sum": np.zeros((1, 7), np.int64), "images_done": np.array(1)}
    np.savez(partial_path(out), **done)  # of an earlier run that failed
    kept = run_file(path, choice, RunRequest(4), RunOptions("compiled", out))
    assert set(tmp_path.iterdir()) == {*before, out}
    with np.load(out) as arrays:
        np.testing.assert_array_equal(arrays["counts_sum"], plain.trace.counts_sum)
    assert json.loads(json.dumps(kept.as_json()))["out"] == str(out)
    assert kept.as_json()["backend_by_default"] is False
    assert "(default)" not in kept.document().blocks[0].plain


@pytest.mark.parametrize("text", ["sample", "mean:2", "map"])
def test_a_decoding_in_place_of_the_files(
    network: IntegerNetwork, choice: ImageChoice, tmp_path: Path, text: str
) -> None:
    """The result names it, and its quality is that of the reference's images."""
    path = tmp_path / "net.safetensors"
    save_network(network.with_decoding("mean:3"), path)
    request, images = RunRequest(5, seed=2), choice.encoded_for(network)
    own = run_file(path, choice, request, RunOptions())
    assert own.as_json()["decoding"] == "mean:3"
    assert own.document().blocks[0].plain.endswith("; decoded by mean:3")
    decoding = decoding_of(text)
    result = run_file(path, choice, request, RunOptions("reference", decoding=decoding))
    assert result.as_json()["decoding"] == text
    assert ("decoded by" in result.document().blocks[0].plain) == (text != "sample")
    expected = interpreter.run(network.with_decoding(decoding), images.pixels, request)
    np.testing.assert_array_equal(result.trace.reconstruction, expected.reconstruction)
    assert result.quality == r2(images.floats.pixels, expected.reconstruction)


def test_a_float_run_decodes_too() -> None:
    """The rates have less noise than a sample of them."""
    path, choice = network_path("digits"), ImageChoice("digits", limit=20)
    values = {
        text: run_file(path, choice, RunRequest(16), RunOptions(decoding=decoding_of(text)))
        for text in ("sample", "mean:4", "map")
    }
    assert [one.as_json()["decoding"] for one in values.values()] == [*values]
    r2_of = {text: one.quality.mean for text, one in values.items()}
    assert r2_of["sample"] + 0.02 < r2_of["mean:4"] < r2_of["map"]


@pytest.mark.parametrize(
    ("backend", "units"),
    [("reference", [(3, 12), (6, 12), (9, 12), (12, 12)]), (None, [(3, 3)])],
)
def test_a_run_names_its_part_and_counts_its_units(
    network: IntegerNetwork,
    choice: ImageChoice,
    tmp_path: Path,
    backend: str | None,
    units: list[tuple[int, int]],
) -> None:
    path, seen = tmp_path / "net.safetensors", list[tuple[str, int, int]]()
    save_network(network, path)
    run_file(path, choice, RunRequest(4), RunOptions(backend), lambda *new: seen.append(new))
    name = backend or "compiled"
    parts = [f"loading the back end {name}", f"images of {choice.data}"]
    counted = f"{name}: 3 images, 4 steps"
    expected = [(part, 0, 0) for part in (*parts, counted)]
    assert seen == [*expected, *((counted, *done) for done in units)]


def test_images_of_a_float_run_are_those_of_the_network(tmp_path: Path) -> None:
    path = network_path("digits")
    result = run_file(path, ImageChoice("digits", limit=2), RunRequest(3), RunOptions())
    assert (result.backend, result.images.name, result.saturations) == ("float", "digits", None)
    with pytest.raises(BackendError, match="is a float checkpoint, which the back end 'onnx'"):
        run_file(path, ImageChoice("digits", limit=2), RunRequest(3), RunOptions("onnx"))
    forbid = RunOptions(out=tmp_path / "r.npz", forbid_saturation=True)
    with pytest.raises(SaturatedError, match="'float' does not count what saturates"):
        run_file(path, ImageChoice("digits", limit=2), RunRequest(3), forbid)
    assert not (tmp_path / "r.npz").exists()


def test_a_choice_encodes_as_the_network_takes_it(
    network: IntegerNetwork, choice: ImageChoice
) -> None:
    images = choice.encoded_for(network)
    floats: ImageSet = images.floats
    expected, _ = encode(network.input, floats.pixels, floats.kind, floats.name)
    np.testing.assert_array_equal(images.pixels, expected)
