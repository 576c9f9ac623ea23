"""Settings of a training run: frozen dataclasses, TOML in and out, overrides and presets."""

import difflib
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from importlib import resources
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, get_args, get_origin, get_type_hints

import tomli_w

from ipvae_snn.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

KlForm = Literal["code", "exact"]
Motion = Literal["video", "drift"]
Settings = TypeVar("Settings")
Value = bool | int | float | str
PRESET_PACKAGE: Final = "ipvae_snn"
PRESET_FOLDER: Final = "presets"
GENERAL_PRESET: Final = "images"
PATCHES_PRESET: Final = "patches"
PATCH_SETS: Final = ("natural", "vanhateren")
# Torch seeds and the keyed generator both take 32 bits.
MAX_SEED: Final = (1 << 32) - 1


def _limited(default: Value, low: float, high: float, *, above: bool = False) -> Any:
    """Return a dataclass field whose value must lie in [low, high] (in (low, high] if above)."""
    return field(default=default, metadata={"low": low, "high": high, "above": above})


@dataclass(frozen=True)
class ModelConfig:
    """Size and initial values of the network.

    n_latents: neurons K. clip, floor: soft upper and hard lower bound of u and du, in nats.
    log_sigma_limit: bound c of the pixel noise, log sigma = c tanh(raw / c); 0 for no bound.
    phi_std: standard deviation of the initial dictionary. u0_low, u0_high: initial log rates
    are uniform between them. log_bias, log_lr: initial values.
    """

    n_latents: int = _limited(512, 1, 65536)
    clip: float = _limited(10.0, 0.0, 10.0, above=True)
    floor: float = _limited(-8.0, -16.0, -1.0)
    log_sigma_limit: float = _limited(3.45, 0.0, 10.0)
    phi_std: float = _limited(1e-4, 0.0, 1.0, above=True)
    u0_low: float = _limited(-6.0, -8.0, 4.0)
    u0_high: float = _limited(-4.0, -8.0, 4.0)
    log_bias: float = _limited(-3.0, -20.0, 5.0)
    log_lr: float = _limited(0.0, -10.0, 3.0)


@dataclass(frozen=True)
class TrainConfig:
    """Schedule and loss of a training run; every schedule is counted in iterations.

    steps: unrolled inference steps T, each of inner_steps updates (n_iters_inner of the paper's
    code), whose leak pulls u back to where the step began. Where steps_start is not 0, T doubles
    from there to `steps` in stages of equal length, and is full from steps_fraction on.
    beta: weight of the KL term. kl: its form, "code" as in the paper's public code or "exact".
    The learning rate rises linearly over the first warm_up_fraction of the iterations (but at
    least 50, where there are four times as many) and falls as a cosine after it. beta rises from
    beta_start, and the soft clip from clip_start, over beta_ramp_fraction; beta is scaled by
    T / steps while T is not full. The temperature falls over temperature_fraction. grad_clip is
    multiplied by grad_clip_warm_up_factor during warm-up; an iteration whose gradient is
    grad_skip times longer than the limit (inference of some image ran away, which says nothing
    about where to go) changes nothing. threads: of the CPU; on small layers one is nearly as
    fast as more, and does not stall on a busy machine. quantise_aware: where it is not 0,
    inference sees weights of so many bits, and gradients pass straight through (`fake_rounding`).
    stop_at: where it is not 0, the run ends after so many iterations, though its schedules are
    laid out for all. Intervals are in iterations; 0 switches validation off but for the last
    iteration.
    """

    steps: int = _limited(16, 1, 1024)
    steps_start: int = _limited(0, 0, 1024)
    steps_fraction: float = _limited(0.75, 0.0, 1.0)
    inner_steps: int = _limited(1, 1, 64)
    leak: float = _limited(0.0, 0.0, 1.0)
    batch_size: int = _limited(200, 1, 65536)
    iterations: int = _limited(5000, 1, 100_000_000)
    stop_at: int = _limited(0, 0, 100_000_000)
    learning_rate: float = _limited(0.005, 0.0, 1.0, above=True)
    warm_up_fraction: float = _limited(0.05, 0.0, 1.0)
    weight_decay: float = _limited(3e-4, 0.0, 1.0)
    grad_clip: float = _limited(300.0, 0.0, 1e9, above=True)
    grad_clip_warm_up_factor: float = _limited(3.0, 1.0, 100.0)
    grad_skip: float = _limited(30.0, 1.0, 1e9)
    kl: KlForm = "code"
    beta: float = _limited(16.0, 0.0, 10_000.0)
    beta_start: float = _limited(1e-4, 0.0, 10_000.0)
    beta_ramp_fraction: float = _limited(0.3, 0.0, 1.0)
    clip_start: float = _limited(2.0, 0.0, 10.0, above=True)
    temperature_start: float = _limited(1.0, 0.0, 10.0, above=True)
    temperature_end: float = _limited(0.01, 0.0, 10.0, above=True)
    temperature_fraction: float = _limited(0.5, 0.0, 1.0)
    quantise_aware: int = _limited(0, 0, 8)
    seed: int = _limited(0, 0, MAX_SEED)
    device: str = "cpu"
    threads: int = _limited(1, 1, 1024)
    log_interval: int = _limited(25, 1, 100_000_000)
    checkpoint_interval: int = _limited(250, 1, 100_000_000)
    validation_interval: int = _limited(500, 0, 100_000_000)

    @property
    def end(self) -> int:
        """How many iterations the run has."""
        return min(self.stop_at or self.iterations, self.iterations)


