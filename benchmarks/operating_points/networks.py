"""Operating points of integer networks: all steps of one run, and three read-outs of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from benchmarks.operating_points.rows import Row, Sizes, bounds, energies, row
from ipvae_snn.arrays import Float64, Int32, UInt8
from ipvae_snn.data.base import ImageSet
from ipvae_snn.errors import DataError
from ipvae_snn.evaluation.readout import linear_readout
from ipvae_snn.hw.chips.profile import ChipProfile, load_profile
from ipvae_snn.hw.cost.activity import Traffic, activity, mean_activity
from ipvae_snn.hw.mapping.events import Events, counted
from ipvae_snn.hw.mapping.mapping import Placed, check_and_place
from ipvae_snn.hw.mapping.placement import traffic
from ipvae_snn.ir.encode import encode
from ipvae_snn.ir.interpreter import decode
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest, counts_of, states_of
from ipvae_snn.metrics.quality import r2_per_image

SAMPLE: Final = "sample"
MEAN: Final = "mean of 4"
MAP: Final = "MAP"
LAST: Final = 4  # counts in the mean
CHUNK: Final = 250  # images per part of a run
PLACED_ON: Final = "loihi1"  # the chip whose synapse memory is counted


# Codes (N, K) in spikes per step, by read-out.
Codes: TypeAlias = dict[str, Float64]


@dataclass(frozen=True)
class Asked:
    """What is measured of a network.

    marks: the numbers of steps. profiles: those with energies. readout_marks: steps after which
    labels are read out; fitted: images of that read-out, None for none.
    """

    marks: tuple[int, ...]
    profiles: tuple[ChipProfile, ...]
    readout_marks: tuple[int, ...] = ()
    fitted: ImageSet | None = None


def codes_after(network: IntegerNetwork, counts: Int32, states: Int32, steps: int) -> Codes:
    """Return the codes after `steps` steps of a trace (N, T, K).

    Sample: the counts of that step. Mean: of its last LAST counts. MAP: the rates of the potentials
    after it, exp(u), which Poisson neurons have; u in units of 2^-fraction_bits octaves.
    """
    first = max(0, steps - LAST)
    codes: Codes = {
        SAMPLE: counts[:, steps - 1].astype(np.float64),
        MEAN: counts[:, first:steps].mean(axis=1),
    }
    if all(one.neurons.draws for one in network.computing):
        codes[MAP] = np.exp2(states[:, steps - 1] * 2.0**-network.neurons.fraction_bits)
    return codes


def elements(network: IntegerNetwork) -> Float64:
    """Return the image (K, M) of one spike of each neuron, in which reconstructions are linear."""
    return decode(network, np.eye(network.n_neurons, dtype=np.int64)).astype(np.float64)


def encoded(network: IntegerNetwork, images: ImageSet) -> UInt8:
    """Return images as the network's input."""
    pixels, _ = encode(network.input, images.pixels, images.kind, images.name)
    return pixels


def figures(
    network: IntegerNetwork, sets: Mapping[str, ImageSet], own: str, asked: Asked
) -> dict[str, Any]:
    """Return the operating points of a network on each data set, its memory, and its read-outs.

    own: the set among them that its placement counts events of.
    """
    placed = place(network, sets[own], asked.marks)
    sizes = Sizes(network.n_neurons, network.n_pixels, synapses_of(network))
    data = {
        name: {
            "images": len(images),
            "rows": [each.as_json() for each in points(network, images, sizes, placed, asked)],
        }
        for name, images in sets.items()
    }
    return {
        "synapses": sizes.synapses,
        "synapse_words": None if placed is None else _words(placed),
        "cores": None if placed is None else placed.placement.partition.cores,
        "data": data,
        "accuracy": accuracies(network, sets[own], asked),
    }


def synapses_of(network: IntegerNetwork) -> int:
    """Return the number of nonzero weights."""
    return sum(int(c.synapses.weights.fan_out().sum()) for c in network.connections)


