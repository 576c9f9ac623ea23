"""What a Lava bundle holds, what is checked of it, and that its parts need nothing of ours."""

import ast
import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from ipvae_snn import interpreter
from ipvae_snn.errors import (
    BackendError,
    BackendUnavailableError,
    DataError,
    FileFormatError,
)
from ipvae_snn.export.lava_bundle import write_bundle
from ipvae_snn.hw.lava import backend, bundle_io, environment, runner
from ipvae_snn.plain_files import read_plain, write_plain
from ipvae_snn.serialize import save_network, to_arrays, to_scalars
from ipvae_snn.trace import RunRequest


@pytest.fixture
def bundle(network, tmp_path):
    out = tmp_path / "bundle"
    write_bundle(network, out, runner.bundle_sources())
    return out


def test_a_bundle_holds_what_its_readme_names_and_nothing_else(bundle):
    files = {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()}
    assert files == {
        "README.md", "requirements.txt", "run.py", "network.npz", "network.json",
        "simulator/__init__.py", "simulator/child.py", "simulator/bundle_io.py",
        "simulator/circuit.py", "simulator/processes/__init__.py",
        "simulator/processes/arithmetic.py", "simulator/processes/common.py",
        "simulator/processes/neuron/__init__.py", "simulator/processes/recorder/__init__.py",
        "simulator/processes/source/__init__.py",
    }  # fmt: skip
    readme = (bundle / "README.md").read_text()
    assert "$" not in readme
    assert "4 x 3 pixels, 7 neurons" in readme
    assert "standardised brightness (p - 100) x 0.05" in readme
    assert (bundle / "requirements.txt").read_text() == "lava-nc==0.10.0\nnumpy<2\n"


def test_a_bundle_imports_python_numpy_and_lava_only(bundle):
    allowed = set(sys.stdlib_module_names) | {"numpy", "lava", "simulator"}
    for path in bundle.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(), feature_version=(3, 10))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            assert {name.partition(".")[0] for name in names} <= allowed, path


def test_a_process_lies_alone_in_its_folder(bundle):
    # Lava's compiler executes every other file beside a Process, where relative imports fail.
    for path in (bundle / "simulator" / "processes").rglob("*.py"):
        if "(AbstractProcess)" in path.read_text():
            assert [entry.name for entry in path.parent.glob("*.py")] == ["__init__.py"]


def test_the_network_comes_back_from_its_plain_files(network, tmp_path):
    write_plain(network, tmp_path)
    back = read_plain(tmp_path)
    assert to_scalars(back) == to_scalars(network)
    assert back.provenance == network.provenance
    for name, array in to_arrays(network).items():
        np.testing.assert_array_equal(to_arrays(back)[name], array, strict=True)
    plain = bundle_io.read_network(tmp_path)
    assert plain.scalars == to_scalars(network)
    assert plain.arrays.keys() == to_arrays(network).keys()
    assert (plain.n_neurons, plain.n_pixels) == (7, 12)


