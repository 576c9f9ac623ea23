"""Chip profiles: those of the package, a user's file, and the message for each mistake."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from ipvae_snn.cli.app import app
from ipvae_snn.errors import ConfigError, IpvaeError
from ipvae_snn.hw.chips.keys import FEATURES, LIMIT_UNITS, OPTIONAL_FEATURES
from ipvae_snn.hw.chips.profile import (
    CONFIDENCES,
    NOT_PUBLIC,
    ChipProfile,
    Figure,
    load_profile,
    parse_profile,
    profile_names,
)

HEAD = 'name = "mine"\ntitle = "My chip"\ncaveat = "none"\n[sources]\npaper = "A paper, 2026"\n'
SHIPPED = Path(__file__).parents[3] / "hw" / "profiles"


def energies(*lines: str) -> ChipProfile:
    return parse_profile(HEAD + "[energy]\n" + "\n".join(lines), "mine.toml")


def figures(profile: ChipProfile) -> list[Figure]:
    groups = (profile.limits, profile.energy, profile.time, profile.static)
    return [figure for group in groups for figure in group.values()]


def test_what_ships() -> None:
    assert profile_names() == (
        *("cpu-45nm", "generic", "loihi1", "loihi1-sanafe", "loihi2", "spinnaker2", "truenorth"),
    )
    with_limits = [name for name in profile_names() if load_profile(name).has_limits]
    assert with_limits == ["generic", "loihi1", "loihi2"]


@pytest.mark.parametrize("name", profile_names())
def test_every_number_that_ships_has_a_source_or_says_that_nothing_is_public(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    assert len(profile.caveat) > 15
    for figure in figures(profile):
        if figure.low is None:
            assert (figure.high, figure.source, figure.confidence) == (None, "", NOT_PUBLIC)
        else:
            assert len(figure.source) > 15
            assert figure.confidence in CONFIDENCES
    if profile.has_limits:
        assert set(profile.limits) == set(LIMIT_UNITS)
        assert set(profile.features) == {*FEATURES, *OPTIONAL_FEATURES}
    assert set(profile.sources.values()) == {
        entry.source for entry in (*figures(profile), *profile.features.values()) if entry.source
    }, "a source that nothing cites"


def test_loihi_as_published() -> None:
    """Davies et al. 2018 for Loihi 1; Intel's brief and the planning rule for Loihi 2."""
    first, second = load_profile("loihi1").limits, load_profile("loihi2").limits
    assert [first[key].value for key in ("cores_per_chip", "neurons_per_core")] == [128, 1024]
    assert [first[key].value for key in ("axons_in_per_core", "axons_out_per_core")] == [4096, 4096]
    assert first["synapse_words_per_core"].value == 16384 == 128 * 1024 * 8 / 64
    assert 32 == 8 * 4 == first["mesh_columns"].value * first["mesh_rows"].value
    assert second["neurons_per_core"].value == 8192
    assert second["synapse_words_per_core"] == Figure(
        12000, 12000, "words", second["synapses_per_word"].source, "low", ""
    )
    assert (second["synapses_per_word"].value, second["words_per_axon"].value) == (4, 1)
    for key in ("axons_in_per_core", "axons_out_per_core", "mesh_columns", "accumulator_bits"):
        assert second[key].value is None


def test_no_energy_of_loihi_2_is_public() -> None:
    """No profile has one of the figures that circulate without a source."""
    assert {figure.value for figure in load_profile("loihi2").energy.values()} == {None}
    every = [figure.value for name in profile_names() for figure in figures(load_profile(name))]
    assert 0.08 not in every
    assert 2.1 not in {f.value for n in profile_names() for f in load_profile(n).energy.values()}


