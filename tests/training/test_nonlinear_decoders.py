"""Models with nonlinear decoders train, resume, are stored and evaluated; nothing converts them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save_file
from short_runs import CONFIG, TEST, TRAIN, KilledError, files, killer

from ipvae_snn.config import toml
from ipvae_snn.config.settings import Config, DictionaryKind
from ipvae_snn.errors import ConfigError, DataError, FileFormatError, MemoryLimitError
from ipvae_snn.evaluation.decoder_elements import elements_of
from ipvae_snn.evaluation.evaluate import evaluate, request_of
from ipvae_snn.evaluation.plots import pictures
from ipvae_snn.models.family import MEMBERS
from ipvae_snn.models.float_network import load_float_network
from ipvae_snn.models.latent_module import inferring, load_checked
from ipvae_snn.models.networks import load
from ipvae_snn.storage import memory
from ipvae_snn.training.train import train
from ipvae_snn.training.warm_start import initial_parameters
from ipvae_snn.workflows.convert import convert
from ipvae_snn.workflows.evaluate import EvaluationSettings
from ipvae_snn.workflows.evaluate import evaluate as workflow
from ipvae_snn.workflows.inspect import inspect_file
from ipvae_snn.workflows.probe import probe

CASES: list[tuple[str, DictionaryKind]] = [
    ("poisson", "mlp"),
    ("poisson", "deconvolutional"),
    ("gaussian", "mlp"),
    ("gaussian-relu", "deconvolutional"),
    ("amortised-poisson", "mlp"),
    ("amortised-gaussian-relu", "deconvolutional"),
    ("semi-amortised-poisson", "mlp"),
    ("iterative-amortised-gaussian", "mlp"),
    ("predictive-coding", "deconvolutional"),
    ("incremental-predictive-coding", "mlp"),
]


def config_of(kind: str, dictionary: DictionaryKind) -> Config:
    model = replace(
        CONFIG.model, kind=kind, dictionary=dictionary, clip=7.0, decoder_width=12, log_lr=-2.0
    )
    steps = 1 if MEMBERS[kind].one_step else CONFIG.train.steps
    return replace(CONFIG, model=model, train=replace(CONFIG.train, clip_start=1.0, steps=steps))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Path]:
    """Return a short run of every case."""
    folder = tmp_path_factory.mktemp("runs")
    for kind, dictionary in CASES:
        train(config_of(kind, dictionary), TRAIN, TEST, folder / kind / dictionary)
    return {(kind, dictionary): folder / kind / dictionary for kind, dictionary in CASES}


@pytest.fixture
def checkpoint(runs: dict[tuple[str, str], Path]) -> Path:
    return runs["poisson", "mlp"] / "model.safetensors"


@pytest.mark.parametrize("case", CASES)
def test_it_is_stored_and_evaluated(
    case: tuple[str, DictionaryKind], runs: dict[tuple[str, str], Path]
) -> None:
    network = load_checked(runs[case] / "model.safetensors")
    assert (network.n_neurons, network.n_pixels, network.dictionary) == (16, 16, None)
    assert network.config == config_of(*case)
    with safe_open(runs[case] / "state.safetensors", framework="np") as state:
        for name, values in network.tensors.items():
            np.testing.assert_array_equal(values, state.get_tensor(f"parameter.{name}"))
    judged = evaluate(network, TEST, request_of(network, 5, seed=3), shown=2)
    again = evaluate(network, TEST, request_of(network, 5, seed=3), shown=2)
    assert repr(judged.evaluation) == repr(again.evaluation)  # NaN is not NaN
    assert judged.evaluation.last.r2.mean > -1.0
    contents = inspect_file(runs[case] / "model.safetensors").as_json()
    assert contents["dictionary"] == f"{case[1]}: 16 neurons, width 12, 16 pixels"


@pytest.mark.parametrize("case", CASES[1:4])
def test_a_killed_run_resumes_to_the_same_files(
    case: tuple[str, DictionaryKind], runs: dict[tuple[str, str], Path], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with pytest.raises(KilledError):
        train(config_of(*case), TRAIN, TEST, out, progress=killer(17))
    train(config_of(*case), TRAIN, TEST, out, resume=True)
    assert files(out) == files(runs[case])


@pytest.mark.parametrize("case", [("poisson", "mlp"), ("gaussian-relu", "deconvolutional")])
def test_it_learns(case: tuple[str, DictionaryKind], tmp_path: Path) -> None:
    config = config_of(*case)
    longer = replace(
        config,
        model=replace(config.model, log_lr=-1.0, u0_low=-2.0, u0_high=-1.0),
        train=replace(
            config.train,
            beta=0.1,
            iterations=200,
            learning_rate=0.04,
            validation_interval=0,
            checkpoint_interval=200,
        ),
    )
    assert train(longer, TRAIN, TEST, tmp_path / "run").validation.r2 > 0.2  # untrained: below 0


@pytest.mark.parametrize("refuse", [load, load_float_network, convert])
def test_nothing_converts_or_runs_it(refuse: object, checkpoint: Path) -> None:
    assert callable(refuse)
    with pytest.raises(FileFormatError) as caught:
        refuse(checkpoint)
    assert str(caught.value) == (
        f"{checkpoint}: its decoder is mlp, but only linear ones are read here, since no integer "
        "form follows from others; train one with model.dictionary=dense"
    )


def test_neurons_whose_features_do_not_add_up_are_not_probed(checkpoint: Path) -> None:
    with pytest.raises(DataError) as caught:
        probe(checkpoint)
    assert str(caught.value) == (
        "the decoder is mlp, whose features do not add up to an image, so that a neuron has no "
        "stimulus of its own; probe a model with a linear one (model.dictionary=dense)"
    )


def test_its_elements_are_what_one_spike_adds(checkpoint: Path) -> None:
    network = load_checked(checkpoint)
    elements = elements_of(network)
    assert elements.values.shape == (16, 16)
    decode = inferring(network).dictionary.decode
    one = torch.zeros(2, 16)
    one[1, 3] = 1.0
    with torch.no_grad():
        none, spiked = decode(one)
    np.testing.assert_allclose(elements.values[:, 3], (spiked - none).numpy(), atol=1e-6)
    judged = evaluate(network, TEST, request_of(network, 5), shown=2)
    last = pictures(network, TEST, judged)[-1]
    assert last.caption == "What one spike of each neuron adds, most used first"
    settings = EvaluationSettings(steps=4, readout_train=0)
    assert workflow(checkpoint, TEST, settings).as_json()["final"]["spikes"]["mean"] > 0


def test_a_run_starts_from_a_checkpoint_with_an_equal_decoder(
    checkpoint: Path, tmp_path: Path
) -> None:
    config = config_of("poisson", "mlp")
    started = initial_parameters(checkpoint, config, (4, 4))
    assert started.keys() == load_checked(checkpoint).tensors.keys()
    for other, reason in (
        (
            config_of("poisson", "deconvolutional"),
            "its decoder is mlp, but this run's is deconvolutional; ",
        ),
        (CONFIG, "its decoder is mlp, but this run's is dense; set model.dictionary=mlp"),
    ):
        with pytest.raises(ConfigError, match=reason):
            initial_parameters(checkpoint, other, (4, 4))
    linear = train(
        replace(CONFIG, train=replace(CONFIG.train, iterations=1)), TRAIN, TEST, tmp_path / "run"
    )
    with pytest.raises(ConfigError, match="its decoder is dense, but this run's is mlp; set"):
        initial_parameters(linear.checkpoint, config, (4, 4))


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (["kind=lca"], "model.dictionary is mlp, but model.kind is lca, which is linear by "),
        (["phi_start=sparse-coding"], "model.phi_start is 'sparse-coding', which is for linear"),
        (["n_latents=0"], r"model.n_latents is 0; it must lie in \[1, "),
        (["start=linear"], "model.start is linear, but a mlp dictionary has no"),
    ],
)
def test_settings_of_linear_decoders_are_refused(
    settings: list[str], reason: str, tmp_path: Path
) -> None:
    named = [f"model.{setting}" for setting in settings]

    def run() -> None:
        config = toml.with_overrides(config_of("poisson", "mlp"), named)
        train(config, TRAIN, TEST, tmp_path / "run")

    with pytest.raises(ConfigError, match=reason):
        run()
    with pytest.raises(ConfigError, match="has no integer form to round for; set it to 0"):
        toml.with_overrides(config_of("poisson", "mlp"), ["train.quantise_aware=4"])


def test_what_does_not_fit_into_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(memory.VARIABLE, "100K")
    with pytest.raises(MemoryLimitError, match=r"train.steps or model.decoder_width"):
        train(config_of("poisson", "deconvolutional"), TRAIN, TEST, tmp_path / "run")


def rewritten(path: Path, out: Path, kind: str, decoder: str, drop: str = "") -> Path:
    """Write the checkpoint with another kind and decoder in its header, without one tensor."""
    with safe_open(path, framework="np") as handle:
        names = [name for name in handle.keys() if name != drop]  # noqa: SIM118 (no mapping)
        tensors = {name: handle.get_tensor(name) for name in names}
        metadata = handle.metadata()
    details = json.loads(metadata["network"]) | {"kind": kind, "dictionary": {"kind": decoder}}
    save_file(tensors, out, metadata | {"network": json.dumps(details)})
    return out


@pytest.mark.parametrize(
    ("kind", "decoder", "drop", "reason"),
    [
        ("gaussian", "mlp", "", "kind 'gaussian' is not the settings' 'poisson'"),
        ("poisson", "mlp", "network.2.bias", "network.2.bias has shape none, but its settings"),
        ("poisson", "dense", "", "decoder 'dense' is not the settings' 'mlp'"),
    ],
)
def test_damage_is_named(
    kind: str, decoder: str, drop: str, reason: str, checkpoint: Path, tmp_path: Path
) -> None:
    path = rewritten(checkpoint, tmp_path / "bad.safetensors", kind, decoder, drop)
    with pytest.raises(FileFormatError, match=reason):
        load_checked(path)


def test_a_linear_network_is_not_read_as_another_model(tmp_path: Path) -> None:
    config = replace(CONFIG, train=replace(CONFIG.train, iterations=1))
    checkpoint = train(config, TRAIN, TEST, tmp_path / "run").checkpoint
    with pytest.raises(FileFormatError, match="a linear network of kind 'poisson' is read else"):
        load_checked(checkpoint)
