"""Contents of a Lava bundle, its checks, and the independence of its parts from ipvae_snn."""

import ast
import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from ipvae_snn.errors import (
    BackendUnavailableError,
    DataError,
    FileFormatError,
)
from ipvae_snn.export.lava.bundle import write_bundle
from ipvae_snn.hw.lava import backend, environment, runner
from ipvae_snn.hw.lava.bundle.simulator import bundle_io
from ipvae_snn.hw.lava.bundle.simulator.decoding import decode
from ipvae_snn.ir import circuit_steps, interpreter
from ipvae_snn.ir.files import to_arrays, to_scalars
from ipvae_snn.ir.plain_files import read_plain, write_plain
from ipvae_snn.ir.trace import RunRequest


@pytest.fixture
def bundle(network, tmp_path):
    out = tmp_path / "bundle"
    write_bundle(network, out, runner.bundle_sources())
    return out


def test_a_bundle_holds_what_its_readme_names_and_nothing_else(bundle):
    files = {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()}
    assert files == {
        "README.md",
        "requirements.txt",
        "run.py",
        "network.npz",
        "network.json",
        *(
            f"simulator/{name}.py"
            for name in (
                "__init__",
                "bundle_io",
                "checks",
                "child",
                "circuit",
                "decoding",
                "ending",
                "files",
                "members",
                "neuron_rules",
                "output",
                "results",
                "rules",
                "salvage",
                "watch",
            )
        ),
        *(
            f"simulator/processes/{name}.py"
            for name in (
                "__init__",
                "arithmetic",
                "arrivals",
                "common",
                "draws",
                "fused",
                "fused_parts",
                "graph",
                "matrices",
                "population",
                "recording",
                "stateful",
                "synapses",
                "weights",
            )
        ),
        *(
            f"simulator/processes/{name}/__init__.py"
            for name in (
                "accumulator",
                "host",
                "lca",
                "network",
                "neuron",
                "residual",
                "source",
            )
        ),
    }
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
        (
            {"version": 5},
            "version 5, but this installation reads 3 and 4",
            "version 5, but this bundle runs .* version 3 or 4",
        ),
        ({"format": "else"}, "not a network that ipvae-snn exported", "format 'else'"),
        ({"program": {}}, "'version'; export again", None),
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
        (np.array([{}]), "no readable .npy file (it holds Python objects, which are never loaded)"),
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
    result = bundle_io.read_images(path, network, 2)
    np.testing.assert_array_equal(result, np.arange(24).reshape(2, 1, 12))


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (bundle_io.Request(5, 0, 0, False, (3, 7)), "--monitor 7 is not in 0..6"),
        (bundle_io.Request(5, 0, 0, False, replicas=65), "--replicas 65 is not in 1..64"),
        (bundle_io.Request((1 << 20) + 1, 0, 0, False), "--steps 1048577 is not in 1..1048576"),
        (bundle_io.Request(5, -1, 0, False), "--seed -1 is not in 0..4294967295"),
        (
            bundle_io.Request(5, 0, (1 << 32) - 2, False),
            "--first-image 4294967294 is not in 0..4294967293",
        ),
    ],
)
def test_options_outside_their_limits_are_one_line(bundle, request_, words):
    with pytest.raises(bundle_io.InputError) as caught:
        bundle_io.check_request(request_, (3, 1), bundle_io.read_network(bundle))
    assert str(caught.value) == words


def test_more_time_steps_than_lava_can_count_are_refused(bundle):
    network = bundle_io.read_network(bundle)
    with pytest.raises(bundle_io.InputError, match=r"time steps in all 2147487744 is not in"):
        bundle_io.check_request(bundle_io.Request((1 << 20), 0, 0, False), (2048, 1), network)


def test_the_read_out_is_the_interpreters(network, bundle):
    counts = np.random.default_rng(0).integers(0, 1 << 15, (150, 7)).astype(np.int32)
    files = {"added": counts[:, np.newaxis]}
    result = decode(bundle_io.read_network(bundle), files, 9)[:, 0]
    np.testing.assert_array_equal(result, interpreter.decode(network, counts), strict=True)


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
    assert runner.reason("Killed\n", -9) == (
        "run.py was killed by SIGKILL (if nobody did that, memory ran out); its last words: Killed"
    )


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


@pytest.mark.parametrize("circuit", ["one-layer", "two-layer"])
def test_what_the_host_sets_is_what_the_interpreter_holds(
    network, two_layer, pixels_factory, tmp_path, circuit
):
    integer = network if circuit == "one-layer" else two_layer
    write_plain(integer, tmp_path)
    pixels = pixels_factory(integer, 70)  # more than one block
    result = bundle_io.held_values(bundle_io.read_network(tmp_path), pixels[:, np.newaxis])
    np.testing.assert_array_equal(result[:, 0], circuit_steps.held(integer, pixels))
    assert result.dtype == np.int32


def test_a_two_layer_network_in_a_bundle_is_known_as_one(two_layer, tmp_path):
    write_plain(two_layer, tmp_path)
    assert to_scalars(read_plain(tmp_path)) == to_scalars(two_layer)
    plain = bundle_io.read_network(tmp_path)
    request = bundle_io.Request(5, 0, 0, False)
    assert (plain.stride, bundle_io.time_steps(request, plain)) == (2, 12)


def test_what_does_not_fit_is_refused_before_lava_is_looked_for(network):
    with pytest.raises(DataError, match=r"images of 4x3 as \(N, 12\), .*, not uint8\(1, 11\)"):
        backend.run(network, np.zeros((1, 11), np.uint8), RunRequest(1))
