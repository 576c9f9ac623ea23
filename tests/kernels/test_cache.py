"""Compiled code is kept per state of its sources, also of those that a kernel imports from."""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numba.core import config

from ipvae_snn.kernels import cache

PACKAGE = cache.KERNELS.parent
# A kernel with a constant of another module; the kernel's own file stays as it is.
PROGRAM = """
import numpy as np
from ipvae_snn.kernels.threefry import first_uniforms
even, odd = np.empty(1, np.int32), np.empty(1, np.int32)
first_uniforms(np.uint32(1), np.uint32(2), np.uint32(3), even, odd)
print(sum(first_uniforms.stats.cache_hits.values()), even[0])
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with the parts of the package that kernels import."""
    for name in ("kernels", "ir", "storage", "config", "metrics"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PACKAGE / name, tmp_path / "ipvae_snn" / name, ignore=ignored)
    for name in ("__init__.py", "arrays.py", "errors.py"):
        shutil.copy(PACKAGE / name, tmp_path / "ipvae_snn")
    return tmp_path


def run(folder: Path) -> list[str]:
    """Return cache hits and a uniform of PROGRAM, with the copy in `folder`."""
    variables = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_a_change_in_an_imported_module_compiles_anew(copy: Path) -> None:
    first = run(copy)
    assert first[0] == "0"
    assert run(copy) == ["1", first[1]]
    kept = copy / "ipvae_snn/kernels/__pycache__"
    [folder] = kept.glob("numba-*")
    source = copy / "ipvae_snn/ir/prng.py"
    changed = source.read_text().replace("0x1BD11BDA", "0x1BD11BDB")
    assert changed != source.read_text()
    source.write_text(changed)
    hits, second = run(copy)
    assert hits == "0"
    assert second != first[1]
    [new] = kept.glob("numba-*")  # that of the earlier sources is gone
    assert new != folder


def imported(path: Path) -> Iterator[str]:
    """Yield the modules of ours that a file imports from."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ipvae_snn"):
            yield str(node.module)


def test_all_sources_of_compiled_code_are_in_its_name() -> None:
    """errors and arrays give kernels no function to compile and no constant."""
    named = {f"ipvae_snn.{folder.name}" for folder in cache.SOURCES}
    for path in cache.KERNELS.glob("*.py"):
        for module in imported(path):
            package = ".".join(module.split(".")[:2])
            assert package in named | {"ipvae_snn.errors", "ipvae_snn.arrays"}, (path, module)


@pytest.fixture
def fresh() -> Iterator[None]:
    """The folder is looked for once per process; here and after this test, anew."""
    cache.cache_folder.cache_clear()
    yield
    cache.cache_folder.cache_clear()


@pytest.mark.usefixtures("fresh")
def test_the_first_folder_that_can_be_written_is_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")  # no folder can be made in it, not even by root
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "file"))
    monkeypatch.setattr(cache, "KERNELS", tmp_path / "file")
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / "home" / name)
    result = cache.cache_folder()
    assert result is not None
    assert result.is_relative_to(tmp_path / "home/ipvae-snn")
    cache.cache_folder.cache_clear()
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / "file" / name)
    assert cache.cache_folder() is None
    cache.cache_folder.cache_clear()
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "theirs"))
    result = cache.cache_folder()
    assert result is not None
    assert result.is_relative_to(tmp_path / "theirs")


@pytest.mark.usefixtures("fresh")
def test_numba_s_configuration_stays_the_user_s(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from ipvae_snn.kernels import compiled

    def double(values: np.ndarray) -> None:
        values *= 2

    for place in ("", str(tmp_path)):
        monkeypatch.setattr(config, "CACHE_DIR", place)
        values = np.ones(2)
        compiled.kernel(double)(values)
        assert values.tolist() == [2.0, 2.0]
        assert place == config.CACHE_DIR
