"""`ipvae-snn export`: network -> Lava, ONNX, snnTorch or Norse, checked against the oracle."""

from collections.abc import Callable
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ipvae_snn.cli.options import JsonOption, network_path

if TYPE_CHECKING:
    from ipvae_snn.arrays import UInt8
    from ipvae_snn.ir.network import IntegerNetwork

Writer = Callable[["IntegerNetwork", Path, bool], None]
CHECK_IMAGES: Final = 3
CHECK_STEPS: Final = 12
CHECK_SECONDS: Final = 600  # of an export's own script; it takes seconds


class Target(str, Enum):
    """What to export to."""

    LAVA = "lava"
    ONNX = "onnx"
    SNNTORCH = "snntorch"
    NORSE = "norse"


_LAYER_FILES: Final = frozenset(("README.md", "__pycache__", "load.py", "network.safetensors"))
# All that an export writes into its folder, and what using it leaves there; only folders with
# nothing else are replaced.
WRITTEN: Final = {
    Target.LAVA: frozenset(
        ("README.md", "network.json", "network.npz", "requirements.txt", "run.py", "simulator")
    ),
    Target.ONNX: frozenset(("README.md", "encode.onnx", "inference.onnx", "step.onnx")),
    Target.SNNTORCH: _LAYER_FILES,
    Target.NORSE: _LAYER_FILES,
}


