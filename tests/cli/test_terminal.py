"""Progress line while a back end runs, and the message of an interrupted run."""

import io
import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import typer
from rich.console import Console

from ipvae_snn.backends import registry
from ipvae_snn.backends.watcher import Watcher, current_watcher, watched
from ipvae_snn.cli import app
from ipvae_snn.cli.process import ended_by_signals
from ipvae_snn.cli.terminal import partial_path, watching
from ipvae_snn.errors import BackendError
from ipvae_snn.hw.lava.bundle.simulator.ending import Interrupted
from ipvae_snn.ir.files import save_network
from ipvae_snn.ir.network import IntegerNetwork

Run = Callable[..., tuple[int, str, str]]


def test_nobody_watches_unless_he_says_so() -> None:
    seen: list[tuple[int, int]] = []
    current_watcher().progress(1, 2)  # nothing shows it
    with watched(Watcher(lambda done, total: seen.append((done, total)), Path("x"), stall_s=0)):
        current_watcher().progress(3, 4)
        assert current_watcher().keep == Path("x")
        assert (current_watcher().timeout_s, current_watcher().stall_s) == (None, 0)
    assert seen == [(3, 4)]
    assert current_watcher() == Watcher()


def test_a_terminal_sees_a_bar() -> None:
    screen = Console(file=io.StringIO(), force_terminal=True, width=100)
    with watching(screen, "lava: 8 images", Path("r.npz"), (5.0, 0.0)) as shown:
        shown.bar.refresh()
        current_watcher().progress(2, 8)
        shown.bar.refresh()
        shown.update("onnx: 8 images")
        shown.bar.refresh()
        assert current_watcher().keep == Path("r.partial.npz")
        assert (current_watcher().timeout_s, current_watcher().stall_s) == (5.0, 0.0)
    text = screen.file.getvalue()
    assert "lava: 8 images" in text
    assert "2/8 images" in text
    assert text.rindex("onnx: 8 images") > text.rindex("2/8 images")


def test_a_file_sees_nothing() -> None:
    screen = Console(file=io.StringIO())
    with watching(screen, "lava: 8 images") as shown:
        current_watcher().progress(2, 8)
        shown.update("onnx: 8 images")
    assert screen.file.getvalue().strip() == ""


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (KeyboardInterrupt(), 130, "ipvae-snn: interrupted\n"),
        (Interrupted(signal.SIGTERM), 143, "ipvae-snn: interrupted by SIGTERM\n"),
        (Interrupted(signal.SIGHUP, "by; 3 of 4"), 129, "ipvae-snn: by; 3 of 4\n"),
    ],
)
def test_an_interrupt_is_one_line(
    error: KeyboardInterrupt, status: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as caught, ended_by_signals():
        raise error
    assert caught.value.exit_code == status
    assert capsys.readouterr().err == line


def test_a_result_takes_the_place_of_an_older_partial_one(
    network: IntegerNetwork, run: Run, tmp_path: Path
) -> None:
    save_network(network, tmp_path / "net.safetensors")
    rng = np.random.default_rng(0)
    np.save(tmp_path / "images.npy", rng.standard_normal((4, 4, 3)))
    out = tmp_path / "r.npz"
    older = partial_path(out)
    np.savez(older, counts_sum=np.zeros((1, 7), np.int64), images_done=1)
    options = ("--data", tmp_path / "images.npy", "--out", out, "--limit", 2, "--steps", 2)
    code, _, error = run("run", tmp_path / "net.safetensors", *options)
    assert (code, error) == (0, "")
    assert out.exists()
    assert not older.exists()
    older.write_text("mine")
    assert run("run", tmp_path / "net.safetensors", *options)[0] == 0
    assert older.read_text() == "mine"


def test_a_traceback_from_elsewhere_keeps_its_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise BackendError("lava: a\n  b: 3; its traceback follows\nTraceback\n  File x\nError: 3")

    monkeypatch.setattr(app, "app", fail)
    with pytest.raises(SystemExit) as caught:
        app.main()
    assert caught.value.code == 1
    assert capsys.readouterr().err == (
        "ipvae-snn: error: lava: a b: 3\nTraceback\n  File x\nError: 3\n"
    )


def test_ctrl_c_ends_a_run_with_status_130(
    network: IntegerNetwork, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        signal.pause()

    save_network(network, tmp_path / "net.safetensors")
    np.save(tmp_path / "images.npy", np.random.default_rng(0).standard_normal((1, 4, 3)))
    monkeypatch.setattr(registry, "load_backend", lambda _: interrupted)
    code, _, error = run(
        "run",
        tmp_path / "net.safetensors",
        "--data",
        tmp_path / "images.npy",
        "--out",
        tmp_path / "r.npz",
    )
    assert (code, error) == (130, "ipvae-snn: interrupted\n")
    assert not (tmp_path / "r.npz").exists()
