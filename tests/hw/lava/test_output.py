"""File of a bundle's result: what `run.py --out` refuses, and what it keeps."""

import os
from pathlib import Path

import numpy as np
import pytest

from ipvae_snn.hw.lava.bundle.simulator.bundle_io import write_result
from ipvae_snn.hw.lava.bundle.simulator.output import OutputError, check_output, remove_partial

ARRAYS = {"counts_sum": np.zeros((1, 2), np.int64), "state": np.zeros((1, 2), np.int32)}


def refused(out: Path, message: str, inputs: tuple[Path, ...] = ()) -> None:
    for overwrite in (False, True):
        with pytest.raises(OutputError) as caught:
            check_output(out, inputs, overwrite)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "kept").write_text("mine")
    (tmp_path / "kept").chmod(0o400)
    (tmp_path / "input").write_text("images")
    (tmp_path / "link").symlink_to("input")
    refused(Path(), "give the name of a file")
    refused(tmp_path / "folder" / "..", "give the name of a file")
    refused(tmp_path / "folder", "is a folder")
    refused(tmp_path / "pipe", "is a device, a pipe or a socket")
    refused(tmp_path / "kept", "is write-protected")
    refused(tmp_path / "absent" / "r.npz", f"there is no folder {tmp_path / 'absent'}")
    refused(tmp_path / "link", "is an input of this run", (tmp_path / "input",))
    assert (tmp_path / "pipe").is_fifo()


def test_only_a_result_is_replaced_without_a_question(tmp_path: Path) -> None:
    out = tmp_path / "r.npz"
    check_output(out, (), overwrite=False)
    assert list(tmp_path.iterdir()) == []
    out.write_text("mine")
    with pytest.raises(OutputError, match="exists and is no result of a run; choose another name"):
        check_output(out, (), overwrite=False)
    check_output(out, (), overwrite=True)
    write_result(out, ARRAYS)
    check_output(out, (), overwrite=False)


def test_links_are_followed_and_modes_kept(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / "r.npz", tmp_path / "link.npz"
    link.symlink_to(target)
    write_result(link, ARRAYS)
    target.chmod(0o640)
    write_result(link, ARRAYS)
    assert link.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o640
    assert list((tmp_path / "far").iterdir()) == [target]
    with np.load(target) as arrays:
        assert sorted(arrays.files) == sorted(ARRAYS)


def test_only_finished_images_are_removed(tmp_path: Path) -> None:
    partial = tmp_path / "r.partial.npz"
    partial.write_text("mine")
    remove_partial(partial)
    assert partial.read_text() == "mine"
    write_result(partial, {**ARRAYS, "images_done": np.array(1)})
    remove_partial(partial)
    assert not partial.exists()
