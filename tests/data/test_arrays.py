"""The strict readers of idx, .npy and .npz files: golden bytes, and every kind of damage."""

import gzip
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ipvae_snn.data import arrays
from ipvae_snn.errors import DataError

# Two images of 2x3 bytes, written by hand: magic 00 00 08 03, sizes 2, 2, 3, then 0..11.
IMAGES = bytes.fromhex("00000803 00000002 00000002 00000003") + bytes(range(12))
# Three labels: magic 00 00 08 01, size 3, then 7, 0, 9.
LABELS = bytes.fromhex("00000801 00000003 070009")


def write(path: Path, content: bytes) -> Path:
    """Write bytes and return their path."""
    path.write_bytes(content)
    return path


def fails(message: str):
    """Expect a DataError with exactly this message."""
    return pytest.raises(DataError, match=f"^{re.escape(message)}$")


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_golden_idx(tmp_path, pack):
    images = arrays.read_idx(write(tmp_path / "i", pack(IMAGES)), 3)
    labels = arrays.read_idx(write(tmp_path / "l", pack(LABELS)), 1)
    np.testing.assert_array_equal(images, [[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]])
    np.testing.assert_array_equal(labels, [7, 0, 9])
    assert images.dtype == labels.dtype == np.uint8


def test_idx_with_the_wrong_magic_number(tmp_path):
    path = write(tmp_path / "l", LABELS)
    with fails(
        f"{path}: the magic number is 2049, but an idx file of images begins with 2051; "
        "is it another file?"
    ):
        arrays.read_idx(path, 3)
    path = write(tmp_path / "i", IMAGES)
    with fails(
        f"{path}: the magic number is 2051, but an idx file of labels begins with 2049; "
        "is it another file?"
    ):
        arrays.read_idx(path, 1)


@pytest.mark.parametrize("length", [0, 3, 15])
def test_idx_cut_off_in_its_header(tmp_path, length):
    path = write(tmp_path / "i", IMAGES[:length])
    with fails(f"{path}: the header is cut off after {length} bytes; get it again"):
        arrays.read_idx(path, 3)


def test_idx_with_too_few_or_too_many_bytes(tmp_path):
    path = write(tmp_path / "short", IMAGES[:-1])
    with fails(f"{path}: holds 11 of 12 bytes of (2, 2, 3); get it again"):
        arrays.read_idx(path, 3)
    path = write(tmp_path / "long", IMAGES + b"x")
    with fails(f"{path}: holds more than the 12 bytes of (2, 2, 3); get it again"):
        arrays.read_idx(path, 3)


def test_truncated_gzip(tmp_path):
    path = write(tmp_path / "i.gz", gzip.compress(IMAGES)[:-9])
    with fails(
        f"{path}: not a readable idx file (Compressed file ended before the end-of-stream marker "
        "was reached); get it again"
    ):
        arrays.read_idx(path, 3)


def test_gzip_with_a_flipped_bit_fails_its_checksum(tmp_path):
    packed = bytearray(gzip.compress(IMAGES, compresslevel=0))
    packed[-9] ^= 1  # the last data byte, just before the CRC and the length
    path = write(tmp_path / "i.gz", bytes(packed))
    with pytest.raises(DataError, match=r"not a readable idx file \(CRC check failed"):
        arrays.read_idx(path, 3)


def test_idx_header_that_asks_for_too_much_memory(tmp_path):
    # 2^31 images of 2x2 bytes: 8 GiB.
    path = write(tmp_path / "i", bytes.fromhex("00000803 80000000 00000002 00000002"))
    with fails(f"{path}: 8589934592 bytes of data; at most 4294967296 are read, give fewer"):
        arrays.read_idx(path, 3)


@given(
    array=hnp.arrays(
        dtype=st.sampled_from([np.uint8, np.float32, np.dtype(">f8"), np.int64, np.bool_]),
        shape=hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
        elements=st.integers(0, 1),
    ),
    fortran=st.booleans(),
)
def test_npy_and_npz_round_trip(tmp_path_factory, array, fortran):
    folder = tmp_path_factory.mktemp("npy")
    array = np.asarray(array, order="F" if fortran else "C")
    np.save(folder / "a.npy", array)
    np.savez_compressed(folder / "a.npz", here=array)
    for read in (arrays.read_npy(folder / "a.npy"), arrays.read_npz(folder / "a.npz", "here")):
        assert read.dtype == array.dtype
        np.testing.assert_array_equal(read, array)


def test_truncated_npy(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((4, 4, 4), np.uint8))
    path = write(tmp_path / "a.npy", (tmp_path / "a.npy").read_bytes()[:-10])
    with fails(f"{path}: holds 54 bytes of data but its header says 64; get it again"):
        arrays.read_npy(path)


@pytest.mark.parametrize(
    "content", [b"", b"\x93NUMPY", b"no array at all", b"\x93NUMPY\x01\x00\x09"]
)
def test_foreign_npy(tmp_path, content):
    path = write(tmp_path / "a.npy", content)
    with pytest.raises(DataError, match=r"^[^\n]*a\.npy: not a readable \.npy file \([^\n]*$"):
        arrays.read_npy(path)


def test_npy_of_an_unknown_version(tmp_path):
    path = write(tmp_path / "a.npy", b"\x93NUMPY\x09\x00" + bytes(20))
    with pytest.raises(DataError, match=r"a\.npy: "):
        arrays.read_npy(path)


def test_pickled_objects_are_never_loaded(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    with fails(f"{path}: holds Python objects, which are never loaded; save numbers"):
        arrays.read_npy(path)
    archive = tmp_path / "a.npz"
    np.savez(archive, x=np.array([[1], None], dtype=object))
    with fails(f"{archive}: x: holds Python objects, which are never loaded; save numbers"):
        arrays.read_npz(archive, "x")


def test_missing_key_and_damaged_archive(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.arange(1000))
    with fails(f"{path}: holds no array 'y'; it is not the file expected here"):
        arrays.read_npz(path, "y")
    whole = path.read_bytes()
    write(path, whole[:500])
    with fails(f"{path}: not a readable .npz file (File is not a zip file); get it again"):
        arrays.npz_keys(path)
    flipped = bytearray(whole)
    flipped[1000] ^= 255
    write(path, bytes(flipped))
    with pytest.raises(DataError, match=r"not a readable \.npz file \(Bad CRC-32"):
        arrays.read_npz(path, "x")


def test_archive_member_with_a_lying_header(tmp_path):
    # The header claims a million numbers; the member holds two.
    np.save(tmp_path / "two.npy", np.zeros(2))
    honest = (tmp_path / "two.npy").read_bytes()
    lying = honest.replace(b"(2,), }      ", b"(1000000,), }")
    assert len(lying) == len(honest)
    assert lying != honest
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", lying)
    with fails(f"{path}: x: holds 16 bytes of data but its header says 8000000; get it again"):
        arrays.read_npz(path, "x")


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"gone\.npy: not a readable \.npy file .*No such file"):
        arrays.read_npy(tmp_path / "gone.npy")
