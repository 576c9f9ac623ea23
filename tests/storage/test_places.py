"""Outputs at links, devices, pipes, folders and protected files; nothing is lost there."""

import os
import stat
import threading
from pathlib import Path

import pytest

from ipvae_snn.errors import OutputError
from ipvae_snn.storage.atomic import atomic_path, write_text
from ipvae_snn.storage.outputs import Kind, Output, check_folder, check_outputs, output_path

ROOT = os.geteuid() == 0
TEXT = Kind("a text of ours", lambda path: path.read_text().startswith("ours"), text=True)
BINARY = Kind("a binary of ours", lambda path: path.read_bytes().startswith(b"ours"))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)


def write_bytes(path: Path) -> None:
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"new")


def refused(path: Path, message: str) -> None:
    """Expect that neither the check nor a write touches `path`, and the same message from both."""
    for call in (
        lambda: check_outputs([Output(path, BINARY)], overwrite=True),
        lambda: write_bytes(path),
    ):
        with pytest.raises(OutputError) as caught:
            call()
        assert str(caught.value).startswith(f"{path}: ")
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    target, link, hop = (tmp_path / name for name in ("far/target", "link", "hop"))
    target.write_text("old")
    hop.symlink_to("far/target")
    link.symlink_to(hop)
    write_text(link, "new")
    assert target.read_text() == "new"
    assert (link.is_symlink(), hop.is_symlink(), target.is_symlink()) == (True, True, False)
    dangling = tmp_path / "dangling"
    dangling.symlink_to("far/absent")
    write_text(dangling, "new")
    assert (tmp_path / "far" / "absent").read_text() == "new"


def test_a_loop_of_links_is_one_line(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    refused(loop, "a link that leads back to itself")


def test_a_pipe_takes_text_and_refuses_the_rest(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    refused(pipe, "is a pipe")
    check_outputs([Output(pipe, TEXT)])
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write_text(pipe, "text\n")
    reader.join(10)
    assert read == ["text\n"]
    assert pipe.is_fifo()


@pytest.mark.skipif(not ROOT, reason="only root makes devices")
def test_a_device_stays_a_device(tmp_path: Path) -> None:
    """As root, `--out /dev/null` once made it a regular file for the whole machine."""
    null = tmp_path / "null"
    try:
        os.mknod(null, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        null.read_bytes()
    except PermissionError:
        pytest.skip("no devices may be made or opened here")
    refused(null, "is a device")
    write_text(null, "text")
    assert null.is_char_device()


def test_a_folder_and_no_name_are_refused(tmp_path: Path) -> None:
    refused(tmp_path, "is a folder")
    refused(Path(), "is a folder")
    refused(tmp_path / "absent" / "..", "is no name of a file")
    with pytest.raises(OutputError, match="File name too long"):  # its name is cut
        check_outputs([Output(tmp_path / ("x" * 300), TEXT)])
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is a file, not a folder"):
        check_outputs([Output(tmp_path / "file" / "x", TEXT)])
    with pytest.raises(OutputError, match="a name of 300 bytes is longer than 255"):
        check_outputs([Output(tmp_path / "new" / ("x" * 300), TEXT)])
    with pytest.raises(OutputError, match="null byte"):
        check_outputs([Output(tmp_path / "a\0b", TEXT)])


def test_a_protected_file_is_not_replaced(tmp_path: Path) -> None:
    """Root could, but the permission was taken away on purpose."""
    kept = tmp_path / "kept"
    kept.write_text("ours")
    kept.chmod(0o400)
    refused(kept, "is write-protected (mode 0400)")
    assert kept.read_text() == "ours"


@pytest.mark.skipif(ROOT, reason="root may write everywhere")
def test_a_folder_that_is_write_protected_is_found_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    for path in (tmp_path / "closed" / "x", tmp_path / "closed" / "new" / "x"):
        with pytest.raises(OutputError, match="Permission denied"):
            check_outputs([Output(path, TEXT)])


def test_a_check_changes_nothing(tmp_path: Path) -> None:
    check_outputs([Output(tmp_path / "a" / "b" / "c.txt", TEXT), Output(Path("d"), TEXT)])
    check_folder(tmp_path / "e" / "f")
    assert list(tmp_path.iterdir()) == []


def test_mode_is_kept(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.write_text("old")
    private.chmod(0o640)
    write_text(private, "new")
    assert private.stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(not ROOT, reason="only root gives files away")
def test_owner_is_kept(tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.write_text("old")
    os.chown(given, 12345, 12346)
    write_text(given, "new")
    assert (given.stat().st_uid, given.stat().st_gid) == (12345, 12346)


def test_only_files_of_the_kind_are_replaced_without_a_question(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("thesis")
    with pytest.raises(OutputError) as caught:
        check_outputs([Output(path, TEXT)])
    assert str(caught.value) == (
        f"{path}: exists and is not a text of ours; choose another name, or replace it with "
        "--overwrite"
    )
    check_outputs([Output(path, TEXT)], overwrite=True)
    path.write_text("ours, older")
    check_outputs([Output(path, TEXT)])


def test_an_output_is_no_input(tmp_path: Path) -> None:
    """By another name, or through a link, neither; --overwrite changes nothing there."""
    network = tmp_path / "network"
    network.write_text("ours")
    (tmp_path / "link").symlink_to("network")
    os.link(network, tmp_path / "hard")
    for name in ("network", "./network", "link", "hard", str(network)):
        with pytest.raises(OutputError, match="is an input of this command"):
            check_outputs([Output(Path(name), TEXT)], (network, "digits", None, 3), overwrite=True)
    with pytest.raises(OutputError, match=r"holds .*network, an input of this command"):
        check_folder(tmp_path, (network,))


def test_a_picture_is_not_written_among_the_images(tmp_path: Path) -> None:
    """The next run would read it as one of them; other results and deeper folders are fine."""
    images = tmp_path / "images"
    images.mkdir()
    picture = Kind("a picture", lambda _: True, image=True)
    check_outputs([Output(images / "plots" / "a.png", picture)], (images,))
    check_outputs([Output(images / "r.json", TEXT)], (images,))
    with pytest.raises(OutputError, match="would be one of the images in"):
        check_outputs([Output(images / "a.png", picture)], (str(images),), overwrite=True)


def test_two_outputs_have_two_names(tmp_path: Path) -> None:
    for first, second in (("a", "a"), ("a", "./b/../a"), ("a/b", "a"), ("a", "a/b")):
        with pytest.raises(OutputError, match="two outputs have this name"):
            check_outputs([Output(Path(first), TEXT), Output(Path(second), TEXT)])


def test_a_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    assert output_path("~/r.npz") == Path("/home/someone/r.npz")
    assert output_path("./~/r.npz") == Path("./~/r.npz")
    with pytest.raises(OutputError, match=r"^~nosuchuser/x: the home folder is not known"):
        output_path("~nosuchuser/x")
    with pytest.raises(OutputError, match="an output has an empty name"):
        output_path("")
