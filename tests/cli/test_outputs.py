"""Outputs of every command: tried before any work, nothing destroyed, names of any kind."""

import errno
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import typer
from matplotlib.figure import Figure

import ipvae_snn
from ipvae_snn.cli import process
from ipvae_snn.errors import ConfigError, OutputError
from ipvae_snn.hw.mapping import mapping
from ipvae_snn.ir.files import load_network, save_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.pretrained import network_path
from ipvae_snn.workflows import compare, energy, evaluate

Run = Callable[..., tuple[int, str, str]]
NOWHERE = "no/such/images"  # a command that looked for them would report them
CHECKPOINT = network_path("digits")
READ = "ipvae-snn: images: 2 of 4x3, levels standardised, -2.33..1.37\n"


@pytest.fixture
def net(network: IntegerNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small integer network and images for it, in the working folder."""
    monkeypatch.chdir(tmp_path)
    save_network(network, tmp_path / "net.safetensors")
    images = np.random.default_rng(0).standard_normal((2, 4, 3)).astype(np.float32)
    np.save(tmp_path / "images.npy", images)
    return tmp_path / "net.safetensors"


COMMANDS = {
    "run": ("run", "net.safetensors", "--data", NOWHERE),
    "convert": ("convert", CHECKPOINT, "--calibrate", NOWHERE),
    "evaluate": ("evaluate", CHECKPOINT, "--data", NOWHERE),
    "compare": ("compare", CHECKPOINT, "net.safetensors", "--data", NOWHERE),
    "energy": ("energy", "net.safetensors", "--data", NOWHERE),
    "bench": ("bench", "net.safetensors", "--checkpoint", CHECKPOINT, "--data", NOWHERE),
    "map": ("map", "net.safetensors", "--data", NOWHERE),
    "lava": ("lava", "run", "net.safetensors", "--data", NOWHERE),
}
PICTURES = {
    "evaluate": "--plots",
    "compare": "--plots",
    "energy": "--plots",
    "map": "--plot",
    "lava": "--raster",
}


def one_line(result: tuple[int, str, str]) -> str:
    """Return the message of a command that failed with one line and printed nothing else."""
    code, text, error = result
    assert (code, text) == (1, "")
    assert error.startswith("ipvae-snn: error: ")
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize("name", COMMANDS)
def test_an_output_is_tried_before_any_work(name: str, net: Path, run: Run) -> None:
    """The images, which do not exist, are not even looked for."""
    (net.parent / "folder").mkdir()
    (net.parent / "folder" / "mine").touch()
    (net.parent / "thesis").write_text("do not lose me")
    (net.parent / "link").symlink_to("thesis")
    (net.parent / "kept").write_text("ours")
    (net.parent / "kept").chmod(0o400)
    before = sorted(net.parent.rglob("*"))
    for out, message in (
        # A result of `run` may be a folder, but not one that holds anything else.
        ("folder", "folder: holds mine; " if name == "run" else "folder: is a folder; give the na"),
        (".", ".: holds net.safe" if name == "run" else ".: is a folder"),
        ("", "an output has an empty name"),
        ("thesis", "thesis: exists and is not "),
        ("link", "link: exists and is not "),
        ("thesis/x", "is a file, not a folder"),
        ("kept", "kept: is write-protected (mode 0400)"),
        ("~nosuchuser/x", "~nosuchuser/x: the home folder is not known"),
        ("x" * 300, "File name too long"),
    ):
        assert message in one_line(run(*COMMANDS[name], "--out", out)), out
    read = CHECKPOINT if name in ("convert", "evaluate") else net
    for extra in ((), ("--overwrite",)):
        message = one_line(run(*COMMANDS[name], "--out", read, *extra))
        assert f"{read}: is an input of this command; choose another name" in message
    assert sorted(net.parent.rglob("*")) == before
    assert (net.parent / "thesis").read_text() == "do not lose me"


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_tried_before_any_work(name: str, net: Path, run: Run) -> None:
    folder = {"evaluate": "convergence", "compare": "counts", "energy": "energy"}.get(name)
    (net.parent / "p").mkdir()
    picture = net.parent / "p" / f"{folder or 'mine'}.png"
    Figure().savefig(picture)  # one of the user's own
    option = (PICTURES[name], "p" if folder else "p/mine.png")
    message = one_line(run(*COMMANDS[name], *option))
    assert "exists and is not a picture of ipvae-snn; choose another name, or repl" in message
    (net.parent / "file").touch()
    option = (PICTURES[name], "file" if folder else "file/x.png")
    assert "is a file, not a folder" in one_line(run(*COMMANDS[name], *option))


@pytest.mark.parametrize("name", PICTURES)
def test_the_format_of_pictures_is_the_same_option_everywhere(
    name: str, net: Path, run: Run
) -> None:
    """The files that are tried before any work have its suffix."""
    first = {"evaluate": "convergence", "compare": "quality", "energy": "energy", "lava": "raster"}
    for form in ("svg", "pdf"):
        own = net.parent / f"{first.get(name, 'placement')}.{form}"
        own.write_text("mine")
        message = one_line(run(*COMMANDS[name], "--plots", ".", "--plots-format", form))
        assert message.startswith(f"ipvae-snn: error: {own.name}: exists and is not a picture of")
    code, _, error = run(*COMMANDS[name], "--plots", ".", "--plots-format", "pfd")
    assert code == 2
    assert "'pfd' (did you mean 'pdf'?); there are png, svg, pdf" in error


def test_pictures_of_each_format_lie_side_by_side(net: Path, run: Run) -> None:
    """And are replaced by the next run of their command."""
    command = ("energy", net, "--data", "images.npy", "--steps", 2, "--plots", "p")
    for form in ("png", "svg", "pdf", "pdf"):
        code, _, error = run(*command, "--plots-format", form, "-q")
        assert (code, error) == (0, "")
    for form, begins in (("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")):
        assert Path(f"p/energy.{form}").read_bytes().startswith(begins)
    with pytest.raises(ConfigError, match=r"no format of pictures is called 'sgv' \(did you mean"):
        ipvae_snn.energy(net, "images.npy", steps=2, pictures="p", picture_format="sgv")
    ipvae_snn.energy(net, "images.npy", steps=2, pictures="p", picture_format="eps")
    assert len(list(Path("p").iterdir())) == 4


def test_the_names_of_the_pictures_are_known_before(net: Path, tmp_path: Path) -> None:
    short = evaluate.EvaluationSettings(limit=2, steps=2, readout_train=0)
    result = evaluate.evaluate(CHECKPOINT, "digits", short)
    assert tuple(picture.name for picture in result.pictures) == evaluate.PICTURES
    priced = energy.energy(net, str(tmp_path / "images.npy"), energy.EnergySettings(steps=2))
    assert tuple(picture.name for picture in priced.pictures) == energy.PICTURES
    assert len(set(compare.PICTURES)) == 5


def test_our_own_results_are_replaced(net: Path, run: Run) -> None:
    """Each kind of file twice; at a foreign place only with --overwrite, and with its mode."""
    short = ("--data", "images.npy", "--limit", 2, "--steps", 2)
    commands = (
        ("run", net, *short, "--out", "r.npz"),
        ("map", net, "--out", "m.json", "--plot", "m.svg"),
    )
    for command in commands:
        for _ in range(2):
            code, _, error = run(*command)
            assert error.count("\n") <= 1
            assert code == 0 or "does not fit" in error
    for path in map(Path, ("r.npz", "m.json", "m.svg")):
        written = path.read_bytes()
        path.write_text("mine")
        path.chmod(0o604)
        command = next(each for each in commands if str(path) in each)
        assert f"{path}: exists and is not" in one_line(run(*command))
        assert path.read_text() == "mine"
        run(*command, "--overwrite")
        assert path.read_bytes()[:4] == written[:4]
        assert path.stat().st_mode & 0o777 == 0o604


def test_a_checkpoint_is_not_converted_onto_itself(tmp_path: Path) -> None:
    """From Python neither."""
    own = tmp_path / "model.safetensors"
    own.write_bytes(CHECKPOINT.read_bytes())
    with pytest.raises(OutputError, match="is an input of this command"):
        ipvae_snn.convert(own, out=own, overwrite=True)
    other = tmp_path / "other.safetensors"
    other.write_bytes(CHECKPOINT.read_bytes())
    with pytest.raises(OutputError, match="exists and is not an integer network"):
        ipvae_snn.convert(own, out=other)
    assert own.read_bytes() == other.read_bytes() == CHECKPOINT.read_bytes()


def test_json_goes_into_a_pipe_and_our_own_output(net: Path, run: Run) -> None:
    code, text, _ = run("map", net, "--profile", "generic", "--out", "/dev/stdout", "--json")
    assert code == 0
    assert text.count('"core_of"') <= 1
    command = [sys.executable, "-m", "ipvae_snn", "map", str(net), "--profile", "generic", "--json"]
    with (net.parent / "both").open("w") as both:
        subprocess.run([*command, "--out", "/dev/stdout"], stdout=both, check=True, timeout=100)
    decoder = json.JSONDecoder()
    first, end = decoder.raw_decode((net.parent / "both").read_text())
    second, _ = decoder.raw_decode((net.parent / "both").read_text()[end:].lstrip())
    assert {key: first[key] for key in second} == second
    assert "core_of" in first


def test_a_picture_that_fails_is_a_warning(
    net: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table and the JSON come out."""

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("no\nfonts")

    monkeypatch.setattr(Figure, "savefig", fails)
    command = (
        "energy",
        net,
        "--data",
        "images.npy",
        "--steps",
        2,
        "--plots",
        "p",
        "--out",
        "e.json",
    )
    for extra in ((), ("--json",)):
        code, text, error = run(*command, *extra)
        assert code == 0
        assert error == ("" if extra else READ) + (
            "ipvae-snn: warning: p/energy.png was not drawn (RuntimeError: no fonts)\n"
        )
        assert "estimates" in text if extra else "loihi2" in text
    assert json.loads(Path("e.json").read_text())["r2"] <= 1
    assert list(Path("p").iterdir()) == []


def test_a_result_whose_place_fails_after_the_work_is_kept_elsewhere(
    net: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk became full, or the folder went."""
    spare = net.parent / "spare"
    spare.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(spare))
    real = Path.replace

    def full(self: Path, target: Path) -> Path:
        if spare not in target.parents:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", full)
    message = one_line(run("map", net, "--profile", "generic", "--out", "m.json"))
    (kept,) = spare.rglob("m.json")
    assert f"m.json: No space left on device; the result is kept in {kept}" in message
    assert "core_of" in json.loads(kept.read_text())
    short = ("--data", "images.npy", "--limit", 2, "--steps", 2)
    message = one_line(run("run", net, *short, "--out", "r.npz", "--quiet"))
    (kept,) = spare.rglob("r.npz")
    assert f"the result is kept in {kept}" in message
    assert not list(net.parent.glob("*.json"))
    assert not list(net.parent.glob(".*"))


@pytest.mark.parametrize("name", ["m.json", "energy.png", "energy.json"])
def test_a_file_that_appears_during_the_work_stays(
    name: str, net: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The result is kept elsewhere; of a picture there is a warning. --overwrite replaces it."""
    spare = net.parent / "spare"
    spare.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(spare))
    module, step = (mapping, "check_and_place") if name == "m.json" else (energy, "report")
    real = getattr(module, step)

    def slow(*arguments: object, **more: object) -> object:
        Path(name).write_text("another program's")
        return real(*arguments, **more)

    monkeypatch.setattr(module, step, slow)
    more = ("--profile", "generic", "--out", name)
    if module is energy:
        target = ("--out", name) if name.endswith("json") else ("--plots", ".")
        more = ("--profile", "loihi1", "--data", "images.npy", "--steps", 2, *target)
    command = ("map" if module is mapping else "energy", net, *more, "-q")
    if name.endswith("png"):
        code, _, error = run(*command)
        assert code == 0
        assert error == (
            "ipvae-snn: warning: energy.png was not drawn (another program wrote there "
            "meanwhile, and that stays)\n"
        )
    else:
        message = one_line(run(*command))
        (kept,) = spare.rglob(name)
        assert f"{name}: another program wrote there meanwhile, and that stays; the" in message
        assert str(kept) in message
        assert json.loads(kept.read_text())
    assert Path(name).read_text() == "another program's"
    assert run(*command, "--overwrite")[::2] == (0, "")
    assert Path(name).read_bytes()[:1] in (b"{", b"\x89")
    assert not list(net.parent.glob(".*"))


def test_of_several_hard_links_one_is_replaced_with_a_warning(net: Path, run: Run) -> None:
    command = ("map", net, "--profile", "generic", "--out", "m.json", "-q")
    assert run(*command) == (0, "", "")
    Path("other.json").hardlink_to("m.json")
    before = Path("other.json").read_text()
    Path("m.json").write_text(before.replace("{", '{"old": 1, ', 1))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        code, _, error = run(*command)
    assert (code, error) == (
        0,
        "ipvae-snn: warning: m.json: has 2 hard links; this one is replaced, and the others keep "
        "the old content\n",
    )
    assert Path("m.json").read_text() == before
    assert Path("other.json").read_text() != before
    assert run(*command) == (0, "", "")


def test_a_users_matplotlibrc_changes_no_picture(
    net: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("map", net, "--profile", "generic", "--plot")
    assert run(*command, "a.png")[0] == 0
    monkeypatch.setitem(matplotlib.rcParams, "text.usetex", True)
    monkeypatch.setitem(matplotlib.rcParams, "axes.facecolor", "red")
    assert run(*command, "b.png")[::2] == (0, "")
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()


def test_a_notebooks_matplotlib_does_not_stop_a_command() -> None:
    """A command that a notebook starts inherits MPLBACKEND; its module need not be here."""
    code = (
        "from ipvae_snn.cli.process import prepare; prepare(); "
        "import ipvae_snn.report.plots, matplotlib; print(matplotlib.rcParams['backend'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "MPLBACKEND": "module://nowhere.backend_inline"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (done.stdout, done.stderr) == ("agg\n", "")


@pytest.mark.parametrize("name", ["[bold]x", "a[/b]", "caf\udce9 \u2028"])
def test_names_of_any_kind_work(name: str, net: Path, run: Run) -> None:
    folder = net.parent / name
    folder.mkdir(parents=True)
    own = folder / f"{folder.name}.safetensors"
    own.write_bytes(net.read_bytes())
    images = folder / f"{folder.name}.npy"
    images.write_bytes(Path("images.npy").read_bytes())
    shown = name.encode("utf-8", "backslashreplace").decode()
    code, text, error = run("run", own, "--data", images, "--steps", 2, "--out", folder / "r.npz")
    assert (code, error) == (0, READ)
    assert "".join(shown.split()) in "".join(text.split())
    assert run("map", own, "--profile", "generic", "--plot", folder / "m.pdf")[::2] == (0, "")
    code, text, error = run("export", own, "--target", "onnx", "--out", folder / "o", "--no-check")
    assert (code, error) == (0, "")
    assert f"{shown}/o written (onnx, unchecked)" in " ".join(text.split()) or "\u2028" in name
    assert run("inspect", own)[0] == 0


def test_a_terminal_without_unicode_gets_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("MPLBACKEND", "agg")
    process.prepare()
    print("caf\u00e9 \udce9", file=screen, flush=True)
    assert screen.buffer.getvalue() == b"caf\\xe9 \\udce9\n"  # type: ignore[attr-defined]


def test_a_signal_that_python_ignores_is_repeated() -> None:
    """It may come in a callback from C or in `__del__`, where no error leaves."""

    class Signalled:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

    def wait() -> None:
        Signalled()
        signal.pause()

    with pytest.raises(typer.Exit) as caught, process.ended_by_signals():
        wait()
    assert caught.value.exit_code == 128 + signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_every_command_cleanly(
    number: signal.Signals, net: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line and status 128 + number; `map` is one that simulates nothing."""

    def signalled(*_: object) -> None:
        os.kill(os.getpid(), number)
        signal.pause()

    before = sorted(net.parent.iterdir())
    monkeypatch.setattr(mapping, "check_and_place", signalled)
    code, _, error = run("map", net, "--out", "m.json")
    cause = "" if number == signal.SIGINT else f" by {number.name}"
    assert (code, error) == (128 + number, f"ipvae-snn: interrupted{cause}\n")
    assert sorted(net.parent.iterdir()) == before
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_re_export_does_not_replace_its_own_input(net: Path, run: Run) -> None:
    layer = net.parent / "layer"
    layer.mkdir()
    net.rename(layer / "network.safetensors")
    command = ("export", layer / "network.safetensors", "--target", "norse", "--no-check", "--out")
    assert "an input of this command; choose another" in one_line(run(*command, layer))
    assert load_network(layer / "network.safetensors").n_neurons == 7
