"""Training: it learns, it is seeded, and a resumed run equals an uninterrupted one."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from short_runs import CONFIG, TEST, TRAIN, KilledError, bars, files, killer

from ipvae_snn.config.toml import from_toml, load_config
from ipvae_snn.data.base import ImageSet
from ipvae_snn.errors import ConfigError, DataError, FileFormatError, TrainingError
from ipvae_snn.models.checkpoint import load_checkpoint_config
from ipvae_snn.models.dictionary import DenseDictionary
from ipvae_snn.models.family import MEMBERS
from ipvae_snn.models.float_network import FloatNetwork, load_float_network
from ipvae_snn.models.parameters import Parameters
from ipvae_snn.models.poisson import PoissonLatents
from ipvae_snn.models.protocol import LatentSettings
from ipvae_snn.training import trainer as training
from ipvae_snn.training.random_streams import Stream, batch_indices, keyed_generator
from ipvae_snn.training.train import train
from ipvae_snn.training.trainer import TrainProgress
from ipvae_snn.training.validation import Validation, validate


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "unbroken"
    train(CONFIG, TRAIN, TEST, out)
    return out


def test_it_learns(tmp_path: Path) -> None:
    # Four seeds gave R2 .45 to .60 and MSE .23 to .27 of a variance of .77; untrained: below 0.
    longer = replace(
        CONFIG,
        train=replace(
            CONFIG.train,
            steps=8,
            beta=0.5,
            iterations=800,
            learning_rate=0.01,
            temperature_end=0.1,
            validation_interval=0,
        ),
    )
    events: list[TrainProgress] = []
    result = train(longer, TRAIN, TEST, tmp_path / "run", progress=events.append)
    assert result.validation.r2 > 0.3
    assert result.validation.mse < 0.35
    assert [e.iteration for e in events] == list(range(1, 801))
    assert load_float_network(result.checkpoint).trained_on == "bars"
    assert np.mean([e.loss for e in events[-20:]]) < 0.8 * events[0].loss


def test_files_of_a_run(unbroken: Path) -> None:
    assert set(files(unbroken)) == {
        "config.toml",
        "metrics.jsonl",
        "model.safetensors",
        "state.safetensors",
    }
    records = [json.loads(line) for line in (unbroken / "metrics.jsonl").read_text().splitlines()]
    assert [r["iteration"] for r in records if r["kind"] == "train"] == list(range(1, 41))
    assert [r["iteration"] for r in records if r["kind"] == "validation"] == [10, 20, 30, 40]


def test_the_same_seed_gives_the_same_files(unbroken: Path, tmp_path: Path) -> None:
    train(CONFIG, TRAIN, TEST, tmp_path / "again")
    assert files(tmp_path / "again") == files(unbroken)
    other = replace(CONFIG, train=replace(CONFIG.train, seed=1))
    train(other, TRAIN, TEST, tmp_path / "other")
    assert files(tmp_path / "other")["model.safetensors"] != files(unbroken)["model.safetensors"]


@pytest.mark.parametrize("at", [1, 10, 17, 39, 40])
def test_a_killed_run_goes_on_to_the_same_end(unbroken: Path, tmp_path: Path, at: int) -> None:
    out = tmp_path / "run"
    with pytest.raises(KilledError):
        train(CONFIG, TRAIN, TEST, out, progress=killer(at))
    train(CONFIG, TRAIN, TEST, out, resume=True)
    assert files(out) == files(unbroken)


def test_a_run_with_cubic_counts_and_two_samples_goes_on(unbroken: Path, tmp_path: Path) -> None:
    train_settings = replace(CONFIG.train, relaxation="cubic", samples=2)
    config = replace(CONFIG, train=train_settings)
    train(config, TRAIN, TEST, tmp_path / "whole")
    with pytest.raises(KilledError):
        train(config, TRAIN, TEST, tmp_path / "part", progress=killer(17))
    train(config, TRAIN, TEST, tmp_path / "part", resume=True)
    assert files(tmp_path / "part") == files(tmp_path / "whole")
    assert load_checkpoint_config(tmp_path / "part" / "model.safetensors") == config
    # Each option alone makes another network.
    models = {files(tmp_path / "whole")["model.safetensors"]}
    models.add(files(unbroken)["model.safetensors"])
    for changes in ({"relaxation": "cubic"}, {"samples": 2}):
        out = tmp_path / next(iter(changes))
        train(replace(CONFIG, train=replace(CONFIG.train, **changes)), TRAIN, TEST, out)
        models.add(files(out)["model.safetensors"])
    assert len(models) == 4


def test_a_torn_metrics_line_is_cut(unbroken: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(KilledError):
        train(CONFIG, TRAIN, TEST, out, progress=killer(23))
    metrics = out / "metrics.jsonl"
    metrics.write_bytes(metrics.read_bytes() + b'{"iteration": 24, "kind": "tr')
    train(CONFIG, TRAIN, TEST, out, resume=True)
    assert files(out) == files(unbroken)


@pytest.mark.parametrize("name", ["save_state", "save_model"])
def test_a_kill_between_the_files(
    unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    out = tmp_path / "run"
    real, calls = getattr(training, name), []

    def dies_the_last_time(*args: object) -> None:
        calls.append(1)
        if len(calls) == 4:
            raise KilledError
        real(*args)

    monkeypatch.setattr(training, name, dies_the_last_time)
    with pytest.raises(KilledError):
        train(CONFIG, TRAIN, TEST, out)
    monkeypatch.undo()
    train(CONFIG, TRAIN, TEST, out, resume=True)
    assert files(out) == files(unbroken)


def test_a_run_that_stops_early_is_the_beginning_of_the_whole_one(
    unbroken: Path, tmp_path: Path
) -> None:
    """The schedules are those of all 40 iterations."""
    part = replace(CONFIG, train=replace(CONFIG.train, stop_at=20))
    result = train(part, TRAIN, TEST, tmp_path / "part")
    assert result.iterations == 20
    whole, stopped = (
        (folder / "metrics.jsonl").read_text().splitlines()
        for folder in (unbroken, tmp_path / "part")
    )
    assert stopped == whole[: len(stopped)]
    assert json.loads(stopped[-1])["iteration"] == 20


def test_a_run_that_stopped_early_goes_on_to_a_later_stop(unbroken: Path, tmp_path: Path) -> None:
    """The whole run follows in parts; a stop that lies behind is refused, and nothing changes."""
    out = tmp_path / "part"
    for stop in (10, 20):
        part = replace(CONFIG, train=replace(CONFIG.train, stop_at=stop))
        assert train(part, TRAIN, TEST, out, resume=True).iterations == stop
        assert load_config(out / "config.toml") == part
    before = files(out)
    with pytest.raises(ConfigError) as caught:
        train(replace(part, train=replace(part.train, stop_at=5)), TRAIN, TEST, out, resume=True)
    assert str(caught.value) == (
        f"{out}: the run is at iteration 20, beyond train.stop_at=5; give a later one, or 0 for "
        "all iterations"
    )
    assert files(out) == before
    train(CONFIG, TRAIN, TEST, out, resume=True)
    assert files(out) == files(unbroken)


def test_a_run_that_stops_inside_the_ramp_is_judged_at_its_own_clip(tmp_path: Path) -> None:
    """The ramp takes 12 iterations; the weights of iteration 5 were learnt at a clip of 4.67.

    The file holds that clip, validation is at it, and resuming goes on by the schedule.
    """
    part = replace(CONFIG, train=replace(CONFIG.train, stop_at=5))
    result = train(part, TRAIN, TEST, tmp_path / "part")
    network = load_float_network(result.checkpoint)
    assert network.clip == 2.0 + 4 / 12 * 8.0
    assert load_checkpoint_config(result.checkpoint).model.clip == 10.0
    scores = validated(network, network.clip)
    assert (scores.r2, scores.free_energy) == (result.validation.r2, result.validation.free_energy)
    assert validated(network, 10.0).free_energy != scores.free_energy


def validated(network: FloatNetwork, clip: float) -> Validation:
    """Return the validation of a file's network at iteration 5 with another clip."""
    vectors = (network.log_sigma, network.u0, network.log_bias)
    log_sigma, u0, log_bias = (torch.from_numpy(v[None]) for v in vectors)
    log_lr = torch.tensor(network.log_lr, dtype=torch.float32)
    p = Parameters(torch.from_numpy(network.phi), log_sigma, u0, log_bias, log_lr)
    settings = LatentSettings.of(CONFIG.model, clip, CONFIG.train)
    generator = keyed_generator(torch.device("cpu"), CONFIG.train.seed, Stream.VALIDATION, 5)
    return validate(
        PoissonLatents.of(p, settings),
        DenseDictionary.of(p),
        torch.from_numpy(TEST.pixels),
        steps=CONFIG.train.steps,
        generator=generator,
    )


