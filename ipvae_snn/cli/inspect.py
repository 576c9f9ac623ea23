"""`ipvae-snn inspect`: what a file of this toolkit holds."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ipvae_snn.cli.options import JsonOption, network_path

if TYPE_CHECKING:
    from ipvae_snn.arrays import AnyArray


def inspect(
    file: Annotated[
        Path,
        typer.Argument(
            parser=network_path, help="A checkpoint, pretrained name, integer network or result."
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Tell what a checkpoint, an integer network or a result.npz holds."""
    from ipvae_snn.report.json_files import emit_json
    from ipvae_snn.report.terminal import console, table
    from ipvae_snn.workflows.images import is_checkpoint

    if file.suffix == ".npz":
        details = _result(file)
    elif is_checkpoint(file):
        details = _checkpoint(file)
    else:
        details = _program(file)
    if as_json:
        emit_json(details)
        return
    shown = table(f"{file}: {details['what']}", "", "value", text=True)
    for name, value in details.items():
        if isinstance(value, dict):
            for part, inner in value.items():
                shown.add_row(f"{name}.{part}", str(inner))
        else:
            shown.add_row(name, str(value))
    console().print(shown)


def _range(array: "AnyArray") -> str:
    import numpy as np

    values = np.asarray(array)  # never copied: 16,384 neurons have a gigabyte of them
    spread = f"{float(values.min()):.4g}..{float(values.max()):.4g}" if values.size else "empty"
    return f"{array.dtype} {tuple(array.shape)} {spread}"


def _checkpoint(path: Path) -> dict[str, Any]:
    from ipvae_snn.models.float_network import load_float_network

    network = load_float_network(path)
    return {
        "what": "float checkpoint of an iP-VAE",
        "pixels": network.n_pixels,
        "neurons": network.n_neurons,
        "image_shape": list(network.image_shape),
        "input": network.input_kind,
        "trained_on": network.trained_on,
        "step_size": 2.718281828459045**network.log_lr,
        "sha256": network.source,
        "tensors": {
            name: _range(getattr(network, name)) for name in ("phi", "log_sigma", "u0", "log_bias")
        },
    }


def _program(path: Path) -> dict[str, Any]:
    from ipvae_snn.ir.bounds import worst_partial_sum
    from ipvae_snn.ir.files import load_network, to_arrays, to_scalars
    from ipvae_snn.ir.fixed_point import ACCUMULATOR_BITS, STATE_BITS, signed_limit

    program = load_network(path)
    low, high = program.feedforward_range
    count = program.neurons.max_count
    scalars = to_scalars(program)
    worst = {"feedforward sum": worst_partial_sum(program.feedforward.weights, low, high).max()}
    if program.lateral is not None:
        worst["lateral sum"] = worst_partial_sum(program.lateral.weights, 0, count).max()
    if program.residual is not None:
        weights = program.residual.prediction.weights
        worst["prediction sum"] = worst_partial_sum(weights, 0, count).max()
    limits = signed_limit(ACCUMULATOR_BITS), signed_limit(STATE_BITS)
    return {
        "what": f"integer network, program version {program.version}",
        "pixels": program.n_pixels,
        "neurons": program.n_neurons,
        "circuit": program.circuit,
        "input": scalars["input"],
        "neuron": scalars["neurons"],
        "residual_limit": scalars["residual_limit"],
        "worst_case": {
            **{name: f"{value:,} of {limits[0]:,}" for name, value in worst.items()},
            "current": f"{program.worst_current.max():,} of {limits[1]:,}",
        },
        "provenance": program.provenance,
        "tensors": {name: _range(array) for name, array in to_arrays(program).items()},
    }


def _result(path: Path) -> dict[str, Any]:
    import zipfile

    import numpy as np

    from ipvae_snn.errors import FileFormatError

    try:
        with np.load(path, allow_pickle=False) as arrays:
            ranges = {name: _range(arrays[name]) for name in arrays.files}
    except FileNotFoundError as error:
        raise FileFormatError(f"{path}: no such file; check the path") from error
    except (ValueError, EOFError, zipfile.BadZipFile, OSError) as error:
        raise FileFormatError(f"{path}: not a readable npz file ({error})") from error
    return {"what": "result of a run", "arrays": ranges}
