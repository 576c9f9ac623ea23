"""Rules of the populations of a network (docs/ir.md), by kind.

An exported bundle contains a copy, so this module imports only modules of the bundle; the toolkit
holds the same rules in ipvae_snn/ir/neurons.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from .checks import LIMIT, check_range, check_type, known, require, text, whole, within
from .files import Array
from .processes.graph import Population, population_of

MAX_COUNT = 1 << 15
LEAST_OCTAVES, MOST_OCTAVES = -12, 15  # of potentials
PER_NEURON = ("bias", "self_inhibition", "initial_state")
LOOP = "loop_inhibition"
# Constants of each neuron and those that all share, by kind.
CONSTANTS = {
    "poisson": (
        PER_NEURON,
        (
            "fraction_bits",
            "extra_bits",
            "state_min",
            "state_max",
            "update_min",
            "excitation_max",
            "max_count",
        ),
    ),
    "lca": (("threshold",), ("leak_shift", "payload_shift", "max_payload", "state_max")),
    "residual": ((), ("size", "limit")),
    "accumulator": (("bias", "label"), ()),
}


def check_population(arrays: Mapping[str, Array], given: Mapping[str, Any]) -> Population:
    """Return a population of a network's scalars, checked."""
    name, kind = (
        text(given["name"], "a population's name"),
        known(given["kind"], CONSTANTS, "neurons"),
    )
    grid = [whole(size, "grid") for size in given["grid"]]
    constants = {part: whole(value, f"{name}.{part}") for part, value in given["constants"].items()}
    each, shared = CONSTANTS[kind]
    check_names(f"constants of {name}", constants, shared)
    start = f"{name}."
    own = {part[len(start) :] for part in arrays if part.startswith(start)}
    optional = (LOOP,) if kind == "poisson" else ()
    check_names(f"tensors of {name}", own - {*optional}, each)
    if each:
        size = np.shape(arrays[start + each[0]])
        require(len(size) == 1 and size[0] >= 1, f"{start}{each[0]} belong to no neuron")
        for part in (*each, *(one for one in optional if one in own)):
            check_type(arrays, start + part, "i4", size)
    one = population_of(arrays, {**given, "constants": constants})
    if kind == "poisson":
        check_poisson(arrays, one)
    elif kind == "lca":
        check_lca(arrays, one)
    elif kind == "residual":
        within(f"{name}.limit", constants["limit"], 1, LIMIT)
    else:
        check_range(f"{start}bias", arrays[f"{start}bias"], -LIMIT, LIMIT)
        labels = arrays[f"{start}label"]
        require(len(np.unique(labels)) == len(labels), f"{start}label: two are the same")
    require(
        not grid or (len(grid) == 3 and math.prod(grid) == one.size),
        f"{name} has {one.size} neurons, which are not its grid {grid}",
    )
    return one


def check_names(what: str, found: Any, wanted: tuple[str, ...]) -> None:
    """Check that constants or tensors are those of a kind."""
    for name in wanted:
        require(name in found, f"{what}: {name} is missing")
    for name in found:
        require(name in wanted, f"{what}: {str(name)[:40]!r} is not known")


def check_poisson(arrays: Mapping[str, Array], one: Population) -> None:
    """Check the constants that Poisson neurons share, and their own against them."""
    shared, start = one.constants, f"{one.name}."
    bits, extra = shared["fraction_bits"], shared["extra_bits"]
    within("fraction_bits", bits, 4, 16)
    within("extra_bits", extra, 0, 8)
    within("max_count", shared["max_count"], 1, MAX_COUNT)
    low, high = shared["state_min"], shared["state_max"]
    within("state_min", low, LEAST_OCTAVES << bits, high - 1)
    within("state_max", high, low + 1, min(MOST_OCTAVES << bits, LIMIT))
    widest = LIMIT >> extra
    within("update_min", shared["update_min"], -widest, -1)
    within("excitation_max", shared["excitation_max"], 1, widest)
    check_range("initial state", arrays[f"{start}initial_state"], low, high)
    own = arrays[f"{start}self_inhibition"].astype(np.int64)
    check_range("self-inhibition", own, 0, LIMIT)
    loop = arrays.get(start + LOOP)
    if loop is not None:
        require(loop.min() >= 0, "a loop inhibition is negative")
        check_range("self-inhibition, the loop's included,", own + loop, 0, LIMIT)


def check_lca(arrays: Mapping[str, Array], one: Population) -> None:
    """Check the constants of LCA neurons."""
    check_range(f"{one.name}.threshold", arrays[f"{one.name}.threshold"], 0, LIMIT)
    for name, least, most in (
        ("leak_shift", 1, 15),
        ("payload_shift", 0, 20),
        ("max_payload", 1, MAX_COUNT - 1),
        ("state_max", 1, LIMIT),
    ):
        within(name, one.constants[name], least, most)


def sends(one: Population, zero_point: int) -> tuple[int, int]:
    """Return the least and the largest payload that a population sends."""
    shared = one.constants
    match one.kind:
        case "poisson":
            return 0, shared["max_count"]
        case "lca":
            return 0, shared["max_payload"]
        case "residual":
            return -shared["limit"], shared["limit"]
        case _:
            return 0, 0
