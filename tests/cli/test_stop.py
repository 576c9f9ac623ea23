"""`--stop` of run and energy: a change in nats or auto, into a file or a folder, and refusals."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from answers import Run, shown

import ipvae_snn as snn
from ipvae_snn.errors import BackendError
from ipvae_snn.hw.cost.activity import activity
from ipvae_snn.hw.cost.neurobench import metrics, tally
from ipvae_snn.hw.mapping.events import counted
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.encode import encode
from ipvae_snn.ir.files import save_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.stop import Stop
from ipvae_snn.ir.trace import RunRequest, Trace, counts_of, states_of

STEPS, N = 12, 9
NATS = 0.2


@pytest.fixture
def example(tmp_path: Path, network: IntegerNetwork) -> Path:
    """Return a folder with the small network, and images that it takes."""
    save_network(network, tmp_path / "net.safetensors")
    rng = np.random.default_rng(0)
    np.save(tmp_path / "images.npy", rng.normal(0, 1, (N, 4, 3)).astype(np.float32))
    return tmp_path


def given(example: Path, command: str, *more: object) -> tuple[object, ...]:
    data = ("--data", example / "images.npy", "--steps", STEPS)
    return (command, example / "net.safetensors", *data, *more)


def expected(example: Path, network: IntegerNetwork, stop: Stop) -> tuple[np.ndarray, Trace]:
    """Return the images' levels, and the reference's trace."""
    images = np.load(example / "images.npy").reshape(N, 12)
    pixels, _ = encode(network.input, images, "standardised", "x")
    trace = interpreter.run(network, pixels, RunRequest(STEPS, trace=True, stop=stop))
    assert trace.steps_taken is not None
    assert len(set(trace.steps_taken.tolist())) > 1  # or the test would show little
    return pixels, trace


def named(nats: float = NATS, least: int = 2) -> Stop:
    """Return the stop of `--stop nats:least` for the small network, of 12 fraction bits."""
    return Stop(round(nats * 4096 / np.log(2)), least)


def test_a_file_and_a_folder_hold_the_steps_of_each_image(
    example: Path, network: IntegerNetwork, run: Run
) -> None:
    _, wanted = expected(example, network, named())
    taken = wanted.steps_taken
    assert taken is not None
    file, folder = example / "r.npz", example / "folder"
    stop = ("--stop", f"{NATS}:2")
    one = shown(run, *given(example, "run", "--out", file, *stop))
    many = shown(run, *given(example, "run", "--out", folder, "--chunk", 4, *stop))
    with np.load(file) as arrays:
        for name in ("steps_taken", "counts_sum", "state", "reconstruction", "spikes_per_step"):
            np.testing.assert_array_equal(arrays[name], getattr(wanted, name))
            np.testing.assert_array_equal(np.load(folder / f"{name}.npy"), arrays[name])
    mean = {"mean": taken.mean(), "least": taken.min(), "most": taken.max()}
    threshold = {"threshold": named().threshold, "least_steps": 2, "calibration_images": 0}
    for result in (one, many):
        assert result["steps_taken"] == pytest.approx(mean)
        assert {name: result["stop"][name] for name in threshold} == threshold
        assert result["stop"]["nats"] == pytest.approx(NATS, abs=2e-4)
        assert result["spikes_per_image"] == wanted.counts_sum.sum() / N
    for out in (example / "s.npz", example / "second"):
        _, text, _ = run(*given(example, "run", "--out", out, *stop))
        line = " ".join(text.split())
        assert f"steps taken: {taken.mean():.2f} ({taken.min()}..{taken.max()})" in line
        assert f", {STEPS} steps at most on compiled" in line


def test_a_folder_goes_on_only_with_the_same_stop(example: Path, run: Run) -> None:
    folder = example / "folder"
    shown(run, *given(example, "run", "--out", folder, "--stop", "0.2"))
    again = ("--out", folder, "--resume")
    assert shown(run, *given(example, "run", *again, "--stop", "0.2"))["images_resumed"] == N
    for other in ((), ("--stop", "0.3")):
        code, _, error = run(*given(example, "run", *again, *other))
        assert code == 1
        assert "its run was started with stop {'threshold'" in error


def test_a_run_without_a_stop_says_so(example: Path, run: Run) -> None:
    out = example / "r.npz"
    result = shown(run, *given(example, "run", "--out", out))
    assert result["stop"] is None
    assert result["steps_taken"] is None
    with np.load(out) as arrays:
        assert "steps_taken" not in arrays


def test_auto_keeps_r2_and_is_the_largest_that_does(example: Path, network: IntegerNetwork) -> None:
    """Of the thresholds that are 4 % apart; and a folder's is the same."""
    images = example / "images.npy"
    whole = snn.run(network, images, steps=STEPS).quality.mean
    result = snn.run(network, images, steps=STEPS, stop="auto")
    assert result.stop is not None
    assert result.stop.images == N
    assert result.quality.mean >= whole - 0.002
    stop = result.stop.stop
    above = replace(stop, threshold=int(stop.threshold * 2 ** (1 / 16)) + 1)
    shown = snn.run(network, images, steps=STEPS, stop=f"{above.nats(network):.6f}:4")
    assert shown.quality.mean < whole - 0.002
    folder = snn.run(network, images, steps=STEPS, stop="auto", out=example / "folder")
    assert folder.stop == result.stop


