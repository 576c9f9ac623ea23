"""Dictionaries of a lasso: scikit-learn (.skops, or components as .npy) and LCA-PyTorch."""

from typing import Any, Final

import numpy as np

from ipvae_snn.data.arrays import read_npy
from ipvae_snn.errors import ConversionError, FileFormatError
from ipvae_snn.importers import sparse_coding
from ipvae_snn.importers.draft import Draft, Source
from ipvae_snn.importers.kernels import lca_kernels
from ipvae_snn.importers.named_arrays import NamedArrays
from ipvae_snn.importers.skops_files import Estimator, read_skops
from ipvae_snn.importers.sparse_coding import Components, elements
from ipvae_snn.importers.torch_files import read_torch

LCA_SIGNATURE: Final = "weights"
# Classes of sklearn.decomposition, and the array in which each keeps its dictionary.
_ESTIMATORS: Final = {
    "DictionaryLearning": "components_",
    "MiniBatchDictionaryLearning": "components_",
    "SparseCoder": "dictionary",
}
# Only there is transform_alpha the penalty; elsewhere it is a threshold or an error.
_LASSOS: Final = ("lasso_lars", "lasso_cd")


def read_components(source: Source) -> Draft:
    """Return the network of scikit-learn's components_ (K, M) in a .npy file.

    The file states neither penalty nor sign of the code: the options give the penalty, and the code
    has both signs unless they say otherwise, as in scikit-learn. Raises as `network_of` does.
    """
    arrays = NamedArrays(source.path, {"components": read_npy(source.path)})
    return _network(source, _elements(arrays, "components"), None, False)


def read_estimator(source: Source) -> Draft:
    """Return the network of a dictionary estimator in a skops file.

    The options take precedence over its alpha and positive_code. Raises FileFormatError for a
    damaged file or an estimator of another class, and as `network_of` does.
    """
    estimator = read_skops(source.path)
    name = _ESTIMATORS.get(estimator.kind)
    if name is None:
        raise FileFormatError(
            f"{source.path}: holds a {estimator.kind[:80]}; dictionaries of "
            f"{', '.join(_ESTIMATORS)} are imported"
        )
    positive = estimator.values.get("positive_code") is True
    arrays = NamedArrays(source.path, estimator.arrays)
    return _network(source, _elements(arrays, name), _penalty(estimator), positive)


def read_lca(source: Source) -> Draft:
    """Return the network of an LCA-PyTorch state dictionary; raises as `draft_of_lca` does."""
    return draft_of_lca(source, read_torch(source.path))


def draft_of_lca(source: Source, tensors: NamedArrays) -> Draft:
    """Return the network of the tensors `weights` (K, C, kernel ...) and `forward_pass`.

    A layer is fully connected if its kernel is 1 and the channels are the pixels, or if its kernel
    covers the whole image; else it is convolutional. The file states no lambda, and neither image
    nor stride of a convolution: the options give them. The code is positive unless they say
    otherwise, as in LCA-PyTorch. Raises ConversionError for kernels that do not fit.
    """
    tensors.require_known((LCA_SIGNATURE, "forward_pass"))
    weights = tensors.array(LCA_SIGNATURE)
    if not 3 <= weights.ndim <= 5:
        raise FileFormatError(
            f"{source.path}: weights have shape {weights.shape}; LCA-PyTorch has 3 to 5 axes: "
            "neurons, channels and the kernel"
        )
    features, channels, *kernel = weights.shape
    covers = source.options.image_shape == tuple(kernel[-2:]) and channels == 1
    whole = covers and set(kernel[:-2]) <= {1}
    if set(kernel) != {1} and not whole:
        components = lca_kernels(source, weights.astype(np.float64))
        return _network(source, components, None, True)
    flat = NamedArrays(source.path, {LCA_SIGNATURE: weights.reshape(features, -1)})
    return _network(source, _elements(flat, LCA_SIGNATURE), None, True)


def _elements(arrays: NamedArrays, name: str) -> Components:
    """Return the dictionary `name` (K, M)."""
    return elements(arrays.array(name, (None, None)).astype(np.float64))


def _network(source: Source, components: Components, stated: float | None, positive: bool) -> Draft:
    """Return the network of a dictionary.

    The options take precedence over what the file states.
    """
    options = source.options
    penalty = stated if options.penalty is None else options.penalty
    if penalty is None:
        raise ConversionError(
            f"{source.path}: does not state the penalty of its code (alpha of scikit-learn, lambda "
            "of LCA); give it with --penalty"
        )
    positive = positive if options.positive is None else options.positive
    return sparse_coding.network_of(source, components, penalty, positive)


def _penalty(estimator: Estimator) -> float | None:
    """Return the alpha of the lasso, or None if the estimator states none."""
    values = estimator.values
    of_transform = values.get("transform_alpha")
    if of_transform is not None and values.get("transform_algorithm") in _LASSOS:
        return _number(estimator, of_transform)
    alpha = values.get("alpha")
    return None if alpha is None else _number(estimator, alpha)


def _number(estimator: Estimator, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FileFormatError(
            f"{estimator.path}: alpha is {str(value)[:80]!r}, not a number; save the estimator "
            "again with skops"
        )
    return float(value)
