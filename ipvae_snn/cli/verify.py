"""`ipvae-snn verify`: exit 0 only if all back ends give the oracle's counts and states."""

import time
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ipvae_snn.cli.options import (
    DATA_HELP,
    DataRootOption,
    JsonOption,
    LimitOption,
    SeedOption,
    SplitOption,
    StepsOption,
    listed,
    network_path,
)
from ipvae_snn.cli.terminal import watching

DEFAULT: Final = ["compiled", "torch", "onnx", "lava"]


def verify(
    network: Annotated[Path, typer.Argument(parser=network_path, help="Integer network.")],
    data: Annotated[str, typer.Option(help=DATA_HELP)],
    backends: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated; the reference is always the oracle. Default: compiled, torch, "
            "onnx, lava."
        ),
    ] = None,
    limit: LimitOption = 20,
    steps: StepsOption = 64,
    seed: SeedOption = 0,
    split: SplitOption = "test",
    data_root: DataRootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare back ends spike by spike; names the first diverging image, step and neuron."""
    from ipvae_snn.backends.registry import load_backend
    from ipvae_snn.errors import DivergedError
    from ipvae_snn.ir.equality import first_divergence
    from ipvae_snn.ir.files import load_network
    from ipvae_snn.ir.trace import RunRequest
    from ipvae_snn.report.json_files import emit_json
    from ipvae_snn.report.terminal import console, table
    from ipvae_snn.workflows.back_ends import ORACLE
    from ipvae_snn.workflows.images import load_for

    program = load_network(network)
    names = DEFAULT if backends is None else listed(backends)
    others = [name for name in names if name != ORACLE]
    run_of = {name: load_backend(name) for name in (ORACLE, *others)}
    images = load_for(program, data, split, data_root, limit)
    request = RunRequest(steps, seed, trace=True)
    screen = console(quiet=as_json)
    rows: list[dict[str, Any]] = []
    with watching(screen) as status:
        status.update(f"{ORACLE}: {len(images.pixels)} images, {steps} steps")
        start = time.perf_counter()
        expected = run_of[ORACLE](program, images.pixels, request)
        rows.append({"backend": ORACLE, "seconds": time.perf_counter() - start, "equal": True})
        for name in others:
            status.update(f"{name}: {len(images.pixels)} images, {steps} steps")
            start = time.perf_counter()
            found = run_of[name](program, images.pixels, request)
            divergence = first_divergence(expected, found)
            rows.append(
                {
                    "backend": name,
                    "seconds": time.perf_counter() - start,
                    "equal": divergence is None,
                    "divergence": divergence.describe() if divergence else None,
                }
            )
    compared = len(images.pixels) * steps * program.n_neurons
    if as_json:
        emit_json({"network": str(network), "compared": compared, "backends": rows})
    else:
        shown = table(
            f"{len(images.pixels)} images of {images.floats.name}, {steps} steps, "
            f"{program.n_neurons} neurons, seed {seed}",
            "back end", "seconds", "counts and states",
        )  # fmt: skip
        for row in rows:
            verdict = "the oracle" if row["backend"] == ORACLE else "[green]equal[/]"
            verdict = verdict if row["equal"] else "[red]DIFFERENT[/]"
            shown.add_row(row["backend"], f"{row['seconds']:.2f}", verdict)
        screen.print(shown)
    wrong = [row for row in rows if not row["equal"]]
    if wrong:
        raise DivergedError("; ".join(f"{row['backend']}: {row['divergence']}" for row in wrong))
    if not as_json:
        screen.print(f"[green]all {compared:,} counts and states are equal[/]")
