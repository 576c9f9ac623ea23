"""Wrong usage: one line with status 2, the nearest name, and nothing of it read as markup."""

from collections.abc import Callable

import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ipvae_snn.cli.app import app

Run = Callable[..., tuple[int, str, str]]
GROUPS = ("lava",)
COMMANDS = [name for name in typer.main.get_group(app).commands if name not in GROUPS]
COMMANDS += ["lava run", "lava setup"]


def wrong(result: tuple[int, str, str]) -> str:
    """Return the one line of a command that was used wrongly."""
    code, text, error = result
    assert (code, text) == (2, "")
    assert error.startswith("ipvae-snn: error: ")
    assert error.count("\n") == 1
    assert len(error) <= 400
    return error.removeprefix("ipvae-snn: error: ").rstrip("\n")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            "evalute digits",
            "no command of ipvae-snn is called 'evalute' (did you mean 'evaluate'?); there are ",
        ),
        ("lava rnu", "no command of ipvae-snn lava is called 'rnu' (did you mean 'run'?); there"),
        (
            "map digits --stpes 3",
            "ipvae-snn map has no option '--stpes' (did you mean '--steps'?); see ipvae-snn map "
            "--help",
        ),
        ("run digits --output x", "(did you mean '--out'?)"),
        ("run digits --images 3", "(did you mean '--limit'?)"),
        ("energy digits --time-steps 3", "(did you mean '--steps'?)"),
        ("compare a b --no-atribution", "(did you mean '--no-attribution'?)"),
        ("--versoin", "ipvae-snn has no option '--versoin' (did you mean '--version'?)"),
        ("map", "argument NETWORK is missing (Integer network); see ipvae-snn map --help"),
        ("run digits", "option --data is missing (Name of a data set"),
        ("map digits --limit", "option '--limit' requires an argument; see ipvae-snn map --help"),
        (
            "map digits --source spkes",
            "no value of --source is called 'spkes' (did you mean 'spikes'?); there are spikes, "
            "bias",
        ),
        ("lava run digits --source=bth", "(did you mean 'both'?); there are spikes, bias, both"),
        ("run digits --on-overflow stop", "'stop'; there are error, saturate"),
        ("map digits --limit abc", "--limit is 'abc', but should be a valid integer; see"),
        ("map digits --limit=0", "--limit is '0', but should be greater than or equal to 1; see"),
        ("run digits --data x --limit 5 -o a b", "got unexpected extra argument"),
    ],
)
def test_it_is_one_line_with_a_remedy(words: str, expected: str, run: Run) -> None:
    assert expected in wrong(run(*words.split()))


def test_a_value_of_the_environment_is_named_by_its_variable(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IPVAE_SNN_THREADS", "many")
    assert wrong(run("map", "digits")).startswith("IPVAE_SNN_THREADS is 'many', but should be")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_it(name: str, run: Run) -> None:
    message = wrong(run(*name.split(), "--qiet"))
    assert f"ipvae-snn {name} has no option '--qiet' (did you mean '--quiet'?)" in message


@pytest.mark.parametrize("option", ["--[red]x[/red]", "--a[/b]", "--\x1b[31m", "--" + "x" * 5000])
def test_what_was_written_is_shown_and_not_obeyed(option: str, run: Run) -> None:
    message = wrong(run("map", "digits", option))
    assert option[:12].replace("\x1b", "\\x1b") in message


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(min_size=1).filter(lambda word: not word.startswith("-")))
def test_any_word_that_is_no_command(run: Run, word: str) -> None:
    wrong(run(word if word not in COMMANDS and word not in GROUPS else "x"))


def test_no_arguments_show_the_help(run: Run) -> None:
    for words in ((), ("lava",)):
        code, text, error = run(*words)
        assert (code, error) == (2, "")
        assert "Usage: ipvae-snn" in text
