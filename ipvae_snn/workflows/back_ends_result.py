"""Result of a comparison of back ends: its rows, its document, and its agreement with float."""

from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, Final

from ipvae_snn.errors import DivergedError
from ipvae_snn.report.document import Cell, Document, Span, Table, Text, number, paragraph, table

FLOAT: Final = "float"
REFERENCE: Final = "reference"
VERDICTS: Final = MappingProxyType(
    {None: Span("-"), True: Span("equal", "good"), False: Span("DIFFERENT", "bad")}
)


@dataclass(frozen=True)
class Row:
    """One back end: quality, activity, energy proxy (nJ per image) and time.

    equal: whether all counts and states equal the reference's; None for the float run.
    us_per_image_step: wall-clock time, including start-up.
    """

    backend: str
    r2: float
    r2_low: float
    r2_high: float
    zeros: float
    spikes_per_image: float
    synaptic_operations_per_image: float
    energy_nj_per_image: float | None
    seconds: float
    us_per_image_step: float
    equal: bool | None
    divergence: str | None


@dataclass(frozen=True)
class Comparison:
    """All rows, the source of the energies, and the agreement of float and integer counts."""

    rows: tuple[Row, ...]
    energy_profile: str
    energy_source: str
    energy_caveat: str
    counts_equal: float
    counts_equal_active: float
    images: int
    steps: int
    seed: int
    data: str
    citation: str

    @property
    def all_equal(self) -> bool:
        """Whether every integer back end gave the reference's counts and states."""
        return all(row.equal is not False for row in self.rows)

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    def document(self) -> Document:
        """Return the table, the source of the energies, and the agreement with float."""
        return Document(
            "Float and integer inference",
            (self.table(), self.footnote(), self.agreement()),
        )

    def table(self) -> Table:
        """Return one row per back end."""
        title = (
            f"{self.images} images of {self.data}, {self.steps} steps, seed {self.seed} "
            "(per image where not per step)"
        )
        head = ("run", "R2", "zeros", "spikes", "Msyn.ops", "uJ*", "us/step", "counts")
        return table(title, head, map(_cells, self.rows))

    def footnote(self) -> Text:
        """Return the source of the energies."""
        return paragraph(
            f"* {self.energy_profile}; source: {self.energy_source}. {self.energy_caveat}"
        )

    def agreement(self) -> Text:
        """Return the shares of counts that float and integer inference have in common."""
        return paragraph(
            f"spike counts equal to float: {100 * self.counts_equal:.2f} % of all, "
            f"{100 * self.counts_equal_active:.2f} % of those where float is not 0"
        )

    def require_equal(self) -> None:
        """Raise DivergedError, with the first place of each, if a back end differs."""
        if not self.all_equal:
            wrong = [f"{row.backend}: {row.divergence}" for row in self.rows if row.divergence]
            raise DivergedError("; ".join(wrong))


def _cells(row: Row) -> tuple[Cell, ...]:
    energy = row.energy_nj_per_image
    return (
        row.backend,
        number(row.r2),
        number(row.zeros),
        number(row.spikes_per_image, 0),
        f"{row.synaptic_operations_per_image / 1e6:.2f}",
        "-" if energy is None else f"{energy / 1e3:.2f}",
        number(row.us_per_image_step, 0),
        "reference" if row.backend == REFERENCE else VERDICTS[row.equal],
    )
