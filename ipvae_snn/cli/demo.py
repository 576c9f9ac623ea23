"""`ipvae-snn demo`: from photographs to Loihi's simulator, in about two minutes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ipvae_snn.cli import options as opt
from ipvae_snn.cli.command import examples
from ipvae_snn.cli.terminal import Screen

if TYPE_CHECKING:
    from ipvae_snn.conversion.figures import ConversionReport
    from ipvae_snn.workflows.export import Exported

EXAMPLES: Final = examples("demo", "demo --out my-demo --seed 3")


def demo(
    out: Annotated[
        Path,
        typer.Option(
            *opt.OUT_NAMES,
            parser=opt.output_path,
            metavar="FOLDER",
            help="Folder for all files of the demo.",
            rich_help_panel=opt.RESULTS,
        ),
    ] = Path("demo-out"),
    seed: opt.SeedOption = 0,
    as_json: opt.JsonOption = False,
    quiet: opt.QuietOption = False,
    verbose: opt.VerboseOption = False,
) -> None:
    """Train, convert, export and compare on natural image patches; draw pictures."""
    screen = Screen(as_json, quiet, verbose)
    with screen.working() as progress:
        from ipvae_snn.workflows import demo as workflow

        shown = DemoDisplay(progress.print)
        listener = workflow.Listener(progress, shown.converted, shown.exported)
        result = workflow.demo(out, workflow.DemoSettings(seed), listener)
    screen.deliver(result)
    result.require_equal()


@dataclass(frozen=True)
class DemoDisplay:
    """Lines for finished results of the demo; print: shows a line above the progress."""

    print: Callable[[str], None]

    def converted(self, network: Path, report: "ConversionReport") -> None:
        """Print the proofs of the conversion."""
        worst = max(bound.worst / bound.limit for bound in report.bounds)
        self.print(
            f"converted to {network}: no sum exceeds {100 * worst:.0f} % of its range; "
            f"a neuron passes the rate cap of {report.certificate.rate_cap:.0f} spikes per step "
            f"with a probability below {report.certificate.rate_bound:.0e}, for every image"
        )

    def exported(self, done: "Exported") -> None:
        """Print an export that passed its check."""
        self.print(f"exported to {done.out}, equal to the reference")
