"""Sweeps: equal wherever their points run, resumed after a kill, and removed when they are done."""

import json
import os
import pickle
import signal
import sys
import time
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from benchmarks.sweep import Refused, Where, _by_value, _measured, sweep
from ipvae_snn.errors import ConfigError
from ipvae_snn.workflows.cluster import ClusterChoice

POINTS = [{"seed": seed, "size": 3 + seed} for seed in range(5)]
SETTINGS = {"scale": 0.1}
ON_TWO = Where(ClusterChoice(workers=2))


def product(scale: float, point: Mapping[str, Any]) -> dict[str, Any]:
    """A tiny point: figures that depend on the order of sums, a NaN, an int as a key, seconds."""
    x = np.random.default_rng(point["seed"]).normal(size=(point["size"], 64)).astype(np.float32)
    figures = (scale * x @ x.T).astype(float).tolist()
    return {"r2": figures, "none": float("nan"), 3: (1, 2), "seconds": time.perf_counter()}


def expected() -> str:
    results = [{**product(0.1, point), "seconds": None} for point in POINTS]
    return json.dumps(results)


def without_seconds(results: list[Any]) -> str:
    return json.dumps([{**result, "seconds": None} for result in results])


def test_points_in_this_process_are_those_of_the_function(tmp_path: Path) -> None:
    with sweep("tiny", Where(), tmp_path) as run:
        results = run.run(product, POINTS, 0.1, SETTINGS)
        assert len(list((tmp_path / "sweep-tiny").glob("*.json"))) == len(POINTS)
    assert all(result["seconds"] > 0 for result in results)
    assert without_seconds(results) == expected()
    assert list(tmp_path.iterdir()) == []  # the next sweep measures anew


def noted(folder: str, point: Mapping[str, Any]) -> int:
    """A point that leaves a line, and fails where the folder has a file of its seed's name."""
    if (Path(folder) / f"fail-{point['seed']}").exists():
        raise ConfigError(f"seed is {point['seed']}")
    with (Path(folder) / "notes").open("a") as notes:
        notes.write(f"{point['seed']}\n")
    return int(point["seed"])


def test_a_stopped_sweep_goes_on_where_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fail-2").touch()

    def swept(asked: Where, settings: Mapping[str, Any] | None = None) -> list[Any]:
        with sweep("noted", asked, tmp_path / "runs") as run:
            return run.run(noted, POINTS, str(tmp_path), settings)

    with pytest.raises(typer.Exit):
        swept(Where())
    assert "error: seed is 2\n" in capsys.readouterr().err
    (tmp_path / "fail-2").unlink()
    with pytest.raises(typer.Exit):
        swept(Where())
    said = capsys.readouterr().err
    assert "holds a sweep that was stopped, with 2 points done; add --resume to go on" in said
    assert swept(Where(resume=True)) == [0, 1, 2, 3, 4]
    assert "seed 2, size 5: 3 of 5 points, " in capsys.readouterr().err
    assert (tmp_path / "notes").read_text().split() == ["0", "1", "2", "3", "4"]


def test_other_settings_or_points_are_not_resumed(tmp_path: Path) -> None:
    (tmp_path / "fail-1").touch()
    for settings in ({"images": 1}, {"images": 2}):
        with pytest.raises(typer.Exit), sweep("noted", Where(resume=True), tmp_path / "runs") as r:
            r.run(noted, POINTS, str(tmp_path), settings)
    assert (tmp_path / "notes").read_text().split() == ["0", "0"]


WORKS = {
    "beta_sweep": "trained",
    "fidelity": "judged",
    "graphs": "figures_of",
    "mnist_float_integer": "curve",
    "photographs": "judged",
    "quantise_aware": "measured",
    "training_options": "trained",
}


@pytest.mark.parametrize("name", WORKS)
def test_workers_need_no_benchmarks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code of each benchmark is sent, and loads where no module of it can be imported."""
    pytest.importorskip("cloudpickle")
    work = getattr(import_module(f"benchmarks.{name}.__main__"), WORKS[name])
    sent = _by_value(partial(_measured, work, None))
    for module in [one for one in sys.modules if one.partition(".")[0] == "benchmarks"]:
        monkeypatch.setitem(sys.modules, module, None)
    loaded = pickle.loads(sent)
    assert loaded.args[0].__name__ == WORKS[name]
    with pytest.raises((KeyError, TypeError, AttributeError)):
        loaded({})  # runs, as far as a point without anything in it lets it


@pytest.mark.slow
def test_a_cluster_gives_what_this_process_gives(tmp_path: Path) -> None:
    with sweep("tiny", ON_TWO, tmp_path) as run:
        results = run.run(product, POINTS, 0.1, SETTINGS)
    assert [result["seconds"] for result in results] == [None] * len(POINTS)
    assert json.dumps(results) == expected()


def once_lost(folder: str, point: Mapping[str, Any]) -> int:
    """A point whose first worker is killed; each try leaves a line."""
    with (Path(folder) / f"tries-{point['seed']}").open("a") as tries:
        tries.write("try\n")
    if point["seed"] == 1 and not (Path(folder) / "killed").exists():
        (Path(folder) / "killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.2)
    return int(point["seed"])


@pytest.mark.slow
def test_a_lost_worker_costs_its_point_only(tmp_path: Path) -> None:
    with sweep("lost", ON_TWO, tmp_path / "runs") as run:
        assert run.run(once_lost, POINTS, str(tmp_path)) == [0, 1, 2, 3, 4]
    tries = [(tmp_path / f"tries-{seed}").read_text().count("try") for seed in range(5)]
    assert tries == [1, 2, 1, 1, 1]


def always_lost(_: None, point: Mapping[str, Any]) -> int:
    if point["seed"] == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return int(point["seed"])


@pytest.mark.slow
def test_a_point_that_loses_every_worker_is_one_line_and_the_others_stay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit), sweep("lost", ON_TWO, tmp_path) as run:
        run.run(always_lost, POINTS)
    said = capsys.readouterr().err
    assert '{"seed": 1, "size": 4} lost 4 workers, most likely for want of memory' in said
    kept = [json.loads(file.read_text()) for file in (tmp_path / "sweep-lost").glob("*.json")]
    assert kept
    assert all(one["result"] == one["point"]["seed"] != 1 for one in kept)


def test_a_benchmark_of_times_refuses_a_cluster() -> None:
    app = typer.Typer()

    @app.command()
    def timed(refused: Refused = None) -> None:
        typer.echo("measured")

    assert CliRunner().invoke(app, []).output == "measured\n"
    for option in ("--scheduler=local", "--workers=2"):
        result = CliRunner().invoke(app, [option])
        assert result.exit_code == 2
        assert "this benchmark measures times or memory" in result.output
        assert result.output.count("\n") == 1
