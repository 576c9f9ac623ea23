"""The demo, with a shorter training: every part runs and is reported."""

import io
import json
import sys
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from ipvae_snn.cli.app import main
from ipvae_snn.cli.demo import DemoDisplay
from ipvae_snn.config import toml
from ipvae_snn.hw.lava.environment import find
from ipvae_snn.ir.files import load_network
from ipvae_snn.report.progress_bar import progress_bar
from ipvae_snn.workflows import demo
from ipvae_snn.workflows.export import Exported


def run_demo(
    out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[str, str]:
    """Run the demo into `out` with 30 iterations and few images; return stdout and stderr."""
    load = toml.load_preset
    monkeypatch.setattr(
        toml,
        "load_preset",
        lambda name: toml.with_overrides(
            load(name), ["train.iterations=30", "model.n_latents=32", "data.validation_limit=50"]
        ),
    )
    small = partial(demo.DemoSettings, images=9, steps=5, shown_steps=(1, 5))
    monkeypatch.setattr(demo, "DemoSettings", small)
    monkeypatch.setattr(sys, "argv", ["ipvae-snn", "demo", "--out", str(out), "--json"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_demo_makes_and_compares_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files, pictures, rows, equality; a second run replaces the first."""
    out = tmp_path / "demo"
    for _ in range(2):
        text, shown = run_demo(out, monkeypatch, capsys)
    result = json.loads(text)
    with_lava = find() is not None
    rows = ["float", "reference", "compiled", "onnx", *(["lava"] if with_lava else [])]
    assert [row["backend"] for row in result["rows"]] == rows
    assert all(row["equal"] for row in result["rows"][1:])
    assert [row["backend"] for row in result["pretrained"]["rows"]] == rows[:4]
    assert all(row["equal"] for row in result["pretrained"]["rows"][1:])
    # Trained for many minutes against 30 iterations: better even after 5 steps.
    assert result["pretrained"]["rows"][1]["r2"] > result["rows"][1]["r2"]
    assert result["images"] == 9
    assert result["energy_source"]
    assert result["citation"]
    for name in demo.PICTURES:
        assert (out / name).stat().st_size > 3000
    assert json.loads((out / demo.RESULT).read_text())["rows"] == result["rows"]
    assert load_network(out / "net.safetensors").n_neurons == 32
    assert (out / "onnx" / "inference.onnx").is_file()
    assert (out / "lava" / "run.py").is_file() == with_lava
    assert "equal to the reference" in " ".join(shown.split())


@pytest.mark.parametrize("what", ["notes.txt", "run/config.toml"])
def test_demo_leaves_other_folders_alone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    what: str,
) -> None:
    """A folder that the demo did not make, with a training run in it or anything else."""
    mine = tmp_path / "mine" / what
    mine.parent.mkdir(parents=True)
    mine.write_text("do not lose me")
    monkeypatch.setattr(sys, "argv", ["ipvae-snn", "demo", "--out", str(tmp_path / "mine")])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 1
    assert "exists and was not made by the demo" in capsys.readouterr().err
    assert mine.read_text() == "do not lose me"
    assert [p for p in (tmp_path / "mine").rglob("*") if p.is_file()] == [mine]


def test_a_terminal_sees_what_is_done_and_what_is_being_done() -> None:
    screen = Console(file=io.StringIO(), force_terminal=True, width=100)
    with progress_bar(screen) as progress:
        shown = DemoDisplay(progress.print)
        progress("training, loss 12.3", 3, 30)
        progress.bar.refresh()
        progress("export to onnx", 0, 0)
        shown.exported(Exported(Path("out/onnx"), "onnx", "integer", True, ()))
        progress.bar.refresh()
    text = screen.file.getvalue()
    assert "training, loss 12.3" in text
    assert "10%" in text
    assert text.rindex("export to onnx") > text.rindex("10%")
    assert "exported to out/onnx, equal to the reference" in text
