"""Count what a run makes a chip do: events, synaptic operations, neuron updates, traffic."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np

from ipvae_snn.arrays import Int8, Int64, Integers, UInt8
from ipvae_snn.ir.network import IntegerNetwork, lateral_of


@dataclass(frozen=True)
class Activity:
    """Means an image, over all its steps.

    spikes: sum of the counts. messages: graded spikes sent (counts that are not 0, and in a
    two-layer circuit residuals that are not 0); an event of count 3 is one message.
    binary_messages: the same if each were sent as so many binary spikes.
    synaptic_operations: synapses that messages reach, input included (one operation an event and
    nonzero weight); by_payload: the same if a count or residual of 3 were sent as three binary
    spikes. input_operations: the image's part, once an image. updates_active, updates_inactive:
    neuron updates with and without a spike. row_weights: weights, zeros included, of the rows that
    events read, where a source's weights lie in one row. dense_operations: multiply-adds of a dense
    implementation of the same steps. steps: T.

    One-layer circuit: the image reaches K neurons through the feed-forward connection, counts
    reach them through the lateral one; K updates a step; dense: input once, K x K a step.
    Two-layer circuit: the image reaches each pixel's own residual neuron (one operation a pixel
    that is sent), counts reach M residual neurons through the prediction connection, and every
    residual that is not 0 reaches K neurons through the feed-forward one at every step; K + M
    updates a step, the residual neurons' included; dense: 2 M K a step.
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
    steps: float

    @property
    def updates(self) -> float:
        """All neuron updates of an image."""
        return self.updates_active + self.updates_inactive

    def as_json(self) -> dict[str, float]:
        """Return plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Traffic:
    """Where a placement lets the messages go: means an image, over all its steps.

    messages: one for each event and core that has targets of it, its own core included.
    messages_between_cores: those to another core. hops_x, hops_y: tile to tile, east-west and
    north-south, of all of them. synapse_words_read: words of synapse memory that they make their
    cores read, axon overhead included. barriers: time steps of the chip, each of which ends with
    one. cores, chips: in use.
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
    """Return the mean an image of parts of a run, each (its number of images, its activity)."""
    total = sum(images for images, _ in parts)
    sums = {
        field.name: sum(images * getattr(part, field.name) for images, part in parts) / total
        for field in fields(Activity)
    }
    return Activity(**sums)


@dataclass(frozen=True)
class _Sent:
    """What the sources of one connection send in a whole run, by source: events and their sizes."""

    events: Int64
    sizes: Int64

    def operations(self, weights: Int8) -> tuple[float, float, float]:
        """Return synapses reached through weights (targets, sources): by event, by payload; rows.

        The third number counts all weights of the rows that are read, zeros included; a source
        without any synapse has no row.
        """
        fan_out = (weights != 0).sum(axis=0)
        rows = float(self.events @ (fan_out > 0)) * len(weights)
        return float(self.events @ fan_out), float(self.sizes @ fan_out), rows


def activity(
    network: IntegerNetwork,
    pixels: UInt8,
    counts: Integers,
) -> Activity:
    """Return the mean activity of images `pixels` (N, M) with spike counts `counts` (N, T, K).

    A trace does not keep the residuals of a two-layer circuit, so they are made again from the
    counts.
    """
    n, steps, k = counts.shape
    m = network.n_pixels
    payload = pixels.astype(np.int64) - network.input.zero_point
    shown = (payload != 0).sum(axis=0)
    spikes = _Sent((counts > 0).sum(axis=(0, 1)), counts.sum(axis=(0, 1), dtype=np.int64))
    errors = _residuals(network, payload, counts)
    if network.residual is None:
        inputs, _, rows = _Sent(shown, shown).operations(network.feedforward.weights)
        passed = [spikes.operations(lateral_of(network, "activity").weights)]
        updates, dense = k, m * k + steps * k * k
    else:
        inputs, rows = float(shown.sum()), 0.0
        passed = [
            spikes.operations(network.residual.prediction.weights),
            errors.operations(network.feedforward.weights),
        ]
        updates, dense = k + m, 2 * steps * m * k
    active = float(spikes.events.sum() + errors.events.sum())
    return Activity(
        spikes=float(spikes.sizes.sum()) / n,
        messages=active / n,
        synaptic_operations=(inputs + sum(part[0] for part in passed)) / n,
        synaptic_operations_by_payload=(inputs + sum(part[1] for part in passed)) / n,
        input_operations=inputs / n,
        updates_active=active / n,
        updates_inactive=steps * updates - active / n,
        dense_operations=float(dense),
        binary_messages=float(spikes.sizes.sum() + errors.sizes.sum()) / n,
        row_weights=(rows + sum(part[2] for part in passed)) / n,
        steps=float(steps),
    )


def residual_messages(network: IntegerNetwork, payload: Int64, counts: Integers) -> Iterator[Int64]:
    """Yield what the residual neurons send in each step, (N, M); nothing in a one-layer circuit.

    Images' payload (N, M), counts (N, T, K). Equal to the interpreter's: every partial sum is
    proved to stay within 24 bits, so that float32 adds them up exactly, and thirty times faster.
    A float run's counts are not bounded, so they are bounded here: the proof holds for no others.
    """
    layer = network.residual
    if layer is None:
        return
    weights = layer.prediction.weights.T.astype(np.float32)
    for step in range(counts.shape[1]):
        sent = np.minimum(counts[:, step], network.neurons.max_count).astype(np.float32)
        total = (sent @ weights).astype(np.int64)
        yield np.clip(payload - layer.prediction.scaled(total), -layer.limit, layer.limit)


def _residuals(network: IntegerNetwork, payload: Int64, counts: Integers) -> _Sent:
    """Return what the residual neurons send; nothing in a one-layer circuit."""
    events, sizes = np.zeros((2, network.n_pixels), np.int64)
    for error in residual_messages(network, payload, counts):
        events += (error != 0).sum(axis=0)
        sizes += np.abs(error).sum(axis=0)
    return _Sent(events, sizes)
