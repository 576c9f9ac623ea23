"""Progress line while a back end runs, and the message of an interrupted run."""

import io
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from ipvae_snn.cli import app
from ipvae_snn.cli.process import ended_by_signals
from ipvae_snn.cli.terminal import Limits, Screen
from ipvae_snn.errors import BackendError
from ipvae_snn.hw.lava.bundle.simulator.ending import Interrupted
from ipvae_snn.ir import back_ends
from ipvae_snn.ir.files import save_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.session import FromFunction
from ipvae_snn.kernels.threads import n_threads
from ipvae_snn.report.progress_bar import progress_bar
from ipvae_snn.watcher import Watcher, current_watcher, partial_path, parts, watched

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


def test_the_limits_of_a_command_reach_the_back_end(capsys: pytest.CaptureFixture[str]) -> None:
    with Screen().working(Limits(Path("r.npz"), 5.0, 0.0, 3)):
        now = current_watcher()
        assert (now.keep, now.timeout_s, now.stall_s) == (Path("r.partial.npz"), 5.0, 0.0)
        assert n_threads() == 3
        assert n_threads(2) == 2
    assert n_threads() == 1
    assert capsys.readouterr() == ("", "")


def test_a_terminal_sees_a_line_at_once_and_then_a_bar() -> None:
    screen = Console(file=io.StringIO(), force_terminal=True, width=100)
    with progress_bar(screen) as display, parts(display) as begin:
        display.bar.refresh()
        begin("lava: 8 images")
        display.bar.refresh()
        current_watcher().progress(2, 8)
        display.bar.refresh()
        begin("onnx: [8] images")
        display.bar.refresh()
    text = screen.file.getvalue()
    places = [text.index(part) for part in ("starting", "lava: 8 images", "25%", "onnx: [8] im")]
    assert places == sorted(places)
    assert "left" in text[places[2] : places[3]]
    assert "left" not in text[places[3] :]


def test_a_file_sees_nothing_unless_a_log_is_asked_for() -> None:
    for log, expected in ((False, []), (True, ["training", "export to onnx"])):
        screen = Console(file=io.StringIO(), width=100)
        with progress_bar(screen, log) as display:
            for done in (1, 2):
                display(f"training, loss {done}.5", done, 2)
            display("export to onnx", 0, 0)
        lines = screen.file.getvalue().splitlines()
        assert [line.partition(" s  ")[2] for line in lines if line] == expected


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9), st.sampled_from([0, 9, 5]))))
def test_any_order_of_reports_ends_at_the_last(reports: list[tuple[str, int, int]]) -> None:
    with progress_bar(Console(file=io.StringIO(), force_terminal=True, width=60)) as display:
        for report in reports:
            display(*report)
        (task,) = display.bar.tasks
        if reports:
            what, done, total = reports[-1]
            assert (task.description, task.completed, task.total) == (what, done, total or None)


def test_quiet_shows_nothing_and_verbose_the_traceback(
    network: IntegerNetwork, run: Run, tmp_path: Path
) -> None:
    save_network(network, tmp_path / "net.safetensors")
    np.save(tmp_path / "images.npy", np.random.default_rng(0).standard_normal((2, 4, 3)))
    common = ("run", tmp_path / "net.safetensors", "--data", tmp_path / "images.npy", "--steps", 2)
    assert run(*common, "-q", "-o", tmp_path / "r.npz") == (0, "", "")
    assert (tmp_path / "r.npz").exists()
    code, text, error = run(*common, "--json", "-q", "-o", tmp_path / "r.npz")
    assert (code, json.loads(text)["backend"], error) == (0, "compiled", "")
    code, _, error = run(*common, "-v", "-o", tmp_path / "r.npz")
    assert code == 0
    assert "s  compiled: 2 images" in error
    code, _, error = run(*common, "-v", "--backend", "complied")
    assert code == 1
    assert "Traceback" in error
    assert error.endswith(
        "ipvae-snn: error: no back end is called 'complied' (did you mean 'compiled'?); there are "
        "compiled, lava, lava-fused, onnx, onnx-reference, reference, torch, torch-cuda, "
        "triton\n"
    )
    code, _, error = run(*common, "--backend", "complied")
    assert (code, error.count("\n")) == (1, 1)


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
    with pytest.raises(typer.Exit) as caught, ended_by_signals(), Screen().working():
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
    assert (code, error) == (0, "ipvae-snn: images: 2 of 4x3, levels standardised, -2.33..1.37\n")
    assert out.exists()
    assert not older.exists()
    older.write_text("mine")
    assert run("run", tmp_path / "net.safetensors", *options)[0] == 0
    assert older.read_text() == "mine"


def test_a_traceback_from_elsewhere_keeps_its_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(prog_name: str) -> None:
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
    def interrupted(*_: object) -> NoReturn:
        before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may ignore it
        try:
            signal.raise_signal(signal.SIGINT)
            signal.pause()
        finally:
            signal.signal(signal.SIGINT, before)

    save_network(network, tmp_path / "net.safetensors")
    np.save(tmp_path / "images.npy", np.random.default_rng(0).standard_normal((1, 4, 3)))
    monkeypatch.setattr(back_ends, "load_backend", lambda _: FromFunction(interrupted))
    code, _, error = run(
        "run",
        tmp_path / "net.safetensors",
        "--data",
        tmp_path / "images.npy",
        "--out",
        tmp_path / "r.npz",
        "--quiet",
    )
    assert (code, error) == (130, "ipvae-snn: interrupted\n")
    assert not (tmp_path / "r.npz").exists()
