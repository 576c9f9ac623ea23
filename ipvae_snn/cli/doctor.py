"""`ipvae-snn doctor`: versions, back ends, data sets, and remedies for what is missing."""

from typing import TYPE_CHECKING

from ipvae_snn.cli.options import DataRootOption, JsonOption
from ipvae_snn.report.json_files import emit_json
from ipvae_snn.report.terminal import console, table

if TYPE_CHECKING:
    from rich.console import Console

    from ipvae_snn.workflows.doctor import BackendState, Diagnosis


def doctor(data_root: DataRootOption = None, as_json: JsonOption = False) -> None:
    """Report versions, back ends and data sets, with a remedy for what is missing."""
    from ipvae_snn.workflows import doctor as workflow

    result = workflow.diagnose(data_root)
    if as_json:
        emit_json(result.as_json())
    else:
        show(console(), result, workflow.OPTIONAL)


def show(screen: "Console", result: "Diagnosis", optional: tuple[str, ...]) -> None:
    """Print three tables: packages, back ends, data sets."""
    title = f"Python {result.python}, {result.platform}"
    packages = table(title, "package", "version", text=True)
    for name, number in result.packages.items():
        missing = "not installed" + (" (optional)" if name in optional else "")
        packages.add_row(name, number or missing)
    backends = table("Back ends", "name", "state", text=True)
    for name, state in result.backends.items():
        backends.add_row(name, describe(state))
    data = table("Data sets", "name", "test split", "what", text=True)
    for row in result.data:
        data.add_row(
            row.name, "[green]available[/]" if row.here else "[yellow]no files[/]", row.summary
        )
    for shown in (packages, backends, data):
        screen.print(shown)
    if not all(row.here for row in result.data):
        screen.print(
            "for a set without files, give its folder with --data-root or IPVAE_SNN_DATA "
            "(`--json` lists the files)"
        )


def describe(state: "BackendState") -> str:
    """Return whether a back end works, and its Python or the remedy."""
    if not state.works:
        return f"[yellow]not available:[/] {state.advice}"
    python = state.environment.get("python")
    return "[green]works[/]" + (f" in {python}" if python else "")
