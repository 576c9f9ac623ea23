"""A network's dictionary read from the tensors and details of its file."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from ipvae_snn.arrays import AnyArray, Float32
from ipvae_snn.errors import brief
from ipvae_snn.image_shape import ImageShape, n_pixels, shape_text
from ipvae_snn.models.kernel_positions import KernelPositions
from ipvae_snn.models.shared_kernels import SharedKernels
from ipvae_snn.models.stored_dictionary import DenseMatrix, StoredDictionary, StoredWeights
from ipvae_snn.storage.sparse_tensors import is_packed, unpacked
from ipvae_snn.storage.text_values import whole

DICTIONARY: Final = "dictionary"  # among the network's details; a file without it is dense

Reader = Callable[[Mapping[str, AnyArray], Mapping[str, Any], ImageShape], StoredDictionary]


def read_dictionary(
    tensors: Mapping[str, AnyArray], details: Mapping[str, Any], shape: ImageShape
) -> StoredDictionary:
    """Return the dictionary that a file describes; an error of `MALFORMED` where it does not fit.

    Raises ConfigError for positions that do not fit the image.
    """
    described = details.get(DICTIONARY, {"kind": "dense"})
    kind = described["kind"]
    if kind not in _READERS:
        raise ValueError(f"dictionary of kind {brief(kind)} is not known")
    return _READERS[kind](tensors, described, shape)


def floats(tensors: Mapping[str, AnyArray], name: str) -> Float32:
    """Return a tensor of floats in single precision; ValueError for another type."""
    array = tensors[name]
    if array.dtype.kind != "f":
        raise ValueError(f"{name} holds {array.dtype}, not floats")
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, and is refused
        return array.astype(np.float32)


def _dense(
    tensors: Mapping[str, AnyArray], _described: Mapping[str, Any], shape: ImageShape
) -> StoredDictionary:
    phi = floats(tensors, "phi")
    if phi.ndim != 2 or 0 in phi.shape or len(phi) != n_pixels(shape):
        raise ValueError(
            f"phi has shape {phi.shape}, but images of {shape_text(shape)} need "
            f"({n_pixels(shape)}, neurons)"
        )
    return DenseMatrix(phi)


def _untied(
    tensors: Mapping[str, AnyArray], described: Mapping[str, Any], shape: ImageShape
) -> StoredDictionary:
    m, k = n_pixels(shape), tensors["u0"].size
    if not is_packed(tensors, "phi"):
        phi = _dense(tensors, described, shape).dense()
        started = floats(tensors, "start") if "start" in tensors else None
        own = StoredWeights(floats(tensors, "feedforward"), floats(tensors, "lateral"), started)
        return DenseMatrix(phi, own)
    own = StoredWeights(
        unpacked(tensors, "feedforward", (k, m)),
        unpacked(tensors, "lateral", (k, k)),
        unpacked(tensors, "start", (k, m)) if is_packed(tensors, "start") else None,
    )
    return DenseMatrix(unpacked(tensors, "phi", (m, k)), own)


def _convolutional(
    tensors: Mapping[str, AnyArray], described: Mapping[str, Any], shape: ImageShape
) -> StoredDictionary:
    kernels = floats(tensors, "kernels")
    if kernels.ndim != 4:
        raise ValueError(
            f"kernels have shape {kernels.shape}, not (features, height, width, channels)"
        )
    features, height, width, _ = kernels.shape
    stride = whole(described["stride"], "stride")
    return SharedKernels(kernels, KernelPositions(shape, features, (height, width), stride))


_READERS: Final[Mapping[str, Reader]] = MappingProxyType(
    {"dense": _dense, "convolutional": _convolutional, "untied": _untied}
)