def test_early_checkpoints_hold_the_clip_in_force_and_resuming_goes_on_from_them(
    unbroken: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with pytest.raises(KilledError):
        train(CONFIG, TRAIN, TEST, out, progress=killer(11))
    assert load_float_network(out / "model.safetensors").clip == 2.0 + 9 / 12 * 8.0
    train(CONFIG, TRAIN, TEST, out, resume=True)
    assert files(out) == files(unbroken)
    assert load_float_network(out / "model.safetensors").clip == 10.0


def test_a_run_that_was_begun_with_the_old_names_goes_on(unbroken: Path, tmp_path: Path) -> None:
    """Its state and config have train.inner_steps and train.leak in place of the new settings."""
    out = tmp_path / "run"
    with pytest.raises(KilledError):
        train(CONFIG, TRAIN, TEST, out, progress=killer(17))
    with safe_open(out / "state.safetensors", framework="pt") as handle:
        metadata = handle.metadata()
        tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118 (no mapping)
    new = ("updates_per_step", "leak", "kind")
    lines = [one for one in metadata["config"].splitlines() if not one.startswith(new)]
    at = lines.index("[train]") + 1
    lines[at:at] = ["inner_steps = 1", "leak = 0.0"]
    metadata["config"] = "\n".join(lines)
    save_file(tensors, out / "state.safetensors", metadata)
    train(from_toml(metadata["config"], "old"), TRAIN, TEST, out, resume=True)
    assert files(out)["model.safetensors"] == files(unbroken)["model.safetensors"]


def test_an_unknown_model_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    other = replace(CONFIG, model=replace(CONFIG.model, kind="binary"))
    with pytest.raises(ConfigError) as caught:
        train(other, TRAIN, TEST, tmp_path / "run")
    assert str(caught.value) == (
        f"model.kind is 'binary', but there is no such model; known ones are {', '.join(MEMBERS)}"
    )
    assert not (tmp_path / "run").exists()


def test_a_finished_run_stays_as_it_is(unbroken: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(unbroken, out)
    result = train(CONFIG, TRAIN, TEST, out, resume=True)
    assert files(out) == files(unbroken)
    assert result.iterations == 40


def test_resume_of_nothing_is_a_new_run(unbroken: Path, tmp_path: Path) -> None:
    train(CONFIG, TRAIN, TEST, tmp_path / "run", resume=True)
    assert files(tmp_path / "run") == files(unbroken)


def test_a_run_is_not_overwritten(unbroken: Path) -> None:
    before = files(unbroken)
    with pytest.raises(FileFormatError, match=r"unbroken: holds a training run already"):
        train(CONFIG, TRAIN, TEST, unbroken)
    assert files(unbroken) == before


def test_resume_with_other_settings_or_images(unbroken: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(unbroken, out)
    other = replace(CONFIG, train=replace(CONFIG.train, beta=2.0, seed=5))
    with pytest.raises(ConfigError, match=r"other settings for train\.beta, train\.seed; resume"):
        train(other, TRAIN, TEST, out, resume=True)
    with pytest.raises(DataError, match=r"the training images are not those that the run was"):
        train(CONFIG, bars(200, 2), TEST, out, resume=True)
    (out / "state.safetensors").write_bytes(b"torn")
    with pytest.raises(FileFormatError, match=r"state\.safetensors: not a readable safetensors"):
        train(CONFIG, TRAIN, TEST, out, resume=True)
    (out / "state.safetensors").unlink()
    with pytest.raises(
        FileFormatError, match=r"holds a model but no state\.safetensors to continue"
    ):
        train(CONFIG, TRAIN, TEST, out, resume=True)


def test_silence_is_an_error_with_advice(tmp_path: Path) -> None:
    silent = replace(
        CONFIG,
        model=replace(CONFIG.model, u0_low=-8.0, u0_high=-8.0, log_bias=5.0),
        train=replace(CONFIG.train, beta_ramp_fraction=0.1),
    )
    with pytest.raises(
        TrainingError,
        match=r"^training fell silent: 0\.00034 spikes .* lengthen train\.beta_ramp_fraction",
    ):
        train(silent, TRAIN, TEST, tmp_path / "run")


def test_a_run_away_is_an_error_with_advice(tmp_path: Path) -> None:
    wild = replace(
        CONFIG,
        model=replace(CONFIG.model, phi_std=1.0, log_lr=3.0),
        train=replace(CONFIG.train, learning_rate=1.0, clip_start=10.0),
    )
    with pytest.raises(TrainingError, match=r"^training ran away: .* train\.learning_rate"):
        train(wild, TRAIN, TEST, tmp_path / "run")


def test_images_that_do_not_fit(tmp_path: Path) -> None:
    other = ImageSet("x", "test", TEST.pixels, (2, 8), "standardised")
    with pytest.raises(DataError, match=r"^validation images are standardised of shape \(2, 8\)"):
        train(CONFIG, TRAIN, other, tmp_path / "run")
    nowhere = replace(CONFIG, train=replace(CONFIG.train, device="nowhere"))
    with pytest.raises(ConfigError, match=r"^train\.device is 'nowhere', which does not work here"):
        train(nowhere, TRAIN, TEST, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_batches_visit_each_image_once_an_epoch() -> None:
    epoch = np.concatenate([batch_indices(100, 30, 0, i) for i in range(3)])
    assert len(set(epoch.tolist())) == 90
    following = np.concatenate([batch_indices(100, 30, 0, i) for i in range(3, 6)])
    assert not np.array_equal(epoch, following)
    assert batch_indices(5, 30, 0, 0).tolist() != batch_indices(5, 30, 0, 1).tolist()
