"""What `ipvae-snn map` shows: the checks, the placement in total, and its cores."""

from typing import Any, Final

from rich.console import Console
from rich.table import Table

from ipvae_snn.hw.mapping.limits import Check
from ipvae_snn.hw.mapping.mapping import Mapping, Placed, as_json
from ipvae_snn.hw.mapping.placement import CoreUse
from ipvae_snn.report.terminal import number, table

SHOWN_CORES: Final = 12  # a longer list is cut to its first and last ones
VERDICTS: Final = {"pass": "[green]pass[/]", "fail": "[red]FAIL[/]", "not public": "?"}
UNKNOWN: Final = "not public"


def show(screen: Console, found: Mapping, name: str) -> None:
    """Print all tables and what is assumed."""
    screen.print(checks_table(found, name))
    for check in found.failed:
        screen.print(f"[red]fails:[/] {_escaped(check.describe())}", highlight=False)
    unknown = len([check for check in found.checks if check.verdict == UNKNOWN])
    screen.print(
        f"{len(found.checks)} checks, {len(found.failed)} failed, {unknown} that the public "
        f"figures cannot decide. {_escaped(found.profile.caveat)}",
        highlight=False,
    )
    if found.placed is None:
        screen.print("[red]No placement: a neuron alone is too large for any core.[/]")
        return
    if not found.fits:
        screen.print(
            "[bold red]Hypothetical placement[/]: by cores, axons and memory alone, as if the "
            "failed checks held.",
            highlight=False,
        )
    screen.print(summary_table(found, found.placed))
    screen.print(cores_table(found.placed))
    for line in notes(found, found.placed):
        screen.print(line, highlight=False, markup=False)


def checks_table(found: Mapping, name: str) -> Table:
    """Return one row for each check."""
    shown = table(
        f"{name} on {found.profile.name} ({found.profile.title}), image as {found.input_as}",
        "check", "who", "needs", "chip has", "", text=True,
    )  # fmt: skip
    for check in found.checks:
        shown.add_row(
            check.name.replace("_per_core", "").replace("_per_neuron", "").replace("_", " "),
            check.who, _needs(check), _has(check), VERDICTS[check.verdict],
        )  # fmt: skip
    return shown


def _needs(check: Check) -> str:
    return "yes" if check.value is None else f"{check.value:,.0f} {check.unit}"


def _has(check: Check) -> str:
    if check.maximum is None:
        return UNKNOWN
    if check.value is None:
        return "yes" if check.maximum else "no"
    return f"{check.maximum:,.0f}"


def summary_table(found: Mapping, placed: Placed) -> Table:
    """Return the totals, and what the events cause."""

    data = as_json(found)["placement"]
    per_step = data["per_step"]
    total = "placement" if found.fits else "hypothetical placement"
    shown = table(f"{total}: {data['circuit']} circuit, image as {found.input_as}", "", "value")
    for name, one in data["populations"].items():
        shown.add_row(name, f"{one['neurons']:,}")
        shown.add_row(
            f"  cores (at least {one['least_cores']:,} in any split)", f"{one['cores']:,}"
        )
    rows: dict[str, Any] = {
        "cores": f"{data['cores']:,}",
        "chips": f"{data['chips']:,}",
        "utilisation, mean and largest": (
            f"{100 * data['utilisation_mean']:.1f} %, {100 * data['utilisation_max']:.1f} %"
        ),
        "axons in": f"{data['axons_in']:,}",
        "axons out": f"{data['axons_out']:,}",
        "synapses": f"{data['synapses']:,}",
        "synapse words": _whole(data["synapse_words"]),
        "bytes of state": f"{data['state_bytes']:,}",
        "bytes of synapses and state": _whole(data["bytes"]),
        "longest route": f"{data['longest_route_hops']} hops",
        "messages, events a step": number(per_step["messages"], 1),
        "spikes between cores, events a step": number(per_step["spikes_between_cores"], 1),
        "spikes between chips, events a step": number(per_step["spikes_between_chips"], 1),
        "hops a step, east-west and north-south": (
            f"{number(per_step['hops_east_west'], 1)}, {number(per_step['hops_north_south'], 1)}"
        ),
        "synapse words read a step": number(per_step["synapse_words_read"], 1),
        "messages from the host an image": number(data["per_image"]["messages_from_host"], 1),
    }
    if not placed.placement.room.known_words:
        rows["synapse words read a step"] = UNKNOWN
    for name, value in rows.items():
        shown.add_row(name, str(value))
    return shown


def cores_table(placed: Placed) -> Table:
    """Return one row for each core, the middle ones left out where there are many."""
    known = placed.placement.room.known_words
    shown = table(
        "cores: tile, axons in and out, largest share of any limit",
        "core", "of", "tile", "neurons", "in", "out", "words" if known else "synapses", "bytes",
        "used",
    )  # fmt: skip
    uses = placed.uses
    half = SHOWN_CORES // 2
    head, tail = (uses, ()) if len(uses) <= SHOWN_CORES else (uses[:half], uses[-half:])
    for use in head:
        shown.add_row(*_row(use))
    if tail:
        shown.add_row(f"({len(uses) - SHOWN_CORES:,} more)")
    for use in tail:
        shown.add_row(*_row(use))
    return shown


def _row(use: CoreUse) -> list[str]:
    words = use.synapses if use.words is None else use.words
    return [
        str(use.core), use.population, f"{use.x},{use.y}", f"{use.neurons:,}",
        f"{use.axons_in:,}", f"{use.axons_out:,}", f"{words:,}",
        _whole(use.bytes, f"{use.state_bytes:,}+"), f"{100 * use.utilisation:.1f} %",
    ]  # fmt: skip


def notes(found: Mapping, placed: Placed) -> list[str]:
    """Return what the numbers rest on, one line each."""
    mesh = placed.placement.mesh
    lines = [f"Events: {found.events.told}."]
    fullest = max(placed.uses, key=lambda use: use.utilisation)
    if fullest.shares:
        key = max(fullest.shares, key=lambda name: fullest.shares[name])
        lines.append(f"Fullest: core {fullest.core}, by its {key.replace('_', ' ')}.")
    if mesh.chips > 1:
        lines.append(f"Chips lie in a row, {mesh.columns} tiles each; x counts through all.")
    if mesh.assumed:
        lines.append(
            f"Mesh: {found.profile.name}'s is not public; {mesh.columns} x {mesh.rows} tiles of "
            "one core are this tool's assumption, and hops, routes and places rest on it."
        )
    if placed.placement.room.word_bytes is None:
        lines.append("Bytes: of state alone; the size of a synapse word is not public.")
    if found.input_as == "bias":
        lines.append("Image: the host writes it into the neurons' state; it has no axons.")
    return lines


def _whole(value: int | None, unknown: str = UNKNOWN) -> str:
    return unknown if value is None else f"{value:,}"


def _escaped(text: str) -> str:
    """Return text in which Rich finds no markup."""
    return text.replace("[", r"\[")
