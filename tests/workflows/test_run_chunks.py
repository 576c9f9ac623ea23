"""Runs in chunks: the same arrays and figures as a run in one piece, whatever happens between."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import ipvae_snn as snn
from ipvae_snn.conversion.readout import attach_readout
from ipvae_snn.errors import ConfigError, DataError, FileFormatError, OutputError, SaturatedError
from ipvae_snn.ir import back_ends, interpreter
from ipvae_snn.ir.files import save_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.session import FromFunction
from ipvae_snn.ir.trace import RunRequest, Trace
from ipvae_snn.storage.row_files import RowFile
from ipvae_snn.workflows.image_choice import ImageChoice
from ipvae_snn.workflows.result_folder import RECORDS
from ipvae_snn.workflows.run import run_integer
from ipvae_snn.workflows.run_chunks import ChunkedResult, ChunkOptions
from ipvae_snn.workflows.run_large import run_large

N = 23
REQUEST = RunRequest(5, seed=2)
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """Images of the small network's size with classes, and one that is constant."""
    images = np.random.default_rng(0).standard_normal((N, 4, 3))
    images[4] = 1.0
    np.savez(tmp_path / "images.npz", images=images, labels=np.arange(N) % 3)
    return tmp_path / "images.npz"


@pytest.fixture
def read_out(network: IntegerNetwork, pixels_factory: Callable[..., np.ndarray]) -> IntegerNetwork:
    """The small network with a read-out of three classes."""
    pixels = pixels_factory(network, 60)
    counts = interpreter.run(network, pixels, RunRequest(8)).counts_sum
    return attach_readout(network, counts, np.arange(60) % 3, 8)[0]


def ran(
    network: IntegerNetwork, data: Path, out: Path, request: RunRequest = REQUEST, **options: object
) -> ChunkedResult:
    backend = str(options.pop("backend", "compiled"))
    chunks = ChunkOptions(out, **options)  # type: ignore[arg-type]
    return run_large(network, ImageChoice(str(data)), request, backend, chunks)


def check_arrays(out: Path, expected: Trace) -> None:
    found = {path.stem: np.load(path) for path in out.glob("*.npy")}
    assert found.keys() == expected.arrays().keys()
    for name, array in expected.arrays().items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("chunk", [1, 2, 7, N, None])
@pytest.mark.parametrize("trace", [False, True])
def test_figures_and_arrays_do_not_depend_on_the_chunks(
    read_out: IntegerNetwork, given: Path, tmp_path: Path, chunk: int | None, trace: bool
) -> None:
    request = replace(REQUEST, trace=trace, first_image=3)
    images = ImageChoice(str(given)).encoded_for(read_out)
    whole = run_integer(read_out, images, request)
    assert whole.figures.hits is not None
    assert whole.figures.spikes > 0
    assert any(one.total for one in whole.figures.saturations or ())
    result = ran(read_out, given, tmp_path / "out", request, chunk=chunk)
    check_arrays(tmp_path / "out", whole.trace)
    one, many = whole.figures, result.figures
    np.testing.assert_array_equal(many.hits, one.hits)
    exact = {"quality": one.quality, "hits": None}
    assert replace(many, **exact) == replace(one, **exact)
    assert (many.quality.n, many.quality.excluded) == (N - 1, 1)
    for name in ("mean", "low", "high"):
        assert getattr(many.quality, name) == pytest.approx(getattr(one.quality, name), rel=1e-12)
    np.testing.assert_array_equal(result.array("counts_sum"), whole.trace.counts_sum)
    written = json.loads((tmp_path / "out" / "figures.json").read_text())
    for key, value in whole.as_json().items():
        if key not in ("out", "seconds", "backend_by_default", "r2", "r2_95", "accuracy_by_step"):
            assert written[key] == json.loads(json.dumps(value))


class Failing:
    """A back end that fails at its third chunk, in the way that is asked for."""

    def __init__(self, fail: Callable[[], None]) -> None:
        self.fail, self.calls = fail, 0

    def __call__(self, network: IntegerNetwork, pixels: np.ndarray, request: RunRequest) -> Trace:
        self.calls += 1
        if self.calls == 3:
            self.fail()
        return interpreter.run(network, pixels, request)


