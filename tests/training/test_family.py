"""Every model of the family trains, resumes, is stored and evaluated."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save_file
from short_runs import CONFIG, TEST, TRAIN, KilledError, files, killer

from ipvae_snn.config.settings import Config
from ipvae_snn.errors import ConfigError, FileFormatError
from ipvae_snn.evaluation.evaluate import evaluate, final_rates, request_of
from ipvae_snn.models.family import MEMBERS
from ipvae_snn.models.float_network import load_float_network
from ipvae_snn.models.latent_module import inferring, load_any, load_checked
from ipvae_snn.models.networks import load
from ipvae_snn.models.registry import MODULES
from ipvae_snn.report.json_files import finite
from ipvae_snn.training.train import train
from ipvae_snn.training.validation import validate
from ipvae_snn.training.warm_start import initial_parameters
from ipvae_snn.workflows.convert import convert
from ipvae_snn.workflows.evaluate import EvaluationSettings
from ipvae_snn.workflows.evaluate import evaluate as workflow
from ipvae_snn.workflows.inspect import inspect_file

SEEDS = 8  # of samples whose R2 is averaged
OTHERS = [kind for kind in MEMBERS if kind != "poisson"]


def config_of(kind: str) -> Config:
    """Return settings of a short run; a threshold that these small images reach."""
    model = replace(CONFIG.model, kind=kind, clip=7.0, threshold=0.1)
    steps = 1 if MEMBERS[kind].one_step else CONFIG.train.steps
    return replace(CONFIG, model=model, train=replace(CONFIG.train, clip_start=1.0, steps=steps))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a short run of every model."""
    folder = tmp_path_factory.mktemp("runs")
    for kind in OTHERS:
        train(config_of(kind), TRAIN, TEST, folder / kind)
    return {kind: folder / kind for kind in OTHERS}


def test_every_model_has_a_module() -> None:
    assert list(MODULES) == list(MEMBERS)


@pytest.mark.parametrize("kind", OTHERS)
def test_it_learns(kind: str, tmp_path: Path) -> None:
    config = config_of(kind)
    longer = replace(
        config,
        model=replace(config.model, u0_low=-2.0, u0_high=-1.0),
        train=replace(
            config.train,
            beta=0.1,
            iterations=250,
            learning_rate=0.04,
            validation_interval=0,
            checkpoint_interval=250,
        ),
    )
    result = train(longer, TRAIN, TEST, tmp_path / "run")
    assert result.validation.r2 > 0.2  # untrained: below 0
    assert (result.validation.operations is None) is MEMBERS[kind].network
    network, x = load_checked(result.checkpoint), torch.from_numpy(TEST.pixels)
    steps, (latents, dictionary) = config.train.steps, inferring(network)
    ends = [
        evaluate(network, TEST, request_of(network, steps, seed)).evaluation.last.r2.mean
        for seed in range(SEEDS)
    ]
    validated = [
        validate(
            latents,
            dictionary,
            x,
            steps=steps,
            generator=torch.Generator().manual_seed(seed),
        ).r2
        for seed in range(SEEDS)
    ]
    # Of 50 images R2 of one sample has a deviation of up to .06.
    assert np.mean(ends) == pytest.approx(np.mean(validated), abs=0.08)


