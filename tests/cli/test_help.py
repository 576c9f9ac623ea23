"""The face of every command: panels, examples, short options, old names, completion, quick help."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer
from typer.core import TyperCommand, TyperOption

from ipvae_snn.cli import completion
from ipvae_snn.cli.app import app
from ipvae_snn.cli.command import with_old_names
from ipvae_snn.ir.files import save_network
from ipvae_snn.ir.network import IntegerNetwork

Run = Callable[..., tuple[int, str, str]]


def commands() -> Iterator[tuple[str, TyperCommand]]:
    """Yield every command by the words that call it."""
    root = typer.main.get_group(app)
    for name, command in root.commands.items():
        inner = getattr(command, "commands", {name: command})
        for last, one in inner.items():
            yield (name if one is command else f"{name} {last}"), one


COMMANDS = dict(commands())


def options(command: TyperCommand) -> dict[str, TyperOption]:
    """Return the options that `--help` shows, by name."""
    every = [one for one in command.params if isinstance(one, TyperOption)]
    return {one.name or "": one for one in every if not one.hidden}


def test_all_commands_are_seen() -> None:
    assert {"run", "import", "lava run", "lava setup", "profiles"} <= set(COMMANDS)
    assert len(COMMANDS) == 19


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_two_examples_that_parse(name: str) -> None:
    command = COMMANDS[name]
    head, *lines = (command.epilog or "").splitlines()
    assert head == "Examples:"
    assert len(lines) == 2
    for line in lines:
        assert len(line) <= 76, "a terminal of 80 columns would wrap it"
        first, *words = line.split(">")[0].split()
        assert first == "ipvae-snn"
        assert words[: len(name.split())] == name.split()
        known = {opt for one in command.params for opt in one.opts}
        assert {word for word in words if word.startswith("-")} <= known


@pytest.mark.parametrize("name", COMMANDS)
def test_options_have_the_same_names_and_panels_everywhere(name: str) -> None:
    shown = options(COMMANDS[name])
    assert {"quiet", "verbose", "as_json"} <= set(shown)
    assert shown["quiet"].opts == ["--quiet", "-q"]
    assert shown["verbose"].opts == ["--verbose", "-v"]
    if "out" in shown:
        assert shown["out"].opts == ["--out", "-o"]
    assert not {"plot", "raster", "images", "energy"} & set(shown)
    assert ("plots" in shown) == ("plots_format" in shown)
    panels = {key: one.rich_help_panel for key, one in shown.items()}
    expected = {
        "data_root": "Images",
        "limit": "Images",
        "split": "Images",
        "data": "Images",
        "steps": "Run",
        "profile": "Chip",
        "out": "Results",
        "plots": "Results",
        "plots_format": "Results",
        "overwrite": "Results",
        "as_json": "Results",
        "quiet": "Results",
        "verbose": "Results",
    }
    assert {key: panels[key] for key in expected if key in panels} == {
        key: panel for key, panel in expected.items() if key in panels
    }


def test_help_shows_panels_and_examples(run: Run) -> None:
    code, text, _ = run("verify", "--help")
    assert code == 0
    for part in ("Images", "Run", "Results", "Examples:", "ipvae-snn verify net.safetensors"):
        assert part in text


def test_completion_can_be_shown_and_installed(run: Run) -> None:
    text = run("--help")[1]
    assert "--install-completion" in text
    assert "--show-completion" in text


@pytest.mark.parametrize(
    ("complete", "word", "expected"),
    [
        (completion.back_ends, "on", ["onnx", "onnx-reference"]),
        (completion.back_end_lists, "torch,comp", ["torch,compiled"]),
        (completion.targets, "o", ["onnx"]),
        (completion.profiles, "loihi2", ["loihi2"]),
        (completion.presets, "di", ["digits"]),
        (completion.splits, "te", ["test"]),
        (completion.circuits, "two", ["two-layer"]),
        (completion.networks, "digi", ["digits", "digitless.txt"]),
        (completion.data, "digi", ["digits", "digitless.txt"]),
        (completion.networks, "folder/", ["folder/inner.npz"]),
        (completion.networks, "absent/x", []),
    ],
)
def test_words_are_completed(
    complete: Callable[[str], list[str]],
    word: str,
    expected: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/inner.npz").touch()
    (tmp_path / "digitless.txt").touch()
    monkeypatch.chdir(tmp_path)
    assert complete(word) == expected


def test_a_wrong_command_names_the_nearest(run: Run) -> None:
    code, _, error = run("evalute", "digits")
    assert code == 2
    assert "evaluate" in error


def test_old_names_are_read(network: IntegerNetwork, run: Run, tmp_path: Path) -> None:
    """`convert --images`, `bench --energy`, `map --plot`; a picture's folder is `--plots`."""
    save_network(network, tmp_path / "net.safetensors")
    code, _, error = run("convert", "digits", "--images", 3)
    assert code == 2
    assert "--limit" in error
    code, _, error = run(
        "bench",
        tmp_path / "net.safetensors",
        "--checkpoint",
        "digits",
        "--data",
        "digits",
        "--energy=loihi9",
    )
    assert code == 1
    picture = tmp_path / "p.svg"
    assert run("map", tmp_path / "net.safetensors", "--plot", picture, "-q") == (0, "", "")
    assert run("map", tmp_path / "net.safetensors", "--plots", tmp_path / "d", "-q")[0] == 0
    assert picture.stat().st_size > 1000
    assert (tmp_path / "d/placement.png").stat().st_size > 1000


def test_an_old_name_after_two_dashes_is_a_value() -> None:
    renamed = with_old_names({"--old": "--new"})
    seen: list[list[str]] = []

    def parse(self: object, ctx: object, args: list[str]) -> list[str]:
        seen.append(args)
        return args

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TyperCommand, "parse_args", parse)
        renamed("x").parse_args(None, ["--old=3", "--older", "--old", "--", "--old"])
    assert seen == [["--new=3", "--older", "--new", "--", "--old"]]


def test_help_imports_nothing_heavy() -> None:
    """--help stays quick because no heavy module is imported; that is what is asserted."""
    heavy = {"torch", "numpy", "scipy", "sklearn", "onnx", "onnxruntime", "matplotlib", "numba"}
    unneeded = {"rich.progress", "importlib.metadata", "ipvae_snn.report", "ipvae_snn.workflows"}
    code = "import sys; from ipvae_snn.cli import app; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    loaded = set(done.stdout.split())
    assert "typer" in loaded
    assert not loaded & (heavy | unneeded)


def test_commands_load_matplotlib_only_to_draw() -> None:
    code = "import sys; from ipvae_snn.workflows import {}; print(*sys.modules)".format(
        "convert, mapping, run, verify"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    loaded = set(done.stdout.split())
    assert "ipvae_snn.report.picture_files" in loaded
    assert not loaded & {"matplotlib", "ipvae_snn.report.plots", "torch"}
    assert "ipvae_snn.hw.mapping.assign_slots" in loaded


def test_a_template_of_a_profile_reads_back_equal(run: Run, tmp_path: Path) -> None:
    code, text, error = run("profiles", "loihi1", "--toml")
    assert (code, error) == (0, "")
    file = tmp_path / "mine.toml"
    file.write_text(text)
    shown = [run("profiles", name, "--json") for name in ("loihi1", file)]
    assert shown[0] == shown[1]
    code, _, error = run("profiles", "--toml")
    assert code == 1
    assert error.startswith("ipvae-snn: error: --toml prints one profile; give its name: ")
    assert error.count("\n") == 1
