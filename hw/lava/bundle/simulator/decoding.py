"""The reconstruction of a run: from the last counts, from several, or from the rates (docs/ir.md).

An exported bundle contains a copy, so this module imports only modules of the bundle. It shares no
code with the interpreter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .checks import require, whole, within
from .files import Array
from .processes.arithmetic import Int64, power_of_two

if TYPE_CHECKING:
    from .bundle_io import Network
    from .processes.graph import Graph, Population

KINDS = ("sample", "mean", "map")
NAMES = ("decoding", "decoding_steps")
SAMPLES_VERSION = 3  # of networks that name no decoding: all decode the last counts
MAX_STEPS = 1 << 12
SPIKE_BITS = 12  # fraction bits of a rate
MAX_SUM = (1 << 53) - 1  # of the decoder, so that it is exact in any order
ROWS_AT_ONCE = 64  # images decoded together


def decoding_of(scalars: Mapping[str, Any]) -> tuple[str, int]:
    """Return what the decoder reads: its kind, and the number of last steps of a mean (else 1)."""
    if scalars["version"] == SAMPLES_VERSION:
        return "sample", 1
    kind, steps = (scalars["decoder"][name] for name in NAMES)
    return str(kind), int(steps)


def window_of(scalars: Mapping[str, Any], steps: int) -> int:
    """Return the number of last steps, of `steps`, whose counts are added up."""
    kind, number = decoding_of(scalars)
    return 0 if kind == "map" else min(number, steps)


def check_decoding(scalars: Mapping[str, Any], graph: Graph) -> int:
    """Check what the decoder reads; return its largest payload."""
    decoder, source = scalars["decoder"], graph.population(graph.decoded)
    if scalars["version"] == SAMPLES_VERSION:
        require(
            not {*NAMES} & {*decoder},
            f"a decoding, which no network of version {SAMPLES_VERSION} has",
        )
        return 0
    kind, steps = decoder[NAMES[0]], whole(decoder[NAMES[1]], NAMES[1])
    require(kind in KINDS, f"decoding {str(kind)[:40]!r} is not known")
    within(NAMES[1], steps, 1, MAX_STEPS if kind == "mean" else 1)
    require(
        kind != "map" or source.kind == "poisson",
        f"the decoder cannot decode rates of {source.name}, whose neurons have none",
    )
    return largest_count(source) * (1 << SPIKE_BITS if kind == "map" else steps)


def largest_count(source: Population) -> int:
    """Return the largest payload of a population that computes."""
    return source.constants["max_count" if source.kind == "poisson" else "max_payload"]


def decode(network: Network, files: Mapping[str, Array], steps: int) -> npt.NDArray[np.float32]:
    """Return the reconstruction (N, F, M) from the files of a run with `steps` of each frame.

    added (N, F, K): counts of the last steps of each frame, added up; last_states (N, F, K): the
    potentials after it. Both of all neurons that compute. Exact integer sums, rounded once, then
    divided and scaled in float32.
    """
    graph = network.graph
    kind, _ = decoding_of(network.scalars)
    own = graph.slices(graph.of_role("computes"))[graph.decoded]
    weights = network.matrix("decoder").astype(np.int64).T
    given = files["last_states" if kind == "map" else "added"]
    divisor = 1 << SPIKE_BITS if kind == "map" else window_of(network.scalars, steps)
    image = np.empty((*given.shape[:2], network.n_pixels), dtype=np.float32)
    for start in range(0, len(given), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        payload = given[rows, :, own].astype(np.int64)
        if kind == "map":
            payload = rates(payload, network.arrays, graph.population(graph.decoded))
        image[rows] = (payload @ weights).astype(np.float32)
        image[rows] /= np.float32(divisor)
        image[rows] *= network.arrays["decoder.scale"]
    return image


def rates(potential: Int64, arrays: Mapping[str, Array], source: Population) -> Int64:
    """Return Poisson neurons' rates at their potentials, in 2**-12 spikes per step."""
    bits, most = source.constants["fraction_bits"], source.constants["max_count"]
    octave = 1 << bits
    halvings = np.maximum(potential - 2 * octave - 1, 0) >> bits
    below_eight = (3 + halvings) * octave - potential
    part = power_of_two(
        below_eight << (28 - bits),
        arrays["tables.coarse"].astype(np.int64),
        arrays["tables.fine"].astype(np.int64),
    )
    rounded = ((part << halvings) + (1 << (27 - SPIKE_BITS))) >> (28 - SPIKE_BITS)
    return np.asarray(np.minimum(rounded, most << SPIKE_BITS))
