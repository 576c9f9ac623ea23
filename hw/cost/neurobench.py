"""NeuroBench's algorithm metrics of an integer network, from the network and a run's trace.

Definitions: Yik et al. 2025, The NeuroBench framework for benchmarking neuromorphic computing
algorithms and systems, Nature Communications 16:1545, as the `neurobench` package 2.3 computes
them; docs/energy.md says where they differ from ours.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from ipvae_snn.arrays import Int32, Int64, Integers, UInt8
from ipvae_snn.hw.cost.sent import sent_in_steps
from ipvae_snn.ir.files import to_arrays
from ipvae_snn.ir.graph import IMAGE
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.weights import Weights


@dataclass(frozen=True)
class NeuroBenchMetrics:
    """Static metrics of the network, and means per image ("sample") of a run.

    footprint_bytes: all tensors of the network. connection_sparsity: share of weights that are 0,
    the lateral diagonal included. activation_sparsity: share of outputs that are 0, over neurons,
    residual neurons and steps. dense_operations: of all layer calls. effective_macs and
    effective_acs: operations with nonzero input and weight; a call whose inputs all lie in
    {-1, 0, 1} counts accumulates, any other multiply-accumulates. membrane_updates: potentials
    that changed in a step; at the first step all are counted.
    """

    footprint_bytes: int
    connection_sparsity: float
    activation_sparsity: float
    dense_operations: float
    effective_macs: float
    effective_acs: float
    membrane_updates: float

    def as_json(self) -> dict[str, float]:
        """Return plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Tally:
    """Sums over the images of one part of a run."""

    images: int
    outputs: int
    zero_outputs: int
    dense: int
    macs: int
    acs: int
    membrane_updates: int


def tally(
    network: IntegerNetwork,
    pixels: UInt8,
    counts: Int32,
    states: Int32,
    batch: int = 1,
    taken: Int64 | None = None,
) -> Tally:
    """Count the operations of a layered model on images (N, M) with counts and states (N, T, K).

    A call of a layer takes `batch` images at once. This matters: one count of 2 in a call turns
    all its accumulates into multiply-accumulates.
    """
    n, steps_of_all = len(counts), counts.shape[0] * counts.shape[1]
    made = steps_of_all if taken is None else int(taken.sum())
    payload = pixels.astype(np.int64) - network.input.zero_point
    steps = list(sent_in_steps(network, payload, counts, taken))
    sent: dict[str, Integers] = {IMAGE: payload[:, None]}
    sent |= {name: np.stack([step[name] for step in steps], axis=1) for name in steps[0]}
    layers = [values for name, values in sent.items() if name != IMAGE]
    calls = [
        _operations(sent[connection.source], connection.synapses.weights, batch)
        for connection in network.connections
    ]
    # After a stop all is 0 and no layer is called.
    absent = steps_of_all - made
    unsent = absent * sum(each.shape[2] for each in layers)
    uncalled = absent * sum(
        c.synapses.weights.n_targets * c.synapses.weights.n_sources
        for c in network.connections
        if not network.once(c)
    )
    changed = int((states[:, 1:] != states[:, :-1]).sum())
    return Tally(
        images=n,
        outputs=sum(each.size for each in layers) - unsent,
        zero_outputs=sum(int((each == 0).sum()) for each in layers) - unsent,
        dense=sum(call[0] for call in calls) - uncalled,
        macs=sum(call[1] for call in calls),
        acs=sum(call[2] for call in calls),
        membrane_updates=n * network.n_neurons + changed,
    )


def metrics(network: IntegerNetwork, parts: Sequence[Tally]) -> NeuroBenchMetrics:
    """Return NeuroBench's metrics from the tallies of all parts of a run."""
    weights = [connection.synapses.weights for connection in network.connections]
    size = sum(each.n_targets * each.n_sources for each in weights)
    images = sum(part.images for part in parts)
    outputs = sum(part.outputs for part in parts)
    return NeuroBenchMetrics(
        footprint_bytes=sum(array.nbytes for array in to_arrays(network).values()),
        connection_sparsity=1 - sum(int(each.fan_out().sum()) for each in weights) / size,
        activation_sparsity=sum(part.zero_outputs for part in parts) / outputs,
        dense_operations=sum(part.dense for part in parts) / images,
        effective_macs=sum(part.macs for part in parts) / images,
        effective_acs=sum(part.acs for part in parts) / images,
        membrane_updates=sum(part.membrane_updates for part in parts) / images,
    )


def _operations(inputs: Integers, weights: Weights, batch: int) -> tuple[int, int, int]:
    """Return (dense, multiply-accumulates, accumulates) of inputs (N, calls, sources)."""
    n, calls, _ = inputs.shape
    fan_out = weights.fan_out()
    effective = (inputs != 0) @ fan_out  # (N, calls)
    graded = (np.abs(inputs) > 1).any(axis=2)
    together = np.repeat(
        np.logical_or.reduceat(graded, np.arange(0, n, batch), axis=0), batch, axis=0
    )[:n]
    macs = int(effective[together].sum())
    return n * calls * weights.n_targets * weights.n_sources, macs, int(effective.sum()) - macs
