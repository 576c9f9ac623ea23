"""Arrays with many zeros in a file: back as they were, and damage refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipvae_snn.storage.sparse_tensors import is_packed, packed, unpacked

ARRAY = np.array([[0.0, 1.5, 0.0], [-2.0, 0.0, 0.25]], np.float16)


@given(
    seed=st.integers(0, 1 << 30),
    rows=st.integers(1, 9),
    columns=st.integers(1, 9),
    density=st.floats(0, 1),
)
def test_back_as_they_were(seed: int, rows: int, columns: int, density: float) -> None:
    g = np.random.default_rng(seed)
    array = (g.standard_normal((rows, columns)) * (g.random((rows, columns)) < density)).astype(
        np.float32
    )
    tensors = packed("w", array)
    assert is_packed(tensors, "w")
    np.testing.assert_array_equal(unpacked(tensors, "w", array.shape), array)


def test_by_hand() -> None:
    tensors = packed("w", ARRAY)
    assert tensors["w.kept"].tolist() == [0b01010100 | 0b00000000]
    assert tensors["w.values"].tolist() == [1.5, -2.0, 0.25]


def test_what_does_not_fit_is_refused() -> None:
    good = packed("w", ARRAY)
    for change, message in (
        ({"w.values": good["w.values"][:2]}, "2 values, but 3 are marked"),
        ({"w.values": good["w.values"].astype(np.int32)}, "int32 of shape"),
        ({"w.values": good["w.values"].reshape(3, 1)}, "not floats"),
        ({"w.kept": good["w.kept"].astype(np.int16)}, "is int16 of shape"),
        ({"w.kept": np.zeros(2, np.uint8)}, r"need uint8 of shape \(1,\)"),
        ({"w.kept": good["w.kept"] | 1}, "3 values, but 4 are marked"),
    ):
        with pytest.raises(ValueError, match=message):
            unpacked(good | change, "w", (2, 3))
    with pytest.raises(ValueError, match=r"entries need uint8 of shape"):
        unpacked(good, "w", (1 << 40, 1 << 40))
    with pytest.raises(KeyError):
        unpacked({"w.kept": good["w.kept"]}, "w", (2, 3))
