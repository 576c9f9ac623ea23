"""Workflows called from Python: nothing is printed, and nothing is written unless requested."""

import ast
import inspect
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from ipvae_snn.cli import compare as compare_command
from ipvae_snn.cli import convert as convert_command
from ipvae_snn.cli import energy as energy_command
from ipvae_snn.cli import evaluate as evaluate_command
from ipvae_snn.cli import map as map_command
from ipvae_snn.config.settings import Config, ModelConfig, TrainConfig
from ipvae_snn.errors import ConfigError, ConversionError, DataError, FitError
from ipvae_snn.ir.equality import first_divergence
from ipvae_snn.ir.files import load_network, save_network
from ipvae_snn.ir.interpreter import run as interpret
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest
from ipvae_snn.models.checkpoint import Origin, save_model
from ipvae_snn.models.networks import check_pair
from ipvae_snn.models.parameters import IterativePoissonVAE
from ipvae_snn.pretrained import network_path
from ipvae_snn.progress import Steps
from ipvae_snn.report import markdown
from ipvae_snn.report.document import Table
from ipvae_snn.workflows.compare import ComparisonSettings, compare
from ipvae_snn.workflows.convert import CalibrationSettings, as_circuit, convert, settings_of
from ipvae_snn.workflows.energy import EnergySettings, energy, priced_profiles
from ipvae_snn.workflows.evaluate import EvaluationSettings, evaluate
from ipvae_snn.workflows.mapping import ChipSettings, EventSettings, map_network

Heard = list[tuple[str, int, int]]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """An untrained network for digits, alone in a folder."""
    config = Config(
        ModelConfig(n_latents=12, phi_std=0.1, u0_low=-2.0, u0_high=-1.0, log_lr=-2.0),
        TrainConfig(steps=4, kl="exact"),
    )
    model = IterativePoissonVAE(64, config.model, torch.Generator().manual_seed(0))
    path = tmp_path / "models" / "model.safetensors"
    save_model(path, model, config, Origin("digits", "unit", (8, 8)))
    return path


@pytest.fixture
def integer(network: IntegerNetwork, tmp_path: Path) -> tuple[Path, str]:
    """A small integer network's file and images for it, alone in a folder."""
    folder = tmp_path / "models"
    folder.mkdir()
    save_network(network, folder / "net.safetensors")
    images = np.random.default_rng(0).normal(0, 1, (5, 4, 3)).astype(np.float32)
    np.save(folder / "images.npy", images)
    return folder / "net.safetensors", str(folder / "images.npy")


