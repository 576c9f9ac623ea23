"""Bytes of int8 weights in a processor's memory: rows, or lists of those that are not 0."""

from typing import Final

from ipvae_snn.ir.weights import Weights

WEIGHT_BYTES: Final = 1
INDEX_BYTES: Final = 2  # of a target among at most 2^16
LONG_INDEX_BYTES: Final = 4


def listed_bytes(weights: Weights) -> int:
    """Return the bytes of a weight in a list: the weight, and the index of its target."""
    short = weights.n_targets <= 1 << 8 * INDEX_BYTES
    return WEIGHT_BYTES + (INDEX_BYTES if short else LONG_INDEX_BYTES)


def in_lists(weights: Weights) -> bool:
    """Return whether lists take less memory than rows, zeros included: where few are not 0."""
    return _as_lists(weights) < _as_rows(weights)


def held_bytes(weights: Weights) -> int:
    """Return the bytes that the weights take in the smaller of the two forms."""
    return min(_as_lists(weights), _as_rows(weights))


def _as_rows(weights: Weights) -> int:
    return WEIGHT_BYTES * weights.n_targets * weights.n_sources


def _as_lists(weights: Weights) -> int:
    return listed_bytes(weights) * int(weights.fan_out().sum())