def test_energy_counts_nothing_after_the_stop(
    example: Path, two_layer: IntegerNetwork, run: Run
) -> None:
    """Residual neurons too: as of runs of each image alone, of as many steps as it takes."""
    save_network(two_layer, example / "net.safetensors")
    stop = named(0.1)
    pixels, wanted = expected(example, two_layer, stop)
    assert wanted.steps_taken is not None
    result = shown(run, *given(example, "energy", "--stop", "0.1:2"))
    alone, tallies, sent = [], [], 0.0
    for image, steps in enumerate(wanted.steps_taken.tolist()):
        one = pixels[image : image + 1]
        trace = interpreter.run(two_layer, one, RunRequest(steps, 0, image, trace=True))
        counts = counts_of(trace)
        alone.append(activity(two_layer, one, counts).as_json())
        tallies.append(tally(two_layer, one, counts, states_of(trace)))
        events = counted(two_layer, [(one, counts)], "x").by_source
        sent += sum(float(each.sum()) for each in events.values()) / N
    for name, value in result["activity"].items():
        assert value == pytest.approx(np.mean([each[name] for each in alone])), name
    bench = metrics(two_layer, tallies).as_json()
    assert result["neurobench"] == pytest.approx(bench)
    together = counted(two_layer, [(pixels, counts_of(wanted))], "x", wanted.steps_taken)
    assert sum(each.sum() for each in together.by_source.values()) == pytest.approx(sent)
    assert together.steps == wanted.steps_taken.mean()
    assert result["steps_taken"]["mean"] == wanted.steps_taken.mean()
    _, text, _ = run(*given(example, "energy", "--stop", "0.1:2"))
    assert f"{wanted.steps_taken.mean():.2f} taken on average" in " ".join(text.split())


def test_verify_compares_stopped_runs_on_every_back_end(example: Path, run: Run) -> None:
    """With the stop that `run` finds, and none of moving images."""
    backends = ("--backends", "compiled,torch,onnx")
    found = shown(run, *given(example, "run", "--out", example / "r.npz", "--stop", "auto:3"))
    assert found["stop"]["least_steps"] == 3
    for asked in ("auto:3", f"{NATS}:2"):
        result = shown(run, *given(example, "verify", *backends, "--stop", asked))
        assert [each["equal"] for each in result["backends"]] == [True] * 4
        if asked == "auto:3":
            assert result["stop"] == found["stop"]
    assert shown(run, *given(example, "verify", *backends[:1], "compiled"))["stop"] is None
    _, text, _ = run(*given(example, "verify", *backends, "--stop", "0.2"))
    assert "stops below a mean change of 0.2" in " ".join(text.split())
    code, _, error = run(*given(example, "verify", *backends, "--stop", "0.2", "--frames", "3"))
    assert code == 1
    assert "--stop is for still images" in error


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--stop", "soon"), "stop 'soon' is neither a change in nats"),
        (("--stop", "0.2", "--frames", "3"), "--stop is for still images"),
        (("--stop", "0.2", "--backend", "triton"), "no image stops when it is done"),
    ],
)
def test_refusals_are_one_line(
    example: Path, run: Run, more: tuple[str, ...], message: str
) -> None:
    out = example / "r.npz"
    code, _, error = run(*given(example, "run", "--out", out, *more))
    assert code != 0
    assert message in error
    assert len([line for line in error.splitlines() if message in line]) == 1
    assert "Traceback" not in error
    assert not out.exists()


def test_a_back_end_that_ignores_the_stop_is_found(
    network: IntegerNetwork, example: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(network: IntegerNetwork, pixels: np.ndarray, request: RunRequest) -> Trace:
        return interpreter.run(network, pixels, replace(request, stop=None))

    monkeypatch.setattr("ipvae_snn.ir.interpreter.BACKEND", interpreter.FromFunction(run))
    with pytest.raises(BackendError, match="'reference' does not stop images that are done"):
        snn.run(network, example / "images.npy", steps=5, stop=0.2, backend="reference")
    with pytest.raises(BackendError, match="'reference' does not stop images that are done"):
        snn.verify(network, example / "images.npy", steps=5, stop=0.2, backends=["compiled"])
