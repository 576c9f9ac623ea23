"""`ipvae-snn profiles`: chip profiles, every number with its unit, source and confidence."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.table import Table

from ipvae_snn.cli.options import JsonOption, ProfilesOption
from ipvae_snn.report.json_files import emit_json
from ipvae_snn.report.terminal import console, table

if TYPE_CHECKING:
    from rich.console import Console

    from ipvae_snn.hw.chips.profile import ChipProfile

# Shown of each profile in the list of all.
SUMMARY: Final = ("cores_per_chip", "neurons_per_core", "synapse_words_per_core")
UNKNOWN: Final = "not public"
YES_NO: Final[Mapping[bool | None, str]] = {True: "yes", False: "no", None: UNKNOWN}


def profiles(
    name: Annotated[str | None, typer.Argument(help="Profile name, or a .toml file.")] = None,
    profile: ProfilesOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the chip profiles, or show every number of one: unit, source, confidence."""
    from ipvae_snn.workflows import profiles as workflow

    wanted = [*([name] if name else []), *(profile or [])]
    result = workflow.load_profiles(wanted)
    if as_json:
        emit_json({"profiles": [workflow.profile_json(each) for each in result]})
    elif wanted:
        for each in result:
            show(console(), each)
    else:
        show_all(console(), result)


def show_all(screen: "Console", result: "Sequence[ChipProfile]") -> None:
    """Print one row per profile."""
    shown = table(
        "chip profiles: cores per chip, neurons and synapse words per core, published energies",
        *("profile", "cores", "neurons", "words", "graded", "energies", "what"),
        text=True,
    )
    for each in result:
        shown.add_row(*_summary(each))
    screen.print(shown)
    screen.print(
        "`ipvae-snn profiles NAME` shows every number with its source; --profile FILE.toml "
        "reads your own profile.",
        highlight=False,
    )


def _summary(profile: "ChipProfile") -> tuple[str, ...]:
    """Return a profile's row in the list of all."""
    published = [figure for figure in profile.energy.values() if figure.low is not None]
    energies = UNKNOWN if profile.energy else "none"
    graded = profile.features.get("graded_spikes")
    return (
        profile.name,
        *(profile.limits[key].text() if profile.has_limits else "-" for key in SUMMARY),
        YES_NO[graded.value] if graded else "-",
        f"{len(published)}" if published else energies,
        profile.title,
    )


def show(screen: "Console", profile: "ChipProfile") -> None:
    """Print every number of one profile, and the list of sources."""
    marks = {text: f"[{index}]" for index, text in enumerate(profile.sources.values(), 1)}
    columns = ("", "value", "unit", "source", "confidence", "note")
    shown = table(f"{profile.name}: {profile.title}", *columns, text=True)
    groups = {
        "limits": profile.limits,
        "energy per event": profile.energy,
        "time per event": profile.time,
        "static": profile.static,
    }
    for heading, figures in groups.items():
        _add_section(
            shown,
            heading,
            {
                key: (each.text(), each.unit, _mark(marks, each.source), each.confidence, each.note)
                for key, each in figures.items()
            },
        )
    _add_section(
        shown,
        "features",
        {
            key: (YES_NO[each.value], "", _mark(marks, each.source), each.confidence, each.note)
            for key, each in profile.features.items()
        },
    )
    screen.print(shown)
    for text, mark in marks.items():
        screen.print(f"{mark} {text}", highlight=False, markup=False)
    screen.print(profile.caveat, highlight=False, markup=False)


def _add_section(shown: Table, heading: str, rows: Mapping[str, tuple[str, ...]]) -> None:
    """Add a heading and its rows; nothing if there are no rows."""
    if rows:
        shown.add_section()
        shown.add_row(f"[bold]{heading}[/]")
    for key, cells in rows.items():
        shown.add_row(key, *cells)


def _mark(marks: Mapping[str, str], source: str) -> str:
    """Return a source's mark, such as [1], escaped from Rich's markup."""
    return marks.get(source, "").replace("[", r"\[")
