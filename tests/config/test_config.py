"""Settings: TOML written and read, overrides, presets, and a one-line error per bad setting."""

from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipvae_snn.config.settings import Config, DataConfig, ModelConfig, TrainConfig
from ipvae_snn.config.synonyms import SYNONYMS, TABLES
from ipvae_snn.config.toml import (
    differing_keys,
    from_toml,
    load_config,
    load_preset,
    preset_for,
    preset_names,
    to_toml,
    with_overrides,
)
from ipvae_snn.errors import ConfigError
from ipvae_snn.training.schedules import ScheduleValues, schedule_values, warm_up_iterations


@given(
    st.integers(1, 65536),
    st.floats(0.01, 10.0),
    st.integers(0, (1 << 32) - 1),
    st.sampled_from(["code", "exact"]),
    st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1),
)
def test_toml_round_trip(latents: int, clip: float, seed: int, kl: str, name: str) -> None:
    config = Config(
        ModelConfig(n_latents=latents, clip=clip),
        TrainConfig(seed=seed, kl="exact" if kl == "exact" else "code"),
        DataConfig(name=name),
    )
    assert from_toml(to_toml(config), "test") == config


def test_missing_settings_keep_defaults(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("[train]\nbeta = 3\n")
    assert load_config(file) == Config(train=TrainConfig(beta=3.0))


def test_overrides_in_order() -> None:
    config = with_overrides(
        Config(), ["train.beta=3", "train.kl=exact", "data.name=mnist", "train.beta = 8"]
    )
    assert (config.train.beta, config.train.kl, config.data.name) == (8.0, "exact", "mnist")
    assert differing_keys(Config(), config) == ["train.kl", "train.beta", "data.name"]


BAD = {
    "[train]\nbetta = 1": r"t: unknown setting train\.betta; did you mean train\.beta\?",
    "[modle]": r"t: unknown setting modle; did you mean model\?",
    "[train]\nsteps = 1.5": r"t: train\.steps is 1\.5 of type float; it must be of type int",
    "[train]\nsteps = true": r"t: train\.steps is True of type bool; it must be of type int",
    "[train]\nsteps = 0": r"t: train\.steps is 0; it must lie in \[1, 1024\]",
    "[train]\nlearning_rate = 0.0": (r"t: train\.learning_rate is 0\.0; it must lie in \(0, 1\]"),
    "[train]\nbeta = nan": r"t: train\.beta is nan; it must lie in \[0, 10000\]",
    "[train]\nkl = 'both'": r"t: train\.kl is 'both'; it must be one of code, exact",
    "[data]\nname = ''": r"t: data\.name is empty; give a name",
    "train = 1": r"t: train is 1, not a table; write it as \[train\]",
    "[model]\nu0_low = -2.0\nu0_high = -3.0": (
        r"t: model\.u0_low is -2\.0, above model\.u0_high -3\.0; swap them"
    ),
    "[model]\nfloor = -5.0": r"t: model\.u0_low is .*, below model\.floor -5\.0; raise it",
    "[train]\ntemperature_start = 0.001": (
        r"t: train\.temperature_end is 0\.01, above train\.temperature_start 0\.001; "
        r"it must not rise"
    ),
    "[train]\nrelaxation = 'cubed'": (
        r"t: train\.relaxation is 'cubed' \(did you mean 'cubic'\?\); it must be one of sigmoid, "
        r"cubic"
    ),
    "[train]\nrelaxation = 'cubic'\ntemperature_start = 1.5": (
        r"t: train\.temperature_start is 1\.5, above 1, up to which cubic counts have the right "
        r"mean; lower it"
    ),
    "[train]\nsamples = 3": r"t: train\.samples is 3; it must lie in \[1, 2\]",
    "[model]\nupdates_per_step = 65": r"t: model\.updates_per_step is 65; .* \[1, 64\]",
    "[train]\ninner_steps = 65": r"t: model\.updates_per_step is 65; .* \[1, 64\]",
    "[model]\nleak = -0.1": r"t: model\.leak is -0\.1; it must lie in \[0, 1000\]",
    "[train]\nleak = 'much'": r"t: unknown setting train\.leak; did you mean model\.leak\?",
    "train = ": r"t: not valid TOML \(.*\); correct that line",
}


@pytest.mark.parametrize("text", BAD)
def test_bad_settings_are_named(text: str) -> None:
    with pytest.raises(ConfigError, match=f"^{BAD[text]}$"):
        from_toml(text, "t")


@pytest.mark.parametrize("text", ["inner_steps = 4", "inner_steps = 4\nleak = 0.0"])
def test_old_names_of_the_dynamics_are_read(text: str) -> None:
    expected = Config(ModelConfig(updates_per_step=4))
    assert from_toml(f"[train]\n{text}\n", "t") == expected
    assert from_toml(f"[model]\nupdates_per_step = 4\n[train]\n{text}\n", "t") == expected
    assert with_overrides(Config(), ["train.inner_steps=4", "train.leak=0"]) == expected
    assert with_overrides(expected, ["train.inner_steps=1"]) == Config()


def test_an_old_leak_without_effect_is_dropped() -> None:
    """With one update per step nothing is pulled back."""
    assert from_toml("[train]\nleak = 0.2\ninner_steps = 1\n", "t") == Config()


def test_an_old_leak_with_an_effect_is_refused_with_the_new_key() -> None:
    message = (
        "train.leak is 0.2, a constant pull per update, which training no longer has; set "
        "model.leak instead, which the learnt step size exp(log_lr) multiplies (1 in the paper's "
        "code)"
    )
    with pytest.raises(ConfigError) as caught:
        from_toml("[train]\nleak = 0.2\ninner_steps = 4\n", "t")
    assert str(caught.value) == f"t: {message}"
    with pytest.raises(ConfigError) as caught:
        with_overrides(Config(), ["train.leak=0.2", "train.inner_steps=4"])
    assert str(caught.value) == f"--set: {message}"


def test_an_old_and_a_new_name_that_differ_are_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        from_toml("[model]\nupdates_per_step = 2\n[train]\ninner_steps = 4\n", "t")
    assert str(caught.value) == (
        "t: model.updates_per_step is 2, but train.inner_steps, its old name, is 4; leave the old "
        "one out"
    )


@pytest.mark.parametrize(
    ("override", "hint"),
    [
        ("beta=1", "; did you mean train.beta=1?"),
        ("lr=0.1", "; did you mean train.learning_rate=0.1?"),
        ("neurons = 32", "; did you mean model.n_latents=32?"),
        ("train.beta", ""),
        ("=1", ""),
        ("train.=1", ""),
    ],
)
def test_bad_overrides(override: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        with_overrides(Config(), [override])
    assert str(caught.value) == f"--set {override!r} is not of the form table.key=value{hint}"


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("train.lr", "train.learning_rate"),
        ("train.LR", "train.learning_rate"),
        ("train.learning-rate", "train.learning_rate"),
        ("train.epochs", "train.iterations"),
        ("train.n_latents", "model.n_latents"),
        ("train.neurons", "model.n_latents"),
        ("model.batch_size", "train.batch_size"),
        ("model.steps", "train.steps"),
        ("data.dataset", "data.name"),
        ("train.wd", "train.weight_decay"),
        ("train.warmup", "train.warm_up_fraction"),
        ("train.iteration", "train.iterations"),
    ],
)
def test_an_unknown_setting_names_the_one_that_was_meant(wrong: str, meant: str) -> None:
    with pytest.raises(ConfigError) as caught:
        with_overrides(Config(), [f"{wrong}=1"])
    assert str(caught.value) == f"--set: unknown setting {wrong}; did you mean {meant}?"


