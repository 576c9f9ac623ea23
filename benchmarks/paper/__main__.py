"""The paper's figures, ours beside the published ones: train what is missing, measure, draw.

    python -m benchmarks.paper --preset quick --data-root FOLDER
    python -m benchmarks.paper --preset full --data-root FOLDER --runs RUNS --accept-iterations

`quick` takes half an hour on one core, `full` days; either goes on where it was stopped.
Networks lie in `--runs`, one folder each (`plan.Member.name`), which may come from elsewhere.
`--out` receives pictures (PNG, SVG) and paper.json; `--publish` also writes
benchmarks/results/paper-PRESET.json, docs/paper_figures.md and its pictures.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from benchmarks.paper.figures.catalogue import FIGURES, chosen
from benchmarks.paper.figures.rows import Json
from benchmarks.paper.page import IMAGES, PAGE, page, result_file, shown, stored_results
from benchmarks.paper.pictures import FORMATS, draw_all, files_of
from benchmarks.paper.plan import Preset, preset_of
from benchmarks.paper.work import Place, carried_out, getter, runs_of, tasks_of
from benchmarks.report import machine
from ipvae_snn.errors import ConfigError, IpvaeError
from ipvae_snn.report.json_files import emit_json, finite
from ipvae_snn.report.progress_bar import progress_bar
from ipvae_snn.report.terminal import console
from ipvae_snn.storage.atomic import write_text
from ipvae_snn.storage.locks import locked
from ipvae_snn.storage.outputs import Kind, Output, check_outputs
from ipvae_snn.storage.text_values import parse_json_object
from ipvae_snn.workflows.outputs import PICTURE

DIGITS: Final = 5


def _is_ours(path: Path) -> bool:
    try:
        stored = parse_json_object(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return {"preset", "protocol", "figures"} <= stored.keys()


RESULT: Final = Kind("a result of `python -m benchmarks.paper`", _is_ours, text=True)


def main(
    preset: Annotated[str, typer.Option(help="quick or full.")] = "quick",
    runs: Annotated[
        Path | None, typer.Option(help="Folder of the networks.", show_default="runs/paper-PRESET")
    ] = None,
    figures: Annotated[str | None, typer.Option(help="Comma-separated; default: all.")] = None,
    iterations: Annotated[
        int | None, typer.Option(min=1, help="Of every network, in place of the preset's.")
    ] = None,
    accept_iterations: Annotated[
        bool, typer.Option(help="Take finished runs whatever their iterations.")
    ] = False,
    images: Annotated[
        int | None, typer.Option(min=1, help="Held-out images, in place of the preset's.")
    ] = None,
    finished: Annotated[
        bool, typer.Option("--finished", help="Draw the networks that are trained; train none.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for pictures and JSON.", show_default="RUNS/figures")
    ] = None,
    data_root: Annotated[
        Path | None, typer.Option(help="Folder of public data sets.", envvar="IPVAE_SNN_DATA")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files of other kinds in --out.")
    ] = False,
    publish: Annotated[bool, typer.Option(help="Also write the page of the docs.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result.")] = False,
) -> None:
    """Train and measure what is missing; draw the figures."""
    try:
        asked = preset_of(preset, iterations)
        asked = asked if images is None else asked.limited(images)
        names = chosen(figures)
        if publish and names != tuple(FIGURES):
            raise ConfigError(
                f"--publish writes the page of all figures, but --figures names {figures}; leave "
                "one of them out"
            )
        place = Place(runs or Path("runs") / f"paper-{preset}", data_root, accept_iterations)
        folder = out or place.runs / "figures"
        if finished:
            asked, names = trained_alone(asked, names, place)
        written = [Output(file, PICTURE) for file in files_of(folder, names, FORMATS)]
        check_outputs((*written, Output(folder / "paper.json", RESULT)), (), overwrite)
        numbers = {"iterations": iterations, "images": images}
        flags = {"accept-iterations": accept_iterations, "finished": finished}
        result = made(asked, names, place, options_of(numbers, flags))
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / "paper.json", as_text(result))
        draw_all(result, folder)
        if publish:
            write_text(result_file(preset), as_text(result))
            redraw()
    except IpvaeError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    if as_json:
        emit_json(result)
    console(quiet=True).print(f"pictures and paper.json in {folder}{_published(publish, preset)}")


def _published(publish: bool, preset: str) -> str:
    return f"; {result_file(preset)} and {PAGE} written" if publish else ""


def options_of(numbers: Mapping[str, int | None], flags: Mapping[str, bool]) -> str:
    """Return options as they are written, each after a space."""
    given = [f" --{name} {value}" for name, value in numbers.items() if value is not None]
    return "".join([*given, *(f" --{name}" for name, value in flags.items() if value)])


def trained_alone(
    preset: Preset, names: tuple[str, ...], place: Place
) -> tuple[Preset, tuple[str, ...]]:
    """Return the preset with its trained networks alone, and the figures that have any.

    Raises ConfigError where there is none.
    """
    runs = runs_of(preset, names, place)
    some = preset.only([member for member, run in runs.items() if run.finished])
    counts = {name: len(members) for name, members in some.figures.items()}
    kept = tuple(name for name in names if counts.get(name, 0) >= FIGURES[name].least)
    if not kept:
        raise ConfigError(
            f"{place.runs}: holds no trained network of {', '.join(names)}; leave --finished out, "
            "or give the folder of the networks by --runs"
        )
    return some, kept


def made(preset: Preset, names: tuple[str, ...], place: Place, options: str = "") -> Json:
    """Return the result of some figures, after training and measuring what is missing.

    options: further ones, each after a space, for the command that the result names.
    """
    screen = console(quiet=True)
    with locked(place.runs), progress_bar(screen) as display:
        runs = runs_of(preset, names, place)
        tasks = tasks_of(preset, names, runs, place)
        display.print(f"{preset.name}: {len(runs)} networks, {len(tasks)} parts of work to do")
        carried_out(preset, tasks, runs, place, display)
        get = getter(preset, runs_of(preset, names, place), place)
        collected = {name: FIGURES[name].collect(preset, get) for name in names}
    result: Json = rounded(
        finite(
            {
                "command": f"python -m benchmarks.paper --preset {preset.name}{options}",
                "date": date.today().isoformat(),
                "machine": machine(),
                "preset": preset.name,
                "protocol": asdict(preset.protocol),
                "figures": collected,
            }
        )
    )
    return result


def rounded(value: Any) -> Any:
    """Return plain data with DIGITS significant digits, which is more than is known."""
    match value:
        case dict():
            return {key: rounded(one) for key, one in value.items()}
        case list():
            return [rounded(one) for one in value]
        case float():
            return float(f"{value:.{DIGITS}g}")
        case _:
            return value


def as_text(result: Json) -> str:
    """Return JSON with one line per network."""
    figures = ",\n".join(
        f"{json.dumps(name)}: [\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]"
        for name, rows in result["figures"].items()
    )
    head = json.dumps({key: value for key, value in result.items() if key != "figures"}, indent=1)
    return f'{head[:-2]},\n "figures": {{\n{figures}\n}}\n}}\n'


def redraw() -> None:
    """Make the page and its pictures anew from the stored results."""
    results = stored_results()
    for name, result in shown(results).items():
        draw_all({**result, "figures": {name: result["figures"][name]}}, IMAGES, ("png",))
    write_text(PAGE, page(*results))


if __name__ == "__main__":
    typer.run(main)
