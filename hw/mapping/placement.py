"""A network placed on a chip: its cores, their slots, and its traffic."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ipvae_snn.arrays import Float64, Int64
from ipvae_snn.hw.chips.profile import ChipProfile
from ipvae_snn.hw.cost.activity import Traffic
from ipvae_snn.hw.mapping.assign_slots import place
from ipvae_snn.hw.mapping.core_capacity import Room, room_of
from ipvae_snn.hw.mapping.events import Events
from ipvae_snn.hw.mapping.mesh import Mesh, mesh_of
from ipvae_snn.hw.mapping.partition import Partition, partition
from ipvae_snn.hw.mapping.populations import InputAs, Layout, layout_of
from ipvae_snn.hw.mapping.tiles import words as words_of
from ipvae_snn.ir.graph import IMAGE
from ipvae_snn.ir.network import IntegerNetwork


@dataclass(frozen=True)
class Placement:
    """Placement on the mesh; slot (cores,) is the slot of each core of the partition."""

    layout: Layout
    room: Room
    partition: Partition
    mesh: Mesh
    slot: Int64


@dataclass(frozen=True)
class CoreUse:
    """Load of one core, and the share of each public limit that it takes.

    synapses: those that act; a chip that shares weights stores fewer.
    words and bytes are None where the rule or size of a word is not public; bytes are those of
    synapses and state. utilisation is the largest of `shares`, which are by limit, 0..1.
    """

    core: int
    population: str
    chip: int
    x: int
    y: int
    neurons: int
    axons_in: int
    axons_out: int
    synapses: int
    words: int | None
    state_bytes: int
    bytes: int | None
    shares: dict[str, float]
    utilisation: float


@dataclass(frozen=True)
class Routes:
    """Events between cores; means per image.

    flow (cores, cores): messages from core to core; from_host (cores,): of the image to each core.
    longest: hops of the longest route with messages. between_chips: messages times chip borders
    crossed.
    """

    flow: Float64
    from_host: Float64
    longest: int
    between_chips: float


def map_network(
    network: IntegerNetwork, profile: ChipProfile, input_as: InputAs, events: Events
) -> Placement:
    """Return the placement of a network; each of its neurons must fit on a core alone."""
    layout, room = layout_of(network, input_as), room_of(profile)
    split = partition(layout, room, events.rates())
    mesh = mesh_of(profile, split.cores)
    slot = place(_flow(layout, split, events), mesh)
    return Placement(layout, room, split, mesh, slot)


def core_uses(placement: Placement) -> list[CoreUse]:
    """Return the load of every core, in the order of the partition."""
    layout, room, split = placement.layout, placement.room, placement.partition
    axons_in, synapses, words = np.zeros((3, split.cores), np.int64)
    for projection in layout.projections:
        fan, core_of = split.fan[projection.name], split.core_of[projection.target]
        axons_in += np.bincount(fan.indices, minlength=split.cores)
        synapses += np.bincount(fan.indices, fan.data, split.cores).astype(np.int64)
        words += words_of(projection, fan, core_of, room)
    uses = []
    for population in layout.populations:
        core_of = split.core_of[population.name]
        sent = np.bincount(core_of, split.axons_out(layout, population), split.cores)
        for core in np.unique(core_of):
            neurons, slot = int(np.count_nonzero(core_of == core)), placement.slot[core]
            held = room.bytes_used(int(words[core]), neurons, population.state_bytes)
            used: dict[str, tuple[float, int | None]] = {
                "neurons": (neurons, room.neurons),
                "axons_in": (float(axons_in[core]), room.axons_in),
                "axons_out": (float(sent[core]), room.axons_out),
                "synapse_words": (float(words[core]), room.words),
                "memory_bytes": (held, room.memory_bytes),
            }
            shares = {name: value / most for name, (value, most) in used.items() if most}
            uses.append(
                CoreUse(
                    core=int(core),
                    population=population.name,
                    chip=int(placement.mesh.chip(slot)),
                    x=int(placement.mesh.x(slot)),
                    y=int(placement.mesh.y(slot)),
                    neurons=neurons,
                    axons_in=int(axons_in[core]),
                    axons_out=int(sent[core]),
                    synapses=int(synapses[core]),
                    words=int(words[core]) if room.known_words else None,
                    state_bytes=neurons * population.state_bytes,
                    bytes=None if room.word_bytes is None else int(held),
                    shares=shares,
                    utilisation=max(shares.values(), default=0.0),
                )
            )
    return uses


def routes(placement: Placement, events: Events) -> Routes:
    """Return the routes of an image's events."""
    split, mesh, slot = placement.partition, placement.mesh, placement.slot
    flow = _flow(placement.layout, split, events)
    host = np.zeros(split.cores)
    for projection in placement.layout.projections:
        if projection.source == IMAGE:
            reached = split.fan[projection.name] > 0
            host += reached.T @ events.by_source[IMAGE]
    linked = _flow(placement.layout, split, None) > 0
    np.fill_diagonal(linked, False)
    hops = mesh.hops(slot[:, None], slot[None, :])
    crossed = np.abs(mesh.chip(slot)[:, None] - mesh.chip(slot)[None, :])
    return Routes(flow, host, int(hops[linked].max(initial=0)), float((flow * crossed).sum()))


def traffic(placement: Placement, events: Events) -> Traffic:
    """Return the traffic of an image on the mesh, for the energy proxies.

    Messages and hops are those of neurons: the image's come from outside, and their entry point is
    not public. Words read include the image's. A one-layer presentation takes T + 2 time steps, a
    two-layer one 2 T + 2 (docs/ir.md, Timing), each with one barrier synchronisation.
    """
    split, mesh, slot = placement.partition, placement.mesh, placement.slot
    flow = _flow(placement.layout, split, events)
    dx = np.abs(mesh.x(slot)[:, None] - mesh.x(slot)[None, :])
    dy = np.abs(mesh.y(slot)[:, None] - mesh.y(slot)[None, :])
    words = 0.0
    for projection in placement.layout.projections:
        fan = split.fan[projection.name]
        read = np.repeat(events.by_source[projection.source], np.diff(fan.indptr))
        words += float(placement.room.axon_words(fan.data) @ read)
    steps = events.steps if placement.layout.circuit == "one-layer" else 2 * events.steps
    return Traffic(
        messages=float(flow.sum()),
        messages_between_cores=float(flow.sum() - np.trace(flow)),
        hops_x=float((flow * dx).sum()),
        hops_y=float((flow * dy).sum()),
        synapse_words_read=words,
        barriers=float(steps + 2),
        cores=split.cores,
        chips=mesh.chips,
    )


def _flow(layout: Layout, split: Partition, events: Events | None) -> Float64:
    """Return the messages per image from core to core; without events one per axon."""
    flow = np.zeros((split.cores, split.cores))
    by_source: Mapping[str, Float64] = {} if events is None else events.by_source
    for projection in layout.projections:
        if projection.source == IMAGE:
            continue
        fan, home = split.fan[projection.name].tocoo(), split.core_of[projection.source]
        weights = by_source[projection.source][fan.row] if by_source else None
        pairs = home[fan.row].astype(np.int64) * split.cores + fan.col
        flow += np.bincount(pairs, weights, split.cores**2).reshape(flow.shape)
    return flow
