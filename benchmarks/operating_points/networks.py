"""Operating points of integer networks: all steps and stops of one run, and three decodings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from benchmarks.operating_points.codes import SAMPLE, Codes, codes_after, decoded, elements
from benchmarks.operating_points.rows import Row, Sizes, bounds, energies, row
from benchmarks.operating_points.stops import changes_of, steps_taken, stop_of, until
from ipvae_snn.arrays import Float64, Int64, UInt8
from ipvae_snn.data.base import ImageSet
from ipvae_snn.errors import DataError
from ipvae_snn.evaluation.readout import linear_readout
from ipvae_snn.hw.chips.profile import ChipProfile, load_profile
from ipvae_snn.hw.cost.activity import Activity, Traffic, activity, mean_activity
from ipvae_snn.hw.mapping.events import Events, counted
from ipvae_snn.hw.mapping.mapping import Placed, check_and_place
from ipvae_snn.hw.mapping.placement import traffic
from ipvae_snn.ir.encode import encode
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest, counts_of, states_of
from ipvae_snn.metrics.quality import r2_per_image

CHUNK: Final = 250  # images per part of a run
PLACED_ON: Final = "loihi1"  # the chip whose synapse memory is counted


@dataclass(frozen=True)
class Asked:
    """What is measured of a network.

    marks: the numbers of steps. profiles: those with energies. readout_marks: steps after which
    labels are read out; fitted: images of that read-out, None for none. targets: of stops, in nats.
    """

    marks: tuple[int, ...]
    profiles: tuple[ChipProfile, ...]
    readout_marks: tuple[int, ...] = ()
    fitted: ImageSet | None = None
    targets: tuple[float, ...] = ()


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
    data = {}
    for name, images in sets.items():
        found = [each.as_json() for each in points(network, images, sizes, placed, asked)]
        stopped = zip(asked.targets, found[len(asked.marks) :], strict=True)
        data[name] = {
            "images": len(images),
            "rows": found[: len(asked.marks)],
            "stopped": [{"stop": nats, **each} for nats, each in stopped],
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
    return sum(int(c.synapses.weights.fan_out().sum()) for c in network.weighted)


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
    """Run images for the last of the marks; return a point for each mark, and for each target."""
    session, steps, networks = network.prepare(), max(asked.marks), decoded(network)
    pixels, of_spikes = encoded(network, images), elements(network)
    stops = [stop_of(network, nats) for nats in asked.targets]
    kept = [_Kept([], [], {}, [], []) for _ in (*asked.marks, *stops)]
    for first in range(0, len(images), CHUNK):
        shown = images.pixels[first : first + CHUNK]
        given = pixels[first : first + CHUNK]
        trace = session.run(given, RunRequest(steps, first_image=first, trace=True))
        counts, states = counts_of(trace), states_of(trace)
        changes = changes_of(network, counts, states) if stops else []
        taken = [np.full(len(given), mark, np.int64) for mark in asked.marks]
        taken += [steps_taken(stop, changes) for stop in stops]
        for one, ends in zip(kept, taken, strict=True):
            part = until(counts, ends)
            one.work.append((len(given), activity(network, given, part, ends)))
            one.events.append(counted(network, [(given, part)], images.name, ends))
            one.taken.append(ends)
            one.largest.append(int(part.max()))
            for name, code in codes_after(networks, counts, states, ends).items():
                scores = r2_per_image(shown, code.astype(np.float32) @ of_spikes)
                one.scores.setdefault(name, []).append(scores)
    return [_row(one, sizes, placed, asked) for one in kept]


class _Kept(NamedTuple):
    """What the parts of a run gave for one mark or target; taken: the steps of each image."""

    work: list[tuple[int, Activity]]
    events: list[Events]
    scores: dict[str, list[Float64]]
    taken: list[Int64]
    largest: list[int]


def _row(one: _Kept, sizes: Sizes, placed: Placed | None, asked: Asked) -> Row:
    work = mean_activity(one.work)
    scores = {name: np.concatenate(parts) for name, parts in one.scores.items()}
    moved: dict[str, Traffic] = {}
    if placed is not None:
        through = traffic(placed.placement, _mean(one.events))
        moved = {
            each.name: through
            for each in asked.profiles
            if PLACED_ON in (each.name, each.placed_as)
        }
    energy = energies(asked.profiles, sizes, work, moved)
    return row(np.concatenate(one.taken), scores, work, max(one.largest), energy)


def _mean(parts: Sequence[Events]) -> Events:
    """Return the events per image of all parts together."""
    total, first = sum(part.images for part in parts), parts[0]
    by_source = {
        name: sum(
            (part.images / total * part.by_source[name] for part in parts), np.zeros_like(values)
        )
        for name, values in first.by_source.items()
    }
    steps = sum(part.images * part.steps for part in parts) / total
    return Events(by_source, steps, total, first.description)


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
    session, pixels, networks = network.prepare(), encoded(network, images), decoded(network)
    parts: dict[int, list[Codes]] = {mark: [] for mark in marks}
    for first in range(0, len(pixels), CHUNK):
        request = RunRequest(max(marks), first_image=first, trace=True)
        trace = session.run(pixels[first : first + CHUNK], request)
        counts, states = counts_of(trace), states_of(trace)
        for mark in marks:
            ends = np.full(len(counts), mark, np.int64)
            parts[mark].append(codes_after(networks, counts, states, ends))
    return {
        mark: {name: np.concatenate([one[name] for one in each]) for name in each[0]}
        for mark, each in parts.items()
    }
