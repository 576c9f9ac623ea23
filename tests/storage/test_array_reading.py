"""The strict readers of .npy and .npz: equal to numpy on sound files, one line on all others."""

import io
import os
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ipvae_snn.errors import FileFormatError
from ipvae_snn.hw.lava.bundle.simulator import files as bundled
from ipvae_snn.storage import array_reading, source_files

HEADER = "{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"


def npy(header: str, data: bytes = b"") -> bytes:
    """Return a .npy file of version 1 with this header."""
    text = header.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + data


@given(
    array=hnp.arrays(
        dtype=st.sampled_from(["u1", "<f4", ">f8", "<i8", "?", "<c8", "<f2"]),
        shape=hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
        elements=st.integers(0, 1),
    ),
    version=st.sampled_from([(1, 0), (2, 0), (3, 0)]),
    fortran=st.booleans(),
)
def test_sound_arrays_are_those_of_numpy(tmp_path_factory, array, version, fortran):
    path = tmp_path_factory.mktemp("npy") / "a.npy"
    array = np.asarray(array, order="F" if fortran else "C")
    with path.open("wb") as stream:
        np.lib.format.write_array(stream, array, version)
    for result in (array_reading.read_npy(path), bundled.map_npy(path)):
        assert result.dtype == array.dtype
        np.testing.assert_array_equal(result, array)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (HEADER.format(descr="|S0", shape="(3,)"), "holds values of type '|S0'"),
        (HEADER.format(descr="|V0", shape="(3,)"), "holds values of type '|V0'"),
        (HEADER.format(descr="<f3", shape="(3,)"), "holds values of type '<f3'"),
        (HEADER.format(descr="u1,u1", shape="(3,)"), "holds values of type 'u1,u1'"),
        (HEADER.format(descr="|O", shape="(3,)"), "holds Python objects, which are never loaded"),
        (HEADER.format(descr="|u1", shape="(1000000000000,)"), "its header says 1000000000000;"),
        (HEADER.format(descr="|u1", shape="(-1,)"), "not that of one plain array"),
        (HEADER.format(descr="|u1", shape="(" * 300), "not that of one plain array"),
        (HEADER.format(descr="|u1", shape=f"({'1,' * 40})"), "40 axes; at most 32"),
        (HEADER.format(descr="|u1", shape=f"({'9' * 5000},)"), "not a readable .npy file"),
        ("{'descr': '|u1'}", "not that of one plain array"),
        ("  {\n 'a': 1", "not that of one plain array"),
        ("__import__('os')", "not that of one plain array"),
    ],
)
def test_headers_that_no_array_has(tmp_path, header, words):
    path = tmp_path / "a.npy"
    path.write_bytes(npy(header, bytes(3)))
    with pytest.raises(FileFormatError) as caught:
        array_reading.read_npy(path)
    assert words in str(caught.value)
    with pytest.raises(bundled.MALFORMED):
        bundled.map_npy(path)


def test_what_a_header_declares_is_not_allocated(tmp_path):
    """A file of 200 bytes that declares a terabyte, as .npy and in an archive, also packed."""
    lying = npy(HEADER.format(descr="|u1", shape="(1000000000000,)"), bytes(8))
    path, archive = tmp_path / "a.npy", tmp_path / "a.npz"
    path.write_bytes(lying)
    tracemalloc.start()
    try:
        with pytest.raises(FileFormatError, match=r"holds 8 bytes of data but its header says"):
            array_reading.read_npy(path)
        for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            with zipfile.ZipFile(archive, "w", method) as packed:
                packed.writestr("x.npy", lying)
            with pytest.raises(FileFormatError, match="holds 8 bytes of data"):
                array_reading.read_npz(archive, "x")
            with pytest.raises(ValueError, match="8 bytes of data"):
                bundled.read_npz(archive)
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()


def test_a_member_that_claims_more_than_deflate_can_give(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=np.arange(100))
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\x01\x02")  # of the central directory; its size stands 24 bytes on
    data[entry + 24 : entry + 28] = (1 << 31).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(FileFormatError, match="x: 2147483648 bytes cannot come out of"):
        array_reading.read_npz(path, "x")
    with pytest.raises(ValueError, match="cannot hold 2147483648 bytes"):
        bundled.read_npz(path)


def test_a_member_in_a_format_that_numpy_never_writes(tmp_path):
    path = tmp_path / "a.npz"
    stream = io.BytesIO()
    np.save(stream, np.arange(3))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as packed:
        packed.writestr("x.npy", stream.getvalue())
    with pytest.raises(FileFormatError, match="x: compressed as numpy never does"):
        array_reading.read_npz(path, "x")


def test_only_regular_files_are_opened(tmp_path):
    """A pipe without a writer would wait for ever; links to files are followed."""
    pipe, folder, loop, link = (tmp_path / name for name in ("pipe", "folder", "loop", "link"))
    os.mkfifo(pipe)
    folder.mkdir()
    loop.symlink_to(loop)
    link.symlink_to(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", np.arange(3))
    np.testing.assert_array_equal(array_reading.read_npy(link), [0, 1, 2])
    for path, words in (
        (pipe, "pipe: a pipe or a device, not a file; save it as a file first"),
        (folder, "folder: a folder, not a file; give a file"),
        (loop, r"loop: (not a readable \.npy file|cannot be read) \(.*symbolic links.*\); "),
        (tmp_path / "gone", r"gone: (no such file|not a readable \.npy file)"),
    ):
        for read in (
            array_reading.read_npy,
            array_reading.npz_names,
            source_files.require_regular,
            lambda path: source_files.read_text(path, 100),
        ):
            with pytest.raises(FileFormatError, match=words.replace(r"\.npy", r"\.np[yz]")):
                read(path)


def test_a_text_that_is_too_long_or_no_text(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xff" * 10)
    with pytest.raises(FileFormatError, match=r"cannot be read .*; check the path"):
        source_files.read_text(path, 100)
    path.write_bytes(b"x" * 101)
    with pytest.raises(FileFormatError, match="more than 100 bytes, the largest such file"):
        source_files.read_text(path, 100)
    path.write_bytes("é".encode() * 50)
    assert source_files.read_text(path, 100) == "é" * 50
