"""Files given on the command line that are no files, or hold hostile names: one harmless line."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ipvae_snn.ir.files import save_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.report.terminal import MAX_LINE, plain_line

Run = Callable[..., tuple[int, str, str]]
HOSTILE = "\x1b[31mRED\x1b]0;title\x07[/bold]\u202e" + "n" * 5000

# Arguments before and after the file.
COMMANDS = {
    "inspect .npz": ("inspect", ".npz", ()),
    "inspect .safetensors": ("inspect", ".safetensors", ()),
    "map --rates": ("map NET --rates", ".npz", ()),
    "map --profile": ("map NET --profile", ".toml", ()),
    "train --config": ("train --config", ".toml", ("--out", "t")),
    "run --data": ("run NET --data", ".npy", ("--out", "r.npz")),
    "evaluate": ("evaluate", ".safetensors", ("--data", "digits")),
    "convert": ("convert", ".safetensors", ("--calibrate", "digits", "--out", "c")),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_pipe_or_a_loop_of_links_is_refused_at_once(
    command: str, network: IntegerNetwork, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading a pipe without a writer would hang for ever."""
    monkeypatch.chdir(tmp_path)
    save_network(network, tmp_path / "net.safetensors")
    before, suffix, after = COMMANDS[command]
    pipe, loop = tmp_path / f"pipe{suffix}", tmp_path / f"loop{suffix}"
    os.mkfifo(pipe)
    loop.symlink_to(loop)
    words = before.replace("NET", "net.safetensors").split()
    for path in (pipe, loop):
        code, out, error = run(*words, path.name, *after)
        assert code != 0
        assert out == ""
        assert path.name in error
        assert "Traceback" not in error
        assert len(error) <= 400
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        ["net.safetensors", pipe.name, loop.name]
    )


def test_names_in_a_network_reach_the_terminal_as_text(
    network: IntegerNetwork, run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "net.safetensors"
    save_network(replace(network, provenance={HOSTILE: HOSTILE, "trained_on": HOSTILE}), path)
    for command in (("inspect", path), ("map", path, "--steps", 2)):
        code, out, error = run(*command)
        assert (code, error) == (0, "")
        for character in ("\x1b", "\x07", "\u202e"):
            assert character not in out
    code, out, error = run("inspect", path)
    assert r"\x1b[31mRED\x1b]0;title\x07[/bold]\u202enn" in out
    assert "n" * 200 not in out
    # JSON is for programs: it escapes control characters itself and cuts nothing.
    code, out, error = run("inspect", path, "--json")
    assert "\x1b" not in out
    assert "n" * 5000 in out


def test_hostile_names_of_files_and_settings_in_errors(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "c.toml"
    config.write_text(f'[train]\n"\\u001b[31m{"n" * 10_000}" = 1\n')
    odd = tmp_path / "a\x1b[31m\nb.npz"
    odd.write_text("no zip")
    for command in (("train", "--config", config, "--out", "t"), ("inspect", odd)):
        code, out, error = run(*command)
        assert (code, out) == (1, "")
        assert error.count("\n") == 1
        assert "\x1b" not in error
        assert r"\x1b[31m" in error
        assert len(error) <= 400


def test_a_progress_line_is_text() -> None:
    line = plain_line(HOSTILE)
    assert line.plain.startswith(r"\x1b[31mRED\x1b]0;title\x07[/bold]\u202enn")
    assert len(line.plain) == MAX_LINE
    assert line.spans == []
