"""Run the Python blocks of the pages, in order, each page in a folder of its own."""

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

START = "START"


def setup(namespace: dict[str, Any]) -> None:
    """Go to an empty folder: the examples write files."""
    namespace[START] = (Path.cwd(), tempfile.TemporaryDirectory())
    os.chdir(namespace[START][1].name)


def teardown(namespace: dict[str, Any]) -> None:
    """Come back, and remove what they wrote."""
    before, folder = namespace[START]
    os.chdir(before)
    folder.cleanup()


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the command line: one thread unless asked for more."""
    monkeypatch.delenv("IPVAE_SNN_THREADS", raising=False)


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser()],
    patterns=["python.md", "own_images.md", "large_runs.md"],
    setup=setup,
    teardown=teardown,
).pytest()