def test_a_setting_like_no_other_gets_the_whole_list() -> None:
    with pytest.raises(ConfigError, match=r"unknown setting data\.zzz; there are data\.name, data"):
        with_overrides(Config(), ["data.zzz=1"])


def test_each_synonym_stands_for_a_setting() -> None:
    known = {field.name for kind in TABLES.values() for field in fields(kind)}
    assert set(SYNONYMS.values()) <= known
    assert not set(SYNONYMS) & known


def test_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: no such file; check the path"):
        load_config(tmp_path / "absent.toml")


def test_presets() -> None:
    plain = ["demo", "digits", "images", "mnist", "paper-mnist", "paper-patches", "patches"]
    assert preset_names() == [*plain, "photographs"]
    for name in preset_names():
        assert load_preset(name) != Config()
    with pytest.raises(
        ConfigError,
        match=r"^no preset is called 'demmo' \(did you mean 'demo'\?\); there are demo, ",
    ):
        load_preset("demmo")


def test_schedules_by_hand() -> None:
    train = TrainConfig(
        iterations=1000, learning_rate=0.1, beta=10.0, beta_start=0.0, warm_up_fraction=0.1
    )
    model = ModelConfig()
    first, ramping, last = (schedule_values(model, train, i) for i in (0, 150, 999))
    # Warm-up: 1/100 of the rate, three times the clip; ramps at their start.
    assert first.learning_rate == pytest.approx(0.001)
    assert first.grad_clip == 3 * train.grad_clip
    assert (first.beta, first.temperature, first.clip) == (0.0, 1.0, 2.0)
    # Iteration 150 of a ramp of 300 is half way: beta 5, clip 6; 150 of 500: 0.3 of the cooling.
    assert (ramping.beta, ramping.clip) == (5.0, 6.0)
    assert ramping.temperature == pytest.approx(1 - 0.3 * 0.99)
    assert last.learning_rate < 1e-6
    assert (last.beta, last.temperature, last.clip) == (10.0, 0.01, 10.0)


