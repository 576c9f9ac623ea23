"""Rules of an integer network (docs/ir.md), checked on its plain arrays and scalars.

A SHA-256 tells that files belong together, not that they are right: who alters one can alter both.
An exported bundle contains a copy, so this module imports only modules of the bundle; the
toolkit holds the same rules in ipvae_snn/ir (parts.py, network.py).
"""

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from .files import Array

VERSION = 2
KINDS = ("unit", "standardised")
LIMIT = (1 << 23) - 1  # of accumulators, potentials and currents: symmetric signed 24 bits
MAX_MULTIPLIER = (1 << 15) - 1
MAX_SHIFT = 40
MAX_COUNT = 1 << 15
MIN_INPUT_SCALE, MAX_INPUT_SCALE, MAX_DECODER_SCALE = 2.0**-32, 2.0**32, 2.0**32
LEAST_OCTAVES, MOST_OCTAVES = -12, 15  # of potentials
ROWS_BYTES = 1 << 22  # of the weights that are summed together
TABLES = ("coarse", "fine", "reciprocal")
# Of the tables' bytes, int64 little-endian, one after another.
TABLES_SHA256 = "f1ee6f9bb2197b34a56a506e8a44b38964440e75d25d4d49da54387f5f9c41c3"
SHAPE, MOST = ("height", "width", "channels"), (1 << 31, 1 << 31, 64)
CONNECTION = (("weights", "i1"), ("multiplier", "i4"), ("shift", "i4"))
PER_NEURON = ("bias", "self_inhibition", "initial_state")


def check(arrays: Mapping[str, Array], scalars: Mapping[str, Any]) -> None:
    """Raise ValueError with the first rule that is broken, KeyError for what is missing."""
    require(scalars["version"] == VERSION, f"network version {scalars['version']!r}")
    check_input(scalars["input"])
    limit = scalars["residual_limit"]
    if limit is not None:
        within("residual limit", whole(limit, "residual limit"), 1, LIMIT)
    check_types(arrays, limit is not None)
    neurons = {name: whole(value, name) for name, value in scalars["neurons"].items()}
    check_neurons(arrays, neurons, limit is not None)
    check_sums(arrays, neurons, scalars["input"]["zero_point"], limit)
    shape = scalars["input"]["image_shape"]
    m = arrays["feedforward.weights"].shape[1]
    size = "x".join(map(str, shape))
    require(math.prod(shape) == m, f"images of {size} are not the {m} pixels")


def require(holds: Any, message: str) -> None:
    """Raise ValueError with `message` unless the rule holds."""
    if not holds:
        raise ValueError(message)


def within(name: str, value: Any, least: float, most: float) -> None:
    """Raise ValueError unless `value` is in least..most; NaN is not."""
    require(least <= value <= most, f"{name} {value} is not in {least}..{most}")


def whole(value: Any, name: str) -> int:
    """Return a whole number; ValueError for all else, true and 1.0 too."""
    require(type(value) is int, f"{name} is {str(value)[:40]!r}, not a whole number")
    return int(value)


def check_input(code: Mapping[str, Any]) -> None:
    """Check the code of an image."""
    shape = code["image_shape"]
    require(len(shape) in (2, 3), f"an image shape of {len(shape)} sizes")
    for name, size, most in zip(SHAPE, shape, MOST, strict=False):
        within(name, whole(size, name), 1, most)
    within("zero point", whole(code["zero_point"], "zero point"), 0, 255)
    require(code["kind"] in KINDS, f"input kind {str(code['kind'])[:40]!r} is not known")
    require(type(code["scale"]) in (int, float), "the input scale is not a number")
    within("input scale", code["scale"], MIN_INPUT_SCALE, MAX_INPUT_SCALE)


def check_types(arrays: Mapping[str, Array], two_layer: bool) -> None:
    """Check types, shapes and ranges of every array."""
    weights = arrays["feedforward.weights"]
    require(weights.ndim == 2 and weights.size > 0, "feedforward.weights connect nothing")
    k, m = weights.shape
    check_connection(arrays, "feedforward", k, m)
    if two_layer:
        check_connection(arrays, "prediction", m, k)
        check_type(arrays, "residual.loop_inhibition", "i4", (k,))
        require(arrays["residual.loop_inhibition"].min() >= 0, "a loop inhibition is negative")
    else:
        check_connection(arrays, "lateral", k, k)
        diagonal = np.diagonal(arrays["lateral.weights"])
        require(not diagonal.any(), "the lateral diagonal is not 0")
    for name in PER_NEURON:
        check_type(arrays, f"neurons.{name}", "i4", (k,))
    check_type(arrays, "decoder.weights", "i2", (m, k))
    check_type(arrays, "decoder.scale", "f4", (m,))
    scale = arrays["decoder.scale"]
    require(
        ((scale >= 0) & (scale <= MAX_DECODER_SCALE)).all(),
        f"decoder scales are not in 0..{MAX_DECODER_SCALE:g}",
    )
    digest = hashlib.sha256()
    for name, size in zip(TABLES, (256, 256, 29), strict=True):
        check_type(arrays, f"tables.{name}", "i8", (size,))
        digest.update(arrays[f"tables.{name}"].astype("<i8").tobytes())
    require(digest.hexdigest() == TABLES_SHA256, f"tables are not those of version {VERSION}")