def raising(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize("chunk", [4, 5, 100])
def test_a_run_goes_on_after_an_error(
    network: IntegerNetwork,
    given: Path,
    tmp_path: Path,
    chunk: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, failing = tmp_path / "out", Failing(raising(DataError("broken")))
    load = back_ends.load_backend
    monkeypatch.setattr(back_ends, "load_backend", lambda name: FromFunction(failing))
    with pytest.raises(DataError, match="broken"):
        ran(network, given, out, chunk=4)
    assert not (out / "figures.json").exists()
    with (out / RECORDS).open("a") as stream:
        stream.write('{"first": 8, "ima')  # a line that a kill cut off
    monkeypatch.setattr(back_ends, "load_backend", load)
    result = ran(network, given, out, chunk=chunk, resume=True)
    assert result.resumed == 8
    whole = run_integer(network, ImageChoice(str(given)).encoded_for(network), REQUEST)
    check_arrays(out, whole.trace)
    assert result.figures.spikes == whole.figures.spikes
    again = ran(network, given, out, resume=True)
    assert again.resumed == N
    assert again.figures == result.figures


def test_an_error_before_the_first_chunk_leaves_nothing(
    network: IntegerNetwork, given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Trace:
        raise DataError("broken")

    monkeypatch.setattr(back_ends, "load_backend", lambda name: FromFunction(broken))
    with pytest.raises(DataError, match="broken"):
        ran(network, given, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_saturated_run_is_refused(network: IntegerNetwork, given: Path, tmp_path: Path) -> None:
    with pytest.raises(SaturatedError, match="the run saturated: ") as caught:
        ran(network, given, tmp_path / "out", chunk=N, forbid_saturation=True)
    images = ImageChoice(str(given)).encoded_for(network)
    whole = run_integer(network, images, REQUEST)
    for one in whole.saturations or ():
        assert (one.describe() in str(caught.value)) is (one.total > 0)


OTHERS: dict[str, Callable[[Path], dict[str, object]]] = {
    "another network": lambda _: {},
    "other images": lambda _: {},
    "steps 5, not 6": lambda _: {"request": RunRequest(6, 2)},
    "seed 2, not 3": lambda _: {"request": RunRequest(5, 3)},
    "backend 'compiled', not 'reference'": lambda _: {"backend": "reference"},
    "trace False, not True": lambda _: {"request": RunRequest(5, 2, trace=True)},
}


@pytest.mark.parametrize("said", OTHERS)
def test_another_run_is_not_resumed(
    network: IntegerNetwork,
    network_factory: Callable[..., IntegerNetwork],
    given: Path,
    tmp_path: Path,
    said: str,
) -> None:
    out = tmp_path / "out"
    ran(network, given, out)
    before = {path: path.read_bytes() for path in out.iterdir()}
    shown = network_factory(seed=9) if said == "another network" else network
    data = given
    if said == "other images":
        data = tmp_path / "others.npz"
        np.savez(data, images=np.random.default_rng(5).standard_normal((N, 4, 3)))
    with pytest.raises(DataError, match=f"out: its run was started with .*{said}"):
        ran(shown, data, out, resume=True, **OTHERS[said](out))
    assert {path: path.read_bytes() for path in out.iterdir()} == before


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no record": (lambda out: (out / RECORDS).write_text("[]\n"), "line 1 is no record"),
    "negative": (
        lambda out: edit(out, first=-1),
        "images -1..21 do not fit the other chunks of 23 images",
    ),
    "beyond": (lambda out: edit(out, images=24), "images 0..23 do not fit"),
    "r2": (lambda out: edit(out, r2=[1, 2]), "line 1 is no record of a chunk"),
    "short": (lambda out: shorten(out / "state.npy"), "state.npy: holds .* its header says"),
    "foreign": (
        lambda out: np.save(out / "state.npy", np.zeros(3)),
        r"state.npy: holds float64\(3,\), but the run wrote int32\(23, 7\)",
    ),
    "json": (lambda out: (out / "run.json").write_text("{"), "run.json: not readable"),
    "format": (lambda out: (out / "run.json").write_text("{}"), "run.json: not of a run of"),
    "version": (
        lambda out: (out / "run.json").write_text('{"format": "ipvae-snn/run", "version": 2}'),
        "version 2 is not 1",
    ),
}


def edit(out: Path, **changed: object) -> None:
    record = json.loads((out / RECORDS).read_text())
    (out / RECORDS).write_text(json.dumps({**record, **changed}) + "\n")


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-4])


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_folder_is_one_line(
    network: IntegerNetwork, given: Path, tmp_path: Path, name: str
) -> None:
    ran(network, given, tmp_path / "out")
    damage, said = DAMAGES[name]
    damage(tmp_path / "out")
    with pytest.raises(FileFormatError, match=said):
        ran(network, given, tmp_path / "out", resume=True)


def test_nothing_is_overwritten_that_was_not_asked_for(
    network: IntegerNetwork, given: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ran(network, given, out)
    with pytest.raises(FileFormatError, match="out: holds a run already; continue it with --resum"):
        ran(network, given, out)
    (out / "mine.npy").write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"out: holds mine.npy; choose a new or an empty folder"):
        ran(network, given, out, overwrite=True)
    (out / "mine.npy").unlink()
    ran(network, given, out, replace(REQUEST, steps=2), overwrite=True)
    assert np.load(out / "spikes_per_step.npy").shape == (N, 2)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file: is a file, not a folder"):
        ran(network, given, tmp_path / "file")
    with pytest.raises(OutputError, match=r"holds .*images.npz, an input of thi"):
        ran(network, given, tmp_path, resume=True)
    with pytest.raises(ConfigError, match=r"r.npz: a run in chunks is written to a folder"):
        ran(network, given, tmp_path / "r.npz")


def test_what_cannot_fit_on_the_disk_is_refused_with_the_number(
    network: IntegerNetwork, given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, usage = replace(REQUEST, trace=True), shutil.disk_usage
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=5000))
    said = r"out: the result takes 13.3 KiB \(13,592 bytes\) of disk, but 4.88 KiB is free there; "
    with pytest.raises(OutputError, match=f"{said}run without --trace, or fewer images"):
        ran(network, given, tmp_path / "out", request)
    assert not (tmp_path / "out").exists()
    monkeypatch.setattr(shutil, "disk_usage", usage)
    ran(network, given, tmp_path / "out", request)
    assert sum(path.stat().st_size for path in (tmp_path / "out").glob("*.npy")) == 13_592


