"""Train the networks of the paper's figures on a GPU, many at once.

    python -m benchmarks.paper.together --runs RUNS --data-root FOLDER
    python -m benchmarks.paper.together --runs LONG --figures seeds --iterations 162600
    python -m benchmarks.paper --preset full --runs RUNS --finished

Those that differ in beta and seed alone train as one stack (`training.together.train`): iP-VAE,
iG-VAE and iG_relu-VAE. Finished ones are left as they are.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer

from benchmarks.paper.figures.catalogue import chosen
from benchmarks.paper.plan import Member, preset_of
from benchmarks.paper.runs import Run
from benchmarks.paper.work import Place, runs_of
from ipvae_snn.config.settings import Config
from ipvae_snn.errors import IpvaeError
from ipvae_snn.models.registry import COMPILED, COMPILED_GAUSSIAN
from ipvae_snn.report.progress_bar import progress_bar
from ipvae_snn.report.terminal import console
from ipvae_snn.storage.locks import locked
from ipvae_snn.training.devices import device_named
from ipvae_snn.training.together.train import train_together
from ipvae_snn.workflows.training_images import load_training_data

KINDS: Final = (COMPILED, *COMPILED_GAUSSIAN)
LOG: Final = 1000  # iterations between two looks at the gradients, each of which waits for the GPU


def main(
    runs: Annotated[Path, typer.Option(help="Folder of the networks.")],
    preset: Annotated[str, typer.Option(help="quick or full.")] = "full",
    figures: Annotated[
        str | None, typer.Option(help="Networks of these, comma-separated; default: all.")
    ] = None,
    iterations: Annotated[
        int | None, typer.Option(min=1, help="Of every network, in place of the preset's.")
    ] = None,
    device: Annotated[str, typer.Option(help="Where torch trains.")] = "cuda",
    most: Annotated[int, typer.Option(min=1, help="Networks in a stack.")] = 16,
    seconds: Annotated[
        float, typer.Option(min=0, help="Start no stack after so long; 0 for no limit.")
    ] = 0,
    tf32: Annotated[
        bool, typer.Option(help="Products of matrices with factors of 10 bits; faster.")
    ] = True,
    data_root: Annotated[
        Path | None, typer.Option(help="Folder of public data sets.", envvar="IPVAE_SNN_DATA")
    ] = None,
) -> None:
    """Train what is missing, stack by stack."""
    started = time.monotonic()
    try:
        device_named(device)
        asked, place = preset_of(preset, iterations), Place(runs, data_root)
        names = chosen(figures)
        missing = [run for run in runs_of(asked, names, place).values() if not run.finished]
        stacks = stacks_of(missing, most)
        with locked(runs), progress_bar(console(quiet=True)) as display:
            count = sum(len(stack) for stack in stacks)
            display.print(f"{count} networks in {len(stacks)} stacks")
            for number, stack in enumerate(stacks, 1):
                if seconds and time.monotonic() - started > seconds:
                    display.print(
                        f"{seconds:g} s are over; stacks left: {len(stacks) - number + 1}"
                    )
                    break
                name = f"stack {number} of {len(stacks)}, {named(stack)}"
                display(name, 0, stack[0].iterations)
                since = time.monotonic()
                train_together(
                    [on(run.config, device) for run in stack],
                    *load_training_data(stack[0].config, data_root),
                    [run.folder.path for run in stack],
                    lambda done, of, name=name: display(name, done, of),  # type: ignore[misc] # mypy
                    tf32=tf32,
                )
                display.print(f"{name}: {time.monotonic() - since:.0f} s")
    except IpvaeError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


def stacks_of(runs: Iterable[Run], most: int) -> list[list[Run]]:
    """Return the runs that can be trained together, up to `most` in a stack.

    Those of one stack have the same settings but for beta and seed.
    """
    stacks: dict[Config, list[Run]] = {}
    for run in runs:
        member: Member = run.member
        if member.kind in KINDS:
            train = replace(run.config.train, seed=0, beta=0.0)
            stacks.setdefault(replace(run.config, train=train), []).append(run)
    return [
        stack[first : first + most]
        for stack in stacks.values()
        for first in range(0, len(stack), most)
    ]


def on(config: Config, device: str) -> Config:
    """Return the settings with another device, and with few looks at the gradients."""
    return replace(config, train=replace(config.train, device=device, log_interval=LOG))


def named(stack: Sequence[Run]) -> str:
    """Return what the networks of a stack have in common, and how many they are."""
    member = stack[0].member
    return f"{len(stack)} x {member.kind} T {member.steps} of {member.data}"


if __name__ == "__main__":
    typer.run(main)