def test_an_altered_network_is_refused_by_both_readers(network, tmp_path):
    write_plain(network, tmp_path)
    arrays = dict(np.load(tmp_path / "network.npz"))
    arrays["neurons.bias"] = arrays["neurons.bias"] + 1
    np.savez(tmp_path / "network.npz", **arrays)
    with pytest.raises(FileFormatError) as caught:
        read_plain(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/network.npz: not the file that network.json was written with (its SHA-256 "
        "differs); export again"
    )
    with pytest.raises(bundle_io.InputError) as caught:
        bundle_io.read_network(tmp_path)
    assert str(caught.value) == (
        "network.npz: not the file that network.json was written with (its SHA-256 differs); "
        "export the bundle again"
    )


@pytest.mark.parametrize(
    ("change", "plain", "bundled"),
    [
        ({"version": 3}, "version 3, but this installation reads 2", "version 3, but this bundle"),
        ({"format": "else"}, "not a network that ipvae-snn exported", "format 'else'"),
        ({"program": {}}, "'input'; export again", None),
    ],
)
def test_a_foreign_or_newer_network_is_refused(network, tmp_path, change, plain, bundled):
    write_plain(network, tmp_path)
    path = tmp_path / "network.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(FileFormatError, match=plain):
        read_plain(tmp_path)
    if bundled:
        with pytest.raises(bundle_io.InputError, match=bundled):
            bundle_io.read_network(tmp_path)


def test_a_missing_network_is_one_line(tmp_path):
    with pytest.raises(FileFormatError, match=r"no readable network \(.*\); export it again$"):
        read_plain(tmp_path)
    with pytest.raises(bundle_io.InputError, match=r"; export the bundle again$"):
        bundle_io.read_network(tmp_path)


def test_a_failed_export_leaves_the_old_bundle_and_no_rest(network, bundle):
    before = (bundle / "network.json").read_text()
    sources = runner.bundle_sources()
    sources["network.npz/impossible"] = ""  # a folder where the npz file must go
    with pytest.raises(OSError, match=r"network\.npz"):
        write_bundle(replace(network, provenance={"new": "yes"}), bundle, sources)
    assert (bundle / "network.json").read_text() == before
    assert [path.name for path in bundle.parent.iterdir()] == ["bundle"]


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((2, 12)), "float64, but the network takes uint8 pixels, 0..255, in a .npy"),
        (np.zeros((2, 11), np.uint8), "(2, 11), but the network takes (N, 12) or (N, 4, 3)"),
        (np.zeros((2, 3, 4), np.uint8), "(2, 3, 4), but the network takes (N, 12) or (N, 4, 3)"),
        (np.zeros(12, np.uint8), "(12,), but the network takes (N, 12) or (N, 4, 3)"),
        (np.zeros((0, 12), np.uint8), "(0, 12), but the network takes (N, 12) or (N, 4, 3)"),
        (np.array([{}]), "no readable .npy file (Array can't be memory-mapped: Python objects"),
    ],
)
def test_images_that_do_not_fit_are_one_line(bundle, tmp_path, array, words):
    path = tmp_path / "images.npy"
    np.save(path, array)
    with pytest.raises(bundle_io.InputError) as caught:
        bundle_io.read_images(path, bundle_io.read_network(bundle), None)
    assert str(caught.value).startswith(f"{path}: {words}")
    assert "\n" not in str(caught.value)


def test_images_may_be_flat_or_not_and_limited(bundle, tmp_path):
    network = bundle_io.read_network(bundle)
    path = tmp_path / "images.npy"
    np.save(path, np.arange(36, dtype=np.uint8).reshape(3, 4, 3))
    found = bundle_io.read_images(path, network, 2)
    np.testing.assert_array_equal(found, np.arange(24).reshape(2, 12))


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (bundle_io.Request((1 << 20) + 1, 0, 0, False), "--steps 1048577 is not in 1..1048576"),
        (bundle_io.Request(5, -1, 0, False), "--seed -1 is not in 0..4294967295"),
        (
            bundle_io.Request(5, 0, (1 << 32) - 2, False),
            "--first-image 4294967294 is not in 0..4294967293",
        ),
    ],
)
def test_options_outside_their_limits_are_one_line(request_, words):
    with pytest.raises(bundle_io.InputError) as caught:
        bundle_io.check_request(request_, 3)
    assert str(caught.value) == words


def test_more_time_steps_than_lava_can_count_are_refused():
    with pytest.raises(bundle_io.InputError, match=r"images x \(steps \+ 2\) 2147487744 is not in"):
        bundle_io.check_request(bundle_io.Request((1 << 20), 0, 0, False), 2048)


def test_the_read_out_is_the_interpreters(network, bundle):
    counts = np.random.default_rng(0).integers(0, 1 << 15, (150, 7)).astype(np.int32)
    found = bundle_io.decode(bundle_io.read_network(bundle), counts)
    np.testing.assert_array_equal(found, interpreter.decode(network, counts), strict=True)


