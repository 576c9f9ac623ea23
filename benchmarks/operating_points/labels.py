"""Labels read out as in the paper, from all training images, for few synaptic operations.

    python -m benchmarks.operating_points.labels [NETWORK ...] --data-root FOLDER

Counts of the steps from the fourth on are averaged, which accumulators do on a chip (the first
steps are busy and tell little), and logistic regression is fitted on them. Writes
benchmarks/results/operating_labels.json and its section of docs/operating_points.md.
"""

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer

from benchmarks.operating_points.networks import encoded
from benchmarks.report import machine, table, wrapped
from ipvae_snn.arrays import Float32
from ipvae_snn.conversion.calibration import calibrate
from ipvae_snn.conversion.convert import convert
from ipvae_snn.conversion.settings import ConversionSettings
from ipvae_snn.data import load
from ipvae_snn.errors import DataError
from ipvae_snn.evaluation.readout import linear_readout
from ipvae_snn.hw.cost.activity import activity
from ipvae_snn.ir.encode import levels
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest, counts_of
from ipvae_snn.models.networks import load_float
from ipvae_snn.storage.atomic import write_text

RESULT: Final = Path(__file__).parents[1] / "results" / "operating_labels.json"
DATA: Final = "mnist"
NETWORKS: Final = ("mnist-512-least",)
STEPS: Final = 16
FIRST: Final = 3  # steps before those whose counts are averaged
CALIBRATION_IMAGES: Final = 2000
COUNTED: Final = 1000  # images whose operations are counted
CHUNK: Final = 500


def means(network: IntegerNetwork, pixels: Any) -> Float32:
    """Return the mean counts (N, K) of the steps after FIRST."""
    session, parts = network.prepare(), []
    for first in range(0, len(pixels), CHUNK):
        request = RunRequest(STEPS, first_image=first, trace=True)
        counts = counts_of(session.run(pixels[first : first + CHUNK], request))
        parts.append(counts[:, FIRST:].mean(1, dtype=np.float32))
    return np.concatenate(parts)


def measured(name: str, data_root: Path | None) -> dict[str, Any]:
    """Return accuracy and operations of a network at 8 bits."""
    train, test = (load(DATA, split, data_root) for split in ("train", "test"))
    if train.labels is None or test.labels is None:
        raise DataError(f"{DATA} has no labels to read out")
    floats = load_float(name, "a network")
    shown = train.first(CALIBRATION_IMAGES)
    calibration = calibrate(floats, shown.pixels, shown.name, STEPS)
    network, _ = convert(floats, calibration, ConversionSettings())
    found = linear_readout(
        means(network, encoded(network, train)),
        train.labels,
        means(network, encoded(network, test)),
        test.labels,
    )
    pixels = levels(network.input, test.pixels[:COUNTED])
    counts = counts_of(network.prepare().run(pixels, RunRequest(STEPS, trace=True)))
    cost = activity(network, pixels, counts)
    return {
        "network": name,
        "fitted_on": found.fitted_on,
        "judged_on": len(test),
        "accuracy": [found.accuracy.mean, found.accuracy.low, found.accuracy.high],
        "c": found.c,
        "operations": cost.synaptic_operations,
        "by_payload": cost.synaptic_operations_by_payload,
        "largest": int(counts.max()),
    }


def section(result: dict[str, Any]) -> str:
    """Return the paragraph and table of the page."""
    about = wrapped(
        f"""As the paper does, on all training images (`{result["command"]}`,
        {result["date"]}): the mean counts of steps {FIRST + 1} to {result["steps"]}, which
        accumulators hold on a chip, at 8 bits."""
    )
    rows = [
        [
            row["network"],
            f"{result['steps']}",
            f"{row['operations']:,.0f}",
            "{:.2f} ({:.2f} to {:.2f})".format(*(100 * each for each in row["accuracy"])),
            f"{row['fitted_on']:,}",
            f"{row['judged_on']:,}",
        ]
        for row in result["rows"]
    ]
    head = ["", "steps", "operations", "accuracy, %", "fitted on", "judged on"]
    return f"{about}\n\n{table(head, rows)}"


def stored() -> dict[str, Any] | None:
    """Return the results, None where they were not measured."""
    if not RESULT.is_file():
        return None
    result: dict[str, Any] = json.loads(RESULT.read_text(encoding="utf-8"))
    return result


def main(
    networks: Annotated[list[str] | None, typer.Argument(metavar="[NETWORK ...]")] = None,
    data_root: Annotated[Path | None, typer.Option(envvar="IPVAE_SNN_DATA")] = None,
) -> None:
    """Measure, and write the results and the page."""
    # The page reads this module's results.
    from benchmarks.operating_points.__main__ import redraw

    names: Sequence[str] = networks or NETWORKS
    result = {
        "date": date.today().isoformat(),
        "command": " ".join(["python -m benchmarks.operating_points.labels", *(networks or [])]),
        "machine": machine(),
        "steps": STEPS,
        "rows": [measured(name, data_root) for name in names],
    }
    write_text(RESULT, json.dumps(result, indent=1) + "\n")
    redraw()


if __name__ == "__main__":
    typer.run(main)
