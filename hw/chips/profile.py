"""Chip profiles: limits and energies per operation, each with its unit, source and confidence."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ipvae_snn.choices import suggestion
from ipvae_snn.errors import ConfigError, FileFormatError, brief
from ipvae_snn.hw.chips.checks import Table, refuse
from ipvae_snn.hw.chips.keys import (
    ENERGY_UNITS,
    FEATURES,
    LIMIT_UNITS,
    OPTIONAL_FEATURES,
    STATIC_UNITS,
    TIME_UNITS,
)
from ipvae_snn.storage.source_files import read_text
from ipvae_snn.storage.text_values import parse_toml

MAY_BE_ZERO: Final = frozenset({"words_per_axon", "max_delay", "noise_bits"})
CONFIDENCES: Final = ("high", "medium", "low", "definition")
NOT_PUBLIC: Final = "none"
_LARGEST: Final = 1 << 53
MAX_TOML: Final = 1 << 20  # bytes of a file


@dataclass(frozen=True)
class Figure:
    """One published number: from `low` to `high`.

    Both are equal where the source gives one value. high is None where it states a minimum only.
    Both are None where nothing is public. confidence: high (primary text), medium (a good
    secondary source), low (inferred), definition (this project defines the chip) or none.
    """

    low: float | None
    high: float | None
    unit: str
    source: str
    confidence: str
    note: str = ""

    @property
    def value(self) -> float | None:
        """The number, the smallest one where the source gives a range, None where not public."""
        return self.low

    def text(self) -> str:
        """Return the number as text, without its unit."""
        if self.low is None:
            return "not public"
        if self.high is None:
            return f"at least {self.low:,.10g}"
        if self.low == self.high:
            return f"{self.low:,.10g}"
        return f"{self.low:,.10g}..{self.high:,.10g}"


@dataclass(frozen=True)
class Feature:
    """Capability of a chip; value is None where it is not public."""

    value: bool | None
    source: str
    confidence: str
    note: str = ""


@dataclass(frozen=True)
class ChipProfile:
    """Published data of a chip. limits may be empty: then the profile has energies only.

    placed_as: for a profile without limits, the profile with the limits of the same chip.
    """

    name: str
    title: str
    caveat: str
    sources: Mapping[str, str]
    limits: Mapping[str, Figure]
    features: Mapping[str, Feature]
    energy: Mapping[str, Figure]
    time: Mapping[str, Figure]
    static: Mapping[str, Figure]
    placed_as: str | None = None

    @property
    def has_limits(self) -> bool:
        """True if a network can be checked and placed with this profile."""
        return bool(self.limits)

    @property
    def shares_weights(self) -> bool:
        """True if it is public that axons of a core can share a list of synapses."""
        feature = self.features.get("weight_sharing")
        return feature is not None and feature.value is True


def profile_names() -> tuple[str, ...]:
    """Return the names of the profiles that come with the package."""
    folder = files("ipvae_snn.hw") / "profiles"
    return tuple(sorted(p.name[:-5] for p in folder.iterdir() if p.name.endswith(".toml")))


def load_profile(name_or_path: str) -> ChipProfile:
    """Return a profile by its name, or from a path that ends in .toml.

    Raises ConfigError for an unknown name, a file that cannot be read, and a key or value that a
    profile must not have.
    """
    if name_or_path.endswith(".toml"):
        try:
            text = read_text(Path(name_or_path), MAX_TOML)
        except FileFormatError as error:
            known = ", ".join(profile_names())
            raise ConfigError(f"{error}; the profiles that ship are {known}") from error
        return parse_profile(text, name_or_path)
    if name_or_path not in profile_names():
        hint = suggestion(name_or_path, profile_names())
        raise ConfigError(
            f"no profile is called {name_or_path!r}{hint}; there are "
            f"{', '.join(profile_names())}, and any file whose name ends in .toml"
        )
    path = files("ipvae_snn.hw") / "profiles" / f"{name_or_path}.toml"
    return parse_profile(path.read_text(encoding="utf-8"), f"profile {name_or_path}")


def parse_profile(text: str, where: str) -> ChipProfile:
    """Return the profile that a TOML text describes; `where` names it in ConfigErrors."""
    try:
        data = parse_toml(text)
    except ValueError as error:
        raise ConfigError(f"{where}: not a TOML file ({error}); correct that line") from error
    top = Table(where, "", data)
    top.only(
        "name",
        "title",
        "caveat",
        "placed_as",
        "sources",
        "limits",
        "features",
        "energy",
        "time",
        "static",
    )
    sources = top.table("sources")
    texts = {key: sources.text(key) for key in sources.data}
    limits = _limits(top.table("limits"), texts)
    return ChipProfile(
        name=top.text("name"),
        title=top.text("title"),
        caveat=top.text("caveat"),
        sources=MappingProxyType(texts),
        limits=limits,
        features=_features(top, texts, needed=bool(limits)),
        energy=_figures(top.table("energy"), ENERGY_UNITS, texts),
        time=_figures(top.table("time"), TIME_UNITS, texts),
        static=_figures(top.table("static"), STATIC_UNITS, texts),
        placed_as=_placed_as(top, bool(limits)),
    )


def _placed_as(top: Table, has_limits: bool) -> str | None:
    if "placed_as" not in top.data:
        return None
    if has_limits:
        refuse(
            top.at("placed_as"),
            brief(top.data["placed_as"]),
            "the profile has limits of its own",
            "remove one of the two",
        )
    return top.choice("placed_as", profile_names())


def _limits(table: Table, sources: Mapping[str, str]) -> Mapping[str, Figure]:
    """Return all limits; an empty mapping if the profile has no such table."""
    if not table.data:
        return MappingProxyType({})
    limits = _figures(table, LIMIT_UNITS, sources)
    for key in LIMIT_UNITS:
        if key not in limits:
            refuse(
                table.at(key),
                "is missing",
                "every limit must be given",
                f'write its value, or {key} = {{ unit = "{LIMIT_UNITS[key]}", public = false }}',
            )
    for key, figure in limits.items():
        if figure.low is None:
            continue
        place, least = table.at(key), 0 if key in MAY_BE_ZERO else 1
        if figure.low != figure.high:
            refuse(place, figure.text(), "a limit is one number", "give it as value")
        if figure.low != math.floor(figure.low) or not least <= figure.low <= _LARGEST:
            refuse(
                place,
                figure.text(),
                f"a limit is a whole number of at least {least}",
                "write such a number",
            )
    _plausible(table, limits)
    return limits


def _plausible(table: Table, limits: Mapping[str, Figure]) -> None:
    """Refuse limits that contradict each other."""
    for part, whole in (
        ("usable_cores_per_chip", "cores_per_chip"),
        ("cores_per_tile", "cores_per_chip"),
        ("synapse_memory_bytes", "core_memory_bytes"),
    ):
        low, high = limits[part].value, limits[whole].value
        if low is not None and high is not None and low > high:
            refuse(table.at(part), f"{low:,.0f}", f"{whole} is {high:,.0f}", "lower it")


def _features(top: Table, sources: Mapping[str, str], needed: bool) -> Mapping[str, Feature]:
    table = top.table("features")
    table.only(*FEATURES, *OPTIONAL_FEATURES)
    if needed:
        for key in FEATURES:
            if key not in table.data:
                refuse(
                    table.at(key),
                    "is missing",
                    "a profile with limits must give it",
                    f"write true or false, or {key} = {{ public = false }}",
                )
    return MappingProxyType({key: _feature(table.table(key), sources) for key in table.data})


def _feature(entry: Table, sources: Mapping[str, str]) -> Feature:
    entry.only("value", "source", "confidence", "note", "public")
    note = entry.text("note", default="")
    if not _public(entry, ("value",)):
        return Feature(None, "", NOT_PUBLIC, note)
    return Feature(entry.flag("value"), *_origin(entry, sources), note)


def _figures(
    table: Table, units: Mapping[str, str], sources: Mapping[str, str]
) -> Mapping[str, Figure]:
    table.only(*units)
    return MappingProxyType(
        {key: _figure(table.table(key), units[key], sources) for key in table.data}
    )


def _figure(entry: Table, unit: str, sources: Mapping[str, str]) -> Figure:
    """Return the figure of one TOML entry."""
    entry.only("value", "at_least", "low", "high", "unit", "source", "confidence", "note", "public")
    given = entry.text("unit")
    if given != unit:
        refuse(entry.at("unit"), brief(given), f"it must be {unit!r}", "convert the number")
    note = entry.text("note", default="")
    if not _public(entry, ("value", "at_least", "low", "high")):
        return Figure(None, None, unit, "", NOT_PUBLIC, note)
    low, high = _numbers(entry)
    return Figure(low, high, unit, *_origin(entry, sources), note)


def _numbers(entry: Table) -> tuple[float, float | None]:
    """Return (low, high) of value, at_least, or low and high."""
    match sorted(entry.data.keys() & {"value", "at_least", "low", "high"}):
        case ["value"]:
            value = entry.number("value")
            return value, value
        case ["at_least"]:
            return entry.number("at_least"), None
        case ["high", "low"]:
            low, high = entry.number("low"), entry.number("high")
            if low > high:
                refuse(entry.at("low"), f"{low:g}", f"high is {high:g}", "exchange the two")
            return low, high
        case given:
            refuse(
                entry.place,
                f"gives {' and '.join(given) or 'no number'}",
                "it must give value, or at_least, or low and high",
                "write one of these, or public = false where nothing is known",
            )


def _public(entry: Table, numbers: tuple[str, ...]) -> bool:
    """Return whether a number is public; refuse a number declared as not public."""
    if entry.flag("public", default=True):
        return True
    for key in (*numbers, "source", "confidence"):
        if key in entry.data:
            refuse(
                entry.at(key),
                brief(entry.data[key]),
                "public is false, so nothing may be given",
                "remove one of the two",
            )
    return False


def _origin(entry: Table, sources: Mapping[str, str]) -> tuple[str, str]:
    """Return the full text of an entry's source, and its confidence."""
    key = entry.text("source")
    if key not in sources:
        refuse(
            entry.at("source"),
            f"{key!r}{suggestion(key, sources)}",
            f"[sources] has {', '.join(sources) or 'nothing'}",
            "add the source's text there",
        )
    return sources[key], entry.choice("confidence", CONFIDENCES)
