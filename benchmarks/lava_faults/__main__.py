"""Faults of every kind in Lava runs: message, kept images, remains, seconds.

    python -m benchmarks.lava_faults

Each kind (benchmarks/lava_faults/kinds.py) is injected into a run of a small network, in the Lava
environment, many times; as root also those that need a full disk.
Writes benchmarks/results/lava_faults.json and docs/lava_faults.md.
"""

import json
import os
import re
import shutil
import tempfile
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from benchmarks.lava_faults.kinds import BY_NAME, KINDS, Kind
from benchmarks.lava_faults.page import page
from benchmarks.lava_faults.parts import small_network
from benchmarks.lava_faults.run import Case, Outcome
from benchmarks.report import machine
from benchmarks.sweep import Refused
from ipvae_snn.hw.lava.environment import require
from ipvae_snn.report.terminal import console
from ipvae_snn.storage.atomic import write_text

HERE: Final = Path(__file__).parents[1]
RESULT: Final = HERE / "results" / "lava_faults.json"
PAGE: Final = HERE.parent / "docs" / "lava_faults.md"
LIMIT_S: Final = 5.0  # from a fault to the end of the whole run


def possible(kind: Kind) -> bool:
    """Return whether the kind can be injected here."""
    return not kind.mount or (os.geteuid() == 0 and shutil.which("unshare") is not None)


def inject(kind: Kind, python: Path) -> Outcome:
    """Run once with the fault; raises nothing, whatever the run does."""
    # In /tmp, since the paths of its sockets must be short.
    with tempfile.TemporaryDirectory(prefix="ipvae-fault-", dir="/tmp") as folder:
        outcome = Case(kind, small_network(), python, Path(folder)).run()
        said = outcome.said.replace(folder, "...")
    late = (f"took {outcome.seconds} s",) if outcome.seconds >= LIMIT_S else ()
    return Outcome(kind.name, outcome.seconds, said, (*outcome.wrong, *late))


def first_line(said: str) -> str:
    """Return the first line of the error, without parts that change from run to run."""
    lines = [line for line in said.splitlines() if re.match(r"(run\.py|ipvae-snn): ", line)]
    plain = re.sub(r"process \d+", "process 4242", lines[0] if lines else "")
    return re.sub(r"ipvae-[a-z0-9_]{8}/", "", plain)


def main(
    times: Annotated[int, typer.Option(min=1, help="Runs per kind.")] = 20,
    only: Annotated[str, typer.Option(help="Comma-separated kinds; writes no result.")] = "",
    refused: Refused = None,
) -> None:
    """Inject the faults; write the result and the page; exit 1 if a run did not pass."""
    screen = console(quiet=True)
    python = require().python
    chosen = [BY_NAME[name] for name in only.split(",")] if only else list(KINDS)
    kinds: dict[str, dict[str, Any]] = {}
    wrong: list[str] = []
    for kind in chosen:
        if not possible(kind):
            screen.print(f"{kind.name}: needs root, left out")
            continue
        outcomes = [inject(kind, python) for _ in range(times)]
        faults = [f"{kind.name}: {text}" for one in outcomes for text in one.wrong]
        wrong += faults
        for text in faults:
            screen.print(text, style="red", highlight=False)
        seconds = [one.seconds for one in outcomes]
        kinds[kind.name] = {"seconds": seconds, "says": first_line(outcomes[0].said)}
        screen.print(
            f"{kind.name}: {max(seconds):.2f} s at most, {len(faults)} wrong", highlight=False
        )
    if not only:
        result = {
            "date": date.today().isoformat(),
            "command": "python -m benchmarks.lava_faults",
            "machine": machine(),
            "lava": "lava-nc 0.10.0, Python 3.10",
            "times": times,
            "limit_s": LIMIT_S,
            "wrong": wrong,
            "kinds": kinds,
        }
        write_text(RESULT, json.dumps(result, indent=2) + "\n")
        write_text(PAGE, page(json.loads(RESULT.read_text())))
    if wrong:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
