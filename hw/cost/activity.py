"""Counts of a run: events, synaptic operations, neuron updates, traffic."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np

from ipvae_snn.arrays import Int64, Integers, UInt8
from ipvae_snn.hw.cost.sent import sent_in_steps
from ipvae_snn.hw.cost.weight_memory import held_bytes, in_lists, listed_bytes
from ipvae_snn.ir.graph import IMAGE
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.weights import Weights


@dataclass(frozen=True)
class Activity:
    """Mean counts per image, over all its steps.

    spikes: sum of the counts. messages: graded spikes sent (nonzero counts, and in a two-layer
    circuit nonzero residuals); an event of count 3 is one message.
    binary_messages: messages if each count were sent as that many binary spikes.
    synaptic_operations: synapses that messages reach, input included (one operation per event and
    nonzero weight); by_payload: the same if a count or residual of 3 were sent as three binary
    spikes. input_operations: the image's part, once per image, with that of a start.
    updates_active, updates_inactive: neuron updates with and without a spike. row_weights: weights,
    zeros included, of the rows that events read, if the weights of one source lie in one row.
    read_bytes: bytes of weights that events read on a processor, held_bytes: bytes of all weights
    there (`weight_memory`). dense_operations: multiply-adds of a dense implementation of the same
    steps. steps: T, or the mean of those taken until a stop. binary_steps: time steps of a chip
    without graded spikes, which sends a count of 3 in three of them: the largest count of each
    step, at least 1, added up.

    One-layer circuit: the image reaches K neurons through the feed-forward connection, counts
    reach them through the lateral one; K updates per step; dense: input once, K x K per step.
    Two-layer circuit: the image reaches each pixel's own residual neuron (one operation per
    pixel sent), counts reach M residual neurons through the prediction connection, and every
    nonzero residual reaches K neurons through the feed-forward one at every step; K + M updates
    per step, those of the residual neurons included; dense: 2 M K per step.
    """

    spikes: float
    messages: float
    synaptic_operations: float
    synaptic_operations_by_payload: float
    input_operations: float
    updates_active: float
    updates_inactive: float
    dense_operations: float
    binary_messages: float
    row_weights: float
    read_bytes: float
    held_bytes: float
    steps: float
    binary_steps: float

    @property
    def updates(self) -> float:
        """All neuron updates per image."""
        return self.updates_active + self.updates_inactive

    def as_json(self) -> dict[str, float]:
        """Return plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Traffic:
    """Messages on the mesh under a placement: means per image, over all its steps.

    messages: one per event and core with targets of it, the sender's core included.
    messages_between_cores: those to another core. hops_x, hops_y: tile to tile, east-west and
    north-south, of all of them. synapse_words_read: words of synapse memory that cores
    read for them, axon overhead included. barriers: barrier synchronisations, one at the end of
    each time step of the chip. cores, chips: in use.
    """

    messages: float
    messages_between_cores: float
    hops_x: float
    hops_y: float
    synapse_words_read: float
    barriers: float
    cores: int = 1
    chips: int = 1

    def as_json(self) -> dict[str, float]:
        """Return plain data."""
        return asdict(self)


def mean_activity(parts: Sequence[tuple[int, Activity]]) -> Activity:
    """Return the mean per image over parts of a run, each (number of images, activity)."""
    total = sum(images for images, _ in parts)
    sums = {
        field.name: sum(images * getattr(part, field.name) for images, part in parts) / total
        for field in fields(Activity)
    }
    return Activity(**sums)


@dataclass(frozen=True)
class _Sent:
    """Events of one connection in a whole run, by source: their number and summed size."""

    events: Int64
    sizes: Int64

    def operations(self, weights: Weights) -> tuple[float, float, float]:
        """Return synaptic operations over weights: by event, by payload, by row.

        The third number counts all weights of the rows that are read, zeros included. A source
        without synapses has no row.
        """
        fan_out = weights.fan_out()
        rows = float(self.events @ (fan_out > 0)) * weights.n_targets
        return float(self.events @ fan_out), float(self.sizes @ fan_out), rows


def activity(
    network: IntegerNetwork,
    pixels: UInt8,
    counts: Integers,
    taken: Int64 | None = None,
) -> Activity:
    """Return the mean activity of images `pixels` (N, M) with spike counts `counts` (N, T, K).

    taken (N,): steps of each image in a run with a stop, after which it costs nothing; None where
    all took all steps.
    A trace does not store what neurons without a state send, so that is computed again.
    """
    n, steps = len(counts), counts.shape[1] if taken is None else float(taken.mean())
    payload = pixels.astype(np.int64) - network.input.zero_point
    shown = (payload != 0).sum(axis=0)
    run, binary_steps = _sent(network, payload, counts, taken)
    sent = {IMAGE: _Sent(shown, shown), **run}
    inputs = operations = by_payload = rows = read = 0.0
    dense = 0.0
    # Each pixel reaches its own neuron of a population that relays.
    inputs += float(shown.sum()) * len(network.relays)
    for connection in network.weighted:
        weights = connection.synapses.weights
        by_event, payloads, row_weights = sent[connection.source].operations(weights)
        once = network.once(connection)
        inputs += by_event if once else 0.0
        operations += 0.0 if once else by_event
        by_payload += 0.0 if once else payloads
        rows += row_weights
        read += listed_bytes(weights) * by_event if in_lists(weights) else row_weights
        dense += weights.n_targets * weights.n_sources * (1 if once else steps)
    updates = sum(one.size for one in network.populations)
    messages = [one for name, one in sent.items() if name != IMAGE]
    active = float(sum(one.events.sum() for one in messages))
    return Activity(
        spikes=float(counts.sum(dtype=np.int64)) / n,
        messages=active / n,
        synaptic_operations=(inputs + operations) / n,
        synaptic_operations_by_payload=(inputs + by_payload) / n,
        input_operations=inputs / n,
        updates_active=active / n,
        updates_inactive=steps * updates - active / n,
        dense_operations=float(dense),
        binary_messages=float(sum(one.sizes.sum() for one in messages)) / n,
        row_weights=rows / n,
        read_bytes=read / n,
        held_bytes=float(sum(held_bytes(c.synapses.weights) for c in network.weighted)),
        steps=float(steps),
        binary_steps=binary_steps / n,
    )


def _sent(
    network: IntegerNetwork, payload: Int64, counts: Integers, taken: Int64 | None
) -> tuple[dict[str, _Sent], int]:
    """Return the events of every population that sends, by name, and the binary steps of all."""
    senders = [*network.computing, *network.relays]
    events = {one.name: np.zeros(one.size, np.int64) for one in senders}
    sizes = {one.name: np.zeros(one.size, np.int64) for one in senders}
    binary = 0
    for index, step in enumerate(sent_in_steps(network, payload, counts, taken)):
        # An image that sends nothing takes a step all the same, until its stop.
        largest = np.ones(len(counts), np.int64) if taken is None else 1 * (index < taken)
        for name, values in step.items():
            sizes_sent = np.abs(values)
            events[name] += (values != 0).sum(axis=0)
            sizes[name] += sizes_sent.sum(axis=0)
            largest = np.maximum(largest, sizes_sent.max(axis=1))
        binary += int(largest.sum())
    return {name: _Sent(events[name], sizes[name]) for name in events}, binary
