"""Events of each source of a network: counted in a run, or assumed."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from ipvae_snn.arrays import Float64, Int64, Integers, UInt8
from ipvae_snn.errors import DataError
from ipvae_snn.hw.cost.sent import sent_in_steps
from ipvae_snn.ir.graph import IMAGE
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.result_files import read_result

ASSUMED_STEPS: Final = 64


@dataclass(frozen=True)
class Events:
    """Mean messages per image that each source sends: by name (population or image), (size,).

    steps: T of the network, or the mean of those taken until a stop. images: number of counted
    images, 0 where all is assumed. description: one line of text on the origin of the numbers.
    """

    by_source: dict[str, Float64]
    steps: float
    images: int
    description: str

    def rates(self) -> dict[str, Float64]:
        """Return events per step of the network; the image's are spread over its steps."""
        return {name: events / self.steps for name, events in self.by_source.items()}


def assumed(network: IntegerNetwork, steps: int = ASSUMED_STEPS) -> Events:
    """Return one event per neuron and step, and one per pixel: an upper bound."""
    sending = (*network.computing, *network.relays)
    return Events(
        {
            IMAGE: np.ones(network.n_pixels),
            **{one.name: np.full(one.size, float(steps)) for one in sending},
        },
        steps,
        0,
        "assumed: every neuron sends one event per step; give --data or --rates to count",
    )


def counted(
    network: IntegerNetwork,
    parts: Iterable[tuple[UInt8, Integers]],
    name: str,
    taken: Int64 | None = None,
) -> Events:
    """Return the events of a run, in parts of pixels (n, M) and counts (n, T, K).

    taken (N,): steps of the images of all parts in a run with a stop; None for T of each.
    Raises DataError if there are no images.
    """
    sending = (*network.computing, *network.relays)
    seen = {IMAGE: np.zeros(network.n_pixels), **{one.name: np.zeros(one.size) for one in sending}}
    images = steps = 0
    for pixels, counts in parts:
        payload = pixels.astype(np.int64) - network.input.zero_point
        seen[IMAGE] += np.count_nonzero(payload, axis=0)
        own = None if taken is None else taken[images : images + len(counts)]
        for sent in sent_in_steps(network, payload, counts, own):
            for source, values in sent.items():
                seen[source] += np.count_nonzero(values, axis=0)
        images, steps = images + len(counts), counts.shape[1]
    if images == 0:
        raise DataError(f"{name} gives no images to count events in; give one or more")
    by_source = {source: events / images for source, events in seen.items()}
    mean = steps if taken is None else float(taken.mean())
    return Events(by_source, mean, images, f"counted in {images} images of {name}, {steps} steps")


def from_trace(network: IntegerNetwork, path: Path) -> Events:
    """Return the events of a result that `ipvae-snn run` wrote.

    With `--trace` each event is counted. Without, a neuron has at most as many events as spikes and
    at most one per step; this bound is used. Images are not in the file: every pixel and residual
    is assumed to be sent. Raises FileFormatError if it is no such file, DataError if it is of
    another network.
    """
    arrays = read_result(path)
    total, per_step = arrays["counts_sum"], arrays["spikes_per_step"]
    if total.shape[1] != network.n_neurons:
        raise DataError(
            f"{path}: it has counts of {total.shape[1]} neurons, but the network has "
            f"{network.n_neurons}; give a run of this network"
        )
    steps, n = per_step.shape[1], len(total)
    base = assumed(network, steps).by_source
    if "counts" in arrays:
        events = np.count_nonzero(arrays["counts"], axis=(0, 1)) / n
        origin = "counted"
    else:
        events = np.minimum(total, steps).sum(axis=0) / n
        origin = "at most, from sums of counts (run with --trace to count)"
    rest = "; residual neurons assumed to send at every step" if network.relays else ""
    where = network.slices(network.computing)
    return Events(
        {**base, **{source: events[place].astype(np.float64) for source, place in where.items()}},
        steps,
        n,
        f"{origin}: {n} images of {path.name}, {steps} steps{rest}",
    )
