"""Folders of pictures: order, labels from sub-folders and labels.csv, nothing left out unsaid."""

import re

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
