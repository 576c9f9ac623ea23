"""Folders of pictures: order, labels from sub-folders and labels.csv, nothing left out unsaid."""

import os
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ipvae_snn.data import load
from ipvae_snn.errors import DataError
from small_sets import fails


def picture(path, level: int = 200) -> None:
    """Save a picture of one bright level, in its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((2, 3), level, np.uint8)).save(path)


def test_sub_folders_are_classes(tmp_path):
    for name in ("dog/1.png", "cat/2.png", "cat/deep/3.PNG", "cat/.hidden/4.png"):
        picture(tmp_path / name)
    images = load(str(tmp_path))
    assert images.labels.tolist() == [0, 0, 1]
    assert images.remarks[-1] == "labels: 0 cat, 1 dog"


def test_one_sub_folder_is_no_class(tmp_path):
    picture(tmp_path / "2023" / "1.png")
    images = load(str(tmp_path))
    assert images.labels is None
    assert len(images) == 1


def test_pictures_beside_folders_of_pictures_are_refused(tmp_path):
    picture(tmp_path / "1.png")
    picture(tmp_path / "more" / "2.png")
    with fails(
        f"{tmp_path}: holds 1 pictures and also folders with pictures (more); keep all in the "
        "folder itself or all in sub-folders"
    ):
        load(str(tmp_path))


def test_links_to_folders_around_are_left_out(tmp_path):
    folder = tmp_path / "here"
    picture(folder / "a.png")
    (folder / "up").symlink_to(tmp_path)
    (folder / "self").symlink_to(folder)
    assert len(load(str(folder))) == 1


def test_folders_elsewhere_are_classes_by_their_links(tmp_path):
    picture(tmp_path / "far" / "a.png")
    picture(tmp_path / "here" / "near" / "b.png")
    (tmp_path / "here" / "linked").symlink_to(tmp_path / "far")
    assert load(str(tmp_path / "here")).labels.tolist() == [0, 1]


@pytest.mark.parametrize("place", ["a.png", "below/a.png"])
@pytest.mark.parametrize("kind", ["link", "loop", "pipe"])
def test_pictures_that_are_no_files_are_refused_at_once(tmp_path, place, kind):
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("a.png" if kind == "loop" else "nowhere.png")
    with fails(f"{path}: no file, but a link that leads nowhere, a pipe or a device; remove it"):
        load(str(tmp_path))


@pytest.mark.parametrize("place", [".", "below"])
def test_folders_that_cannot_be_read_are_named(tmp_path, monkeypatch, place):
    # The user who runs the tests may read all folders.
    picture(tmp_path / ("a.png" if place == "." else "seen/a.png"))
    (tmp_path / "below").mkdir()
    closed, scan, inside = tmp_path / place, os.scandir, Path.iterdir

    def refuse(otherwise, path):
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return otherwise(path)

    monkeypatch.setattr(os, "scandir", partial(refuse, scan))
    monkeypatch.setattr(Path, "iterdir", lambda path: refuse(inside, path))
    with fails(f"{closed}: cannot be read (Permission denied); allow it, or remove the folder"):
        load(str(tmp_path))


def test_litter_of_other_systems_is_left_out(tmp_path):
    picture(tmp_path / "a.png")
    for name in ("Thumbs.db", "._a.png", ".DS_Store", "desktop.ini"):
        (tmp_path / name).write_bytes(b"no picture")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / "b.png").write_bytes(b"no picture")
    assert load(str(tmp_path)).remarks == ("images: 1 of 2x3 from 1 files, levels 200..200 of 255",)


def test_names_that_are_no_text(tmp_path):
    names = (b"caf\xe9.png", b"\x1b[31m.png", b"a\nb.png")
    for name in names:
        picture(tmp_path / os.fsdecode(name))
    (tmp_path / os.fsdecode(b"\x1b[2J.txt")).write_text("no picture")
    images = load(str(tmp_path))
    assert len(images) == 3
    (tmp_path / os.fsdecode(names[0])).write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"caf\\udce9\.png: not a readable image"):
        load(str(tmp_path))


def test_other_files_are_named(tmp_path):
    for name in ("1.png", "3.JPG"):
        picture(tmp_path / name)
    for name in ("a.heic", "b.txt", ".hidden", "Thumbs.db"):
        (tmp_path / name).write_text("x")
    assert load(str(tmp_path)).remarks[-1] == "left out, no pictures: a.heic, b.txt"


@pytest.mark.parametrize(
    ("table", "labels"),
    [
        ("1.png,7\n2.png,-3\n", [7, -3]),
        ("\ufefffile,label\n2.png , dog\n1.png,cat\n\n", [0, 1]),
        ("name;x,y\n1.png,2,more\n2.png,10\n", [2, 10]),
    ],
)
def test_labels_of_a_table(tmp_path, table, labels):
    for name in ("1.png", "2.png"):
        picture(tmp_path / name)
    (tmp_path / "labels.csv").write_text(table, encoding="utf-8")
    images = load(str(tmp_path))
    assert images.labels.tolist() == labels
    assert not any("left out" in remark for remark in images.remarks)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("1.png,7\n", "labels.csv: has no label for 2.png; add a line for each"),
        ("1.png,7\n2.png,\n", "labels.csv, line 2: no label; write the file name"),
        ("1.png,7\n2.png,1\n1.png,8\n", "labels.csv, line 3: '1.png' has a second label"),
        ("f,l\n1.png,7\n2.png,1\n3.png,1\n", "labels.csv, line 4: there is no picture '3.png'"),
        ("1.png,1\n2.png," + "9" * 5000, "labels.csv: a label is as large as 9999"),
    ],
)
def test_tables_that_do_not_fit(tmp_path, table, message):
    for name in ("1.png", "2.png"):
        picture(tmp_path / name)
    (tmp_path / "labels.csv").write_text(table)
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        load(str(tmp_path))
    assert len(str(caught.value)) < 400


def test_table_that_is_no_text(tmp_path):
    picture(tmp_path / "1.png")
    (tmp_path / "labels.csv").write_bytes(b"\xff\xfe1\x00")
    with pytest.raises(DataError, match=r"labels\.csv: not a readable CSV file .*save it as UTF-8"):
        load(str(tmp_path))


def test_a_table_comes_before_the_names_of_folders(tmp_path):
    for name in ("a/1.png", "b/1.png"):
        picture(tmp_path / name)
    (tmp_path / "a" / "labels.csv").write_text("1.png,5\n")
    assert load(str(tmp_path)).remarks[1] == "left out, no pictures: labels.csv"
    (tmp_path / "labels.csv").write_text("a/1.png,5\nb/1.png,3\n")
    assert load(str(tmp_path)).labels.tolist() == [5, 3]


def test_held_out_images_keep_their_labels(tmp_path):
    for index in range(20):
        picture(tmp_path / "ab"[index % 2] / f"{index:02d}.png", 50 + index)
    test = load(str(tmp_path), "test", holdout=True)
    assert test.labels.tolist() == [0, 1]
    np.testing.assert_array_equal(test.pixels[:, 0], np.float32([68, 69]) / np.float32(255))
