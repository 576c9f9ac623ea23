"""Pages: the targets of their links, and the files and modules that they name, exist."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("*/*/*.md"))
    if not path.relative_to(ROOT).parts[0].startswith(".")
    and "bundle" not in path.parts
    and "frameworks" not in path.parts
    and path.name != "CHANGELOG.md"
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
FILE = re.compile(r"`((?:ipvae_snn|hw|export|tests|benchmarks|docs)/[\w./-]+)(?:::\w+)?`")
MODULE = re.compile(r"^ *(?:from|import) (ipvae_snn[\w.]*)", re.MULTILINE)
MADE = {"benchmarks/results/recipe-NAME.json", "ipvae_snn/pretrained/NAME.md"}  # NAME is any


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    targets = [t.partition("#")[0] for t in LINK.findall(text) if "://" not in t]
    assert [t for t in targets if not ((ROOT / page).parent / t).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_files_that_a_page_names_are_there(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    named = set(FILE.findall(text)) - MADE
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_modules_that_a_page_imports_are_there(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    assert [name for name in MODULE.findall(text) if importlib.util.find_spec(name) is None] == []


def test_the_pages_are_found() -> None:
    assert {"README.md", "docs/ir.md", "ipvae_snn/pretrained/digits.md"} <= set(PAGES)