def test_a_disk_that_gets_full_leaves_a_run_to_resume(
    network: IntegerNetwork, given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, write = tmp_path / "out", RowFile.write

    def full(self: RowFile, first: int, rows: np.ndarray) -> None:
        if first >= 8:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(self, first, rows)

    monkeypatch.setattr(RowFile, "write", full)
    with pytest.raises(OutputError, match="No space left on device; free some space and continue "):
        ran(network, given, out, chunk=4)
    monkeypatch.setattr(RowFile, "write", write)
    assert ran(network, given, out, resume=True).resumed == 8
    whole = run_integer(network, ImageChoice(str(given)).encoded_for(network), REQUEST)
    check_arrays(out, whole.trace)


def test_a_signal_says_what_is_done(
    network: IntegerNetwork,
    given: Path,
    tmp_path: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save_network(network, tmp_path / "net.safetensors")
    failing = Failing(lambda: signal.raise_signal(signal.SIGTERM))
    monkeypatch.setattr(back_ends, "load_backend", lambda name: FromFunction(failing))
    out = tmp_path / "out"
    common = ("run", tmp_path / "net.safetensors", "--data", given, "--steps", 5, "--seed", 2)
    code, _, error = run(*common, "--out", out, "--chunk", 4, "--quiet")
    said = f"ipvae-snn: interrupted by SIGTERM; 8 of 23 images are in {out}, continue with --resume"
    assert (code, error) == (128 + signal.SIGTERM, f"{said}\n")
    failing.calls = 10
    code, text, _ = run(*common, "--out", out, "--resume", "--json")
    assert code == 0
    assert json.loads(text)["images_resumed"] == 8
    whole = run_integer(network, ImageChoice(str(given)).encoded_for(network), REQUEST)
    check_arrays(out, whole.trace)


@pytest.mark.slow
def test_a_killed_run_goes_on(network: IntegerNetwork, tmp_path: Path) -> None:
    images = np.random.default_rng(0).standard_normal((400, 4, 3))
    np.save(tmp_path / "images.npy", images)
    save_network(network, tmp_path / "net.safetensors")
    code = "from ipvae_snn.cli.app import main; main()"
    command = [sys.executable, "-c", code, "run", "net.safetensors", "--data", "images.npy"]
    command += ["--limit", "400", "--steps", "400", "--out", "out", "--chunk", "8", "--resume"]
    command += ["--backend", "reference", "--quiet"]
    killed = subprocess.Popen(command, cwd=tmp_path)
    records = tmp_path / "out" / RECORDS
    while killed.poll() is None and not (records.exists() and records.read_text().count("\n") > 2):
        time.sleep(0.02)
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    done = subprocess.run([*command, "--json"], cwd=tmp_path, capture_output=True, check=True)
    assert 0 < json.loads(done.stdout)["images_resumed"] < 400
    choice = ImageChoice(str(tmp_path / "images.npy"))
    whole = run_integer(network, choice.encoded_for(network), RunRequest(400))
    check_arrays(tmp_path / "out", whole.trace)


def test_from_python(network: IntegerNetwork, given: Path, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    result = snn.run(
        network, given, steps=5, out=tmp_path / "out", chunk=10, progress=lambda *s: seen.append(s)
    )
    assert isinstance(result, ChunkedResult)
    assert seen[-1] == ("compiled: 23 images, 5 steps", N, N)
    whole = snn.run(network, given, steps=5)
    np.testing.assert_array_equal(result.array("counts_sum"), whole.trace.counts_sum)
    assert repr(result).startswith("ChunkedResult(compiled, 23 images, 5 steps, R2 ")
    with pytest.raises(ConfigError, match="are for a result in a folder; give out"):
        snn.run(network, given, chunk=3)  # type: ignore[call-overload]


def test_refusals_of_the_command_line(
    network: IntegerNetwork, given: Path, tmp_path: Path, run: Run
) -> None:
    save_network(network, tmp_path / "net.safetensors")
    common = ("run", tmp_path / "net.safetensors", "--data", given)
    code, _, error = run(*common, "--out", tmp_path / "r.npz", "--resume")
    assert code == 1
    assert "one file, but --resume, --chunk, --scheduler and --workers are for a res" in error
    code, _, error = run(*common, "--out", tmp_path / "out", "--frames", 2)
    assert code == 1
    assert "a folder, but sequences (--frames) are written to one file; give --out " in error
    code, _, error = run("run", "digits", "--data", "digits", "--out", tmp_path / "out")
    assert code == 1
    assert "is a float checkpoint, of which a folder holds no result; write one file" in error
