"""Own training images are found again: where they were, beside the moved checkpoint, or named."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ipvae_snn as snn
from foreign_files import blobs
from ipvae_snn.errors import DataError
from ipvae_snn.models.training_data import candidates, locations, training_data

NAMES = st.lists(st.sampled_from(["a", "b c", "ä", "..x", "[1]"]), min_size=1, max_size=4)
SETTINGS = {"train.iterations": 2, "model.n_latents": 4, "train.steps": 2, "train.batch_size": 8}
SETTINGS |= {"model.u0_low": -1.0, "model.u0_high": 0.0}


@given(data=NAMES, checkpoint=NAMES, moved=NAMES)
def test_both_paths_lead_back(data: list[str], checkpoint: list[str], moved: list[str]) -> None:
    """The second one follows the folder that holds both."""
    root, other = Path("/root"), Path("/moved", *moved)
    images, file = root.joinpath("data", *data), root.joinpath("runs", *checkpoint, "m")
    stored = locations(images, file)
    assert candidates(stored, file) == (str(images),)
    new = other / file.relative_to(root)
    assert candidates(stored, new) == (str(images), str(other / images.relative_to(root)))


def test_named_sets_have_no_paths() -> None:
    assert candidates({}, Path("m")) == ()
    assert training_data("digits", ()) == "digits"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with photos and a network trained on them, by a relative path."""
    folder = tmp_path / "project"
    folder.mkdir()
    np.save(folder / "photos.npy", blobs())
    monkeypatch.chdir(folder)
    snn.train("photos.npy", settings=SETTINGS, out="runs/first")
    monkeypatch.chdir(tmp_path)
    return folder


def test_convert_needs_no_images_while_they_are_there(project: Path, tmp_path: Path) -> None:
    checkpoint = project / "runs" / "first" / "model.safetensors"
    network = snn.load(checkpoint)
    assert isinstance(network, snn.FloatNetwork)
    assert (network.trained_on, network.data_paths) == (
        "photos.npy",
        (str(project / "photos.npy"),),
    )
    named = snn.convert(checkpoint, project / "photos.npy", images=30, steps=4)
    found = snn.convert(checkpoint, images=30, steps=4)
    assert found.data == str(project / "photos.npy")
    np.testing.assert_array_equal(
        found.network.feedforward.matrix, named.network.feedforward.matrix
    )


def test_a_moved_project_is_found(project: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "project"
    moved.parent.mkdir()
    shutil.move(project, moved)
    done = snn.convert(moved / "runs" / "first" / "model.safetensors", images=30, steps=4)
    assert done.data == str(moved / "photos.npy")


def test_the_absolute_path_comes_first(project: Path, tmp_path: Path) -> None:
    """A copy of the checkpoint with other photos beside it still means those it was trained on."""
    copied = tmp_path / "copy"
    shutil.copytree(project, copied)
    network = snn.load(copied / "runs" / "first" / "model.safetensors")
    assert isinstance(network, snn.FloatNetwork)
    assert network.data_paths == (str(project / "photos.npy"), str(copied / "photos.npy"))
    assert training_data(network.trained_on, network.data_paths) == str(project / "photos.npy")


def test_lost_photos_are_named_with_where_they_were(project: Path) -> None:
    checkpoint = project / "runs" / "first" / "model.safetensors"
    (project / "photos.npy").unlink()
    moved = project.parent / "m.safetensors"
    shutil.copy(checkpoint, moved)
    with pytest.raises(DataError) as caught:
        snn.convert(moved)
    expected = [project / "photos.npy", project.parent.parent.parent / "photos.npy"]
    assert str(caught.value) == (
        f"the training images photos.npy are not at {expected[0]} nor at {expected[1]}; name "
        "images like those with --calibrate (in Python: calibrate=)"
    )


def test_arrays_and_named_sets_keep_no_path(tmp_path: Path) -> None:
    trained = snn.train(blobs(), settings=SETTINGS)
    assert trained.network.data_paths == ()