def place(network: IntegerNetwork, images: ImageSet, marks: Sequence[int]) -> Placed | None:
    """Place a network by the events of a few images; None where a neuron fits on no core."""
    few = images.first(CHUNK)
    pixels, steps = encoded(network, few), marks[len(marks) // 2]
    trace = network.prepare().run(pixels, RunRequest(steps, trace=True))
    events = counted(network, [(pixels, counts_of(trace))], few.name)
    return check_and_place(network, load_profile(PLACED_ON), "spikes", events).placed


def _words(placed: Placed) -> int | None:
    words = [use.words for use in placed.uses if use.words is not None]
    return sum(words) if words else None


def points(
    network: IntegerNetwork,
    images: ImageSet,
    sizes: Sizes,
    placed: Placed | None,
    asked: Asked,
) -> list[Row]:
    """Run images for the last of the marks, and return a point for each mark."""
    session, steps, of_spikes = network.prepare(), max(asked.marks), elements(network)
    pixels = encoded(network, images)
    kept: dict[int, _Kept] = {mark: _Kept([], [], {}, [], []) for mark in asked.marks}
    for first in range(0, len(images), CHUNK):
        shown = images.pixels[first : first + CHUNK]
        given = pixels[first : first + CHUNK]
        trace = session.run(given, RunRequest(steps, first_image=first, trace=True))
        counts, states = counts_of(trace), states_of(trace)
        for mark, one in kept.items():
            part = counts[:, :mark]
            one.work.append((len(given), activity(network, given, part)))
            one.events.append(counted(network, [(given, part)], images.name))
            one.sizes.append(len(given))
            one.largest.append(int(part.max()))
            for name, code in codes_after(network, counts, states, mark).items():
                scores = r2_per_image(shown, code @ of_spikes)
                one.scores.setdefault(name, []).append(scores)
    return [_row(mark, one, sizes, placed, asked) for mark, one in kept.items()]


class _Kept(NamedTuple):
    """What the parts of a run gave for one mark."""

    work: list[Any]
    events: list[Events]
    scores: dict[str, list[Float64]]
    sizes: list[int]
    largest: list[int]


def _row(mark: int, one: _Kept, sizes: Sizes, placed: Placed | None, asked: Asked) -> Row:
    work = mean_activity(one.work)
    scores = {name: np.concatenate(parts) for name, parts in one.scores.items()}
    moved: dict[str, Traffic] = {}
    if placed is not None:
        through = traffic(placed.placement, _mean(one.events, one.sizes))
        moved = {
            each.name: through
            for each in asked.profiles
            if PLACED_ON in (each.name, each.placed_as)
        }
    energy = energies(asked.profiles, sizes, work, moved)
    return row(mark, scores, work, max(one.largest), energy)


def _mean(parts: Sequence[Events], sizes: Sequence[int]) -> Events:
    """Return the events per image of all parts together."""
    total, first = sum(sizes), parts[0]
    by_source = {
        name: sum(
            (n / total * part.by_source[name] for n, part in zip(sizes, parts, strict=True)),
            np.zeros_like(values),
        )
        for name, values in first.by_source.items()
    }
    return Events(by_source, first.steps, total, first.description)


def accuracies(network: IntegerNetwork, judged: ImageSet, asked: Asked) -> list[dict[str, Any]]:
    """Return the accuracy of a linear read-out of the labels, from all codes but one sample."""
    if asked.fitted is None or not asked.readout_marks:
        return []
    if asked.fitted.labels is None or judged.labels is None:
        raise DataError(f"{judged.name} has no labels to read out; leave the read-out away")
    train = _codes(network, asked.fitted, asked.readout_marks)
    test = _codes(network, judged, asked.readout_marks)
    result = []
    for mark in asked.readout_marks:
        for name in (each for each in train[mark] if each != SAMPLE):
            found = linear_readout(
                train[mark][name],
                asked.fitted.labels,
                test[mark][name],
                judged.labels,
            )
            result.append({"steps": mark, "code": name, "accuracy": bounds(found.accuracy)})
    return result


def _codes(network: IntegerNetwork, images: ImageSet, marks: tuple[int, ...]) -> dict[int, Codes]:
    """Return the codes of all images after each mark."""
    session, pixels = network.prepare(), encoded(network, images)
    parts: dict[int, list[Codes]] = {mark: [] for mark in marks}
    for first in range(0, len(pixels), CHUNK):
        request = RunRequest(max(marks), first_image=first, trace=True)
        trace = session.run(pixels[first : first + CHUNK], request)
        for mark in marks:
            parts[mark].append(codes_after(network, counts_of(trace), states_of(trace), mark))
    return {
        mark: {name: np.concatenate([one[name] for one in each]) for name in each[0]}
        for mark, each in parts.items()
    }
