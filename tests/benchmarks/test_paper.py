"""The paper's figures: plan, runs that are kept, published points, tables, pictures, the page."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gabor_networks import lca
from typer import Exit

from benchmarks.paper import __main__ as command
from benchmarks.paper import codes, measure, neurons, page, pictures, published, together, work
from benchmarks.paper.figures import FIGURES, chosen
from benchmarks.paper.operations import operations
from benchmarks.paper.plan import Chain, Member, Preset, Protocol, full, preset_of, quick
from benchmarks.paper.probes import LEVELS, answers
from benchmarks.paper.runs import run_of
from benchmarks.paper.work import Place
from ipvae_snn.config.toml import to_toml
from ipvae_snn.errors import ConfigError, FileFormatError
from ipvae_snn.models.family import check_steps
from ipvae_snn.models.latent_network import load_latent_network
from ipvae_snn.models.networks import load_float
from ipvae_snn.probing.recorder import PERCENT, SPIKES
from ipvae_snn.report.progress_bar import progress_bar
from ipvae_snn.report.terminal import console

MEMBER = Member("poisson", 16, 24, 512)


def test_published_points_are_read_as_published() -> None:
    points = published.landscape()
    assert len(points) == 139
    for point in points:
        assert math.hypot(1 - point.r2, 1 - point.zeros) == pytest.approx(point.distance, abs=2e-5)
    best = published.point_of("poisson", 16, 24)
    assert best is not None
    assert (round(best.r2, 3), round(best.zeros, 3)) == (0.827, 0.775)
    assert published.point_of("poisson", 16, 25) is None
    penalty = published.point_of("lca", 64, 0.5)  # whatever T we train it with
    assert penalty is not None
    assert penalty.r2 == 0.82592


def test_curves_and_the_table_are_whole() -> None:
    curves = {curve.kind: curve for curve in published.convergence()}
    assert set(curves) == {"poisson", "gaussian", "gaussian-relu"}
    assert {len(curve.r2) for curve in curves.values()} == {1000}
    assert curves["poisson"].r2[15] == 0.7075811  # step 16; the file counts from 0
    rows = published.mnist_table()
    seeds = {kind: sum(row.kind == kind for row in rows) for kind in {row.kind for row in rows}}
    assert seeds == {**dict.fromkeys(seeds, 5), "gaussian-relu": 4}  # one seed is there twice
    assert next(row for row in rows if row.kind == "poisson").mse == pytest.approx(4.38214e-3)


@pytest.mark.parametrize("preset", [quick(), full()], ids=["quick", "full"])
def test_every_network_of_a_preset_has_settings(preset: Preset) -> None:
    assert list(preset.figures) == list(FIGURES)
    members = preset.members(FIGURES)
    assert len({member.name for member in members}) == len(members)
    for member in members:
        config = preset.config(member)
        check_steps(config.model.kind, config.train.steps, config.train.segments)
        assert (config.model.kind, config.model.n_latents) == (member.kind, member.neurons)
        assert (config.train.steps, config.train.seed) == (member.steps, member.seed)
        random = member.kind not in ("lca", "predictive-coding", "incremental-predictive-coding")
        assert config.train.beta == member.beta or not random
    assert preset.config(Member("lca", 16, 0.3, 64)).model.threshold == 0.3


def test_full_has_the_published_settings_and_every_published_point() -> None:
    preset = full()
    config = preset.config(MEMBER)
    assert (config.data.name, config.data.whiten) == ("vanhateren", "vafaii")
    assert (config.train.iterations, config.train.batch_size) == (75_000, 200)
    assert (config.train.learning_rate, config.train.weight_decay) == (0.005, 3e-4)
    gaussian = preset.config(Member("gaussian", 16, 8, 512))
    assert (gaussian.model.clip, gaussian.train.clip_start) == (7.0, 1.0)
    planned = {(m.kind, m.steps, m.beta) for m in preset.figures["landscape"]}
    for point in published.landscape():
        assert (point.kind, point.steps or 64, point.beta) in planned
    table = preset.figures["mnist_table"]
    assert len(table) == len(published.mnist_table())
    one = next(m for m in table if m.kind == "poisson")
    assert (one.steps, one.beta, one.name) == (128, 128.0, "poisson-T128-b128-K512-s0-mnist")
    assert MEMBER.name == "poisson-T16-b24-K512-s0"


def test_lca_starts_from_a_neighbour_that_is_trained_before_it() -> None:
    """Away from lambda .5: .4 from .5, .3 from .4; .6 from .5, and so on. One step is one start."""
    preset = full()
    some = [member for member in preset.members(["landscape"]) if member.kind == "lca"]
    assert len(some) == len({member.beta for member in some}) == 18
    starts = {member.beta: preset.start_of(member) for member in some}
    assert starts.pop(0.5) is None
    before = {beta: start.beta for beta, start in starts.items() if start is not None}
    assert (before[0.4], before[0.3], before[0.6], before[10.0]) == (0.5, 0.4, 0.5, 5.0)
    places = [member.beta for member in some]
    assert all(places.index(start) < places.index(beta) for beta, start in before.items())
    assert preset.config(some[0]).train.iterations == 4000
    assert preset.config(some[1]).train.iterations == 1000
    assert preset.start_of(MEMBER) is None
    alone = preset.only(some[3:])  # what is trained is drawn without what it began with
    assert alone.config(some[3]) == preset.config(some[3])
    assert set(alone.members(["landscape"])) == set(some[3:])
    assert preset_of("full", 9).config(some[1]).train.iterations == 9


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


def test_presets_and_figures_are_found_by_name() -> None:
    assert preset_of("quick", 7).config(MEMBER).train.iterations == 7
    assert chosen("latents, landscape,latents") == ("latents", "landscape")
    assert chosen(None) == tuple(FIGURES)
    with pytest.raises(ConfigError, match=r"^no preset is called 'fast'; there are quick, full$"):
        preset_of("fast")
    with pytest.raises(
        ConfigError, match=r"^no figure is called 'angle' \(did you mean 'angles'\?\)"
    ):
        chosen("angle")


def test_learnt_updates_are_judged_at_their_own_steps() -> None:
    hybrid = Member("iterative-amortised-poisson", 16, 16, 64, 0, "mnist")
    assert quick().judged(hybrid).steps == 16
    assert quick().judged(replace(hybrid, kind="amortised-poisson", steps=1)).steps == 1
    assert quick().judged(MEMBER).steps == 200
    assert [quick().judged(replace(hybrid, seed=s)).generalise for s in (0, 1)] == [True, False]
    assert not quick().judged(MEMBER).generalise


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
        1,
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
    monkeypatch.setattr(measure, "_digest", lambda wanted: "of other images")
    assert len(work.tasks_of(tiny(), names, *_started(tiny(), names, tmp_path))) == 4


def _started(preset: Preset, names: tuple[str, ...], folder: Path) -> tuple[Any, Place]:
    place = Place(folder, None)
    return work.runs_of(preset, names, place), place


def about(value: float) -> dict[str, float]:
    return {"mean": value, "low": value - 0.01, "high": value + 0.01}


def moment(step: int, seed: int) -> dict[str, Any]:
    """Made-up figures of a step: R2 rises to .5, zeros to .6."""
    rise = (1 - 0.9**step) + seed * 0.001
    figures = {
        "r2": 0.5 * rise,
        "r2_map": 0.7 * rise,
        "zeros": 0.6 * rise,
        "mse": 1 - 0.5 * rise,
        "corner": 1.0,
    }
    named = {name: about(value) for name, value in figures.items()}
    return {"step": step, "r2_median": 0.55 * rise, **named}


def made_up(member: Member, what: str) -> dict[str, Any]:
    """Return made-up measurements, as `measure` stores them."""
    last = moment(200, member.seed)
    moments = [moment(step, member.seed) for step in (0, 1, 4, 16, 64)]
    sets = {name: {"category": "between", "final": last} for name in ("omniglot", "natural")}
    turned = [{"angle": angle, **last} for angle in range(0, 181, 15)]
    return {
        "run": {"iterations": 400 + member.steps},
        "evaluation": {
            "data": "mnist",
            "moments": [*moments, last],
            "final": last,
            "readout": {"paper": {"accuracy": about(0.9 + 0.01 * member.seed)}},
            "generalisation": {"sets": sets, "left_out": {"kmnist": "why"}, "by_angle": turned},
        },
        "code": {"rate": 10 + member.beta, "messages": [{"steps": 16, "messages": 100.0}]},
        "operations": {
            "pixels": 200.0,
            "inputs": 256,
            "neurons": 256,
            "encoder": 1000 if member.one_step else 0,
            "runs": []
            if member.kind not in ("poisson", "lca")
            else [{"steps": 16, "r2": 0.4, "operations": 5e4, "messages": 90.0}],
        },
        "seconds": {
            "images": 5,
            "rows": [{"steps": 4, "milliseconds": 0.1, "r2": 0.2, "r2_map": 0.3}],
        },
        "neurons": neurons_of(member),
        "photographs": {
            "patches": 2,
            "photographs": [
                {"r2": 0.7 + by, "zeros": 0.6 + by, "distance": 0.5 - by} for by in (0.0, 0.1)
            ],
        },
    }[what]


def neurons_of(member: Member) -> dict[str, Any]:
    """Return two features of 2x2 pixels; of one-pass models no neuron is recorded."""
    features = {"r2": [0.1, 0.9], "side": 2, "fields": [[0, 100, -100, 0], [100, 0, 0, -50]]}
    data = {"unit": "", "features": 2, "described": about(0.5), **features, "recorded": 0}
    if member.one_step:
        return {**data, "left_out": "why"}
    late = {"contrasts": [0.5, 1.0], "latencies": [{"mean": None}, about(8.0)]}
    figures = {name: about(0.25) for name, _ in neurons.FIGURES}
    return {**data, "unit": SPIKES, "recorded": 1, **late, "figures": figures}


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    figures = {name: figure.collect(quick(), made_up) for name, figure in FIGURES.items()}
    head = {"command": "c", "date": "d", "machine": {"cpu_cores": 2, "architecture": "a"}}
    head["machine"]["ipvae_snn"] = "v"  # type: ignore[index]
    protocol = {"images": 1, "steps": 2, "readout": 3, "per_angle": 4, "coded": 5}
    return {**head, "preset": "quick", "protocol": protocol, "figures": figures}


def test_tables_state_the_difference(result: dict[str, Any]) -> None:
    text = page.page(result)
    # R2 .5 and zeros .6 beside .82678 and .77452 as published
    row = next(
        line for line in text.splitlines() if line.startswith("| iP-VAE, T 16, beta 24 | 0.5")
    )
    assert row.startswith(
        "| iP-VAE, T 16, beta 24 | 0.500 | 0.827 | -0.327 | 0.600 | 0.775 | -0.175 |"
    )
    assert row.endswith("| 416 |")  # iterations
    assert "| iP-VAE | T 16, beta 16, K 256 | 2 | T 128, beta 128, K 512 | 0.500 ± " in text
    assert "kmnist is left out" in text
    assert max(len(line) for line in text.splitlines() if not line.startswith("|")) <= 99
    for name, figure in FIGURES.items():
        assert f"## {figure.title}" in text
        assert figure.section(result["figures"][name]).count("\n") > 2


def test_seeds_have_an_interval() -> None:
    """Five made-up seeds of `full`: R2 .5, .51 .. beside the published point."""
    whole = full()
    *rows, over = FIGURES["seeds"].collect(whole, made_up)
    assert [row["seed"] for row in rows] == [0, 1, 2, 3, 4]
    r2 = [row["r2"] for row in rows]
    assert over["r2"][0] == pytest.approx(np.mean(r2))
    half = 2.7764 * np.std(r2, ddof=1) / np.sqrt(5)  # Student's t of four degrees of freedom
    assert over["r2"][2] - over["r2"][0] == pytest.approx(half, abs=1e-4)
    assert over["published"]["distance"] == pytest.approx(0.28387, abs=1e-5)
    assert "| mean | " in FIGURES["seeds"].section([*rows, over])


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


def test_the_mnist_table_is_over_seeds(result: dict[str, Any]) -> None:
    first = result["figures"]["mnist_table"][0]
    # accuracies .90 and .91: mean .905; t of one degree of freedom is 12.706, the deviation of the
    # mean .005
    assert first["accuracy"] == pytest.approx([0.905, 0.905 - 0.06353, 0.905 + 0.06353], abs=1e-4)
    assert first["published"]["accuracy"][0] == pytest.approx(0.96458)
    assert first["published"]["seeds"] == 5


def test_pictures_are_drawn_and_say_how_networks_were_trained(
    result: dict[str, Any], tmp_path: Path
) -> None:
    pictures.draw_all(result, tmp_path, ("svg",))
    drawn = sorted(path.name for path in tmp_path.iterdir())
    assert drawn == sorted(file.name for file in pictures.files_of(tmp_path, FIGURES, ("svg",)))
    note = pictures.note_of("quick", result["figures"]["landscape"])
    assert note == "quick: 401 to 432 iterations, not the paper's training"
    assert pictures.note_of("full", result["figures"]["latents"]) == "full: 416 iterations"


def test_operations_follow_from_what_is_not_0() -> None:
    sizes = {"pixels": 10.0, "inputs": 20, "neurons": 4, "encoder": 0}
    assert operations(sizes, messages=3.0) == (10 + 3) * 4
    assert operations({**sizes, "encoder": 80}, messages=3.0) == 80 * 10 / 20


def test_the_mean_over_photographs_has_their_interval() -> None:
    """Distances .5 and .4: mean .45; t of one degree of freedom is 12.706, the deviation .0707."""
    row = FIGURES["photographs"].collect(quick(), made_up)[0]
    mean, low, high = row["over"]["distance"]
    assert mean == pytest.approx(0.45)
    assert (high - low) / 2 == pytest.approx(12.706 * 0.1 / 2, rel=1e-3)
    assert "| 0.450 ± 0.635 | 0.400 to 0.500 |" in FIGURES["photographs"].section([row])


def test_neurons_answer_as_probe_measures_them() -> None:
    """Eight Gabor functions of 10x10 pixels: all are described. A step moves by exp(-2)."""
    found = answers(lca(), lambda what, done, total: None)
    assert (found["features"], found["recorded"], found["described"]["mean"]) == (8, 8, 1.0)
    assert found["unit"] == PERCENT
    assert (len(found["fields"]), len(found["fields"][0])) == (8, 100)
    assert {max(map(abs, field)) for field in found["fields"]} == {LEVELS}
    half = np.log(2) / -np.log1p(-np.exp(-2))  # steps, of a code that nothing else moves
    assert all(half < value["mean"] < 2 * half for value in found["latencies"])
    assert {name for name, _ in neurons.FIGURES} <= found["figures"].keys()


def test_the_rate_of_a_poisson_code(monkeypatch: pytest.MonkeyPatch) -> None:
    network = load_float("digits", "test")
    prior = np.exp(network.u0.astype(np.float64))
    # KL(Poisson(e r) || Poisson(r)) = e r log e - e r + r = r
    for factor, rate in ((1.0, 0.0), (math.e, prior.sum())):
        given = np.tile(prior * factor, (2, 1)).astype(np.float32)
        monkeypatch.setattr(codes, "final_rates", lambda *_, given=given: given)
        code = codes.code_of(network, None, 3, (), lambda _: None)  # type: ignore[arg-type]
        assert code.rate == pytest.approx(rate, abs=1e-4 * prior.sum())


def test_the_page_is_that_of_its_result() -> None:
    results = page.stored_results()
    assert page.page(*results) == page.PAGE.read_text(encoding="utf-8")
    for stored in results:
        file = page.result_file(stored["preset"])
        assert command.as_text(stored) == file.read_text(encoding="utf-8")
    names = page.shown(results)
    assert all(file.is_file() for file in pictures.files_of(page.IMAGES, names, ("png",)))


def test_a_figure_is_that_of_the_first_result_that_has_it(result: dict[str, Any]) -> None:
    rows = result["figures"]["seeds"]
    whole = {**result, "preset": "full", "figures": {"seeds": rows, "latents": []}}
    assert {name: one["preset"] for name, one in page.shown([whole, result]).items()} == {
        name: "full" if name == "seeds" else "quick" for name in FIGURES
    }
    text = page.page(whole, result)
    assert text.count("**Of `quick`.**") == len(FIGURES) - 1
    assert "| published (one seed) | 0.8269 | 0.7750 | 0.2839 |" in text


def test_a_page_of_some_figures_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Exit):
        command.main(figures="angles", publish=True)
    assert capsys.readouterr().err == (
        "error: --publish writes the page of all figures, but --figures names angles; leave one of "
        "them out\n"
    )
