"""`ipvae-snn doctor`: versions, environments, data sets, what works and the remedy for the rest."""

from typing import TYPE_CHECKING

from ipvae_snn.cli.options import DataRootOption, JsonOption
from ipvae_snn.report.json_files import emit_json
from ipvae_snn.report.terminal import console, table

if TYPE_CHECKING:
    from rich.console import Console

    from ipvae_snn.workflows.doctor import BackendState, Diagnosis


def doctor(data_root: DataRootOption = None, as_json: JsonOption = False) -> None:
    """Tell what works here and what to do about the rest."""
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
        data.add_row(row.name, "[green]here[/]" if row.here else "[yellow]no files[/]", row.summary)
    for shown in (packages, backends, data):
        screen.print(shown)
    if not all(row.here for row in result.data):
        screen.print(
            "where a set has no files: name its folder with --data-root or IPVAE_SNN_DATA "
            "(`--json` tells which files are looked for)"
        )


def describe(state: "BackendState") -> str:
    """Return whether a back end works, and where or what to do."""
    if not state.works:
        return f"[yellow]not here:[/] {state.advice}"
    python = state.environment.get("python")
    return "[green]works[/]" + (f" in {python}" if python else "")
