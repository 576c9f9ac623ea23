"""A profile's template: TOML that reads back equal, for every packaged profile and others."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipvae_snn.hw.chips.keys import ENERGY_UNITS, TIME_UNITS
from ipvae_snn.hw.chips.profile import (
    CONFIDENCES,
    ChipProfile,
    Figure,
    load_profile,
    parse_profile,
    profile_names,
)
from ipvae_snn.hw.chips.template import toml_text

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(str.strip)
NUMBER = st.floats(0, 1e9) | st.integers(0, 10**9).map(float)


@pytest.mark.parametrize("name", profile_names())
def test_a_packaged_profile_reads_back_equal(name: str) -> None:
    profile = load_profile(name)
    assert parse_profile(toml_text(profile), "template") == profile


def test_each_number_has_a_line_of_its_own() -> None:
    lines = toml_text(load_profile("loihi1")).splitlines()
    (line,) = [line for line in lines if line.startswith("cores_per_chip = ")]
    assert line == (
        'cores_per_chip = { value = 128, unit = "cores", source = "davies2018", '
        'confidence = "high" }'
    )


@st.composite
def figures(draw: st.DrawFn, unit: str, sources: list[str]) -> Figure:
    note = draw(st.just("") | TEXT)
    kind = draw(st.sampled_from(["none", "value", "least", "range"]))
    if kind == "none":
        return Figure(None, None, unit, "", "none", note)
    low, high = sorted([draw(NUMBER), draw(NUMBER)])
    ends = {"value": (low, low), "least": (low, None), "range": (low, high)}[kind]
    origin = draw(st.sampled_from(sources)), draw(st.sampled_from(CONFIDENCES))
    return Figure(*ends, unit, *origin, note)


def test_a_note_may_hold_any_character() -> None:
    loihi1 = load_profile("loihi1")
    figure = replace(loihi1.time["barrier"], note='a\nb\u2028c\x85d "e" \\ f')
    profile = replace(loihi1, time={"barrier": figure})
    assert parse_profile(toml_text(profile), "template") == profile


@settings(deadline=None)
@given(st.data())
def test_any_profile_of_energies_and_times_reads_back_equal(data: st.DataObject) -> None:
    sources = {f"s{i}": text for i, text in enumerate(data.draw(st.sets(TEXT, min_size=1)))}
    texts = list(sources.values())
    tables = [
        {
            key: data.draw(figures(units[key], texts))
            for key in data.draw(st.sets(st.sampled_from(sorted(units)), max_size=4))
        }
        for units in (ENERGY_UNITS, TIME_UNITS)
    ]
    name, title, caveat = (data.draw(TEXT) for _ in range(3))
    profile = ChipProfile(name, title, caveat, sources, {}, {}, *tables, {})
    assert parse_profile(toml_text(profile), "template") == profile
