"""Arrays with many zeros in a tensor file: a bit for each entry, and the values that are not 0."""

from collections.abc import Mapping

import numpy as np

from ipvae_snn.arrays import AnyArray, Float32

KEPT, VALUES = ".kept", ".values"  # after the array's name


def packed(name: str, array: AnyArray) -> dict[str, AnyArray]:
    """Return the two tensors of an array, in C order."""
    flat = array.reshape(-1)
    return {name + KEPT: np.packbits(flat != 0), name + VALUES: flat[flat != 0]}


def is_packed(tensors: Mapping[str, AnyArray], name: str) -> bool:
    """Return whether the tensors hold the array `name` packed."""
    return name + KEPT in tensors


def unpacked(tensors: Mapping[str, AnyArray], name: str, shape: tuple[int, ...]) -> Float32:
    """Return the array in single precision; ValueError where its tensors do not fit the shape.

    KeyError where one is missing. No more memory is taken than eight times the file's.
    """
    kept, values = tensors[name + KEPT], tensors[name + VALUES]
    size = int(np.prod(shape, dtype=object))
    if kept.dtype != np.uint8 or kept.shape != (-(-size // 8),):
        raise ValueError(
            f"{name + KEPT} is {kept.dtype} of shape {kept.shape}, but {shape} entries need uint8 "
            f"of shape {(-(-size // 8),)}"
        )
    if values.dtype.kind != "f" or values.ndim != 1:
        raise ValueError(
            f"{name + VALUES} holds {values.dtype} of shape {values.shape}, not floats"
        )
    bits = np.unpackbits(kept.astype(np.uint8))
    if bits[size:].any() or int(bits.sum()) != len(values):
        raise ValueError(f"{name + VALUES} has {len(values)} values, but {bits.sum()} are marked")
    result = np.zeros(size, np.float32)
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, and is refused
        result[bits[:size] != 0] = values.astype(np.float32)
    return result.reshape(shape)