@pytest.mark.parametrize(
    ("iterations", "expected"), [(1, 0), (20, 5), (400, 50), (4000, 200), (1_000_000, 50_000)]
)
def test_short_runs_have_a_warm_up(iterations: int, expected: int) -> None:
    config = TrainConfig(iterations=iterations, warm_up_fraction=0.05)
    assert warm_up_iterations(config) == max(expected, -(-iterations // 20))


def test_a_data_set_is_trained_with_its_own_preset() -> None:
    # The plain defaults are the paper's, which a short run does not survive.
    assert preset_for("mnist") == "mnist"
    assert [preset_for(name) for name in (None, "natural", "vanhateren")] == 3 * ["patches"]
    assert preset_for("my-images.npy") == "images"
    for name in preset_names():
        assert load_preset(name).model.phi_std > 1e-3 or name.startswith("paper-")


@pytest.mark.parametrize(
    ("name", "beta", "grad_clip", "rate"),
    [("paper-patches", 24.0, 300.0, 0.005), ("paper-mnist", 128.0, 3000.0, 0.002)],
)
def test_the_papers_schedules(name: str, beta: float, grad_clip: float, rate: float) -> None:
    """Warm-up over .5 %, beta and clip over 10 %, temperature over 50 % of the iterations."""
    config = load_preset(name)
    n = config.train.iterations

    def at(share: float) -> ScheduleValues:
        return schedule_values(config.model, config.train, int(share * n))

    first, warm, half_ramp, cooled, last = map(at, (0, 0.0025, 0.05, 0.5, 1 - 1 / n))
    assert (first.beta, first.clip, first.temperature) == (1e-4, 2.0, 1.0)
    assert (first.grad_clip, last.grad_clip) == (3 * grad_clip, grad_clip)
    assert warm.learning_rate == pytest.approx(rate / 2, rel=0.02)
    assert (half_ramp.beta, half_ramp.clip) == (pytest.approx(beta / 2, rel=1e-3), 6.0)
    assert (cooled.temperature, last.beta, last.clip) == (0.01, beta, 10.0)
    assert config.train.batch_size * n == {"paper-patches": 300 * 50_000}.get(name, 400 * 60_000)


def test_the_curriculum_doubles_the_steps_and_scales_beta() -> None:
    config = TrainConfig(
        steps=50, steps_start=8, steps_fraction=0.6, iterations=1000, beta=5.0, beta_start=5.0
    )
    seen = [schedule_values(ModelConfig(), config, i) for i in range(1000)]
    # 8, 16, 32, then 50: three doublings in 600 iterations.
    changes = [i for i in range(1, 1000) if seen[i].steps != seen[i - 1].steps]
    assert changes == [200, 400, 600]
    assert [seen[i].steps for i in (0, *changes)] == [8, 16, 32, 50]
    assert [seen[i].beta for i in (0, 200, 600)] == [5.0 * 8 / 50, 5.0 * 16 / 50, 5.0]
    plain = TrainConfig(steps=50, iterations=10)
    assert {schedule_values(ModelConfig(), plain, i).steps for i in range(10)} == {50}
    with pytest.raises(ConfigError, match=r"train\.steps_start is 32, above train\.steps 16"):
        with_overrides(Config(), ["train.steps_start=32"])


def test_a_convolutional_dictionary_leaves_the_neurons_to_the_images() -> None:
    text = "[model]\ndictionary = 'convolutional'\nfeatures = 9"
    config = from_toml(text, "t")
    assert (config.model.n_latents, config.model.features) == (0, 9)
    assert from_toml(to_toml(config), "t") == config
    switched = with_overrides(load_preset("mnist"), ["model.dictionary=convolutional"])
    assert switched.model.n_latents == 0
    assert with_overrides(switched, ["model.kernel=12"]).model.n_latents == 0
    assert with_overrides(switched, ["model.dictionary=dense"]).model.n_latents == 512
    named = with_overrides(switched, ["model.n_latents=1600"])
    assert named.model.n_latents == 1600


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model.n_latents=0"], "model.n_latents is 0; it must lie in [1, 65536]"),
        (["model.n_latents=65537"], "model.n_latents is 65537; it must lie in [1, 65536]"),
        (["model.dictionary=convolutionl"], "did you mean 'convolutional'?"),
        (
            ["model.dictionary=convolutional", "model.stride=9"],
            "model.stride is 9, above model.kernel 8, so that no kernel reaches the pixels between",
        ),
        (
            ["model.dictionary=convolutional", "train.quantise_aware=4"],
            "train.quantise_aware is 4, which rounds the matrix of a dense dictionary; set it to 0",
        ),
        (["model.kernel_size=5"], "did you mean model.kernel?"),
        (["model.filters=5"], "did you mean model.features?"),
    ],
)
def test_dictionaries_that_cannot_be(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        with_overrides(Config(), overrides)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"), [(".5", 0.5), ("1.", 1.0), ("+.25e1", 2.5), ("-.5e-1", -0.05)]
)
def test_numbers_without_a_digit_beside_the_point(text: str, value: float) -> None:
    assert with_overrides(Config(), [f"model.log_lr={text}"]).model.log_lr == value
    for wrong in (".", "-.", "1.2.", "e.5", ".5x"):
        with pytest.raises(ConfigError, match=r"model\.log_lr is .* of type str"):
            with_overrides(Config(), [f"model.log_lr={wrong}"])