def check_type(arrays: Mapping[str, Array], name: str, kind: str, shape: tuple[int, ...]) -> None:
    """Check an array's type and shape."""
    array = arrays[name]
    require(
        array.dtype == np.dtype(kind) and array.shape == shape,
        f"{name} is {array.dtype}{array.shape}, but {np.dtype(kind)}{shape} is needed",
    )


def check_connection(
    arrays: Mapping[str, Array], name: str, n_targets: int, n_sources: int
) -> None:
    """Check one connection's arrays."""
    for part, kind in CONNECTION:
        shape = (n_targets, n_sources) if part == "weights" else (n_targets,)
        check_type(arrays, f"{name}.{part}", kind, shape)
    require(arrays[f"{name}.weights"].min() >= -127, f"{name}.weights reach -128")
    for part, least, most in (("multiplier", 0, MAX_MULTIPLIER), ("shift", 1, MAX_SHIFT)):
        values = arrays[f"{name}.{part}"]
        within(f"{name}.{part}", int(values.min()), least, most)
        within(f"{name}.{part}", int(values.max()), least, most)


def check_neurons(arrays: Mapping[str, Array], neurons: Mapping[str, int], two_layer: bool) -> None:
    """Check the neurons' shared constants, and their own against them."""
    bits, extra = neurons["fraction_bits"], neurons["extra_bits"]
    within("fraction_bits", bits, 4, 16)
    within("extra_bits", extra, 0, 8)
    within("max_count", neurons["max_count"], 1, MAX_COUNT)
    low, high = neurons["state_min"], neurons["state_max"]
    within("state_min", low, LEAST_OCTAVES << bits, high - 1)
    within("state_max", high, low + 1, min(MOST_OCTAVES << bits, LIMIT))
    widest = LIMIT >> extra
    within("update_min", neurons["update_min"], -widest, -1)
    within("excitation_max", neurons["excitation_max"], 1, widest)
    start = arrays["neurons.initial_state"]
    within("initial state", int(start.min()), low, high)
    within("initial state", int(start.max()), low, high)
    own = arrays["neurons.self_inhibition"].astype(np.int64)
    within("self-inhibition", int(own.min()), 0, LIMIT)
    if two_layer:
        own = own + arrays["residual.loop_inhibition"]
    within("self-inhibition, the loop's included,", int(own.max()), 0, LIMIT)


def check_sums(
    arrays: Mapping[str, Array], neurons: Mapping[str, int], zero_point: int, limit: Any
) -> None:
    """Check that no sum leaves its 24-bit accumulator, and no current its 24 bits."""
    least, most = (-zero_point, 255 - zero_point) if limit is None else (-limit, limit)
    worst = worst_sums(arrays["feedforward.weights"], least, most)
    second = "lateral" if limit is None else "prediction"
    counts = worst_sums(arrays[f"{second}.weights"], 0, neurons["max_count"])
    for name, bound in (("feedforward", worst), (second, counts)):
        within(f"the largest {name} sum", int(bound.max()), 0, LIMIT)
    shift = arrays["feedforward.shift"].astype(np.int64)
    half = np.left_shift(np.int64(1), shift - 1)
    current = (worst * arrays["feedforward.multiplier"].astype(np.int64) + half) >> shift
    current = current + 1 + np.abs(arrays["neurons.bias"].astype(np.int64))
    within("the largest input current", int(current.max()), 0, LIMIT)


def worst_sums(weights: Array, low: int, high: int) -> Array:
    """Return per target the largest magnitude of a partial sum, for payloads in [low, high]."""
    low, high = min(low, 0), max(high, 0)
    bound = np.zeros(len(weights), np.int64)
    rows = max(1, math.floor(ROWS_BYTES / weights.shape[1]))
    for start in range(0, len(weights), rows):
        block = weights[start : start + rows]
        positive = np.maximum(block, 0).sum(axis=1, dtype=np.int64)
        negative = np.minimum(block, 0).sum(axis=1, dtype=np.int64)
        most, least = positive * high + negative * low, positive * low + negative * high
        bound[start : start + rows] = np.maximum(-least, most)
    return bound
