"""The finished images of a failed Lava run are kept; tested without Lava."""

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ipvae_snn.hw.lava.bundle.simulator import salvage
from ipvae_snn.hw.lava.bundle.simulator.bundle_io import Network, Request, make_files
from ipvae_snn.ir.files import to_arrays, to_scalars
from ipvae_snn.ir.network import IntegerNetwork


@pytest.fixture
def plain(network: IntegerNetwork) -> Network:
    """The small random network in a bundle's form."""
    return Network(to_arrays(network), to_scalars(network))


@pytest.fixture
def run_folder(plain: Network, tmp_path: Path) -> Path:
    """The folder of a run of 5 images of 2 steps, of which 3 are finished."""
    folder = tmp_path / "run"
    (folder / salvage.FILES).mkdir(parents=True)
    files = make_files(folder / salvage.FILES, (5, 1), plain, Request(2, 0, 0, False))
    for name, array in files.items():
        if name != "progress":
            array[:] = np.arange(array.size).reshape(array.shape)
    files["progress"][0] = 3
    return folder


def test_finished_images_are_kept(run_folder: Path, plain: Network, tmp_path: Path) -> None:
    wanted = tmp_path / "result.partial.npz"
    assert salvage.partial_path(tmp_path / "result.npz") == wanted
    assert salvage.keep(run_folder, plain, wanted) == (
        f"3 of 5 images were finished and are kept in {wanted}"
    )
    with np.load(wanted) as arrays:
        assert int(arrays["images_done"]) == 3
        np.testing.assert_array_equal(arrays["counts_sum"], np.arange(21).reshape(3, 7))
        assert arrays["reconstruction"].shape == (3, 12)
        assert {"progress", "added"}.isdisjoint(arrays)
    with zipfile.ZipFile(wanted) as archive:
        assert archive.testzip() is None


def test_they_go_elsewhere_where_they_cannot_be_written(
    run_folder: Path, plain: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spare = tmp_path / "spare"
    spare.mkdir()
    monkeypatch.setattr(salvage.tempfile, "gettempdir", lambda: str(spare))
    missing = tmp_path / "missing" / "r.partial.npz"
    kept = spare / "ipvae-snn-r.partial.npz"
    assert salvage.keep(run_folder, plain, missing) == (
        f"{missing}: No such file or directory; 3 of 5 images were finished and are kept in {kept}"
    )
    assert kept.exists()


def test_without_a_file_or_without_images_it_says_so(
    run_folder: Path, plain: Network, tmp_path: Path
) -> None:
    assert salvage.keep(run_folder, plain, None) == "3 of 5 images were finished"
    older = tmp_path / "r.partial.npz"
    older.touch()
    nothing = tmp_path / "nothing"
    assert salvage.keep(nothing, plain, older) == (
        f"no image was finished; {older} is from an earlier run"
    )
    assert salvage.keep(nothing, plain, tmp_path / "no.npz") == "no image was finished"


def test_a_killed_writers_remains_are_removed(tmp_path: Path) -> None:
    mine, dead = f".r.npz.{os.getpid()}.abc", f".r.npz.{ended_process()}.abc"
    for name in (f".r.npz.{os.getppid()}.abc", mine, dead, "r.npz", ".r.npz.x.abc"):
        (tmp_path / name).touch()
    salvage.tidy(tmp_path / "r.npz", os.getppid())
    assert {path.name for path in tmp_path.iterdir()} == {mine, "r.npz", ".r.npz.x.abc"}


def ended_process() -> int:
    """Return the id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_finished_images_do_not_replace_a_file_of_other_origin(
    run_folder: Path, plain: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are kept in the folder for temporary files then."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "spare"))
    (tmp_path / "spare").mkdir()
    foreign = tmp_path / "r.partial.npz"
    foreign.write_text("mine")
    spare = tmp_path / "spare" / "ipvae-snn-r.partial.npz"
    assert salvage.keep(run_folder, plain, foreign).endswith(f"are kept in {spare}")
    assert foreign.read_text() == "mine"
    older = spare.rename(tmp_path / "o.partial.npz")
    assert salvage.keep(run_folder, plain, older).endswith(f"are kept in {older}")
