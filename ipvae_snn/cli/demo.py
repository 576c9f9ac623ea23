"""`ipvae-snn demo`: the whole way from photographs to Loihi's simulator, in about two minutes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipvae_snn.cli.options import JsonOption, SeedOption
from ipvae_snn.cli.tables import as_table, footnote
from ipvae_snn.cli.terminal import Shown, watching
from ipvae_snn.report.json_files import emit_json
from ipvae_snn.report.terminal import console

if TYPE_CHECKING:
    from rich.console import Console

    from ipvae_snn.conversion.figures import ConversionReport
    from ipvae_snn.training.trainer import TrainProgress
    from ipvae_snn.workflows.demo import DemoResult
    from ipvae_snn.workflows.export import Exported


def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything that the demo makes.")] = Path(
        "demo-out"
    ),
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Train, convert, export and compare on natural image patches; saves pictures."""
    from ipvae_snn.workflows import demo as workflow

    screen = console(quiet=as_json)
    with watching(screen) as line:
        told = Told(screen, line)
        listener = workflow.Listener(line.update, told.training, told.converted, told.exported)
        result = workflow.demo(out, workflow.DemoSettings(seed), listener)
    if as_json:
        emit_json(result.as_json())
    else:
        show(screen, result, workflow.PRETRAINED)
    result.require_equal()


class Told:
    """Shows what the demo does now on a line, and prints what it has done."""

    def __init__(self, screen: "Console", line: Shown) -> None:
        self.screen, self.line = screen, line

    def training(self, progress: "TrainProgress") -> None:
        """Show an iteration of training."""
        text = f"training, loss {progress.loss:.1f}"
        self.line.progress(progress.iteration, progress.iterations, "iterations", text)

    def converted(self, network: Path, report: "ConversionReport") -> None:
        """Print what the conversion proved."""
        worst = max(bound.worst / bound.limit for bound in report.bounds)
        self.screen.print(
            f"converted to [bold]{network}[/]: no accumulator can pass {100 * worst:.0f} % of its "
            f"range, and a neuron passes the rate cap of {report.certificate.rate_cap:.0f} spikes "
            f"a step with a chance below {report.certificate.barrier:.0e}, whatever it is shown"
        )

    def exported(self, done: "Exported") -> None:
        """Print that an export was checked."""
        self.screen.print(f"exported to [bold]{done.out}[/], equal to the interpreter")


def show(screen: "Console", result: "DemoResult", pretrained: str) -> None:
    """Print both comparisons, where the figures come from, and where the pictures are."""
    comparison = result.comparison
    screen.print(as_table(comparison))
    screen.print(f"Beside it, trained for longer: the pretrained [bold]{pretrained}[/]")
    screen.print(as_table(result.pretrained))
    screen.print(footnote(comparison), highlight=False)
    screen.print(f"data: {comparison.citation}", highlight=False)
    screen.print(f"pictures: {', '.join(map(str, result.pictures))}")
    if comparison.all_equal:
        screen.print(
            "[green]the integer rows are equal, spike by spike[/]; spike counts equal float's "
            f"in {100 * comparison.counts_equal:.2f} % of all places"
        )
    if not result.with_lava:
        screen.print("[yellow]no Lava row: run `ipvae-snn lava setup` (needs Python 3.10)[/]")
    screen.print(f"{result.seconds:.0f} s in all")