@pytest.fixture(autouse=True)
def silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[[Heard], None]:
    """Work in an empty folder; return a check that nothing was printed or written anywhere."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)

    def check(heard: Heard) -> None:
        printed = capfd.readouterr()
        assert (printed.out, printed.err) == ("", "")
        assert list(here.iterdir()) == []
        assert {path.name for path in tmp_path.iterdir()} <= {"here", "models"}
        assert heard, "no progress was reported"
        assert all(0 <= done <= total or total == 0 for _, done, total in heard)

    return check


def listener(heard: Heard) -> Callable[[str, int, int], None]:
    return lambda what, done, total: heard.append((what, done, total))


def test_evaluate(checkpoint: Path, silent: Callable[[Heard], None]) -> None:
    heard: Heard = []
    settings = EvaluationSettings(limit=10, steps=5, readout_train=60)
    result = evaluate(checkpoint, "digits", settings, progress=listener(heard))
    silent(heard)
    assert result.as_json()["images"] == 10
    assert result.as_json()["plots"] == []
    assert [picture.name for picture in result.pictures] == [
        "convergence",
        "reconstructions",
        "dictionary",
    ]
    assert heard[-1] == ("done", 70 * 5, 70 * 5)
    assert [done for _, done, _ in heard] == sorted(done for _, done, _ in heard)
    with pytest.raises(FrozenInstanceError):
        result.report.seconds = 0.0  # type: ignore[misc]


def test_convert_and_compare(tmp_path: Path, silent: Callable[[Heard], None]) -> None:
    """Without a path nothing is written; with one, the same network is."""
    heard: Heard = []
    checkpoint = network_path("digits")
    few = CalibrationSettings(images=40, steps=4)
    report = convert(checkpoint, settings_of(6), few, progress=listener(heard))
    silent(heard)
    assert list(dict.fromkeys(what for what, _, _ in heard)) == [
        "images of digits",
        "calibrating on 40 images, 4 steps",
        "rounding the weights",
        "fitting the read-out",
        "proving the bounds",
    ]
    assert ("calibrating on 40 images, 4 steps", 40, 40) in heard
    assert heard.count(("rounding the weights", 8, 8)) == 2  # of two connections
    assert ("fitting the read-out", 40, 40) in heard
    assert report.as_json() == {"network": None, "report": report.report.as_json()}
    out = tmp_path / "models" / "net.safetensors"
    out.parent.mkdir()
    written = convert(checkpoint, settings_of(6), few, out=out)
    assert (out.exists(), out.with_suffix(".report.json").exists()) == (True, True)
    assert written.report == report.report
    pixels = np.arange(2 * 64, dtype=np.uint8).reshape(2, 64)
    runs = [interpret(each, pixels, RunRequest(3)) for each in (report.network, load_network(out))]
    assert first_divergence(*runs) is None
    assert f"next: ipvae-snn verify {out} --data digits" in markdown.render(written.document())

    settings = ComparisonSettings(limit=3, steps=2, seeds=2, threads=1)
    heard.clear()
    result = compare(checkpoint, out, "digits", settings, progress=listener(heard))
    silent(heard)
    total = heard[-1][2]
    assert heard[-1] == ("one tensor at a time", total, total)
    assert result.as_json()["seeds"] == [0, 1]
    assert result.as_json()["plots"] == []
    assert len(result.pictures) == 5


def test_map_and_energy(integer: tuple[Path, str], silent: Callable[[Heard], None]) -> None:
    path, data = integer
    heard: Heard = []
    events = EventSettings(data=data, steps=3)
    result = map_network(path, ChipSettings("loihi1"), events, progress=listener(heard))
    silent(heard)
    assert heard == [
        (f"images of {data}", 0, 0),
        ("5 images, 3 steps", 0, 5),
        ("placing net.safetensors on loihi1", 0, 0),
    ]
    assert result.as_json()["hypothetical"] is True
    assert result.picture is not None
    assert result.picture.path is None
    with pytest.raises(FitError, match="does not fit loihi1"):
        result.require_fit()

    heard.clear()
    settings = EnergySettings(("loihi2", "truenorth"), steps=3)
    priced = energy(path, data, settings, progress=listener(heard))
    silent(heard)
    assert [each["profile"] for each in priced.as_json()["estimates"]] == ["loihi2", "truenorth"]
    assert {profile.name for profile in priced_profiles()} >= {"loihi2", "cpu-45nm"}


@pytest.mark.parametrize("suffix", [".svg", ".pdf", ".png"])
def test_the_picture_of_a_placement_has_the_format_of_its_suffix(
    integer: tuple[Path, str], tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"placement{suffix}"
    result = map_network(integer[0], picture=path)
    begins = {".svg": b"<?xml", ".pdf": b"%PDF", ".png": b"\x89PNG"}[suffix]
    assert path.read_bytes().startswith(begins)
    assert f"]({path})" in markdown.render(result.document())


def test_a_wrong_suffix_is_found_before_the_run(integer: tuple[Path, str], tmp_path: Path) -> None:
    heard: Heard = []
    with pytest.raises(ConfigError, match=r"no picture can be written with the suffix '\.doc'"):
        map_network(integer[0], picture=tmp_path / "x.doc", progress=listener(heard))
    assert heard == []


def test_documents_hold_every_table_in_both_formats(integer: tuple[Path, str]) -> None:
    """Every cell of a table appears in the Markdown."""
    path, data = integer
    for result in (map_network(path), energy(path, data, EnergySettings(steps=2))):
        shown = result.document()
        text = markdown.render(shown)
        tables = [block for block in shown.blocks if isinstance(block, Table)]
        assert len(tables) >= 2
        for table in tables:
            assert markdown.table(table) in text
            assert markdown.table(table).count("\n") == len(table.rows) + 1


def test_settings_that_are_wrong_are_one_line() -> None:
    with pytest.raises(ConversionError, match="is called 'three'; there are one-layer, two-layer"):
        as_circuit("three")
    with pytest.raises(DataError, match=r"n was converted from a checkpoint with SHA-256 unknown"):
        check_pair("ab" * 32, "", "c", "n")
    both = settings_of(8, lateral_bits=4, sparsity=0.5)
    assert (both.feedforward_bits, both.lateral_bits, both.sparsity) == (8, 4, 0.5)


def test_steps_add_up() -> None:
    heard: Heard = []
    steps = Steps(listener(heard), 10)
    steps.begin("a")
    steps.add(3)
    steps.begin("b")
    steps.add(7)
    assert heard == [("a", 0, 10), ("a", 3, 10), ("b", 3, 10), ("b", 10, 10)]


@pytest.mark.parametrize(
    "command",
    [evaluate_command, compare_command, convert_command, energy_command, map_command],
)
def test_a_command_imports_its_workflow_late_and_nothing_else(command: ModuleType) -> None:
    """`--help` must not load it, and what a command needs beside it costs `--help` nothing."""
    tree = ast.parse(inspect.getsource(command))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    late = [
        ast.unparse(node)
        for function in functions
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert len(late) == 1
    assert late[0].startswith("from ipvae_snn.workflows import ")
