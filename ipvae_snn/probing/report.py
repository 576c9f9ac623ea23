"""The report of probes: plain data, and a document of tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from ipvae_snn.report.document import Document, Picture, Span, Table, paragraph


@dataclass(frozen=True)
class Outcome:
    """What one probe found: plain data, tables and pictures."""

    data: dict[str, Any]
    tables: tuple[Table, ...]
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class ProbeReport:
    """Probes of one network.

    kind: float or integer network, in words. source: SHA-256 of the checkpoint, which an integer
    network was converted from. outcomes: by stimulus. left_out: by stimulus, why it was not shown.
    """

    network: str
    kind: str
    source: str
    trained_on: str
    seed: int
    outcomes: Mapping[str, Outcome]
    left_out: Mapping[str, str]
    plots: tuple[str, ...]
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "network": self.network,
            "kind": self.kind,
            "source": self.source,
            "trained_on": self.trained_on,
            "seed": self.seed,
            "stimuli": {name: outcome.data for name, outcome in self.outcomes.items()},
            "left_out": dict(self.left_out),
            "plots": list(self.plots),
            "seconds": self.seconds,
        }

    def document(self, pictures: Sequence[Picture] = ()) -> Document:
        """Return the tables, remarks and pictures."""
        tables = [table for outcome in self.outcomes.values() for table in outcome.tables]
        remarks = [
            paragraph(Span(f"{name} is left out", "warning"), f": {reason}")
            for name, reason in self.left_out.items()
        ]
        last = paragraph(f"{self.kind}, seed {self.seed}; {self.seconds:.1f} s")
        return Document(f"Probes of {self.network}", (*tables, *remarks, *pictures, last))


def plain(value: Any, without: Sequence[str] = ()) -> Any:
    """Return a dataclass of arrays, numbers and estimates as plain data, less some fields."""
    match value:
        case np.ndarray() | np.generic():
            return value.tolist()
        case tuple() | list():
            return [plain(each) for each in value]
        case Mapping():
            return {str(key): plain(each) for key, each in value.items()}
        case _ if is_dataclass(value) and not isinstance(value, type):
            kept = [one.name for one in fields(value) if one.name not in without]
            return {name: plain(getattr(value, name)) for name in kept}
        case _:
            return value
