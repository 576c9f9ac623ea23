"""The face: fourteen functions and a few types, lazy, typed, on any network and images."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

import ipvae_snn as snn
from ipvae_snn.errors import BackendError, ConversionError, DataError, FileFormatError
from ipvae_snn.models.checkpoint import load_checkpoint_config

FUNCTIONS = (
    *("compare", "convert", "energy", "evaluate", "evaluate_moving", "export"),
    *("import_network", "load", "map", "probe", "run", "save", "train", "verify"),
)
TYPES = ("FloatNetwork", "ImageSet", "IntegerNetwork", "IpvaeError", "Trace", "TrainingResult")
HEAVY = ("torch", "numpy", "scipy", "sklearn", "matplotlib", "onnx", "numba")


@pytest.fixture(scope="module")
def digits() -> snn.IntegerNetwork:
    """The pretrained digits at 8 bits, calibrated on a few images."""
    return snn.convert("digits", images=100, steps=8).network


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """A user's own array (N, 8, 8) uint8."""
    return np.random.default_rng(3).integers(0, 256, (6, 8, 8)).astype(np.uint8)


def test_importing_the_face_loads_nothing() -> None:
    code = f"import sys, ipvae_snn; print(*sorted({set(HEAVY)!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, encoding="utf-8", timeout=60
    )
    assert done.stdout.split() == []


def test_every_name_is_there() -> None:
    assert set(snn.__all__) == {*FUNCTIONS, *TYPES, "plots", "__version__"} == set(dir(snn))
    assert [name for name in FUNCTIONS if not callable(getattr(snn, name))] == []
    assert [name for name in TYPES if not isinstance(getattr(snn, name), type)] == []
    with pytest.raises(AttributeError, match="module 'ipvae_snn' has no attribute 'nothing'"):
        _ = snn.nothing  # type: ignore[attr-defined]  # the point of the test


@pytest.mark.parametrize("first", ["ipvae_snn.export.targets", "ipvae_snn.convert"])
def test_a_function_stays_one_when_its_package_is_imported(first: str) -> None:
    """`export` is also a package, `convert` also an old path: importing them changes nothing."""
    code = (
        f"import {first}, ipvae_snn as snn; snn.convert('digits', bits=1)"
        if first.endswith("convert")
        else f"import {first}, ipvae_snn as snn; snn.export('digits', 'nowhere', 'x')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", timeout=60
    )
    assert done.returncode == 1
    assert "IpvaeError" in done.stderr or "Error: " in done.stderr
    assert "TypeError" not in done.stderr


def test_a_run_on_an_array_a_tensor_and_a_loader_is_the_same(
    digits: snn.IntegerNetwork, images: np.ndarray
) -> None:
    """And on any back end, with the same counts."""
    expected = snn.run(digits, images, steps=5, trace=True)
    assert expected.backend == "compiled"
    assert expected.trace.counts is not None
    assert expected.trace.counts.shape == (6, 5, 128)
    loader = torch.utils.data.DataLoader(list(torch.from_numpy(images)), batch_size=4)
    for source in (torch.from_numpy(images), loader, list(images)):
        for backend in ("reference", "torch"):
            other = snn.run(digits, source, steps=5, trace=True, backend=backend)
            np.testing.assert_array_equal(expected.trace.counts, other.trace.counts)


def test_float_networks_run_on_the_same_uniforms(images: np.ndarray) -> None:
    result = snn.run("digits", images, steps=4)
    assert (result.backend, len(result.images)) == ("float", 6)
    with pytest.raises(BackendError, match=r"^FloatNetwork\(8x8 unit pixels, 128 neurons, "):
        snn.run("digits", images, backend="onnx")


def test_reprs_are_one_short_line(digits: snn.IntegerNetwork, images: np.ndarray) -> None:
    result = snn.run(digits, images, steps=4)
    for thing in (digits, snn.load("digits"), result, result.trace, result.images):
        assert len(repr(thing)) < 140, repr(thing)
        assert "\n" not in repr(thing)


def test_verify_map_energy_and_compare(
    digits: snn.IntegerNetwork, images: np.ndarray, tmp_path: Path
) -> None:
    checked = snn.verify(digits, images, backends=["torch"], steps=4)
    checked.require_equal()
    assert checked.compared == 6 * 4 * 128
    assert snn.map(digits, "loihi2", picture=tmp_path / "cores.svg").mapping.fits
    assert (tmp_path / "cores.svg").read_text().startswith("<?xml")
    cost = snn.energy(digits, images, ["cpu-45nm"], steps=4)
    assert cost.report.images == 6
    close = snn.compare("digits", digits, images, steps=4, seeds=2, attribution=False)
    assert close.report.images == 6


