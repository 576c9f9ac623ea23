"""Document of a mapping: the checks, the placement in total, and its cores."""

from collections.abc import Iterator, Sequence
from types import MappingProxyType
from typing import Any, Final

from ipvae_snn.hw.cost.duration import EXCLUDED, INCLUDED
from ipvae_snn.hw.mapping.limits import Check
from ipvae_snn.hw.mapping.mapping import Mapping, Placed, as_json, time_bound
from ipvae_snn.hw.mapping.placement import CoreUse
from ipvae_snn.report.document import (
    Block,
    Document,
    Picture,
    Span,
    Table,
    number,
    paragraph,
    table,
)

SHOWN_CORES: Final = 12  # a longer list shows its first and last ones only
UNKNOWN: Final = "not public"
VERDICTS: Final = MappingProxyType(
    {"pass": Span("pass", "good"), "fail": Span("FAIL", "bad"), UNKNOWN: Span("?")}
)


def document(mapping: Mapping, name: str, pictures: Sequence[Picture] = ()) -> Document:
    """Return the tables for the network called `name`, the assumptions, and the pictures."""
    title = f"{name} on {mapping.profile.name}"
    blocks: list[Block] = [checks_table(mapping, name)]
    blocks += [paragraph(Span("fails:", "bad"), f" {each.describe()}") for each in mapping.failed]
    unknown = len([check for check in mapping.checks if check.verdict == UNKNOWN])
    blocks.append(
        paragraph(
            f"{len(mapping.checks)} checks, {len(mapping.failed)} failed, {unknown} that the "
            f"public figures cannot decide. {mapping.profile.caveat}"
        )
    )
    if mapping.placed is None:
        none = "No placement: a neuron alone is too large for any core."
        return Document(title, (*blocks, paragraph(Span(none, "bad"))))
    if not mapping.fits:
        blocks.append(
            paragraph(
                Span("Hypothetical placement", "bad"),
                ": by cores, axons and memory alone, as if the failed checks had passed.",
            )
        )
    blocks += [summary_table(mapping, mapping.placed), cores_table(mapping.placed)]
    blocks += map(paragraph, notes(mapping, mapping.placed))
    return Document(title, (*blocks, *pictures))


def checks_table(mapping: Mapping, name: str) -> Table:
    """Return one row per check."""
    return table(
        f"{name} on {mapping.profile.name} ({mapping.profile.title}), image as {mapping.input_as}",
        ("check", "subject", "needs", "chip has", ""),
        [
            (
                check.name.replace("_per_core", "").replace("_per_neuron", "").replace("_", " "),
                check.subject,
                _needs(check),
                _has(check),
                VERDICTS[check.verdict],
            )
            for check in mapping.checks
        ],
        text=True,
    )


def _needs(check: Check) -> str:
    return "yes" if check.value is None else f"{check.value:,.0f} {check.unit}"


def _has(check: Check) -> str:
    if check.maximum is None:
        return UNKNOWN
    if check.value is None:
        return "yes" if check.maximum else "no"
    return f"{check.maximum:,.0f}"


def summary_table(mapping: Mapping, placed: Placed) -> Table:
    """Return the totals, and the traffic of the events."""
    data = as_json(mapping)["placement"]
    total = "placement" if mapping.fits else "hypothetical placement"
    return table(
        f"{total}: {data['circuit']} circuit, image as {mapping.input_as}",
        ("", "value"),
        [
            *_populations(data),
            *_totals(data),
            *_flows(data, placed),
            *_times(data["least_time"]),
        ],
    )


