"""Result of a workflow that returns a report and pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from ipvae_snn.report.document import Document, Picture


class Report(Protocol):
    """Figures of a workflow."""

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""

    def document(self, pictures: Sequence[Picture] = ()) -> Document:
        """Return the tables, remarks and pictures."""


R = TypeVar("R", bound=Report)


@dataclass(frozen=True)
class ReportResult(Generic[R]):
    """Figures and pictures; pictures have paths if they were written."""

    report: R
    pictures: tuple[Picture, ...]

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return self.report.as_json()

    def document(self) -> Document:
        """Return the tables and pictures."""
        return self.report.document(self.pictures)
