"""Documents of chip profiles: the list of all, and every number of one."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from ipvae_snn.hw.chips.profile import ChipProfile
from ipvae_snn.report.document import Block, Cell, Document, Span, Table, paragraph, table

# Shown of each profile in the list of all.
SUMMARY: Final = ("cores_per_chip", "neurons_per_core", "synapse_words_per_core")
UNKNOWN: Final = "not public"
YES_NO: Final[Mapping[bool | None, str]] = MappingProxyType(
    {True: "yes", False: "no", None: UNKNOWN}
)


def list_document(profiles: Sequence[ChipProfile]) -> Document:
    """Return one row per profile."""
    head = ("profile", "cores", "neurons", "words", "graded", "energies", "what")
    title = "chip profiles: cores per chip, neurons and synapse words per core, published energies"
    return Document(
        "Chip profiles",
        (
            table(title, head, map(_summary, profiles), text=True),
            paragraph(
                "`ipvae-snn profiles NAME` shows every number with its source; --profile "
                "FILE.toml reads your own profile."
            ),
        ),
    )


def _summary(profile: ChipProfile) -> tuple[str, ...]:
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


def document(profiles: Iterable[ChipProfile]) -> Document:
    """Return every number of each profile, and its sources."""
    blocks: list[Block] = []
    for profile in profiles:
        marks = {text: f"[{index}]" for index, text in enumerate(profile.sources.values(), 1)}
        blocks.append(figures_table(profile, marks))
        blocks += [paragraph(f"{mark} {text}") for text, mark in marks.items()]
        blocks.append(paragraph(profile.caveat))
    return Document("Chip profiles", tuple(blocks))


def figures_table(profile: ChipProfile, marks: Mapping[str, str]) -> Table:
    """Return every number of one profile; marks: what stands for a source's text."""
    rows: list[tuple[Cell, ...]] = []
    sections: list[int] = []
    for heading, lines in _groups(profile, marks).items():
        if lines:
            sections.append(len(rows))
            rows += [(Span(heading, "strong"),), *lines]
    head = ("", "value", "unit", "source", "confidence", "note")
    return table(f"{profile.name}: {profile.title}", head, rows, text=True, sections=sections)


def _groups(profile: ChipProfile, marks: Mapping[str, str]) -> dict[str, list[tuple[Cell, ...]]]:
    """Return the rows of each group of numbers, by its heading."""
    figures = {
        "limits": profile.limits,
        "energy per event": profile.energy,
        "time per event": profile.time,
        "static": profile.static,
    }
    groups: dict[str, list[tuple[Cell, ...]]] = {
        heading: [
            (key, one.text(), one.unit, marks.get(one.source, ""), one.confidence, one.note)
            for key, one in group.items()
        ]
        for heading, group in figures.items()
    }
    groups["features"] = [
        (key, YES_NO[one.value], "", marks.get(one.source, ""), one.confidence, one.note)
        for key, one in profile.features.items()
    ]
    return groups
