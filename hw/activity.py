"""Count what a run makes a chip do: events, synaptic operations, neuron updates."""

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from ipvae_snn.ir import IntegerNetwork


@dataclass(frozen=True)
class Activity:
    """Means an image, over all its steps.

    spikes: sum of the counts. messages: graded spikes sent (counts that are not 0); an event of
    count 3 is one message. synaptic_operations: synapses that messages reach, input included
    (one operation an event and nonzero weight); by_payload: the same if a count of 3 were sent
    as three binary spikes. input_operations: the feed-forward part, once an image.
    updates_active, updates_inactive: neuron updates with and without a spike. dense_operations:
    multiply-adds of a dense implementation of the same steps (input once, K x K a step).
    """

    spikes: float
    messages: float
    synaptic_operations: float
    synaptic_operations_by_payload: float
    input_operations: float
    updates_active: float
    updates_inactive: float
    dense_operations: float

    def as_json(self) -> dict[str, float]:
        """Return plain data."""
        return asdict(self)


def activity(
    program: IntegerNetwork,
    pixels: npt.NDArray[np.uint8],
    counts: npt.NDArray[np.integer],
) -> Activity:
    """Return the mean activity of images `pixels` (N, M) with spike counts `counts` (N, T, K)."""
    n, steps, k = counts.shape
    input_fan_out = (program.feedforward.weights != 0).sum(axis=0)
    lateral_fan_out = (program.lateral.weights != 0).sum(axis=0)
    sent = pixels != program.input.zero_point
    input_operations = float((sent * input_fan_out).sum()) / n
    events = counts > 0
    per_neuron_events = events.sum(axis=(0, 1)) / n
    per_neuron_spikes = counts.sum(axis=(0, 1)) / n
    active = float(events.sum()) / n
    return Activity(
        spikes=float(per_neuron_spikes.sum()),
        messages=active,
        synaptic_operations=input_operations + float(per_neuron_events @ lateral_fan_out),
        synaptic_operations_by_payload=input_operations
        + float(per_neuron_spikes @ lateral_fan_out),
        input_operations=input_operations,
        updates_active=active,
        updates_inactive=steps * k - active,
        dense_operations=float(program.n_pixels * k + steps * k * k),
    )
