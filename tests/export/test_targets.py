"""The registry of export targets: the four of the package, a registered one, broken ones."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ipvae_snn.errors import BackendError, BackendUnavailableError, DataError, DivergedError
from ipvae_snn.export.targets import Target, Writer, load_target, registered
from ipvae_snn.ir.files import save_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.pretrained import network_path
from ipvae_snn.workflows.export import export_file, export_integer, target_help

Run = Callable[..., tuple[int, str, str]]
SHIPPED = ["lava", "norse", "onnx", "snntorch"]
# A whole target in one module, as another package would write it.
TEXT = """
from ipvae_snn.errors import DivergedError
from ipvae_snn.export.targets import Target, Writer
from ipvae_snn.ir.interpreter import run
from ipvae_snn.export.self_check import REQUEST, check_pixels

def result(network):
    return str(run(network, check_pixels(network), REQUEST).counts_sum.tolist())

def write(network, folder):
    (folder / "counts.txt").write_text(result(network))

def untidy(network, folder):
    write(network, folder)
    (folder / "left.over").touch()

def wrong(network, folder):
    (folder / "counts.txt").write_text("[[0]]")

def check(network, folder):
    if (folder / "counts.txt").read_text() != result(network):
        raise DivergedError("counts.txt is wrong; please report")

def target(name, writer=write):
    return Target(name, "counts as text.", frozenset(("counts.txt",)), Writer(writer, check),
                  refusal="text holds integers only")

TEXT, UNTIDY, WRONG = target("text"), target("untidy", untidy), target("wrong", wrong)
FLOATS = Target("floats", "floats as text.", frozenset(("a",)),
                floating=Writer(write, check), refusal="it is about floats")
"""
ENTRIES = """
[ipvae_snn.targets]
text = a_text_target:TEXT
untidy = a_text_target:UNTIDY
wrong = a_text_target:WRONG
floats = a_text_target:FLOATS
absent = a_text_target:NOTHING
missing = a_module_that_is_not_there:TARGET
renamed = a_text_target:TEXT
foreign = json:dumps
"""


@pytest.fixture
def others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another installed package, which registers targets: one that works and many that do not."""
    site = tmp_path / "site"
    metadata = site / "a_text_target-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: a-text-target\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(ENTRIES)
    (site / "a_text_target.py").write_text(TEXT)
    monkeypatch.syspath_prepend(site)
    monkeypatch.delitem(sys.modules, "a_text_target", raising=False)


def test_what_ships() -> None:
    assert list(registered()) == SHIPPED
    for name in SHIPPED:
        target = load_target(name)
        assert target.help.endswith(".")
        assert target.takes == (("integer", "float") if name == "onnx" else ("integer",))


def test_reading_all_of_them_loads_nothing_heavy() -> None:
    """`ipvae-snn export --help` does it."""
    code = "import sys; from ipvae_snn.workflows.export import target_help; target_help()"
    heavy = {"torch", "numba", "onnx", "onnxruntime", "scipy", "sklearn", "snntorch", "norse"}
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print(*sorted({heavy!r} & set(sys.modules)))"],
        check=True,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.stdout.split() == []


@pytest.mark.usefixtures("others")
def test_one_of_another_package_works_as_those_that_ship(
    network: IntegerNetwork, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_network(network, tmp_path / "net.safetensors")
    arguments = ("export", tmp_path / "net.safetensors", "--target", "text", "--out")
    for _ in range(2):  # the second replaces the first
        code, text, error = run(*arguments, tmp_path / "out", "--json")
        assert (code, error) == (0, "")
        assert json.loads(text) == {
            "out": str(tmp_path / "out"),
            "target": "text",
            "kind": "integer",
            "checked": True,
            "files": ["counts.txt"],
        }
    (tmp_path / "out" / "mine").touch()
    code, _, error = run(*arguments, tmp_path / "out")
    assert code == 1
    assert "holds 'mine', which no text export wrote, and would be replaced" in error
    code, _, error = run("export", "digits", "--target", "text", "--out", tmp_path / "new")
    assert code == 1
    assert "is a float checkpoint; text holds integers only: convert it first" in error
    monkeypatch.setenv("COLUMNS", "200")
    code, text, _ = run("export", "--help")
    assert code == 0
    assert "text: counts as text." in " ".join(text.replace("│", " ").split())


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        ("untidy", BackendError, "'untidy' wrote 'left.over', which its `files` do not name"),
        ("wrong", DivergedError, "counts.txt is wrong; please report"),
        ("floats", BackendError, "it is an integer network; it is about floats: give the float"),
        ("absent", BackendUnavailableError, "'absent' cannot be loaded (module"),
        ("missing", BackendUnavailableError, "'missing' cannot be loaded (No module named"),
        ("renamed", BackendError, "'renamed' is registered as a_text_target:TEXT, which is no"),
        ("foreign", BackendError, "'foreign' is registered as json:dumps, which is no Target"),
        ("nothing", BackendError, "no target is called 'nothing'; there are absent, floats, "),
    ],
)
def test_a_broken_one_is_one_line_and_leaves_nothing(
    network: IntegerNetwork, tmp_path: Path, target: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        export_integer(network, target, tmp_path / "out")
    assert message in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("others")
def test_help_shows_why_one_is_broken_and_all_others() -> None:
    shown = target_help()
    assert set(shown) >= {*SHIPPED, "text", "missing"}
    assert shown["text"] == "counts as text."
    assert "cannot be loaded (No module named" in shown["missing"]


def test_an_unknown_one_is_wrong_usage(run: Run, tmp_path: Path) -> None:
    code, _, error = run("export", "digits", "--target", "nonsense", "--out", tmp_path / "out")
    assert code == 2
    assert "'nonsense' is not one of 'lava', 'norse', 'onnx'" in " ".join(
        error.replace("│", " ").split()
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"integer": None}, "takes no network or names no files"),
        ({"files": frozenset()}, "takes no network or names no files"),
        ({"refusal": ""}, "takes integer networks only; say why"),
    ],
)
def test_a_declaration_says_all_that_an_export_needs(
    changes: dict[str, object], message: str
) -> None:
    writer: Writer[IntegerNetwork] = Writer(lambda *_: None, lambda *_: None)
    whole = {"integer": writer, "files": frozenset(("a",)), "refusal": "no floats"}
    assert Target("a", "a.", **whole).takes == ("integer",)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=message):
        Target("a", "a.", **{**whole, **changes})  # type: ignore[arg-type]


def test_a_file_is_not_replaced(network: IntegerNetwork, tmp_path: Path) -> None:
    save_network(network, tmp_path / "net.safetensors")
    (tmp_path / "thesis").write_text("do not lose me")
    with pytest.raises(DataError, match="holds 'thesis', which no onnx export wrote"):
        export_file(tmp_path / "net.safetensors", "onnx", tmp_path / "thesis")
    assert (tmp_path / "thesis").read_text() == "do not lose me"


def test_a_float_network_is_named_by_its_file(tmp_path: Path) -> None:
    path = network_path("digits")
    with pytest.raises(BackendError, match=r"digits.safetensors is a float checkpoint; Lava runs"):
        export_file(path, "lava", tmp_path / "out")
