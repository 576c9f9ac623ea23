"""A small set in idx format, and the check of a whole message."""

import re

import numpy as np
import pytest

from ipvae_snn.errors import DataError


def fails(message: str):
    """Expect a DataError with exactly this message."""
    return pytest.raises(DataError, match=f"^{re.escape(message)}$")


def idx(array) -> bytes:
    """Return an array in idx format."""
    array = np.asarray(array, np.uint8)
    sizes = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


IMAGES = (np.arange(5 * 28 * 28) % 256).reshape(5, 28, 28).astype(np.uint8)
LABELS = np.array([7, 2, 1, 0, 4])
