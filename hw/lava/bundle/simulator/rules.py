"""Rules of an integer network (docs/ir.md), checked on its plain arrays and scalars.

A SHA-256 tells that files belong together, not that they are right: who alters one can alter both.
An exported bundle contains a copy, so this module imports only modules of the bundle; the
toolkit holds the same rules in ipvae_snn/ir (parts.py, graph.py, network.py).
"""

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .checks import LIMIT, check_range, check_type, known, require, text, whole, within
from .decoding import MAX_SUM, check_decoding
from .files import Array
from .neuron_rules import check_population, sends
from .processes.graph import IMAGE, MAX_INPUTS, Connection, Graph
from .processes.matrices import NUMBERS, TENSORS, matrix_of, sizes_of

VERSIONS = (3, 4)
KINDS = ("unit", "standardised")
MAX_MULTIPLIER = (1 << 15) - 1
MAX_SHIFT = 40
MAX_PARTS = 1000  # populations or connections
MIN_INPUT_SCALE, MAX_INPUT_SCALE, MAX_DECODER_SCALE = 2.0**-32, 2.0**32, 2.0**32
ROWS_BYTES = 1 << 22  # of the weights that are summed together
TABLES = ("coarse", "fine", "reciprocal")
# Of the tables' bytes, int64 little-endian, one after another.
TABLES_SHA256 = "f1ee6f9bb2197b34a56a506e8a44b38964440e75d25d4d49da54387f5f9c41c3"
SHAPE, MOST = ("height", "width", "channels"), (1 << 31, 1 << 31, 64)
NAME = re.compile(r"[A-Za-z0-9_-]{1,60}", re.ASCII)
RESERVED = (IMAGE, "decoder", "tables")
# Type of the weights' tensors by name, and their axes; those without a type are int8 or int16.
TYPES = {"starts": ("i8", 1), "columns": ("i4", 1)}
AXES = {"weights": 2, "values": 1, "kernel": 4}


def check(arrays: Mapping[str, Array], scalars: Mapping[str, Any]) -> None:
    """Raise ValueError with the first rule that is broken, KeyError for what is missing."""
    version = whole(scalars["version"], "version")
    require(version in VERSIONS, f"network version {version}")
    check_input(scalars["input"])
    check_tables(arrays)
    populations = tuple(check_population(arrays, one) for one in listed(scalars, "populations"))
    connections = tuple(connection_of(one) for one in listed(scalars, "connections"))
    graph = Graph(populations, connections, text(scalars["decoder"]["source"], "decoder source"))
    check_graph(graph)
    pixels = math.prod(scalars["input"]["image_shape"])
    check_sizes(graph, pixels)
    check_decoder(arrays, scalars, graph)
    for one in graph.connections:
        check_connection(arrays, graph, one, pixels)
    check_sums(arrays, graph, scalars["input"]["zero_point"])


def listed(scalars: Mapping[str, Any], name: str) -> Sequence[Any]:
    """Return populations or connections."""
    given = scalars[name]
    require(
        isinstance(given, list) and len(given) <= MAX_PARTS,
        f"{name} are no list of at most {MAX_PARTS}",
    )
    return list(given)


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


def check_tables(arrays: Mapping[str, Array]) -> None:
    """Check that the sampler's tables are those of this version."""
    digest = hashlib.sha256()
    for name, size in zip(TABLES, (256, 256, 29), strict=True):
        check_type(arrays, f"tables.{name}", "i8", (size,))
        digest.update(arrays[f"tables.{name}"].astype("<i8").tobytes())
    require(digest.hexdigest() == TABLES_SHA256, "tables are not the specified ones")


def connection_of(given: Mapping[str, Any]) -> Connection:
    """Return a connection of a network's scalars, its texts and numbers checked."""
    name, source, target = (
        text(given[part], f"a connection's {part}") for part in ("name", "source", "target")
    )
    return Connection(name, source, target, weights_of(name, given["weights"]))


