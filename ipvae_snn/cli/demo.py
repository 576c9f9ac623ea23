"""`ipvae-snn demo`: from photographs to Loihi's simulator, in about two minutes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from ipvae_snn.cli.options import JsonOption, SeedOption, output_path
from ipvae_snn.cli.rendering import deliver
from ipvae_snn.cli.terminal import Shown, watching
from ipvae_snn.report.terminal import console

if TYPE_CHECKING:
    from rich.console import Console

    from ipvae_snn.conversion.figures import ConversionReport
    from ipvae_snn.training.trainer import TrainProgress
    from ipvae_snn.workflows.export import Exported


def demo(
    out: Annotated[
        Path,
        typer.Option(
            parser=output_path, metavar="FOLDER", help="Folder for all files of the demo."
        ),
    ] = Path("demo-out"),
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Train, convert, export and compare on natural image patches; draw pictures."""
    from ipvae_snn.workflows import demo as workflow

    screen = console(quiet=as_json)
    with watching(screen) as line:
        shown = DemoDisplay(screen, line)
        listener = workflow.Listener(line.update, shown.training, shown.converted, shown.exported)
        result = workflow.demo(out, workflow.DemoSettings(seed), listener)
    deliver(result, as_json)
    result.require_equal()


class DemoDisplay:
    """Progress of the demo: the current stage on a line, and finished results above it."""

    def __init__(self, screen: "Console", line: Shown) -> None:
        self.screen, self.line = screen, line

    def training(self, progress: "TrainProgress") -> None:
        """Show an iteration of training."""
        text = f"training, loss {progress.loss:.1f}"
        if progress.validation is not None:
            text += f", R2 {progress.validation.r2:.3f}, zeros {progress.validation.zeros:.3f}"
        self.line.progress(progress.iteration, progress.iterations, "iterations", text)

    def converted(self, network: Path, report: "ConversionReport") -> None:
        """Print the proofs of the conversion."""
        worst = max(bound.worst / bound.limit for bound in report.bounds)
        name = escape(str(network))
        self.screen.print(
            f"converted to [bold]{name}[/]: no sum exceeds {100 * worst:.0f} % of its range; "
            f"a neuron passes the rate cap of {report.certificate.rate_cap:.0f} spikes per step "
            f"with a probability below {report.certificate.rate_bound:.0e}, for every image"
        )

    def exported(self, done: "Exported") -> None:
        """Print an export that passed its check."""
        self.screen.print(f"exported to [bold]{escape(str(done.out))}[/], equal to the reference")