@dataclass(frozen=True)
class DataConfig:
    """Which images: a data set's name or a path; limits in images, 0 for all of them.

    frames: frames F of a moving input, 1 for still images. motion: where they come from, F
    consecutive images ("video") or one image that drifts.
    """

    name: str = "natural"
    frames: int = _limited(1, 1, 1024)
    motion: Motion = "video"
    limit: int = _limited(0, 0, 1 << 32)
    validation_limit: int = _limited(1000, 0, 1 << 32)


@dataclass(frozen=True)
class Config:
    """All settings of a run."""

    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    data: DataConfig = DataConfig()


def load_config(path: Path) -> Config:
    """Read a TOML file; settings that it leaves out keep their defaults.

    Raises ConfigError if the file is missing or not TOML, or for the first bad setting.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: cannot be read as a config ({error}); check the path"
        ) from error
    return from_toml(text, str(path))


def load_preset(name: str) -> Config:
    """Return the preset `name` that comes with the package."""
    known = preset_names()
    if name not in known:
        raise ConfigError(f"there is no preset {name!r}; known ones are {', '.join(known)}")
    file = resources.files(PRESET_PACKAGE) / PRESET_FOLDER / f"{name}.toml"
    return from_toml(file.read_text(encoding="utf-8"), f"preset {name}")


def preset_for(data: str | None) -> str:
    """Return the preset to train on `data` with: the one for it, else "images"."""
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
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: not valid TOML ({error}); mend the line it names") from error
    return _from_table(table, source)


def to_toml(config: Config) -> str:
    """Return all settings as TOML; `from_toml` of it equals `config`."""
    return tomli_w.dumps(asdict(config))


def with_overrides(config: Config, overrides: Sequence[str]) -> Config:
    """Return `config` with overrides such as "train.beta=8" applied in order.

    A value is read as TOML and, where that fails, as a bare string ("data.name=mnist").
    """
    table: dict[str, dict[str, Any]] = asdict(config)
    for override in overrides:
        key, equals, text = override.partition("=")
        room, dot, name = key.strip().partition(".")
        if not (equals and dot and room and name):
            raise ConfigError(f"--set {override!r} is not of the form room.key=value")
        table.setdefault(room, {})[name] = _parse_value(text.strip())
    return _from_table(table, "--set")


def differing_keys(first: Config, second: Config) -> list[str]:
    """Return the dotted names of the settings in which two configs differ."""
    tables = asdict(first), asdict(second)
    return [
        f"{room}.{key}"
        for room, settings in tables[0].items()
        for key, value in settings.items()
        if value != tables[1][room][key]
    ]


def _parse_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _from_table(table: Mapping[str, Any], source: str) -> Config:
    _check_names(table, [f.name for f in fields(Config)], source, "")
    config = Config(
        model=_settings(ModelConfig, table.get("model", {}), source, "model"),
        train=_settings(TrainConfig, table.get("train", {}), source, "train"),
        data=_settings(DataConfig, table.get("data", {}), source, "data"),
    )
    _check_together(config, source)
    return config


def _settings(kind: type[Settings], table: Any, source: str, room: str) -> Settings:
    if not isinstance(table, Mapping):
        raise ConfigError(f"{source}: {room} is {table!r}, not a table; write it as [{room}]")
    described = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]  # Settings are dataclasses
    hints = get_type_hints(kind)
    _check_names(table, list(described), source, f"{room}.")
    values = {
        name: _checked(value, hints[name], described[name].metadata, f"{source}: {room}.{name}")
        for name, value in table.items()
    }
    return kind(**values)


def _check_names(table: Mapping[str, Any], known: list[str], source: str, prefix: str) -> None:
    for name in table:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=3, cutoff=0.5) or known
            listed = ", ".join(f"{prefix}{other}" for other in close)
            raise ConfigError(f"{source}: unknown setting {prefix}{name}; closest known: {listed}")


def _checked(value: Any, hint: Any, limits: Mapping[str, Any], who: str) -> Value:
    """Return `value` as the type of `hint`, or raise ConfigError beginning with `who`."""
    if get_origin(hint) is Literal:
        choices = get_args(hint)
        if value not in choices:
            raise ConfigError(f"{who} is {value!r}; it must be one of {', '.join(choices)}")
        return str(value)
    if hint is float and type(value) is int:
        value = float(value)
    if type(value) is not hint:
        raise ConfigError(
            f"{who} is {value!r} of type {type(value).__name__}; it must be of type {hint.__name__}"
        )
    if hint is str and not value:
        raise ConfigError(f"{who} is empty; give a name")
    if "low" in limits:
        low, high, above = limits["low"], limits["high"], limits["above"]
        if not math.isfinite(value) or not low <= value <= high or (above and value == low):
            bracket = "(" if above else "["
            raise ConfigError(f"{who} is {value}; it must lie in {bracket}{low:g}, {high:g}]")
    checked: Value = value
    return checked


def _check_together(config: Config, source: str) -> None:
    model, train = config.model, config.train
    if model.u0_low > model.u0_high:
        raise ConfigError(
            f"{source}: model.u0_low is {model.u0_low}, above model.u0_high {model.u0_high}; "
            "swap them"
        )
    if model.floor > model.u0_low:
        raise ConfigError(
            f"{source}: model.u0_low is {model.u0_low}, below model.floor {model.floor}; raise it"
        )
    if train.steps_start > train.steps:
        raise ConfigError(
            f"{source}: train.steps_start is {train.steps_start}, above train.steps "
            f"{train.steps}; it must not fall"
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
