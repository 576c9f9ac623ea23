"""Synaptic operations of moving images, frame by frame: only pixels that change are sent."""

from typing import Annotated

import numpy as np

from ipvae_snn.arrays import Float64, Integers, UInt8
from ipvae_snn.hw.cost.sent import sent_in_steps
from ipvae_snn.ir.graph import IMAGE
from ipvae_snn.ir.network import IntegerNetwork

OfFrames = Annotated[Float64, "F"]


def frame_operations(
    network: IntegerNetwork,
    frames: Annotated[UInt8, "N F M"],
    counts: Annotated[Integers, "N T K"],
) -> OfFrames:
    """Return the synaptic operations of each frame, mean over sequences; T = F steps.

    An operation is an event times a weight that is not 0. The first frame's pixels are sent where
    their payload is not 0, those of the others where they differ from the frame before. A pixel
    that a neuron of its own takes (in a two-layer circuit) is one operation.
    """
    n, f, _ = frames.shape
    steps = counts.shape[1] // f
    payload = frames.astype(np.int64) - network.input.zero_point
    changed = np.concatenate([payload[:, :1], np.diff(payload, axis=1)], axis=1) != 0
    total = changed.sum(axis=(0, 2)) * float(len(network.relays))
    fan_out = {one.name: one.synapses.weights.fan_out() for one in network.weighted}
    for one in network.connections:
        if one.source == IMAGE:
            total += (changed @ fan_out[one.name]).sum(axis=0)
    if network.start is not None:  # it sees the first frame alone
        total[0] += float((changed[:, 0] @ fan_out[network.start.name]).sum())
    for frame in range(f):
        shown = counts[:, frame * steps : (frame + 1) * steps]
        for sent in sent_in_steps(network, payload[:, frame], shown):
            for one in network.connections:
                if one.source != IMAGE:
                    total[frame] += float(((sent[one.source] != 0) @ fan_out[one.name]).sum())
    return np.asarray(total / n, np.float64)
