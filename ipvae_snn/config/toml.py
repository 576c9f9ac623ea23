"""Settings read from and written to TOML; overrides and presets."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, get_args, get_origin, get_type_hints

import tomli_w

from ipvae_snn.choices import choose, nearest, suggestion
from ipvae_snn.config.renamed import old_dynamics, renamed_key, translated
from ipvae_snn.config.settings import (
    Config,
    DataConfig,
    ModelConfig,
    TrainConfig,
    Value,
    is_nonlinear,
    limits_of,
)
from ipvae_snn.config.synonyms import nearest_setting
from ipvae_snn.errors import ConfigError, FileFormatError, brief
from ipvae_snn.storage.source_files import read_text
from ipvae_snn.storage.text_values import parse_toml

Settings = TypeVar("Settings")


PRESET_PACKAGE: Final = "ipvae_snn.config"


PRESET_FOLDER: Final = "presets"


GENERAL_PRESET: Final = "images"


PATCHES_PRESET: Final = "patches"


MAX_TOML: Final = 1 << 20  # bytes of a file
MAX_DENSE_LATENTS: Final = 65536
MAX_CUBIC_TEMPERATURE: Final = 1.0
# Numbers that people write and TOML refuses: a digit is missing beside the point.
_BARE_POINT: Final = re.compile(r"[+-]?(\d+\.|\.\d+)([eE][+-]?\d+)?")
PHOTOGRAPHS_PRESET: Final = "photographs"


PATCH_SETS: Final = ("natural", "vanhateren")


def load_config(path: Path) -> Config:
    """Read a TOML file; settings that it leaves out keep their defaults.

    Raises ConfigError if the file is missing or not TOML, or for the first bad setting.
    """
    try:
        text = read_text(path, MAX_TOML)
    except FileFormatError as error:
        raise ConfigError(str(error)) from error
    return from_toml(text, str(path))


def load_preset(name: str) -> Config:
    """Return the preset `name` that comes with the package."""
    choose(name, preset_names(), "preset")
    file = resources.files(PRESET_PACKAGE) / PRESET_FOLDER / f"{name}.toml"
    return from_toml(file.read_text(encoding="utf-8"), f"preset {name}")


def preset_for(data: str | None, patches: int = 0) -> str:
    """Return the preset to train on `data` with: the one for it, else "images".

    patches: for patches of a user's own photographs, "photographs".
    """
    if patches and data is not None and data not in PATCH_SETS:
        return PHOTOGRAPHS_PRESET
    name = DataConfig().name if data is None else data
    name = PATCHES_PRESET if name in PATCH_SETS else name
    return name if name in preset_names() else GENERAL_PRESET


def preset_names() -> list[str]:
    """Return the names of the presets that come with the package, sorted."""
    folder = resources.files(PRESET_PACKAGE) / PRESET_FOLDER
    return sorted(
        f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml")
    )


def from_toml(text: str, source: str) -> Config:
    """Parse TOML `text`; `source` names it in error messages."""
    return _from_table(_parsed(text, source), source)


def config_of_network(text: str, source: str, leak: float) -> Config:
    """Return the config that a network of this leak was trained with, from its TOML `text`.

    An old config may have a constant pull, which is no longer a setting; `leak` replaces it.
    """
    table = _parsed(text, source)
    if old_dynamics(table).pull == 0:
        return _from_table(table, source)
    train = {name: value for name, value in table["train"].items() if name != "leak"}
    config = _from_table({**table, "train": train}, source)
    return replace(config, model=replace(config.model, leak=leak))


def to_toml(config: Config) -> str:
    """Return all settings as TOML; `from_toml` of it equals `config`."""
    return tomli_w.dumps(asdict(config))


def with_overrides(config: Config, overrides: Sequence[str], source: str = "--set") -> Config:
    """Return `config` with overrides such as "train.beta=8" applied in order.

    source: what an error names as their origin.
    A value is read as TOML and, where that fails, as a number such as .5 or 1., or as a bare
    string ("data.name=mnist").
    """
    table: dict[str, dict[str, Any]] = asdict(config)
    named: set[str] = set()
    for override in overrides:
        key, equals, text = override.partition("=")
        table_name, dot, name = key.strip().partition(".")
        if not (equals and dot and table_name and name):
            meant = nearest_setting("", table_name) if equals and not dot else None
            hint = f"; did you mean {meant}={text.strip()}?" if meant else ""
            raise ConfigError(f"--set {override!r} is not of the form table.key=value{hint}")
        table_name, name = renamed_key(table_name, name)
        table.setdefault(table_name, {})[name] = _parse_value(text.strip())
        named.add(f"{table_name}.{name}")
    kinds = config.model.dictionary, table["model"].get("dictionary")
    changed = "model.dictionary" in named and "model.n_latents" not in named
    if changed and "convolutional" in kinds:
        del table["model"]["n_latents"]  # that of the other kind, which images determine or not
    return _from_table(table, source)


def differing_keys(first: Config, second: Config) -> list[str]:
    """Return the dotted names of the settings in which two configs differ."""
    tables = asdict(first), asdict(second)
    return [
        f"{table_name}.{key}"
        for table_name, settings in tables[0].items()
        for key, value in settings.items()
        if value != tables[1][table_name][key]
    ]


def _parsed(text: str, source: str) -> dict[str, Any]:
    try:
        return parse_toml(text)
    except ValueError as error:
        raise ConfigError(f"{source}: not valid TOML ({error}); correct that line") from error


def _parse_value(text: str) -> Any:
    try:
        return parse_toml(f"value = {text}")["value"]
    except ValueError:
        return float(text) if _BARE_POINT.fullmatch(text) else text


def _from_table(table: Mapping[str, Any], source: str) -> Config:
    table = translated(table, source)
    _check_names(table, [f.name for f in fields(Config)], source, "")
    config = Config(
        model=_settings(ModelConfig, _sized(table.get("model", {})), source, "model"),
        train=_settings(TrainConfig, table.get("train", {}), source, "train"),
        data=_settings(DataConfig, table.get("data", {}), source, "data"),
    )
    _check_together(config, source)
    return config


def _sized(model: Any) -> Any:
    """Return the table [model] with n_latents 0 if a convolutional dictionary leaves it out."""
    shared = isinstance(model, Mapping) and model.get("dictionary") == "convolutional"
    return {"n_latents": 0, **model} if shared else model


def _settings(kind: type[Settings], table: Any, source: str, table_name: str) -> Settings:
    if not isinstance(table, Mapping):
        raise ConfigError(
            f"{source}: {table_name} is {brief(table)}, not a table; write it as [{table_name}]"
        )
    described = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]  # Settings are dataclasses
    hints = get_type_hints(kind)
    _check_names(table, list(described), source, f"{table_name}.")
    values = {
        name: _checked(
            value, hints[name], described[name].metadata, f"{source}: {table_name}.{name}"
        )
        for name, value in table.items()
    }
    return kind(**values)


def _check_names(table: Mapping[str, Any], known: list[str], source: str, prefix: str) -> None:
    for name in table:
        if name not in known:
            raise ConfigError(
                f"{source}: unknown setting {prefix}{name}{_hint(name, known, prefix)}"
            )


def _hint(name: str, known: list[str], prefix: str) -> str:
    """Return the setting or table that was probably meant; else all that there are."""
    meant = nearest_setting(prefix.rstrip("."), name) if prefix else nearest(name, known)
    if meant is not None:
        return f"; did you mean {meant}?"
    listed = ", ".join(f"{prefix}{other}" for other in known)
    return f"; there are {listed}"


def _checked(value: Any, hint: Any, limits: Mapping[str, Any], subject: str) -> Value:
    """Return `value` as the type of `hint`, or raise ConfigError beginning with `subject`."""
    if get_origin(hint) is Literal:
        choices = get_args(hint)
        if value not in choices:
            hint = suggestion(value, choices) if isinstance(value, str) else ""
            raise ConfigError(
                f"{subject} is {brief(value)}{hint}; it must be one of {', '.join(choices)}"
            )
        return str(value)
    if hint is float and type(value) is int:
        value = float(value)
    if type(value) is not hint:
        raise ConfigError(
            f"{subject} is {brief(value)} of type {type(value).__name__}; it must be of type "
            f"{hint.__name__}"
        )
    if hint is str and not value:
        raise ConfigError(f"{subject} is empty; give a name")
    if "low" in limits:
        low, high, above = limits["low"], limits["high"], limits["above"]
        if not math.isfinite(value) or not low <= value <= high or (above and value == low):
            bracket = "(" if above else "["
            raise ConfigError(f"{subject} is {value}; it must lie in {bracket}{low:g}, {high:g}]")
    checked: Value = value
    return checked


def _check_together(config: Config, source: str) -> None:
    model, train = config.model, config.train
    _check_kind(config, source)
    _check_dictionary(config, source)
    _check_start(config, source)
    if model.u0_low > model.u0_high:
        raise ConfigError(
            f"{source}: model.u0_low is {model.u0_low}, above model.u0_high {model.u0_high}; "
            "swap them"
        )
    if model.floor > model.u0_low:
        raise ConfigError(
            f"{source}: model.u0_low is {model.u0_low}, below model.floor {model.floor}; raise it"
        )
    most = limits_of(TrainConfig, "steps").high
    if train.all_steps > most:
        raise ConfigError(
            f"{source}: train.segments is {train.segments} and train.steps {train.steps}, "
            f"{train.all_steps} steps in all, above {most:g}; lower one of them"
        )
    if train.segments > 1 and config.data.frames > 1:
        raise ConfigError(
            f"{source}: train.segments is {train.segments}, but data.frames is "
            f"{config.data.frames}, and segments repeat the steps of still images; set one of them "
            "to 1"
        )
    if train.steps_start > train.steps:
        raise ConfigError(
            f"{source}: train.steps_start is {train.steps_start}, above train.steps "
            f"{train.steps}; it must not fall"
        )
    if config.data.patches == 1:
        raise ConfigError(
            f"{source}: data.patches is 1, but a patch has 2 or more pixels at a side; 0 takes "
            "whole images"
        )
    if train.composites > 0 and config.data.frames > 1:
        raise ConfigError(
            f"{source}: train.composites is {train.composites:g}, but they are made of still "
            f"images and data.frames is {config.data.frames}; set one of the two to its default"
        )
    if train.quantise_aware == 1:
        raise ConfigError(
            f"{source}: train.quantise_aware is 1, but signed weights have 2 to 8 bits; give 0 to "
            "train without rounding"
        )
    if train.temperature_end > train.temperature_start:
        raise ConfigError(
            f"{source}: train.temperature_end is {train.temperature_end}, above "
            f"train.temperature_start {train.temperature_start}; it must not rise"
        )
    if train.relaxation == "cubic" and train.temperature_start > MAX_CUBIC_TEMPERATURE:
        raise ConfigError(
            f"{source}: train.temperature_start is {train.temperature_start}, above "
            f"{MAX_CUBIC_TEMPERATURE:g}, up to which cubic counts have the right mean; lower it"
        )


def _check_kind(config: Config, source: str) -> None:
    """Raise ConfigError for settings that only the Poisson model has."""
    model, train, plain = config.model, config.train, TrainConfig()
    if model.kind == ModelConfig().kind:
        return
    if model.dictionary == "untied":
        raise ConfigError(
            f"{source}: model.dictionary is untied, but a model of kind {model.kind} has no "
            "weights of inference of its own; set model.dictionary=dense"
        )
    if train.quantise_aware != plain.quantise_aware:
        raise ConfigError(
            f"{source}: train.quantise_aware is {train.quantise_aware}, but a model of kind "
            f"{model.kind} has no integer network to round for; set it to 0"
        )


def _check_dictionary(config: Config, source: str) -> None:
    model = config.model
    plain = TrainConfig()
    for name in (
        "lateral_sparsity",
        "feedforward_sparsity",
        "sparsity_block",
        "receptive_field",
        "steady_interval",
    ):
        if getattr(config.train, name) > getattr(plain, name) and model.dictionary != "untied":
            raise ConfigError(
                f"{source}: train.{name} is {getattr(config.train, name):g}, but the weights of a "
                f"{model.dictionary} dictionary follow from its decoder; set "
                "model.dictionary=untied, whose inference has weights of its own"
            )
    if model.dictionary != "convolutional":
        if not 1 <= model.n_latents <= MAX_DENSE_LATENTS:
            raise ConfigError(
                f"{source}: model.n_latents is {model.n_latents}; it must lie in "
                f"[1, {MAX_DENSE_LATENTS}]"
            )
        if model.dictionary == "untied":
            _check_untied(config, source)
        if is_nonlinear(model.dictionary):
            _check_nonlinear(config, source)
        return
    if model.stride > model.kernel:
        raise ConfigError(
            f"{source}: model.stride is {model.stride}, above model.kernel {model.kernel}, so that "
            f"no kernel reaches the pixels between; set model.stride to {model.kernel} or less"
        )
    if config.train.quantise_aware:
        raise ConfigError(
            f"{source}: train.quantise_aware is {config.train.quantise_aware}, which rounds the "
            "matrix of a dense dictionary; set it to 0 for a convolutional one"
        )


def _check_start(config: Config, source: str) -> None:
    model = config.model
    if model.start == "none":
        if config.train.start_sparsity > 0:
            raise ConfigError(
                f"{source}: train.start_sparsity is {config.train.start_sparsity:g}, but there is "
                "no start; set model.start=linear"
            )
        return
    if model.dictionary != "untied":
        raise ConfigError(
            f"{source}: model.start is {model.start}, but a {model.dictionary} dictionary has no "
            "weights of inference of its own; set model.dictionary=untied"
        )
    if model.leak > 0 and model.updates_per_step > 1:
        raise ConfigError(
            f"{source}: model.start is {model.start}, but a leak of {model.leak:g} pulls back to "
            "where a step starts, which would be the start; set model.leak=0"
        )


def _check_nonlinear(config: Config, source: str) -> None:
    model = config.model
    if config.train.quantise_aware:
        raise ConfigError(
            f"{source}: train.quantise_aware is {config.train.quantise_aware}, but the decoder "
            f"{model.dictionary} has no integer form to round for; set it to 0"
        )
    if model.phi_start != "noise":
        raise ConfigError(
            f"{source}: model.phi_start is {model.phi_start!r}, which is for linear decoders, but "
            f"model.dictionary is {model.dictionary}; set model.phi_start=noise"
        )


def _check_untied(config: Config, source: str) -> None:
    if config.train.quantise_aware:
        raise ConfigError(
            f"{source}: train.quantise_aware is {config.train.quantise_aware}, which rounds the "
            "weights that follow from a dense dictionary; set it to 0 for untied ones"
        )
    if config.model.phi_start != "noise":
        raise ConfigError(
            f"{source}: model.phi_start is {config.model.phi_start!r}, which untied weights do not "
            "follow; train a dense dictionary so, and start from it with --start-from"
        )
