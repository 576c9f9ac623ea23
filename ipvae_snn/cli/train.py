"""`ipvae-snn train`: images -> RUN/model.safetensors, with a progress bar and exact resume."""

from pathlib import Path
from typing import Annotated

import typer

from ipvae_snn.cli.options import DATA_HELP, DataRootOption, JsonOption


def train(
    data: Annotated[
        str | None, typer.Option(help=DATA_HELP + " Default: the preset's or config's.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("runs/run"),
    config: Annotated[Path | None, typer.Option(help="TOML file of settings.")] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="Settings that come with the package: demo, patches, mnist, digits, images. "
            "Default: the one for the data set, else images."
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="room.key=value, as often as you like.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu or cuda; short for --set train.device=...")
    ] = None,
    start_from: Annotated[
        Path | None, typer.Option(help="Checkpoint or pretrained name to take parameters from.")
    ] = None,
    quantise_aware: Annotated[
        int | None,
        typer.Option(
            metavar="BITS",
            help="Train inference with weights rounded to 2..8 bits, 0 for off; short for --set "
            "train.quantise_aware=BITS.",
        ),
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write TensorBoard events to OUT/tensorboard.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a run stopped.")] = False,
    data_root: DataRootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train an iP-VAE; writes model.safetensors, config.toml and metrics.jsonl into OUT.

    Several processes share every batch under PyTorch's launcher:
    torchrun --nproc-per-node 2 -m ipvae_snn train ...
    """
    from dataclasses import asdict, replace

    from ipvae_snn.config.toml import load_config, load_preset, preset_for, with_overrides
    from ipvae_snn.errors import ConfigError
    from ipvae_snn.report.json_files import emit_json
    from ipvae_snn.report.terminal import console
    from ipvae_snn.training.distributed import launched
    from ipvae_snn.workflows.images import network_path
    from ipvae_snn.workflows.train import Extras, train_with_progress

    if config is not None and preset is not None:
        raise ConfigError("give --config or --preset, not both; --set changes either")
    settings = load_config(config) if config else load_preset(preset or preset_for(data))
    settings = with_overrides(settings, overrides or [])
    if data is not None:
        settings = replace(settings, data=replace(settings.data, name=data))
    if device is not None:
        settings = with_overrides(settings, [f"train.device={device}"])
    if quantise_aware is not None:
        settings = with_overrides(settings, [f"train.quantise_aware={quantise_aware}"])
    extras = Extras(resume, network_path(start_from) if start_from else None, tensorboard)
    result = train_with_progress(settings, out, data_root, console(quiet=as_json), extras)
    if not launched().leads:
        return
    summary = {
        "model": str(result.checkpoint),
        "iterations": result.iterations,
        "seconds": result.seconds,
        "validation": asdict(result.validation),
    }
    if as_json:
        emit_json(summary)
        return
    console().print(
        f"[bold]{result.checkpoint}[/]: R2 {result.validation.r2:.3f}, zeros "
        f"{result.validation.zeros:.3f} on held-out "
        f"images after {result.iterations} iterations in {result.seconds:.0f} s"
    )
    console().print(f"next: ipvae-snn convert {result.checkpoint} --calibrate {settings.data.name}")
