"""Mapping networks onto chips: wall time, peak memory, cores and their proven bound.

    python -m benchmarks.mapping --data-root FOLDER

Every case is one `ipvae-snn map NET --profile CHIP --json` in its own process, including
loading the file. Writes benchmarks/results/mapping.json and the table in docs/mapping.md.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Final

import numpy as np
import numpy.typing as npt
import typer

from benchmarks.report import machine, number, table, wrapped
from benchmarks.sweep import Refused
from ipvae_snn.arrays import Int8
from ipvae_snn.ir.circuits import Parts
from ipvae_snn.ir.files import save_network
from ipvae_snn.ir.network import IntegerNetwork, circuit_network
from ipvae_snn.ir.neurons import PoissonNeurons
from ipvae_snn.ir.parts import Decoder, InputCode, Synapses
from ipvae_snn.pretrained import network_path
from ipvae_snn.storage.atomic import write_text
from ipvae_snn.workflows.convert import CalibrationSettings, convert, settings_of

HERE: Final = Path(__file__).parents[1]
RESULT: Final = HERE / "results" / "mapping.json"
PAGE: Final = HERE.parent / "docs" / "mapping.md"
START: Final = "<!-- made by python -m benchmarks.mapping -->"
END: Final = "<!-- end of what is made -->"
SIDE: Final = 28
FIELD: Final = 3  # a receptive field is 7 x 7 pixels, its centre and 3 to each side
LARGEST_WEIGHT: Final = 20
SHARE: Final = 0.01  # share of nonzero lateral weights
# A small process between: a child's peak includes the memory of the parent that starts it.
WATCH: Final = """
import json, resource, subprocess, sys, time
with open(sys.argv[1], "wb") as stream:
    start = time.perf_counter()
    subprocess.run(sys.argv[2:], stdout=stream, stderr=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
used = resource.getrusage(resource.RUSAGE_CHILDREN)
unit = 1 if sys.platform == "darwin" else 1024
print(json.dumps({"seconds": seconds, "cpu_seconds": used.ru_utime + used.ru_stime,
                  "peak_bytes": unit * used.ru_maxrss}))
"""
CHIPS: Final = ("loihi2", "loihi1", "generic")


@dataclass(frozen=True)
class Case:
    """A network's file and the options of its mapping."""

    title: str
    file: Path
    profile: str
    input_as: str


def synthetic(neurons: int, local: bool, seed: int = 0) -> IntegerNetwork:
    """Return a sparse one-layer network of 28x28 pixels, a square number of neurons.

    local: neurons on a square sheet inhibit all others within a radius (1 % of the sheet) and see
    7 x 7 pixels; then they are numbered at random. Otherwise nonzero weights are random: 1 %
    lateral and 5 % feed-forward.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(neurons)
    lateral, forward = np.zeros((neurons, neurons), np.int8), np.zeros((neurons, SIDE**2), np.int8)
    for index, (others, pixels) in enumerate(_inputs(neurons, local, rng)):
        row = order[index] if local else index
        others = order[others] if local else others
        lateral[row, others] = -rng.integers(1, LARGEST_WEIGHT, len(others))
        forward[row, pixels] = rng.integers(1, LARGEST_WEIGHT, len(pixels))
    np.fill_diagonal(lateral, 0)

    def scaled(weights: Int8) -> Synapses:
        return Synapses.dense(
            weights, np.full(neurons, 1 << 14, np.int32), np.full(neurons, 14, np.int32)
        )

    constant = np.zeros(neurons, np.int32)
    return circuit_network(
        input=InputCode((SIDE, SIDE), "unit", 1 / 255, 0),
        parts=Parts(
            feedforward=scaled(forward),
            lateral=scaled(lateral),
            neurons=PoissonNeurons(
                constant,
                constant + 1000,
                constant - (4 << 12),
                fraction_bits=12,
                extra_bits=3,
                state_min=-11 << 12,
                state_max=6 << 12,
                update_min=-9 << 12,
                excitation_max=5 << 12,
                max_count=40,
            ),
        ),
        decoder=Decoder.dense(np.zeros((SIDE**2, neurons), np.int16), np.ones(SIDE**2, np.float32)),
        provenance={"made_by": "benchmarks/mapping/__main__.py"},
    )


def _inputs(
    neurons: int, local: bool, rng: np.random.Generator
) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """Yield the neurons and the pixels that each neuron reads."""
    sheet = int(np.sqrt(neurons))
    y, x = np.divmod(np.arange(neurons), sheet)
    pixel_y, pixel_x = np.divmod(np.arange(SIDE**2), SIDE)
    radius = np.sqrt(SHARE * neurons / np.pi)
    for index in range(neurons):
        if not local:
            others = rng.choice(neurons, int(SHARE * neurons), replace=False)
            yield others, np.flatnonzero(rng.random(SIDE**2) < 0.05)
            continue
        near = (x - x[index]) ** 2 + (y - y[index]) ** 2 <= radius**2
        row, column = y[index] * SIDE // sheet, x[index] * SIDE // sheet
        seen = (abs(pixel_y - row) <= FIELD) & (abs(pixel_x - column) <= FIELD)
        yield np.flatnonzero(near), np.flatnonzero(seen)


def measure(case: Case, folder: Path) -> dict[str, Any]:
    """Run one case in its own process."""
    out = folder / "out.json"
    command = [
        sys.executable,
        "-m",
        "ipvae_snn",
        "map",
        str(case.file),
        "--profile",
        case.profile,
        "--source",
        case.input_as,
        "--json",
    ]
    watched = subprocess.run(
        [sys.executable, "-c", WATCH, str(out), *command], check=True, capture_output=True
    )
    used = json.loads(watched.stdout)
    result = json.loads(out.read_text())
    placement = result["placement"]
    return {
        "title": case.title,
        "profile": case.profile,
        "input": case.input_as,
        **used,
        "fits": result["fits"],
        **{
            name: placement[name]
            for name in ("cores", "least_cores", "chips", "synapses", "longest_route_hops")
        },
        "spikes_between_cores": placement["per_step"]["spikes_between_cores"],
    }


def section(result: dict[str, Any]) -> str:
    """Return the part of the page that is generated from the result."""
    place = result["machine"]
    provenance = wrapped(
        f"""Made by `{result["command"]}` on {result["date"]} ({place["cpu_cores"]} CPU cores,
        {place["architecture"]}, Python {place["python"]}); whole commands, each in its own process,
        including loading the files. Spikes between cores: events per step if every neuron sends one
        per step."""
    )
    head = [
        "network",
        "chip",
        "image as",
        "cores",
        "proven bound",
        "chips",
        "spikes between cores",
        "seconds",
        "peak MB",
    ]
    rows = [
        [
            one["title"],
            one["profile"] + ("" if one["fits"] else " (hypothetical)"),
            one["input"],
            f"{one['cores']:,}",
            f"{one['least_cores']:,}",
            f"{one['chips']:,}",
            number(one["spikes_between_cores"], 0),
            f"{one['seconds']:.1f}",
            number(one["peak_bytes"] / 1e6, 0),
        ]
        for one in result["cases"]
    ]
    return f"{START}\n\n{provenance}\n\n{table(head, rows)}\n\n{END}"


def with_section(text: str, generated: str) -> str:
    """Return the page with its generated part replaced; raise ValueError if it has none."""
    if START not in text or END not in text:
        raise ValueError(f"{PAGE} has no place for the table; put {START} and {END} into it")
    before, after = text.split(START)[0], text.split(END)[1]
    return before + generated + after


def _networks(folder: Path, data_root: Path | None, neurons: int) -> Iterator[tuple[str, Path]]:
    calibration = CalibrationSettings(data_root=data_root)
    for circuit in ("one-layer", "two-layer"):
        file = folder / f"{circuit}.safetensors"
        convert(network_path("mnist-512"), settings_of(circuit=circuit), calibration, out=file)
        yield f"mnist-512, {circuit}", file
    for kind in ("local", "random"):
        file = folder / f"{kind}.safetensors"
        save_network(synthetic(neurons, kind == "local"), file)
        yield f"K {neurons:,}, {kind}", file


def main(
    data_root: Annotated[
        Path | None, typer.Option(help="Folder of public data sets.", envvar="IPVAE_SNN_DATA")
    ] = None,
    neurons: Annotated[int, typer.Option(help="Neurons of the synthetic networks.")] = 16384,
    refused: Refused = None,
) -> None:
    """Measure all cases and write the page."""
    cases = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        for title, file in _networks(folder, data_root, neurons):
            for profile in CHIPS:
                for input_as in ("spikes", "bias") if title.startswith("mnist") else ("spikes",):
                    typer.echo(f"{title} on {profile}, image as {input_as}")
                    cases.append(measure(Case(title, file, profile, input_as), folder))
    result = {
        "command": "python -m benchmarks.mapping",
        "date": date.today().isoformat(),
        "machine": machine(),
        "neurons": neurons,
        "cases": cases,
    }
    write_text(RESULT, json.dumps(result, indent=2) + "\n")
    write_text(PAGE, with_section(PAGE.read_text(encoding="utf-8"), section(result)))
    typer.echo(section(result))


if __name__ == "__main__":
    typer.run(main)