def test_a_result_is_written_whole_or_not_at_all(tmp_path):
    bundle_io.write_result(tmp_path / "out.npz", {"state": np.arange(3)})

    class Unsavable:
        def __array__(self, *_args, **_options):
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        bundle_io.write_result(tmp_path / "out.npz", {"state": np.arange(4), "x": Unsavable()})
    assert [path.name for path in tmp_path.iterdir()] == ["out.npz"]
    np.testing.assert_array_equal(np.load(tmp_path / "out.npz")["state"], [0, 1, 2])


def test_the_time_limit_grows_with_the_run():
    # 60 s + 20 images x 66 time steps x (5 ms + 20 ns x 512 x 1296) = 60 + 1320 x 0.018271 s
    assert bundle_io.default_timeout(20, 64, 512, 784) == pytest.approx(84.117, abs=1e-3)


def test_what_run_py_says_becomes_the_reason():
    stderr = (
        "0/3 images\nrun.py: error: NeuronModel, time step 2: E; its traceback follows\nTrace\n"
        "/x/resource_tracker.py:224: UserWarning: resource_tracker: There appear to be 9 leaked\n"
    )
    assert runner.reason(stderr, 1) == ("NeuronModel, time step 2: E; its traceback follows\nTrace")
    assert runner.reason("Killed\n", -9) == "run.py ended with status -9: Killed"


def test_without_an_environment_the_message_says_what_to_do(
    network, pixels_factory, monkeypatch, tmp_path
):
    monkeypatch.setattr(environment, "find", lambda: None)
    monkeypatch.setenv(environment.FOLDER_VARIABLE, str(tmp_path / "none"))
    with pytest.raises(BackendUnavailableError) as caught:
        backend.run(network, pixels_factory(network, 1), RunRequest(1))
    assert str(caught.value) == (
        f"lava: no environment with lava-nc 0.10.0 at {tmp_path}/none; "
        "make it by `ipvae-snn lava setup`"
    )


TWO_LAYER = (
    "the Lava simulator runs one-layer circuits only, and this network is a two-layer one; "
    "convert with --circuit one-layer, or use --backend reference, compiled, torch or onnx"
)


def test_a_two_layer_circuit_is_refused_by_back_end_and_bundle(two_layer, tmp_path):
    with pytest.raises(BackendError) as caught:
        backend.run(two_layer, np.zeros((1, 12), np.uint8), RunRequest(1))
    assert str(caught.value) == TWO_LAYER
    with pytest.raises(BackendError) as caught:
        write_bundle(two_layer, tmp_path / "bundle", runner.bundle_sources())
    assert str(caught.value) == TWO_LAYER
    assert not list(tmp_path.iterdir())


def test_export_to_lava_refuses_a_two_layer_circuit_before_all_else(two_layer, tmp_path, run):
    save_network(two_layer, tmp_path / "net.safetensors")
    code, text, error = run(
        "export", tmp_path / "net.safetensors", "--target", "lava", "--out", tmp_path / "out"
    )
    assert (code, text, error) == (1, "", f"ipvae-snn: error: {TWO_LAYER}\n")
    assert not (tmp_path / "out").exists()


def test_a_two_layer_network_in_a_bundle_is_one_line(two_layer, tmp_path):
    write_plain(two_layer, tmp_path)
    assert to_scalars(read_plain(tmp_path)) == to_scalars(two_layer)
    with pytest.raises(bundle_io.InputError) as caught:
        bundle_io.read_network(tmp_path)
    assert str(caught.value) == (
        "network.json: a two-layer circuit, but this bundle runs one-layer circuits; convert with "
        "--circuit one-layer and export the bundle again"
    )


def test_what_does_not_fit_is_refused_before_lava_is_looked_for(network):
    with pytest.raises(DataError, match=r"uint8 images of 4x3 as \(N, 12\), not uint8\(1, 11\)"):
        backend.run(network, np.zeros((1, 11), np.uint8), RunRequest(1))