def _populations(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, one in data["populations"].items():
        yield name, f"{one['neurons']:,}"
        yield f"  cores (at least {one['least_cores']:,} in any split)", f"{one['cores']:,}"


def _totals(data: dict[str, Any]) -> list[tuple[str, str]]:
    mean, largest = data["utilisation_mean"], data["utilisation_max"]
    return [
        ("cores", f"{data['cores']:,}"),
        ("chips", f"{data['chips']:,}"),
        ("utilisation, mean and largest", f"{100 * mean:.1f} %, {100 * largest:.1f} %"),
        ("axons in", f"{data['axons_in']:,}"),
        ("axons out", f"{data['axons_out']:,}"),
        ("synapses", f"{data['synapses']:,}"),
        ("synapse words", _whole(data["synapse_words"])),
        ("bytes of state", f"{data['state_bytes']:,}"),
        ("bytes of synapses and state", _whole(data["bytes"])),
        ("longest route", f"{data['longest_route_hops']} hops"),
    ]


def _flows(data: dict[str, Any], placed: Placed) -> list[tuple[str, str]]:
    step, known = data["per_step"], placed.placement.room.known_words
    hops = f"{number(step['hops_east_west'], 1)}, {number(step['hops_north_south'], 1)}"
    return [
        ("messages, events per step", number(step["messages"], 1)),
        ("spikes between cores, events per step", number(step["spikes_between_cores"], 1)),
        ("spikes between chips, events per step", number(step["spikes_between_chips"], 1)),
        ("hops per step, east-west and north-south", hops),
        (
            "synapse words read per step",
            number(step["synapse_words_read"], 1) if known else UNKNOWN,
        ),
        (
            "messages from the host per image",
            number(data["per_image"]["messages_from_host"], 1),
        ),
    ]


def _times(bound: dict[str, Any] | None) -> list[tuple[str, str]]:
    """Return the least time per step and per image, in microseconds."""
    if bound is None:
        return [("time per step and per image", UNKNOWN)]
    return [
        ("time per step, at least", f"{number(bound['step_ns'] / 1e3, 2)} us"),
        ("time per image, at least", f"{number(bound['image_ns'] / 1e3, 1)} us"),
    ]


def cores_table(placed: Placed) -> Table:
    """Return one row per core; of many, the first and last ones only."""
    known = placed.placement.room.known_words
    words = "words" if known else "synapses"
    uses, half = placed.uses, SHOWN_CORES // 2
    rows = [_row(use) for use in uses]
    if len(uses) > SHOWN_CORES:
        rows[half:-half] = [[f"({len(uses) - SHOWN_CORES:,} more)"]]
    return table(
        "cores: tile, axons in and out, largest share of any limit",
        ("core", "of", "tile", "neurons", "in", "out", words, "bytes", "used"),
        rows,
    )


def _row(use: CoreUse) -> list[str]:
    words = use.synapses if use.words is None else use.words
    return [
        str(use.core),
        use.population,
        f"{use.x},{use.y}",
        f"{use.neurons:,}",
        f"{use.axons_in:,}",
        f"{use.axons_out:,}",
        f"{words:,}",
        _whole(use.bytes, f"{use.state_bytes:,}+"),
        f"{100 * use.utilisation:.1f} %",
    ]


def notes(mapping: Mapping, placed: Placed) -> list[str]:
    """Return the assumptions behind the numbers, one per line."""
    mesh = placed.placement.mesh
    lines = [f"Events: {mapping.events.description}."]
    if time_bound(mapping, placed) is not None:
        lines.append(f"Least time: {INCLUDED}; not included: {EXCLUDED}.")
    fullest = max(placed.uses, key=lambda use: use.utilisation)
    if fullest.shares:
        key = max(fullest.shares, key=lambda name: fullest.shares[name])
        lines.append(f"Fullest: core {fullest.core}, by its {key.replace('_', ' ')}.")
    if mesh.chips > 1:
        lines.append(f"Chips lie in a row, {mesh.columns} tiles each; x counts through all.")
    if mesh.assumed:
        lines.append(
            f"Mesh: {mapping.profile.name}'s is not public; {mesh.columns} x {mesh.rows} tiles of "
            "one core are this tool's assumption; hops, routes and places depend on it."
        )
    if any(one.shared is not None for one in placed.placement.layout.projections):
        shares = placed.placement.room.shares_weights
        lines.append(
            "Shared weights: a list of synapses that several axons share is stored once on a core."
            if shares
            else "Shared weights: expanded, since the profile does not say that axons can share "
            "a list of synapses."
        )
    if placed.placement.room.word_bytes is None:
        lines.append("Bytes: of state alone; the size of a synapse word is not public.")
    if mapping.input_as == "bias":
        lines.append("Image: the host writes it into the neurons' state; it has no axons.")
    return lines


def _whole(value: int | None, unknown: str = UNKNOWN) -> str:
    return unknown if value is None else f"{value:,}"
