"""Energy proxies: activity times published energies an operation, each with its source."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Final

from ipvae_snn.errors import ConfigError
from ipvae_snn.hw.activity import Activity

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# Which activity each published quantity multiplies. A profile may hold any subset of them.
QUANTITIES: Final[Mapping[str, Callable[[Activity], float]]] = MappingProxyType(
    {
        "synaptic_operation": lambda a: a.synaptic_operations,
        "neuron_access": lambda a: a.updates_active + a.updates_inactive,
        "neuron_update_active": lambda a: a.updates_active,
        "neuron_update_inactive": lambda a: a.updates_inactive,
        "spike_out": lambda a: a.messages,
        "message": lambda a: a.messages,
    }
)
FLOAT_QUANTITY: Final = "float_multiply_add"


@dataclass(frozen=True)
class EnergyProfile:
    """Published energies an operation, in picojoule, and where they were published."""

    name: str
    title: str
    source: str
    caveat: str
    picojoule: dict[str, float]


@dataclass(frozen=True)
class EnergyEstimate:
    """A proxy in nanojoule an image, or None where nothing is published; never without a source."""

    nanojoule: float | None
    profile: str
    source: str
    caveat: str


def profile_names() -> tuple[str, ...]:
    """Return the names of the profiles that come with the package."""
    folder = files("ipvae_snn.hw") / "profiles"
    return tuple(sorted(p.name[:-5] for p in folder.iterdir() if p.name.endswith(".toml")))


def load_profile(name: str) -> EnergyProfile:
    """Return the profile called `name`; raise ConfigError for an unknown name or quantity."""
    if name not in profile_names():
        raise ConfigError(
            f"no energy profile is called {name!r}; there are {', '.join(profile_names())}"
        )
    text = (files("ipvae_snn.hw") / "profiles" / f"{name}.toml").read_text(encoding="utf-8")
    data = tomllib.loads(text)
    unknown = set(data["picojoule"]) - set(QUANTITIES) - {FLOAT_QUANTITY}
    if unknown:
        raise ConfigError(f"energy profile {name!r}: unknown quantities {sorted(unknown)}")
    return EnergyProfile(**data)


def integer_energy(profile: EnergyProfile, activity: Activity) -> EnergyEstimate:
    """Return the proxy of an event-driven integer run."""
    items = [
        QUANTITIES[name](activity) * value
        for name, value in profile.picojoule.items()
        if name in QUANTITIES
    ]
    total = sum(items) / 1000.0 if items else None
    return EnergyEstimate(total, profile.name, profile.source, profile.caveat)


def float_energy(profile: EnergyProfile, activity: Activity) -> EnergyEstimate:
    """Return the proxy of a dense float run of the same steps; None where not published."""
    value = profile.picojoule.get(FLOAT_QUANTITY)
    total = None if value is None else activity.dense_operations * value / 1000.0
    return EnergyEstimate(total, profile.name, profile.source, profile.caveat)
