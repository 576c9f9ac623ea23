"""Networks of the paper's figures are trained and measured once; runs of others are refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer import Exit

from benchmarks.paper import __main__ as command
from benchmarks.paper import published, together, work
from benchmarks.paper.figures.catalogue import FIGURES
from benchmarks.paper.measurements import stored
from benchmarks.paper.plan import Chain, Member, Preset, Protocol, full
from benchmarks.paper.runs import run_of
from benchmarks.paper.work import Place
from ipvae_snn.config.toml import to_toml
from ipvae_snn.errors import ConfigError, FileFormatError
from ipvae_snn.models.latent_network import load_latent_network
from ipvae_snn.report.progress_bar import progress_bar
from ipvae_snn.report.terminal import console

MEMBER = Member("poisson", 16, 24, 512)


def test_a_network_starts_from_the_parameters_of_another(tmp_path: Path) -> None:
    """With a step of nearly 0 the dictionary is that of the network before it."""
    first, second = (Member("lca", 2, penalty, 8) for penalty in (0.5, 0.6))
    figures = {"latents": (second, first)}
    preset = replace(tiny(), figures=figures, chain=Chain(0.5, 3, 2, 1e-12))
    place = Place(tmp_path, None)
    runs = work.runs_of(preset, ["latents"], place)
    tasks = work.tasks_of(preset, ["latents"], runs, place)
    assert [(task.member, task.what) for task in tasks][0::2] == [
        (first, "training"),
        (second, "training"),
    ]
    with progress_bar(console(quiet=True)) as display:
        work.carried_out(preset, tasks[0::2], runs, place, display)
    one, other = (load_latent_network(runs[member].checkpoint) for member in (first, second))
    assert (one.config.train.iterations, other.config.train.iterations) == (3, 2)
    for name, values in one.tensors.items():
        np.testing.assert_allclose(other.tensors[name], values, atol=1e-6)


def stored_run(folder: Path, **changes: Any) -> None:
    """Write the settings of a run of MEMBER, with others in [train]."""
    config = full().config(MEMBER)
    folder.mkdir(parents=True)
    changed = replace(config, train=replace(config.train, **changes))
    (folder / "config.toml").write_text(to_toml(changed))


def test_a_run_of_other_settings_is_refused_in_one_line(tmp_path: Path) -> None:
    wanted, folder = full().config(MEMBER), tmp_path / MEMBER.name
    assert not run_of(MEMBER, wanted, tmp_path).finished
    stored_run(folder, learning_rate=0.1, steps=8)
    with pytest.raises(ConfigError) as error:
        run_of(MEMBER, wanted, tmp_path, accept_iterations=True)
    assert str(error.value) == (
        f"{folder}: holds a run with other settings than the plan's for train.steps, "
        "train.learning_rate; remove it, or give another folder by --runs"
    )


def test_other_iterations_are_taken_only_if_asked_for(tmp_path: Path) -> None:
    wanted, folder = full().config(MEMBER), tmp_path / MEMBER.name
    stored_run(folder, iterations=10_000, device="cuda", validation_interval=0)
    with pytest.raises(ConfigError) as error:
        run_of(MEMBER, wanted, tmp_path)
    assert str(error.value) == (
        f"{folder}: holds a run of 10,000 iterations, but the plan has 75,000; add "
        "--accept-iterations to take it as it is, or give another folder by --runs"
    )
    run = run_of(MEMBER, wanted, tmp_path, accept_iterations=True)
    assert (run.iterations, run.finished, run.config.train.device) == (10_000, False, "cuda")
    (folder / "model.safetensors").touch()
    metrics = folder / "metrics.jsonl"
    metrics.write_text('{"iteration": 9999}\n')
    with pytest.raises(FileFormatError, match="of a run that is not finished, or without its metr"):
        run_of(MEMBER, wanted, tmp_path, accept_iterations=True)
    metrics.write_text('{"iteration": 10000}\n')  # copied without its state
    assert run_of(MEMBER, wanted, tmp_path, accept_iterations=True).finished


def test_a_model_without_settings_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / MEMBER.name
    folder.mkdir()
    (folder / "model.safetensors").touch()
    with pytest.raises(FileFormatError, match=r"holds model\.safetensors but no config\.toml"):
        run_of(MEMBER, full().config(MEMBER), tmp_path)


def tiny() -> Preset:
    """A preset of two tiny networks of embedded photographs."""
    sizes = (Member("poisson", 2, 4, 8), Member("poisson", 2, 4, 12))
    changes = (
        "train.batch_size=8",
        "train.steps_start=0",
        "data.limit=200",
        "data.validation_limit=20",
    )
    return Preset(
        "quick",
        {"patches": "natural"},
        {"patches": "patches"},
        {"patches": changes},
        {"patches": 3},
        {"patches": 3},
        Protocol(4, 10, 0, 0, False, 4, (4,)),
        {"latents": sizes, "rate_distortion": sizes[:1], "neurons": sizes[:1]},
    )


def files(folder: Path) -> dict[str, int]:
    return {
        str(p): p.stat().st_mtime_ns for p in folder.rglob("*.*") if p.name != ".ipvae-snn.lock"
    }


def test_a_second_call_trains_and_measures_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("latents", "rate_distortion", "neurons")
    first = command.made(tiny(), names, Place(tmp_path, None))
    assert [row["K"] for row in first["figures"]["latents"]] == [8, 12]
    assert first["figures"]["latents"][0]["iterations"] == 3
    assert first["figures"]["rate_distortion"][0]["rate"] > 0
    answered = first["figures"]["neurons"][0]
    assert (answered["features"], answered["recorded"], answered["side"]) == (8, 0, 16)
    assert "no feature has a Gabor function" in answered["left_out"]
    assert "2 networks, 6 parts of work to do" in capsys.readouterr().err
    before = files(tmp_path)
    monkeypatch.setattr(work, "trained", None)  # a call would fail
    given = command.options_of({"iterations": 3, "images": None}, {"finished": True, "json": False})
    second = command.made(tiny(), names, Place(tmp_path, None), given)
    options = "--preset quick --iterations 3 --finished"
    assert second["command"] == f"python -m benchmarks.paper {options}"
    assert files(tmp_path) == before
    assert second["figures"] == first["figures"]
    assert "2 networks, 0 parts of work to do" in capsys.readouterr().err
    other = replace(tiny(), protocol=replace(tiny().protocol, images=9))  # another protocol
    assert len(work.tasks_of(other, names, *_started(other, names, tmp_path))) == 4
    assert work.tasks_of(tiny(), names, *_started(tiny(), names, tmp_path)) == ()
    monkeypatch.setattr(stored, "_digest", lambda wanted: "of other images")
    assert len(work.tasks_of(tiny(), names, *_started(tiny(), names, tmp_path))) == 4


def _started(preset: Preset, names: tuple[str, ...], folder: Path) -> tuple[Any, Place]:
    place = Place(folder, None)
    return work.runs_of(preset, names, place), place


def test_what_is_trained_can_be_drawn_alone(tmp_path: Path) -> None:
    place = Place(tmp_path, None)
    with pytest.raises(ConfigError, match="holds no trained network of seeds; leave --finished"):
        command.trained_alone(full(), ("seeds",), place)
    config = full().config(MEMBER)
    folder = tmp_path / MEMBER.name
    folder.mkdir()
    (folder / "config.toml").write_text(to_toml(config))
    (folder / "model.safetensors").write_bytes(b"")
    (folder / "metrics.jsonl").write_text('{"iteration": 75000, "kind": "validation"}\n')
    some, names = command.trained_alone(full(), ("seeds", "latents", "angles"), place)
    assert names == ("seeds",)  # not the sweep of K, of which there is one size
    assert some.figures["seeds"] == (MEMBER,)
    assert some.limited(20).protocol.images == 20


def test_networks_that_differ_in_beta_and_seed_train_in_one_stack(tmp_path: Path) -> None:
    runs = list(work.runs_of(full(), FIGURES, Place(tmp_path, None)).values())
    stacks = together.stacks_of(runs, 16)
    first = next(stack for stack in stacks if stack[0].member == Member("poisson", 8, 4, 512))
    assert {run.member for run in first} == {
        Member("poisson", 8, p.beta, 512)
        for p in published.landscape()
        if p.kind == "poisson" and p.steps == 8
    }
    assert {(run.member.kind, run.member.data) for stack in stacks for run in stack} == {
        (kind, data) for kind in together.KINDS for data in ("patches", "mnist")
    }
    table = next(stack for stack in stacks if stack[0].member.data == "mnist")
    assert [run.member.seed for run in table] == [0, 1, 2, 3, 4]
    assert max(len(stack) for stack in together.stacks_of(runs, 3)) == 3
    config = together.on(first[0].config, "cuda")
    assert run_of(first[0].member, config, tmp_path).config == config
    (tmp_path / first[0].member.name).mkdir()
    (tmp_path / first[0].member.name / "config.toml").write_text(to_toml(config))
    taken = run_of(first[0].member, full().config(first[0].member), tmp_path)
    assert taken.config == config


def test_without_a_gpu_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(Exit):
        together.main(tmp_path / "runs", data_root=tmp_path)
    assert capsys.readouterr().err.startswith("error: train.device is 'cuda', which does not work")


def test_some_figures_and_another_length_are_trained_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The five seeds of the published network make one stack; nothing is trained here."""
    calls = []
    monkeypatch.setattr(together, "device_named", lambda name: None)
    monkeypatch.setattr(together, "load_training_data", lambda config, root: (None, None))
    monkeypatch.setattr(together, "train_together", lambda *given, **named: calls.append(given))
    together.main(tmp_path / "runs", figures="seeds", iterations=7, data_root=tmp_path)
    assert len(calls) == 1
    configs = calls[0][0]
    assert [config.train.seed for config in configs] == [0, 1, 2, 3, 4]
    assert {(c.train.steps, c.train.beta, c.train.iterations) for c in configs} == {(16, 24.0, 7)}


def test_a_page_of_some_figures_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Exit):
        command.main(figures="angles", publish=True)
    assert capsys.readouterr().err == (
        "error: --publish writes the page of all figures, but --figures names angles; leave one of "
        "them out\n"
    )
