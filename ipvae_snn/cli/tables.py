"""Tables that several commands print."""

from typing import TYPE_CHECKING

from rich.table import Table

from ipvae_snn.report.terminal import number, table

if TYPE_CHECKING:
    from ipvae_snn.workflows.back_ends import Comparison

VERDICTS = {None: "-", True: "[green]equal[/]", False: "[red]DIFFERENT[/]"}
REFERENCE = "reference"  # as workflows.back_ends.ORACLE, whose module would import NumPy


def as_table(comparison: "Comparison") -> Table:
    """Return a comparison of back ends as one table."""
    columns = ("run", "R2", "zeros", "spikes", "Msyn.ops", "uJ*", "us/step", "counts")
    title = (
        f"{comparison.images} images of {comparison.data}, {comparison.steps} steps, seed "
        f"{comparison.seed} (per image where not per step)"
    )
    shown = table(title, *columns)
    for row in comparison.rows:
        operations, energy = row.synaptic_operations_per_image, row.energy_nj_per_image
        shown.add_row(
            row.backend,
            number(row.r2),
            number(row.zeros),
            number(row.spikes_per_image, 0),
            f"{operations / 1e6:.2f}",
            "-" if energy is None else f"{energy / 1e3:.2f}",
            number(row.us_per_image_step, 0),
            "reference" if row.backend == REFERENCE else VERDICTS[row.equal],
        )
    return shown


def footnote(comparison: "Comparison") -> str:
    """Return the source of the energy figures, which is printed with them."""
    return (
        f"* {comparison.energy_profile}; source: {comparison.energy_source}. "
        f"{comparison.energy_caveat}"
    )
