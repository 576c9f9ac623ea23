"""A chip profile as a TOML file, to change and to read back with `--profile FILE.toml`."""

from collections.abc import Iterator, Mapping

import tomli_w

from ipvae_snn.hw.chips.profile import ChipProfile, Feature, Figure

Entry = dict[str, float | int | bool | str]


def toml_text(profile: ChipProfile) -> str:
    """Return the file, one line per number; `parse_profile` of it equals `profile`."""
    keys = {text: key for key, text in profile.sources.items()}
    head = {"name": profile.name, "title": profile.title, "caveat": profile.caveat}
    if profile.placed_as is not None:
        head["placed_as"] = profile.placed_as
    tables = {
        "limits": _figures(profile.limits, keys),
        "features": {name: _feature(one, keys) for name, one in profile.features.items()},
        "energy": _figures(profile.energy, keys),
        "time": _figures(profile.time, keys),
        "static": _figures(profile.static, keys),
    }
    blocks = [tomli_w.dumps(head), tomli_w.dumps({"sources": dict(profile.sources)})]
    blocks += ["\n".join(_table(name, entries)) for name, entries in tables.items() if entries]
    return "\n".join(block.rstrip("\n") + "\n" for block in blocks)


def _table(name: str, entries: Mapping[str, Entry]) -> Iterator[str]:
    """Yield the lines of a table with one inline table per entry."""
    yield f"[{name}]"
    for key, entry in entries.items():
        # Not splitlines, which also splits at separators that a note may hold, such as U+2028.
        pairs = tomli_w.dumps(entry).rstrip("\n").split("\n")
        yield f"{key} = {{ {', '.join(pairs)} }}"


def _figures(figures: Mapping[str, Figure], keys: Mapping[str, str]) -> dict[str, Entry]:
    return {name: _figure(figure, keys) for name, figure in figures.items()}


def _figure(figure: Figure, keys: Mapping[str, str]) -> Entry:
    match figure.low, figure.high:
        case None, _:
            return _noted({"unit": figure.unit, "public": False}, figure.note)
        case low, None:
            numbers: Entry = {"at_least": _number(low)}
        case low, high if low == high:
            numbers = {"value": _number(low)}
        case low, high:
            numbers = {"low": _number(low), "high": _number(high)}
    origin = {"source": keys[figure.source], "confidence": figure.confidence}
    return _noted({**numbers, "unit": figure.unit, **origin}, figure.note)


def _feature(feature: Feature, keys: Mapping[str, str]) -> Entry:
    if feature.value is None:
        return _noted({"public": False}, feature.note)
    origin = {"source": keys[feature.source], "confidence": feature.confidence}
    return _noted({"value": feature.value, **origin}, feature.note)


def _noted(entry: Entry, note: str) -> Entry:
    return {**entry, "note": note} if note else entry


def _number(value: float) -> float | int:
    """Return a whole number without its point, as a limit is written."""
    return int(value) if value.is_integer() else value