def export(
    network: Annotated[
        Path,
        typer.Argument(
            parser=network_path, help="Integer network; for ONNX also a float checkpoint."
        ),
    ],
    target: Annotated[
        Target,
        typer.Option(
            help="lava: a bundle that runs by itself. onnx: models. snntorch, norse: a layer, with "
            "a script that loads it."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write; an older export is replaced.")],
    no_check: Annotated[
        bool, typer.Option("--no-check", help="Do not run the export against the oracle.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Export a network and check that the export gives the oracle's spike counts."""
    from ipvae_snn.report.json_files import emit_json
    from ipvae_snn.report.terminal import console
    from ipvae_snn.workflows.images import is_checkpoint

    floating = is_checkpoint(network)
    export_file = _export_float if floating else export_integer
    export_file(network, target, out, no_check)
    checked = "unchecked" if no_check else "checked"
    if as_json:
        emit_json(
            {
                "out": str(out),
                "target": target.value,
                "kind": "float" if floating else "integer",
                "checked": not no_check,
                "files": sorted(
                    p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()
                ),
            }
        )
        return
    against = "float inference" if floating else "the interpreter, equal bit for bit"
    console().print(
        f"[bold]{out}[/] written ({target.value}, {checked}"
        + ("" if no_check else f" against {against}")
        + ")"
    )


def check_pixels(program: "IntegerNetwork") -> "UInt8":
    """Return the images of an export's self-check: noise, black and white reach every limit."""
    import numpy as np

    noise = np.random.default_rng(0).integers(0, 256, (CHECK_IMAGES, program.n_pixels))
    noise[0], noise[-1] = program.input.zero_point, 255
    return noise.astype(np.uint8)


def _refuse_foreign(out: Path, target: Target) -> None:
    """Replace only what an export wrote; a folder with anything else in it is the user's."""
    from ipvae_snn.errors import DataError

    if out.is_dir():
        foreign = sorted(entry.name for entry in out.iterdir() if entry.name not in WRITTEN[target])
    else:
        foreign = [out.name] if out.exists() else []
    if foreign:
        raise DataError(
            f"{out}: holds {foreign[0]!r}, which no {target.value} export wrote, and would be "
            "replaced; choose another folder or remove it"
        )


def export_integer(path: Path, target: Target, out: Path, no_check: bool = False) -> None:
    """Export an integer network to the folder `out`, checked unless `no_check`."""
    from ipvae_snn.ir.files import load_network

    program = load_network(path)
    _refuse_foreign(out, target)
    writers: dict[Target, Writer] = {
        Target.LAVA: _lava,
        Target.ONNX: _onnx,
        Target.SNNTORCH: partial(_framework, Target.SNNTORCH),
        Target.NORSE: partial(_framework, Target.NORSE),
    }
    writers[target](program, out, no_check)


def _lava(program: "IntegerNetwork", out: Path, no_check: bool) -> None:
    from ipvae_snn.errors import BackendUnavailableError, DivergedError
    from ipvae_snn.export.lava.bundle import write_bundle
    from ipvae_snn.hw.lava.environment import find
    from ipvae_snn.hw.lava.runner import bundle_sources, run_bundle
    from ipvae_snn.ir import interpreter
    from ipvae_snn.ir.equality import first_divergence
    from ipvae_snn.ir.trace import RunRequest
    from ipvae_snn.storage.atomic import atomic_folder

    if not no_check and find() is None:
        raise BackendUnavailableError(
            "the Lava bundle cannot be checked: there is no Lava environment; make one with "
            "`ipvae-snn lava setup`, or export with --no-check"
        )
    with atomic_folder(out) as folder:
        write_bundle(program, folder, bundle_sources())
        if no_check:
            return
        pixels, request = check_pixels(program), RunRequest(CHECK_STEPS, seed=1, trace=True)
        expected = interpreter.run(program, pixels, request)
        divergence = first_divergence(expected, run_bundle(folder, pixels, request))
        if divergence is not None:
            raise DivergedError(f"the Lava bundle is wrong: {divergence.describe()}; please report")


def _onnx(program: "IntegerNetwork", out: Path, no_check: bool) -> None:
    from ipvae_snn.export.onnx.files import check_files, write_onnx
    from ipvae_snn.ir.trace import RunRequest
    from ipvae_snn.storage.atomic import atomic_folder

    with atomic_folder(out) as folder:
        write_onnx(program, folder)
        if not no_check:
            check_files(folder, program, check_pixels(program), RunRequest(CHECK_STEPS, seed=1))


def _framework(target: Target, program: "IntegerNetwork", out: Path, no_check: bool) -> None:
    from importlib.util import find_spec

    from ipvae_snn.errors import BackendUnavailableError
    from ipvae_snn.export.frameworks.bundle import FRAMEWORKS, write_framework_bundle
    from ipvae_snn.storage.atomic import atomic_folder

    name = target.value
    if not no_check and find_spec(name) is None:
        raise BackendUnavailableError(
            f"the {name} export cannot be checked: {FRAMEWORKS[name].framework} is not installed; "
            "pip install 'ipvae-snn[frameworks]', or export with --no-check"
        )
    with atomic_folder(out) as folder:
        write_framework_bundle(program, folder, name)
        if not no_check:
            _check_script(folder, program, name)


def _check_script(folder: Path, program: "IntegerNetwork", name: str) -> None:
    """Run the folder's own load.py, as a user would, on the images of the self-check."""
    import subprocess
    import sys
    import tempfile

    import numpy as np

    from ipvae_snn.errors import DivergedError

    with tempfile.TemporaryDirectory() as scratch:
        images = Path(scratch) / "images.npy"
        np.save(images, check_pixels(program))
        options = ("--input", str(images), "--steps", str(CHECK_STEPS), "--seed", "1")
        done = subprocess.run(
            [sys.executable, str(folder / "load.py"), *options],
            capture_output=True, encoding="utf-8", timeout=CHECK_SECONDS,
        )  # fmt: skip
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise DivergedError(f"the {name} export is wrong: {reason}; please report")


def _export_float(path: Path, target: Target, out: Path, no_check: bool) -> None:
    from ipvae_snn.errors import BackendError
    from ipvae_snn.export.onnx.files import check_float_files, write_float_onnx
    from ipvae_snn.models.float_network import load_float_network
    from ipvae_snn.storage.atomic import atomic_folder

    reasons = {
        Target.LAVA: "Lava runs integers only",
        Target.SNNTORCH: "the exported layer holds integers (and makes floats of them)",
        Target.NORSE: "the exported layer holds integers (and makes floats of them)",
    }
    if target in reasons:
        raise BackendError(
            f"{path} is a float checkpoint; {reasons[target]}: convert it first with "
            "`ipvae-snn convert`"
        )
    network = load_float_network(path)
    _refuse_foreign(out, target)
    with atomic_folder(out) as folder:
        write_float_onnx(network, folder)
        if not no_check:
            check_float_files(folder, network)