def test_the_forms_of_a_number() -> None:
    origin = 'unit = "pJ", source = "paper", confidence = "medium"'
    result = energies(
        f"synaptic_operation = {{ at_least = 23.6, {origin} }}",
        f"barrier = {{ low = 1, high = 2.5, {origin} }}",
        f'message = {{ value = 4, {origin}, note = "why" }}',
        'spike_out = { unit = "pJ", public = false }',
    ).energy
    source = "A paper, 2026"
    assert result["synaptic_operation"] == Figure(23.6, None, "pJ", source, "medium")
    assert result["barrier"] == Figure(1.0, 2.5, "pJ", source, "medium")
    assert result["message"] == Figure(4.0, 4.0, "pJ", source, "medium", "why")
    assert result["spike_out"] == Figure(None, None, "pJ", "", "none")
    assert [result[key].value for key in result] == [23.6, 1.0, 4.0, None]
    texts = ["at least 23.6", "1..2.5", "4", "not public"]
    assert [figure.text() for figure in result.values()] == texts


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            'sinaptic_operation = { value = 1, unit = "pJ" }',
            "mine.toml: energy.sinaptic_operation: is not known (did you mean "
            "'synaptic_operation'?), but energy may have ",
        ),
        (
            'message = { value = -1, unit = "pJ", source = "paper", confidence = "high" }',
            "mine.toml: energy.message.value: -1, but it must be finite and not negative; correct "
            "the sign",
        ),
        (
            'message = { value = nan, unit = "pJ", source = "paper", confidence = "high" }',
            "mine.toml: energy.message.value: nan, but it must be finite and not negative",
        ),
        (
            'message = { value = "1", unit = "pJ", source = "paper", confidence = "high" }',
            "mine.toml: energy.message.value: '1', but it must be a number; write it without",
        ),
        (
            'message = { value = true, unit = "pJ", source = "paper", confidence = "high" }',
            "mine.toml: energy.message.value: True, but it must be a number",
        ),
        (
            'message = { low = 3, high = 2, unit = "pJ", source = "paper", confidence = "high" }',
            "mine.toml: energy.message.low: 3, but high is 2; exchange the two",
        ),
        (
            'message = { low = 3, unit = "pJ", source = "paper", confidence = "high" }',
            "mine.toml: energy.message: gives low, but it must give value, or at_least, or low "
            "and high; write one of these, or public = false where nothing is known",
        ),
        (
            'message = { unit = "pJ", source = "paper", confidence = "high" }',
            "mine.toml: energy.message: gives no number, but it must give value, or at_least,",
        ),
        (
            'message = { value = 1, unit = "nJ", source = "paper", confidence = "high" }',
            "mine.toml: energy.message.unit: 'nJ', but it must be 'pJ'; convert the number",
        ),
        (
            'message = { value = 1, source = "paper", confidence = "high" }',
            "mine.toml: energy.message.unit: is missing, but it is needed; add unit =",
        ),
        (
            'message = { value = 1, unit = "pJ", confidence = "high" }',
            "mine.toml: energy.message.source: is missing, but it is needed; add source =",
        ),
        (
            'message = { value = 1, unit = "pJ", source = "papre", confidence = "high" }',
            "mine.toml: energy.message.source: 'papre' (did you mean 'paper'?), but [sources] has "
            "paper; add the source's text there",
        ),
        (
            'message = { value = 1, unit = "pJ", source = "paper", confidence = "hi" }',
            "mine.toml: energy.message.confidence: 'hi' (did you mean 'high'?), but it must be "
            "one of high, medium, low, definition; choose one",
        ),
        (
            'message = { value = 1, unit = "pJ", public = false }',
            "mine.toml: energy.message.value: 1, but public is false, so nothing may be given",
        ),
        (
            'message = { unit = "pJ", public = "no" }',
            "mine.toml: energy.message.public: 'no', but it must be true or false",
        ),
        ("message = 3", "mine.toml: energy.message: is 3, but it must be a table; write"),
        ('message = { unit = "pJ"', "mine.toml: not a TOML file ("),
        (
            'message = { value = 1, unit = "pJ", source = " ", confidence = "high" }',
            "mine.toml: energy.message.source: ' ', but it must be a text",
        ),
    ],
)
def test_a_mistake_is_reported_in_one_line(line: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)) as raised:
        energies(line)
    assert "\n" not in str(raised.value)


