"""Compiled code is kept per state of its sources, also of those that a kernel imports from."""

import ast
import errno
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numba.core import config

from ipvae_snn.kernels import cache, checked_cache, compiled

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
    for name in ("__init__.py", "arrays.py", "errors.py", "progress.py", "watcher.py"):
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
            # of the others nothing is compiled: classes, types, and the number of threads
            others = {"ipvae_snn.errors", "ipvae_snn.arrays", "ipvae_snn.watcher"}
            assert package in named | others, (path, module)


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
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    result = cache.cache_folder()
    assert result is not None
    top = tmp_path / f"ipvae-snn-{os.geteuid()}"
    assert result.is_relative_to(top)
    for change in (lambda: top.chmod(0o777), lambda: (shutil.rmtree(top), top.symlink_to("/"))):
        change()  # everyone may write to it; it leads elsewhere
        cache.cache_folder.cache_clear()
        assert cache.cache_folder() is None
    cache.cache_folder.cache_clear()
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "file"))
    assert cache.cache_folder() is None
    cache.cache_folder.cache_clear()
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "theirs"))
    result = cache.cache_folder()
    assert result is not None
    assert result.is_relative_to(tmp_path / "theirs")


def double(values: np.ndarray) -> None:
    """Compiled by the tests below."""
    values *= 2


@pytest.mark.usefixtures("fresh")
def test_numba_s_configuration_stays_the_user_s(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for place in ("", str(tmp_path)):
        monkeypatch.setattr(config, "CACHE_DIR", place)
        values = np.ones(2)
        compiled.kernel(double)(values)
        assert values.tolist() == [2.0, 2.0]
        assert place == config.CACHE_DIR


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh: None) -> Path:
    """An empty folder for compiled code, in use during the test."""
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    result = cache.cache_folder()
    assert result is not None
    return result


def hits() -> int:
    """Decorate `double` as a new process would, and call it; return its hits in the cache."""
    dispatcher: Any = compiled.kernel(double)
    values = np.arange(3.0)
    dispatcher(values)
    assert values.tolist() == [0.0, 2.0, 4.0]
    return sum(dispatcher.stats.cache_hits.values())


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def foreign(path: Path) -> None:
    path.write_bytes(b"not one of numba's")


def harmful(path: Path) -> None:
    """A pickle that would leave a file; with no checksum it is never unpickled."""
    path.write_bytes(f"cos\nsystem\n(S'touch {path.parent}/harmed'\ntR.".encode())


def other_classes(path: Path) -> None:
    """A whole file, of a class that is not there any more."""
    body = b"cnumba_of_old\nGone\n."
    path.write_bytes(hashlib.sha256(body).digest() + body)


def writable_by_all(path: Path) -> None:
    path.chmod(0o666)


DAMAGE = (
    cut,
    flip,
    foreign,
    harmful,
    other_classes,
    writable_by_all,
    lambda path: path.write_bytes(b""),
    lambda path: path.unlink(),
)


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_compiled_anew_and_replaced(
    folder: Path, damage: Callable[[Path], None], suffix: str
) -> None:
    assert (hits(), hits()) == (0, 1)
    [path] = folder.rglob(f"*{suffix}")
    damage(path)
    assert (hits(), hits()) == (0, 1)
    assert not list(folder.rglob("harmed"))
    assert not list(folder.rglob("*.tmp.*"))


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
def test_a_file_that_cannot_be_replaced_ends_no_run(folder: Path, suffix: str) -> None:
    assert hits() == 0
    [path] = folder.rglob(f"*{suffix}")
    path.unlink()
    (path / "in it").mkdir(parents=True)
    assert (hits(), hits()) == (0, 0)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
def test_a_disk_that_takes_no_files_ends_no_run(
    folder: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(checked_cache.IndexDataCacheFile, "_open_for_write", refuse)
    assert (hits(), hits()) == (0, 0)
    assert not [path for path in folder.rglob("*") if path.is_file()]


def test_a_folder_that_goes_away_ends_no_run(folder: Path, tmp_path: Path) -> None:
    dispatcher: Any = compiled.kernel(double)
    shutil.rmtree(folder.parent)
    folder.parent.write_text("a file where the folder should be")
    dispatcher(np.ones(2))
    assert (hits(), hits()) == (0, 0)


def test_the_folder_and_its_files_are_the_user_s_alone(folder: Path) -> None:
    umask = os.umask(0)
    try:
        assert (hits(), hits()) == (0, 1)
    finally:
        os.umask(umask)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) == 2
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.usefixtures("fresh")
def test_a_folder_of_another_user_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    me = os.geteuid()
    for uid, mode, trusted in (
        (me, 0o40755, True),
        (0, 0o40755, True),
        (me + 1, 0o40755, False),
        (me, 0o40777, False),
    ):
        assert checked_cache.owned(SimpleNamespace(st_uid=uid, st_mode=mode)) is trusted
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "shared"))
    first = cache.cache_folder()
    assert first is not None
    first.chmod(0o777)
    cache.cache_folder.cache_clear()
    second = cache.cache_folder()
    assert second is not None
    assert not second.is_relative_to(tmp_path / "shared")
