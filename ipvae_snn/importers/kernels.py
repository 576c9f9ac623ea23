"""Kernels of a convolutional LCA-PyTorch layer, at the positions inside an image."""

import numpy as np

from ipvae_snn.arrays import Float32, Float64
from ipvae_snn.errors import ConfigError, ConversionError
from ipvae_snn.image_shape import ImageShape, n_channels, shape_text
from ipvae_snn.importers.draft import Source
from ipvae_snn.importers.sparse_coding import Components
from ipvae_snn.models.kernel_positions import KernelPositions
from ipvae_snn.models.shared_kernels import SharedKernels
from ipvae_snn.models.stored_dictionary import StoredDictionary


def lca_kernels(source: Source, weights: Float64) -> Components:
    """Return weights (F, C, height, width), or (F, C, 1, height, width), as components.

    The file states neither image nor stride: the options give them. LCA-PyTorch may also place
    kernels over the border (pad "same"); here all lie inside. Raises ConversionError for kernels
    that do not fit or are not square, or where an option is missing.
    """
    features, channels, *kernel = weights.shape
    size = "x".join(map(str, kernel))
    what = f"{source.path}: a convolutional layer of {features} features of {size} pixels in " + (
        f"{channels} channels"
    )
    *frames, height, width = (1, *kernel)
    if len(kernel) < 2 or set(frames) != {1} or height != width:
        raise ConversionError(
            f"{what}; convolutional ones are imported with square kernels of one frame"
        )
    shape, stride = source.options.image_shape, source.options.stride
    if shape is None or stride is None:
        raise ConversionError(
            f"{what}; the file states neither image nor stride: give --image-shape and --stride"
        )
    if n_channels(shape) != channels:
        raise ConversionError(
            f"{what}, but --image-shape {shape_text(shape)} has {n_channels(shape)}; give "
            f"{shape[0]}x{shape[1]}x{channels}"
        )
    kernels = weights.reshape(features, channels, height, width).transpose(0, 2, 3, 1)
    try:
        positions = KernelPositions(shape, features, (height, width), stride)
    except ConfigError as error:
        raise ConversionError(
            f"{what}: at a stride of {stride} they do not end at the edges of images of "
            f"{shape_text(shape)}; give another --stride or --image-shape"
        ) from error
    return Components(
        np.ascontiguousarray(kernels),
        lambda values: _shared(values, shape, stride),
        lambda values: _rows(values, positions),
    )


def _shared(kernels: Float32, shape: ImageShape, stride: int) -> StoredDictionary:
    features, height, width, _ = kernels.shape
    positions = KernelPositions(shape, features, (height, width), stride)
    return SharedKernels(np.ascontiguousarray(kernels), positions)


def _rows(kernels: Float64, positions: KernelPositions) -> Float64:
    """Return D (K, M); MemoryLimitError where it does not fit."""
    dense = SharedKernels(kernels.astype(np.float32), positions).dense()
    return dense.T.astype(np.float64)
