"""Chip profiles by name, and as plain data."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ipvae_snn.hw.chips.profile import ChipProfile, Figure, load_profile, profile_names

__all__ = ["ChipProfile", "load_profiles", "profile_json"]


def load_profiles(names: Sequence[str] = ()) -> tuple[ChipProfile, ...]:
    """Return the profiles of these names or .toml files, by default all packaged ones.

    Raises ConfigError for an unknown name or a file with a mistake.
    """
    return tuple(load_profile(name) for name in names or profile_names())


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
