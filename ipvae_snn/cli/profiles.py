"""`ipvae-snn profiles`: chip profiles, every number with its unit, source and confidence."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ipvae_snn.cli.options import JsonOption

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from ipvae_snn.hw.chips.profile import ChipProfile, Figure

# Shown of each profile in the list of all.
SUMMARY: Final = ("cores_per_chip", "neurons_per_core", "synapse_words_per_core")
UNKNOWN: Final = "not public"
YES_NO: Final[Mapping[bool | None, str]] = {True: "yes", False: "no", None: UNKNOWN}


def profiles(
    name: Annotated[
        str | None, typer.Argument(help="A profile's name, or a path that ends in .toml.")
    ] = None,
    profile: Annotated[
        list[str] | None,
        typer.Option("--profile", help="The same, as the other commands take it; may be repeated."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the chip profiles, or show every number of one: unit, source, confidence."""
    from ipvae_snn.hw.chips.profile import load_profile, profile_names
    from ipvae_snn.report.json_files import emit_json
    from ipvae_snn.report.terminal import console

    wanted = [*([name] if name else []), *(profile or [])]
    found = [load_profile(each) for each in wanted or profile_names()]
    if as_json:
        emit_json({"profiles": [_plain(each) for each in found]})
        return
    screen = console()
    if not wanted:
        screen.print(_overview(found))
        screen.print(
            "`ipvae-snn profiles NAME` shows every number with its source; --profile FILE.toml "
            "takes your own.",
            highlight=False,
        )
        return
    for each in found:
        _show(screen, each)


def _overview(found: "list[ChipProfile]") -> "Table":
    from ipvae_snn.report.terminal import table

    shown = table(
        "chip profiles: cores a chip, neurons and synapse words a core, energies published",
        "profile", "cores", "neurons", "words", "graded", "energies", "what", text=True,
    )  # fmt: skip
    for each in found:
        published = [figure for figure in each.energy.values() if figure.low is not None]
        limits = [each.limits[key].text() if each.has_limits else "-" for key in SUMMARY]
        graded = each.features.get("graded_spikes")
        shown.add_row(
            each.name, *limits,
            YES_NO[graded.value] if graded else "-",
            f"{len(published)}" if published else UNKNOWN if each.energy else "none",
            each.title,
        )  # fmt: skip
    return shown


def _show(screen: "Console", profile: "ChipProfile") -> None:
    from ipvae_snn.report.terminal import table

    numbers = {text: f"[{index}]" for index, text in enumerate(profile.sources.values(), 1)}
    shown = table(
        f"{profile.name}: {profile.title}", "", "value", "unit", "source", "confidence", "note",
        text=True,
    )  # fmt: skip
    groups: list[tuple[str, Mapping[str, Figure]]] = [
        ("limits", profile.limits),
        ("energy of one", profile.energy),
        ("time of one", profile.time),
        ("static", profile.static),
    ]
    for heading, figures in groups:
        if figures:
            shown.add_section()
            shown.add_row(f"[bold]{heading}[/]")
        for key, figure in figures.items():
            shown.add_row(
                key, figure.text(), figure.unit, _plain_mark(numbers.get(figure.source, "")),
                figure.confidence, figure.note,
            )  # fmt: skip
    if profile.features:
        shown.add_section()
        shown.add_row("[bold]features[/]")
    for key, feature in profile.features.items():
        shown.add_row(
            key, YES_NO[feature.value], "", _plain_mark(numbers.get(feature.source, "")),
            feature.confidence, feature.note,
        )  # fmt: skip
    screen.print(shown)
    for text, mark in numbers.items():
        screen.print(f"{mark} {text}", highlight=False, markup=False)
    screen.print(profile.caveat, highlight=False, markup=False)


def _plain_mark(text: str) -> str:
    """Return a mark such as [1] so that Rich does not read it as markup."""
    return text.replace("[", r"\[")


def _plain(profile: "ChipProfile") -> dict[str, Any]:
    groups = {"limits": profile.limits, "energy": profile.energy, "time": profile.time}
    return {
        "name": profile.name,
        "title": profile.title,
        "caveat": profile.caveat,
        **{name: _figures(figures) for name, figures in groups.items()},
        "static": _figures(profile.static),
        "features": {key: asdict(feature) for key, feature in profile.features.items()},
    }


def _figures(figures: "Mapping[str, Figure]") -> dict[str, Any]:
    return {key: asdict(figure) for key, figure in figures.items()}
