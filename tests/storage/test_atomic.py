"""Atomic writing: content on disk after success, failure and a kill half-way."""

import errno
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from ipvae_snn.storage import folders
from ipvae_snn.storage.atomic import atomic_folder, atomic_path, new_file, write_text


def fail_after_writing(path: Path, text: str) -> None:
    """Write, then fail as a full disk or a bug would."""
    path.write_text(text)
    raise RuntimeError("on purpose")


def test_a_file_appears_only_when_whole(tmp_path: Path) -> None:
    """Inside the block the target is absent; after it, it holds everything."""
    target = tmp_path / "deep" / "file.txt"
    with atomic_path(target) as temporary:
        temporary.write_text("half")
        assert not target.exists()
        assert temporary.parent == target.parent
        assert temporary.suffix == ".txt"
    assert target.read_text() == "half"
    assert [p.name for p in target.parent.iterdir()] == ["file.txt"]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    """And removes its temporary one."""
    target = tmp_path / "file.txt"
    write_text(target, "old")
    with pytest.raises(RuntimeError, match="on purpose"), atomic_path(target) as temporary:
        fail_after_writing(temporary, "new, ha")
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]


def test_permissions_are_those_of_an_ordinary_file(tmp_path: Path) -> None:
    """Not the private ones of a temporary file."""
    old = os.umask(0o022)
    try:
        write_text(tmp_path / "file.txt", "x")
        with atomic_folder(tmp_path / "folder") as folder:
            (folder / "a").write_text("a")
    finally:
        os.umask(old)
    assert (tmp_path / "file.txt").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o755


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    """Old content goes only if the new is complete."""
    target = tmp_path / "folder"
    with atomic_folder(target) as folder:
        (folder / "old").write_text("1")
    with pytest.raises(RuntimeError, match="on purpose"), atomic_folder(target) as folder:
        fail_after_writing(folder / "new", "2")
    assert [p.name for p in target.iterdir()] == ["old"]
    with atomic_folder(target) as folder:
        (folder / "new").write_text("2")
    assert [p.name for p in target.iterdir()] == ["new"]
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_a_full_disk_names_the_target(tmp_path: Path) -> None:
    """A write that fails says which file was meant, as the system itself does not."""
    with (
        pytest.raises(OSError, match="No space left") as caught,
        atomic_path(tmp_path / "a") as file,
    ):
        fail_with_full_disk(file)
    assert caught.value.filename == str(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_names_the_folder(tmp_path: Path) -> None:
    """Not the temporary one that holds the file; a file elsewhere keeps its name."""
    with (
        pytest.raises(OSError, match="No space left") as caught,
        atomic_folder(tmp_path / "f") as f,
    ):
        fail_with_full_disk(f / "a")
    assert caught.value.filename == str(tmp_path / "f")
    with pytest.raises(FileNotFoundError) as missing, atomic_folder(tmp_path / "f"):
        (tmp_path / "absent").read_text()
    assert missing.value.filename == str(tmp_path / "absent")
    assert list(tmp_path.iterdir()) == []


def fail_with_full_disk(path: Path) -> None:
    """Write a part, then raise as write() does."""
    path.write_text("part")
    raise OSError(errno.ENOSPC, "No space left on device")


def appear(ours: Path, other: Callable[[], object]) -> None:
    """Write our file; meanwhile another program writes its own."""
    ours.write_text("two")
    other()


@pytest.mark.parametrize("system", ["links", "renameat2", "neither"])
def test_a_new_file_replaces_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    """Whatever the file system can: hard links, renaming without replacing, or neither."""

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    if system != "links":
        monkeypatch.setattr(os, "link", refuse)
    if system == "neither":
        monkeypatch.setattr(folders, "rename_new", lambda *_: False)
    target = tmp_path / "deep" / "file.txt"
    with new_file(target) as path:
        path.write_text("one")
        assert path.name == "file.txt"
        assert not target.exists()
    assert target.read_text() == "one"
    assert target.stat().st_nlink == 1
    with pytest.raises(FileExistsError) as caught, new_file(target) as path:
        path.write_text("two")
    assert caught.value.filename == str(target)
    target.unlink()
    with pytest.raises(FileExistsError), new_file(target) as path:
        appear(path, lambda: target.symlink_to("nowhere"))
    assert [one.name for one in target.parent.iterdir()] == ["file.txt"]


@pytest.mark.parametrize("can", [True, False])
def test_a_folder_that_appears_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can: bool
) -> None:
    if not can:
        monkeypatch.setattr(folders, "rename_new", lambda *_: False)
    for make in (Path.mkdir, Path.touch):
        target = tmp_path / make.__name__
        with pytest.raises(FileExistsError) as caught, atomic_folder(target) as new:
            appear(new / "mine", partial(make, target))
        assert caught.value.filename == str(target)
        assert not (target / "mine").exists()
    assert len(list(tmp_path.iterdir())) == 2
