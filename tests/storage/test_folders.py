"""Replacement of folders: old or new after errors and kills, in mounts and the working folder."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from ipvae_snn.errors import OutputError
from ipvae_snn.storage import folders
from ipvae_snn.storage.atomic import atomic_folder, atomic_path
from ipvae_snn.storage.temporary import is_temporary, moved_away, temporary_file, tidy

OLD = {"both": "old", "only old": "old"}
NEW = {"both": "new", "only new": "new"}


def fill(folder: Path, content: dict[str, str]) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in content.items():
        (folder / name).write_text(text)


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def replace(folder: Path) -> None:
    with atomic_folder(folder) as new:
        fill(new, NEW)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """An old folder, alone in a folder."""
    fill(tmp_path / "target", OLD)
    return tmp_path / "target"


@pytest.fixture(params=["exchange", "renames"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With the system's exchange, and without."""
    if request.param == "renames":
        monkeypatch.setattr(folders, "exchange", lambda first, second: False)
    return str(request.param)


@pytest.mark.usefixtures("way")
def test_a_folder_is_replaced_with_its_mode(target: Path) -> None:
    target.chmod(0o750)
    replace(target)
    assert content(target) == NEW
    assert target.stat().st_mode & 0o777 == 0o750
    assert [path.name for path in target.parent.iterdir()] == ["target"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
def test_a_folders_owner_is_kept(target: Path) -> None:
    os.chown(target, 12345, 12346)
    replace(target)
    assert (target.stat().st_uid, target.stat().st_gid) == (12345, 12346)


@pytest.mark.usefixtures("way")
def test_the_working_folder_stays_the_same_folder(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its content is replaced; what the system keeps in a mount, and other runs' files, are not."""
    monkeypatch.chdir(target)
    number = target.stat().st_ino
    (target / "lost+found").mkdir()
    with temporary_file(target, "of another run") as other:
        replace(Path())
        assert other.exists()
    (target / "lost+found").rmdir()
    assert content(target) == NEW
    assert target.stat().st_ino == number


@pytest.mark.usefixtures("way")
def test_an_error_half_way_leaves_the_old_content(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever rename or exchange fails."""
    monkeypatch.chdir(target)
    real_rename, real_exchange = Path.rename, folders.exchange
    for last in range(7):
        calls: list[int] = []

        def fails(
            *paths: Path, real: Callable[..., object], seen: list[int] = calls, at: int = last
        ) -> object:
            seen.append(1)
            if len(seen) == at + 1:
                raise OSError(5, "on purpose")
            return real(*paths)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", lambda a, b, f=fails: f(a, b, real=real_rename))
            patch.setattr(folders, "exchange", lambda a, b, f=fails: f(a, b, real=real_exchange))
            with suppress(OSError):
                replace(Path())
                assert len(calls) <= last
                return
        assert content(target) == OLD, last
    raise AssertionError("it never succeeded")


def test_a_link_to_a_folder_is_followed(target: Path) -> None:
    link = target.parent / "link"
    link.symlink_to("target")
    replace(link)
    assert link.is_symlink()
    assert content(target) == NEW


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="is a file, not a folder"):
        replace(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
def test_a_mount_is_filled(tmp_path: Path) -> None:
    """A volume of a container cannot be renamed."""
    place = tmp_path / "volume"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], capture_output=True).returncode:
        pytest.skip("nothing may be mounted here")
    try:
        fill(place, OLD)
        replace(place)
        assert content(place) == NEW
        assert folders.is_fixed(place)
    finally:
        subprocess.run(["umount", place], check=True)
    assert [path.name for path in tmp_path.iterdir()] == ["volume"]


KILLED = """
import os, signal, sys
from pathlib import Path
from ipvae_snn.storage import folders
from ipvae_snn.storage.atomic import atomic_folder
at, way, target = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
calls = []
def dies(real):
    def call(*arguments):
        if len(calls) == at:
            os.kill(os.getpid(), signal.SIGKILL)
        calls.append(1)
        return real(*arguments)
    return call
Path.rename = dies(Path.rename)
folders.exchange = dies(folders.exchange if way == "exchange" else lambda *_: False)
with atomic_folder(target) as new:
    for name in ("both", "only new"):
        (new / name).write_text("new")
"""


@pytest.mark.parametrize("way", ["exchange", "renames"])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_kill_leaves_the_old_folder_or_the_new_one(target: Path, at: int, way: str) -> None:
    """With two renames, the next run puts back the old one where neither was there."""
    done = subprocess.run([sys.executable, "-c", KILLED, str(at), way, str(target)], check=False)
    killed = done.returncode == -signal.SIGKILL
    assert killed == (at == 0 or (way == "renames" and at < 3))
    if way == "exchange":
        assert content(target) == (OLD if killed else NEW)
    with atomic_path(target.parent / "next"):
        pass
    assert content(target) == (OLD if killed else NEW)
    assert {path.name for path in target.parent.iterdir()} == {"target", "next"}


def test_what_dead_runs_left_is_removed_and_what_living_ones_use_is_not(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path\n"
        "from ipvae_snn.storage.temporary import temporary_file, temporary_folder\n"
        "with temporary_file(Path(sys.argv[1]), 'a'), temporary_folder(Path(sys.argv[1]), 'b'):\n"
        "    os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    left = [path.name for path in tmp_path.iterdir()]
    assert len(left) == 2
    assert all(map(is_temporary, left))
    foreign = [".a.ipvae-notes", "a.ipvae-1-0-0", ".hidden"]
    for name in foreign:
        (tmp_path / name).touch()
        assert not is_temporary(name)
    with temporary_file(tmp_path, "mine") as mine:
        tidy(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {*foreign, mine.name}


def test_a_temporary_file_of_another_machine_is_kept_while_it_is_locked(tmp_path: Path) -> None:
    """A container that shares the folder has its own process ids."""
    with temporary_file(tmp_path, "theirs") as path:
        parts = path.name.split("-")
        other = path.rename(path.with_name("-".join([parts[0], "1", "00000000", parts[3]])))
        tidy(tmp_path)
        assert other.exists()
    tidy(tmp_path)
    assert not other.exists()


def test_what_cannot_go_back_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text("old")

    def fails(*_: object) -> None:
        raise OSError(5, "on purpose")

    def interrupted() -> None:
        with moved_away(tmp_path, "a") as old:
            (tmp_path / "a").rename(old / "a")
            monkeypatch.setattr(Path, "rename", fails)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    (kept,) = tmp_path.iterdir()
    assert (kept / "a").read_text() == "old"