def test_evaluate_judges_an_array(images: np.ndarray) -> None:
    result = snn.evaluate("digits", images, steps=4)
    assert result.report.evaluation.images == 6
    assert result.report.readout == "images has no labels"


def test_training_keeps_nothing_without_a_folder(
    images: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done: list[tuple[int, int]] = []
    settings = {"train.iterations": 3, "model.n_latents": 4, "model.u0_low": -1.0}
    settings |= {"model.u0_high": 0.0, "train.steps": 2}
    result = snn.train(
        images, settings=settings, progress=lambda _, now, total: done.append((now, total))
    )
    assert done == [(1, 3), (2, 3), (3, 3)]
    assert (result.checkpoint, list(tmp_path.iterdir())) == (None, [])
    assert (result.network.n_neurons, result.network.trained_on) == (4, "images")
    kept = snn.train(images, settings=settings, out=tmp_path / "run")
    assert kept.checkpoint == tmp_path / "run" / "model.safetensors"
    np.testing.assert_array_equal(kept.network.phi, result.network.phi)
    # the preset for images of a user's own, not that for patches of the packaged photographs
    assert load_checkpoint_config(kept.checkpoint).train.beta == 16.0


def test_export_writes_a_checked_folder(digits: snn.IntegerNetwork, tmp_path: Path) -> None:
    done = snn.export(digits, "onnx", tmp_path / "onnx")
    assert done.checked
    assert (tmp_path / "onnx" / "README.md").is_file()


def test_errors_are_clear(digits: snn.IntegerNetwork, images: np.ndarray) -> None:
    for call, error, message in (
        (lambda: snn.run(digits, 3), DataError, "images of type int are not understood"),
        (lambda: snn.run(digits, images[:, :4]), DataError, "images: images of 32 pixels, but"),
        (lambda: snn.convert(digits), ConversionError, "convert needs a float network, but Int"),
        (lambda: snn.verify("digits", images), FileFormatError, "its format is 'ipvae-snn/checkpo"),
        (lambda: snn.train(images, settings={"train.lr": 1.0}), snn.IpvaeError, "unknown setting"),
    ):
        with pytest.raises(error, match=message):  # type: ignore[call-overload]  # classes
            call()  # type: ignore[no-untyped-call]  # lambdas


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_pictures_take_and_return_axes(
    digits: snn.IntegerNetwork, images: np.ndarray, tmp_path: Path, suffix: str
) -> None:
    """Into a figure of one's own, or a new one; the suffix names the format."""
    result = snn.run(digits, images, steps=4, trace=True)
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert snn.plots.raster(result.trace, image=2, axes=left) is left
    assert snn.plots.dictionary(digits, axes=right) is right
    figure.savefig(tmp_path / f"own.{suffix}")
    snn.plots.spikes(result.trace).figure.savefig(tmp_path / f"new.{suffix}")
    snn.plots.reconstructions(digits, result.images, result.trace, shown=3, steps=(1, 4))
    start = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix]
    for name in ("own", "new"):
        assert (tmp_path / f"{name}.{suffix}").read_bytes().startswith(start)


def test_a_picture_without_a_trace_says_how_to_keep_one(
    digits: snn.IntegerNetwork, images: np.ndarray
) -> None:
    with pytest.raises(DataError, match="the run kept no trace; run it with trace=True"):
        snn.plots.raster(snn.run(digits, images, steps=2).trace)
    with pytest.raises(DataError, match=r"there is no image 6; the run has 0\.\.5"):
        snn.plots.raster(snn.run(digits, images, steps=2, trace=True).trace, image=6)


def test_running_loads_nothing_of_training(tmp_path: Path) -> None:
    """A network's first result from Python comes without torch, and without what only draws."""
    code = (
        "import sys, numpy, ipvae_snn as snn; from ipvae_snn.api import run; "
        "print(*sorted({'torch', 'matplotlib', 'scipy.optimize', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "\n"


def test_training_from_python_takes_what_the_command_takes(tmp_path: Path) -> None:
    """White values and first parameters, as --white and --start-from."""
    images = np.random.default_rng(0).integers(0, 17, (40, 4, 4)).astype(np.uint8)
    images[0] = 16
    small = {"train.iterations": 2, "train.steps": 2, "model.n_latents": 5}
    first = snn.train(images, white=16, settings=small, out=tmp_path / "first")
    assert first.network.preparation is not None
    assert first.network.preparation.white == 16
    again = snn.train(images, white=16, settings=small, start_from=first.checkpoint)
    other = snn.train(images, white=16, settings=small)
    apart = [np.abs(each.network.phi - first.network.phi).max() for each in (again, other)]
    assert apart[0] < 0.05
    assert apart[0] != apart[1]