def changed(name: str, old: str, new: str) -> str:
    text = (SHIPPED / f"{name}.toml").read_text("utf-8")
    assert len(re.findall(old, text, re.MULTILINE)) == 1
    return re.sub(old, new, text, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "^max_delay = .*$",
            "",
            "limits.max_delay: is missing, but every limit must be given; write its value, or "
            'max_delay = { unit = "steps", public = false }',
        ),
        (
            "^max_delay = { value = 63",
            "max_delay = { value = 6.5",
            "limits.max_delay: 6.5, but a limit is a whole number of at least 0; write such a",
        ),
        (
            "^neurons_per_core = { value = 4096",
            "neurons_per_core = { value = 0",
            "limits.neurons_per_core: 0, but a limit is a whole number of at least 1",
        ),
        (
            "^noise_bits = { value = 32",
            "noise_bits = { low = 8, high = 32",
            "limits.noise_bits: 8..32, but a limit is one number; give it as value",
        ),
        (
            "^noise_bits = { value",
            "noise_bits = { at_least",
            "limits.noise_bits: at least 32, but a limit is one number",
        ),
        (
            "^usable_cores_per_chip = { value = 256",
            "usable_cores_per_chip = { value = 300",
            "limits.usable_cores_per_chip: 300, but cores_per_chip is 256; lower it",
        ),
        (
            "^synapse_memory_bytes = { value = 524288",
            "synapse_memory_bytes = { value = 5242880",
            "limits.synapse_memory_bytes: 5,242,880, but core_memory_bytes is 1,048,576; lower it",
        ),
        (
            "^keyed_noise = .*$",
            "",
            "features.keyed_noise: is missing, but a profile with limits must give it",
        ),
        (
            "^keyed_noise = { value = true",
            "keyed_noise = { value = 1",
            "features.keyed_noise.value: 1, but it must be true or false",
        ),
        ('^title = ".*"$', "title = 7", "title: 7, but it must be a text"),
        (
            '^title = ".*"$',
            'title = "x"\nplaced_as = "loihi1"',
            "placed_as: 'loihi1', but the profile has limits of its own; remove one of the two",
        ),
        (r"^\[limits\]$", "[limit]", "limit: is not known (did you mean 'limits'?), but a profile"),
    ],
)
def test_mistakes_in_limits(old: str, new: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"mine.toml: {message}")):
        parse_profile(changed("generic", old, new), "mine.toml")


def test_energies_alone_may_be_placed_with_the_limits_of_another_profile() -> None:
    assert load_profile("loihi1-sanafe").placed_as == "loihi1"
    with pytest.raises(ConfigError, match=r"placed_as: 'loihi9' .did you mean 'loihi2'.., but"):
        parse_profile('placed_as = "loihi9"\n' + HEAD, "mine.toml")


@given(
    st.one_of(
        st.text(max_size=60),
        st.sampled_from(["name", "limits", "energy.message", "features.exponential"]).flatmap(
            lambda key: st.sampled_from(["1", "[]", "{}", '""', "[[1]]", "1979-05-27"]).map(
                lambda value: f"{key} = {value}"
            )
        ),
    )
)
def test_no_text_raises_anything_but_our_own_error(text: str) -> None:
    with pytest.raises(IpvaeError):
        parse_profile(text, "any.toml")


def test_the_list_and_one_profile() -> None:
    """As a user sees them."""
    wide = {"COLUMNS": "200"}
    listed = CliRunner().invoke(app, ["profiles"], env=wide)
    assert listed.exit_code == 0
    for name in profile_names():
        assert re.search(rf"^\s*{re.escape(name)} ", listed.output, re.MULTILINE)
    one = CliRunner().invoke(app, ["profiles", "loihi2"], env=wide)
    row = next(line for line in one.output.splitlines() if "synapse_words_per_core" in line)
    assert row.split() == ["synapse_words_per_core", "12,000", "words", "[2]", "low"]
    assert "[2] Planning rule, inferred from compiler output" in one.output
    assert "name no source" in one.output


def test_profiles_as_json_and_from_a_file(tmp_path: Path) -> None:
    """The option and the argument are one; a user's file works like a name."""
    mine = tmp_path / "mine.toml"
    mine.write_text(changed("generic", "^name = .*$", 'name = "mine"'), "utf-8")
    for arguments in (["profiles", str(mine)], ["profiles", "--profile", str(mine)]):
        done = CliRunner().invoke(app, [*arguments, "--json"])
        result = json.loads(done.output)["profiles"]
        assert [each["name"] for each in result] == ["mine"]
        assert result[0]["limits"]["noise_bits"]["low"] == 32
        assert result[0]["features"]["exponential"]["value"] is True
    assert len(json.loads(CliRunner().invoke(app, ["profiles", "--json"]).output)["profiles"]) == 7


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "loihi9",
            "no profile is called 'loihi9' (did you mean 'loihi2'?); there are cpu-45nm, generic, "
            "loihi1, loihi1-sanafe, loihi2, spinnaker2, truenorth, and any file whose name ends in",
        ),
        (
            "none/such.toml",
            "none/such.toml: no such file; check the path, or create it first; the profiles",
        ),
    ],
)
def test_a_profile_that_is_not_there(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        load_profile(name)


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"bad\.toml: cannot be read \('utf-8' codec"):
        load_profile(str(path))
    folder = tmp_path / "folder.toml"
    folder.mkdir()
    with pytest.raises(ConfigError, match="a folder, not a file; give a file"):
        load_profile(str(folder))
