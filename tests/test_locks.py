"""Locked set-up: the hashes belong to the pins, and the list of torch's packages is complete."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
PIN = re.compile(r"^([a-z0-9._-]+==\S+)(?: ; ([^\\\n]+?))?(?: \\)?$", re.MULTILINE)
ENTRY = re.compile(r"\n(?=\S)")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?")


def pins(path: Path) -> set[tuple[str, str]]:
    """Return the pins of a file with their markers."""
    return set(PIN.findall(path.read_text(encoding="utf-8")))


@pytest.fixture
def split() -> ModuleType:
    """The script that divides the lock."""
    spec = importlib.util.spec_from_file_location("split", ROOT / ".ci/locks/split.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_locks_hold_the_pins_and_no_others() -> None:
    """`make lock` writes them anew after a change of constraints.txt."""
    locked, torch = pins(ROOT / ".ci/locks/requirements.txt"), pins(ROOT / ".ci/locks/torch.txt")
    assert not locked & torch
    assert locked | torch == pins(ROOT / "constraints.txt")
    assert "torch" in {pin.partition("==")[0] for pin, _ in torch}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    [(neurobench, _)] = pins(ROOT / ".ci/locks/neurobench.txt")
    assert f"NEUROBENCH := {neurobench}\n" in makefile


@pytest.mark.parametrize("name", ["requirements", "torch", "neurobench"])
def test_every_pin_has_hashes(name: str) -> None:
    entries = ENTRY.split((ROOT / f".ci/locks/{name}.txt").read_text(encoding="utf-8").strip())
    assert entries
    for entry in entries:
        first, *hashes = entry.splitlines()
        assert PIN.fullmatch(first), first
        assert hashes, first
        assert all(HASH.fullmatch(line) for line in hashes), first


def test_torch_and_what_only_it_needs_are_moved(split: ModuleType, tmp_path: Path) -> None:
    source, target = tmp_path / "all.txt", tmp_path / "torch.txt"
    numpy, torch = (f"{pin} \\\n    --hash=a\n" for pin in ("numpy==1", "torch==2"))
    source.write_text(f"{numpy}{torch}torchvision==3\nnvidia-x==4\n")
    split.main(source, target)
    assert source.read_text() == f"{numpy}torchvision==3\n"
    assert target.read_text() == f"{torch}nvidia-x==4\n"
    before = source.read_text()
    with pytest.raises(SystemExit, match=r"0 of 2 entries are torch's; nothing is split"):
        split.main(source, target)
    assert source.read_text() == before
