"""Chip profiles by name, and as plain data."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ipvae_snn.errors import ConfigError
from ipvae_snn.hw.chips import report
from ipvae_snn.hw.chips.profile import ChipProfile, Figure, load_profile, profile_names
from ipvae_snn.hw.chips.template import toml_text
from ipvae_snn.report.document import Document

__all__ = ["ChipProfile", "Profiles", "as_toml", "load_profiles", "profile_json"]


@dataclass(frozen=True)
class Profiles:
    """Chip profiles; whole: whether their document shows every number, not a row of each."""

    profiles: tuple[ChipProfile, ...]
    whole: bool

    def as_json(self) -> dict[str, Any]:
        """Return plain data: every number."""
        return {"profiles": [profile_json(each) for each in self.profiles]}

    def document(self) -> Document:
        """Return the numbers with their sources, or the list."""
        made = report.document if self.whole else report.list_document
        return made(self.profiles)


def load_profiles(names: Sequence[str] = ()) -> Profiles:
    """Return the profiles of these names or .toml files, by default a list of all packaged ones.

    Raises ConfigError for an unknown name or a file with a mistake.
    """
    profiles = tuple(load_profile(name) for name in names or profile_names())
    return Profiles(profiles, whole=bool(names))


def as_toml(profiles: Profiles) -> str:
    """Return one profile as a TOML file that `load_profile` reads back equal.

    Raises ConfigError unless it is one profile.
    """
    if not profiles.whole or len(profiles.profiles) != 1:
        raise ConfigError(
            "--toml prints one profile; give its name: ipvae-snn profiles "
            f"{profile_names()[0]} --toml"
        )
    return toml_text(profiles.profiles[0])


def profile_json(profile: ChipProfile) -> dict[str, Any]:
    """Return every number of a profile with its unit, source and confidence, as plain data."""
    groups = {"limits": profile.limits, "energy": profile.energy, "time": profile.time}
    return {
        "name": profile.name,
        "title": profile.title,
        "caveat": profile.caveat,
        **{name: _figures(figures) for name, figures in groups.items()},
        "static": _figures(profile.static),
        "features": {key: asdict(feature) for key, feature in profile.features.items()},
    }


def _figures(figures: Mapping[str, Figure]) -> dict[str, Any]:
    return {key: asdict(figure) for key, figure in figures.items()}
