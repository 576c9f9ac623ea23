"""Kinds of weights by name, and weights built from what a file holds."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from ipvae_snn.arrays import AnyArray
from ipvae_snn.errors import brief
from ipvae_snn.ir.rules import require
from ipvae_snn.ir.weights.convolution import Convolution, Transposed, geometry_of
from ipvae_snn.ir.weights.dense import Dense
from ipvae_snn.ir.weights.protocol import Weights
from ipvae_snn.ir.weights.sparse import Sparse

Arrays = Mapping[str, AnyArray]
Numbers = Mapping[str, int]


def _dense(arrays: Any, numbers: Numbers) -> Weights:
    return Dense(arrays["weights"])


def _sparse(arrays: Any, numbers: Numbers) -> Weights:
    return Sparse(arrays["starts"], arrays["columns"], arrays["values"], numbers["n_sources"])


def _convolution(arrays: Any, numbers: Numbers) -> Weights:
    return Convolution(arrays["kernel"], geometry_of(arrays["kernel"], dict(numbers)))


def _transposed(arrays: Any, numbers: Numbers) -> Weights:
    return Transposed(arrays["kernel"], geometry_of(arrays["kernel"], dict(numbers)))


KINDS: Final[Mapping[str, Callable[[Arrays, Numbers], Weights]]] = {
    Dense.kind: _dense,
    Sparse.kind: _sparse,
    Convolution.kind: _convolution,
    Transposed.kind: _transposed,
}


def weights_of(kind: object, arrays: Arrays, numbers: Numbers) -> Weights:
    """Return weights of a kind from their arrays and the numbers beside them.

    Raises ProgramError for an unknown kind or a broken rule, LookupError where a part is missing.
    """
    require(
        isinstance(kind, str) and kind in KINDS,
        f"weights of kind {brief(kind)} are not known here; known ones are {', '.join(KINDS)}",
    )
    return KINDS[str(kind)](arrays, numbers)
