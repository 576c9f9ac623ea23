"""Files of rows are what numpy.save writes, filled in any order."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipvae_snn.errors import FileFormatError
from ipvae_snn.storage.row_files import RowFile, row_files


@given(
    st.sampled_from(["<i8", "<f4", "|u1", "|b1", "<f8"]),
    st.lists(st.integers(1, 4), max_size=2),
    st.lists(st.integers(1, 5), min_size=1, max_size=4),
    st.randoms(),
)
def test_parts_in_any_order_make_the_file_of_numpy(
    tmp_path_factory: pytest.TempPathFactory, dtype: str, axes: list[int], sizes: list[int], random
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    array = np.random.default_rng(0).integers(0, 2, (sum(sizes), *axes)).astype(dtype)
    file = row_files(folder, len(array), {"a": array[:1]})["a"]
    file.create()
    parts = list(zip(np.cumsum([0, *sizes[:-1]]), sizes, strict=True))
    random.shuffle(parts)
    for first, size in parts:
        file.write(int(first), array[first : first + size])
    np.save(folder / "whole.npy", array)
    assert file.path.read_bytes() == (folder / "whole.npy").read_bytes()
    file.check()


def test_a_file_is_not_replaced_and_wrong_rows_are_refused(tmp_path: Path) -> None:
    file = RowFile(tmp_path / "a.npy", (3, 2), np.dtype(np.int32))
    file.create()
    with pytest.raises(FileExistsError):
        file.create()
    rows = np.zeros((2, 2), np.int32)
    for first, wrong in ((2, rows), (-1, rows), (0, rows.astype(np.int64)), (0, rows[:, :1])):
        with pytest.raises(ValueError, match="from row"):
            file.write(first, wrong)
    other = RowFile(tmp_path / "a.npy", (3, 2), np.dtype(np.int64))
    with pytest.raises(FileFormatError, match=r"holds int32\(3, 2\), but the run wrote int64"):
        other.check()