def weights_of(part: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the kind of weights and the constants beside them, checked."""
    kind = known(given["kind"], TENSORS, "weights")
    numbers = {name: whole(value, f"{part}.{name}") for name, value in given["constants"].items()}
    for name in NUMBERS[kind]:
        require(name in numbers, f"{part}.{name} is missing")
    if "pixels_last" in NUMBERS[kind]:
        within(f"{part}.pixels_last", numbers["pixels_last"], 0, 1)
    return {"kind": kind, "constants": numbers}


def check_graph(graph: Graph) -> None:
    """Check names and ends, that something computes, and that no circle is without delay."""
    populations, connections = graph.populations, graph.connections
    names = [*(one.name for one in populations), *(one.name for one in connections)]
    for name in names:
        require(
            NAME.fullmatch(name) and name not in RESERVED,
            f"{name[:60]!r} is no name of a population or connection",
        )
    require(len({*names}) == len(names), "two populations or connections have the same name")
    ends = {one.name: one.role for one in populations}
    for one in connections:
        require(one.source in (*ends, IMAGE), f"{one.name} comes from no population")
        require(one.target in ends, f"{one.name} leads to no population")
        require(
            ends.get(one.source) != "accumulates",
            f"{one.name} comes from {one.source}, whose neurons send nothing",
        )
    for name in ends:
        require(
            len(graph.into(name)) <= MAX_INPUTS,
            f"more than {MAX_INPUTS} connections lead to {name}",
        )
    require(graph.of_role("computes"), "no population computes")
    require(ends.get(graph.decoded) == "computes", f"the decoder reads {graph.decoded[:60]!r}")
    require(graph.depths, "no order")  # raises for a circle


def check_sizes(graph: Graph, pixels: int) -> None:
    """Check that there is a relaying neuron for each pixel."""
    for one in graph.of_role("relays"):
        require(one.size == pixels, f"{one.name} has {one.size} neurons for {pixels} pixels")


def check_weights(
    arrays: Mapping[str, Array],
    part: str,
    given: Mapping[str, Any],
    kinds: tuple[str, ...],
) -> tuple[int, int]:
    """Check types and ranges of weights, and return their targets and sources.

    kinds: types that they may have. Raises ValueError too where they would not fit as a matrix.
    """
    tensors = {name: arrays[f"{part}.{name}"] for name in TENSORS[given["kind"]]}
    for name, array in tensors.items():
        allowed, axes = TYPES.get(name, (None, AXES.get(name)))
        types = kinds if allowed is None else (allowed,)
        require(
            array.ndim == axes and any(array.dtype == np.dtype(kind) for kind in types),
            f"{part}.{name} is {array.dtype}{array.shape}, but {np.dtype(types[-1])} of {axes} "
            "axes is needed",
        )
        if allowed is None:
            least = -int(np.iinfo(array.dtype).max)
            require(array.min(initial=0) >= least, f"{part}.{name} reach {least - 1}")
    if given["kind"] == "sparse":
        check_rows(part, tensors, given["constants"]["n_sources"])
    return sizes_of(part, tensors, given)


def check_sizes_of(part: str, found: tuple[int, int], wanted: tuple[int, int]) -> None:
    """Check targets and sources of weights."""
    require(
        found == wanted,
        f"{part}.weights are {found[0]}x{found[1]}, but {wanted[0]}x{wanted[1]} are needed",
    )


def check_rows(part: str, tensors: Mapping[str, Array], n_sources: int) -> None:
    """Check the rows of sparse weights."""
    starts, columns, n = tensors["starts"], tensors["columns"], len(tensors["values"])
    require(len(starts) >= 2 and n_sources >= 1, f"{part}.weights connect nothing")
    require(
        starts[0] == 0 and starts[-1] == n and (np.diff(starts) >= 0).all(),
        f"{part}.starts do not divide {n} weights into rows",
    )
    require(len(columns) == n, f"{part}.columns are {len(columns)} for {n} weights")
    if n:
        check_range(f"{part}.columns", columns, 0, n_sources - 1)
    rows = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    same = rows[1:] == rows[:-1]
    require((np.diff(columns.astype(np.int64))[same] > 0).all(), f"{part}.columns do not rise")


def check_connection(
    arrays: Mapping[str, Array], graph: Graph, one: Connection, pixels: int
) -> None:
    """Check one connection's arrays."""
    size = {other.name: other.size for other in graph.populations}
    targets, sources = size[one.target], size.get(one.source, pixels)
    found = check_weights(arrays, one.name, one.weights, ("i1",))
    check_sizes_of(one.name, found, (targets, sources))
    for part, least, most in (("multiplier", 0, MAX_MULTIPLIER), ("shift", 1, MAX_SHIFT)):
        check_type(arrays, f"{one.name}.{part}", "i4", (targets,))
        check_range(f"{one.name}.{part}", arrays[f"{one.name}.{part}"], least, most)
    if one.source == one.target and graph.population(one.target).kind == "poisson":
        diagonal = np.diagonal(matrix_of(arrays, one.name, one.weights))
        require(not diagonal.any(), f"the {one.name} diagonal is not 0")


def check_decoder(arrays: Mapping[str, Array], scalars: Mapping[str, Any], graph: Graph) -> None:
    """Check the decoder's arrays, and that it gives the image's pixels."""
    given, shape = scalars["decoder"]["weights"], scalars["input"]["image_shape"]
    found = check_weights(arrays, "decoder", weights_of("decoder", given), ("i1", "i2"))
    pixels, size = math.prod(shape), "x".join(map(str, shape))
    require(found[0] == pixels, f"images of {size} are not the {found[0]} pixels")
    check_sizes_of("decoder", found, (pixels, graph.population(graph.decoded).size))
    check_type(arrays, "decoder.scale", "f4", (pixels,))
    scale = arrays["decoder.scale"]
    require(
        ((scale >= 0) & (scale <= MAX_DECODER_SCALE)).all(),
        f"decoder scales are not in 0..{MAX_DECODER_SCALE:g}",
    )
    largest = check_decoding(scalars, graph)
    if largest:
        worst = worst_sums(matrix_of(arrays, "decoder", given), 0, largest)
        within("the largest sum of the decoder", int(worst.max()), 0, MAX_SUM)


def check_sums(arrays: Mapping[str, Array], graph: Graph, zero_point: int) -> None:
    """Check that no sum leaves its 24-bit accumulator, and no current its 24 bits."""
    payloads = {one.name: sends(one, zero_point) for one in graph.populations}
    payloads[IMAGE] = (-zero_point, 255 - zero_point)
    currents = {one.name: np.zeros(one.size, np.int64) for one in graph.populations}
    for one in graph.connections:
        worst = worst_sums(matrix_of(arrays, one.name, one.weights), *payloads[one.source])
        within(f"the largest {one.name} sum", int(worst.max()), 0, LIMIT)
        if one.source == IMAGE or graph.population(one.source).role == "relays":
            shift = arrays[f"{one.name}.shift"].astype(np.int64)
            half = np.left_shift(np.int64(1), shift - 1)
            scaled = (worst * arrays[f"{one.name}.multiplier"].astype(np.int64) + half) >> shift
            currents[one.target] += scaled + 1
    for other in graph.of_role("computes", "accumulates"):
        current = currents[other.name]
        if other.kind in ("poisson", "accumulator"):
            current = current + np.abs(arrays[f"{other.name}.bias"].astype(np.int64))
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