@pytest.mark.parametrize("kind", OTHERS)
def test_a_killed_run_resumes_to_the_same_files(
    kind: str, runs: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with pytest.raises(KilledError):
        train(config_of(kind), TRAIN, TEST, out, progress=killer(17))
    train(config_of(kind), TRAIN, TEST, out, resume=True)
    assert files(out) == files(runs[kind])


@pytest.mark.parametrize("kind", OTHERS)
def test_a_run_starts_from_a_checkpoint_of_its_kind(
    kind: str, runs: dict[str, Path], tmp_path: Path
) -> None:
    path, config = runs[kind] / "model.safetensors", config_of(kind)
    started = initial_parameters(path, config, (4, 4))
    for name, values in load_checked(path).tensors.items():
        np.testing.assert_array_equal(started[name].numpy(), values)
    short = replace(config, train=replace(config.train, iterations=2))
    assert train(short, TRAIN, TEST, tmp_path / "run", start_from=path).iterations == 2
    wider = replace(config, model=replace(config.model, n_latents=12))
    with pytest.raises(ConfigError, match=r"has shape .*, but its settings need .*; give"):
        initial_parameters(path, wider, (4, 4))
    with pytest.raises(ConfigError, match=rf"of kind {kind}, but this run's is poisson"):
        initial_parameters(path, CONFIG, (4, 4))


@pytest.mark.parametrize("kind", OTHERS)
def test_a_checkpoint_is_what_was_trained(kind: str, runs: dict[str, Path]) -> None:
    network = load_checked(runs[kind] / "model.safetensors")
    assert (network.n_neurons, network.n_pixels, network.clip) == (16, 16, 7.0)
    assert network.config == config_of(kind)
    assert MEMBERS[kind].name in repr(network)
    with safe_open(runs[kind] / "state.safetensors", framework="np") as state:
        for name, values in network.tensors.items():
            np.testing.assert_array_equal(values, state.get_tensor(f"parameter.{name}"))


@pytest.mark.parametrize("kind", OTHERS)
def test_figures_do_not_depend_on_other_parts(kind: str, runs: dict[str, Path]) -> None:
    """The same images and seed give the same figures, and another seed others."""
    network = load_any(runs[kind] / "model.safetensors")
    request = request_of(network, 5, seed=3)
    first, again = (evaluate(network, TEST, request, shown=2) for _ in range(2))
    assert repr(first.evaluation) == repr(again.evaluation)  # NaN is not NaN
    assert sorted(first.samples) == [0, 1, 2, 4, 5]
    assert first.samples[5].shape == (2, 16)
    other = evaluate(network, TEST, request_of(network, 5, seed=4)).evaluation
    assert (repr(other.moments) != repr(first.evaluation.moments)) is MEMBERS[kind].random
    assert final_rates(network, TEST, request).shape == (50, 16)


@pytest.mark.parametrize("kind", OTHERS)
def test_what_needs_an_ip_vae_says_so_in_one_line(kind: str, runs: dict[str, Path]) -> None:
    path = runs[kind] / "model.safetensors"
    for refuse in (load, load_float_network, convert):
        with pytest.raises(FileFormatError) as caught:
            refuse(path)
        assert str(caught.value) == (
            f"{path}: a network of kind {kind!r}, but only 'poisson' ones are read here; train one "
            "with model.kind=poisson"
        )


@pytest.mark.parametrize("kind", OTHERS)
def test_inspect_names_the_model(kind: str, runs: dict[str, Path]) -> None:
    contents = inspect_file(runs[kind] / "model.safetensors").as_json()
    assert contents["what"] == f"float checkpoint of a model {MEMBERS[kind].name}"
    assert (contents["kind"], contents["neurons"]) == (kind, 16)


@pytest.mark.parametrize("kind", OTHERS)
def test_the_report_of_real_latents_has_no_spikes(kind: str, runs: dict[str, Path]) -> None:
    settings = EvaluationSettings(steps=4, readout_train=0)
    result = workflow(runs[kind] / "model.safetensors", TEST, settings)
    written = finite(result.as_json())
    assert (written["final"]["spikes"]["mean"] is None) is not MEMBERS[kind].counts
    assert written["final"]["r2"]["mean"] > -1


def damaged(path: Path, out: Path, **change: object) -> Path:
    """Write the checkpoint anew with other details, or tensors by their names."""
    with safe_open(path, framework="np") as handle:
        tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
        metadata = handle.metadata()
    details = json.loads(metadata["network"])
    for name, value in change.items():
        if name in tensors:
            tensors[name] = value
        else:
            details[name] = value
    save_file(tensors, out, metadata | {"network": json.dumps(details)})
    return out


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"mu0": np.full((1, 16), np.nan, np.float32)}, "mu0 holds values that are not finite"),
        (
            {"phi": np.zeros((16, 4), np.float32)},
            r"phi has shape \(16, 4\), but its settings need \(16, 16\)",
        ),
        ({"clip": 0}, r"clip is 0.0, not in \(0, 10\]"),
        ({"kind": "gaussian-relu"}, "kind 'gaussian-relu' is not the settings' 'gaussian'"),
        ({"kind": "binary"}, "kind 'binary' is not the settings' 'gaussian'"),
        (
            {"image_shape": [4000, 4000]},
            r"phi has shape \(16, 16\), but its settings need \(16000000, 16\)",
        ),
        ({"input_kind": "loud"}, "input kind 'loud' is not known here"),
    ],
)
def test_damage_is_named(
    change: dict[str, object], reason: str, runs: dict[str, Path], tmp_path: Path
) -> None:
    path = damaged(runs["gaussian"] / "model.safetensors", tmp_path / "bad.safetensors", **change)
    with pytest.raises(FileFormatError, match=reason):
        load_checked(path)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"dictionary": "untied"}, "model.dictionary is untied, but a model of kind gaussian"),
        ({"kind": "amortised-gaussian"}, "train.steps is 4, but model.kind is amortised-gaussian"),
        ({"kind": "gausian"}, r"there is no such model; did you mean 'gaussian'\?$"),
    ],
)
def test_settings_of_the_ip_vae_alone_are_refused(
    settings: dict[str, str], reason: str, tmp_path: Path
) -> None:
    from ipvae_snn.config import toml

    named = [f"model.{name}={value}" for name, value in {"kind": "gaussian", **settings}.items()]
    with pytest.raises(ConfigError, match=reason):
        train(toml.with_overrides(CONFIG, named), TRAIN, TEST, tmp_path / "run")
