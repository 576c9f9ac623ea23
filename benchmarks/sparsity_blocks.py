"""Weights removed in blocks: what they cost in R2, and what they save in messages.

    python -m benchmarks.sparsity_blocks --data-root FOLDER

Trains mnist-512-sparse for fewer iterations, with weights removed one by one and in blocks of
neurons that share a core, and counts, at 8 bits, the messages to groups of so many neurons: one for
each group that an event reaches with a weight. Writes benchmarks/results/sparsity_blocks.json.
"""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Final

import numpy as np
import typer

from benchmarks.recipe.__main__ import RESULTS, recipe
from benchmarks.report import machine, table
from benchmarks.sweep import Refused
from ipvae_snn import api, pretrained
from ipvae_snn.arrays import Array
from ipvae_snn.data import load
from ipvae_snn.hw.cost.activity import activity
from ipvae_snn.ir.encode import levels
from ipvae_snn.ir.trace import RunRequest, counts_of
from ipvae_snn.metrics.quality import r2_per_image
from ipvae_snn.report.progress_bar import progress_bar
from ipvae_snn.report.terminal import console
from ipvae_snn.storage.atomic import write_text
from ipvae_snn.workflows.train import Extras, train_network

RECIPE: Final = "mnist-512-sparse"
START: Final = "mnist-512"
BLOCKS: Final = (1, 16, 64)
CORE: Final = 16  # neurons of a group that a message reaches at once
ITERATIONS: Final = 800
IMAGES: Final = 500


def groups_reached(weights: Array, group: int) -> Array:
    """Return, for each source, the groups of so many consecutive targets that it reaches."""
    starts = np.arange(0, len(weights), group)
    return np.asarray((np.add.reduceat(weights != 0, starts, axis=0) > 0).sum(0))


def measured(block: int, data_root: Path | None) -> dict[str, Any]:
    """Train with blocks of so many neurons, and return R2, operations and messages."""
    config = recipe(RECIPE)
    config = replace(
        config, train=replace(config.train, iterations=ITERATIONS, sparsity_block=block)
    )
    steps = config.train.steps
    with TemporaryDirectory() as scratch, progress_bar(console(quiet=True)) as progress:
        out = Path(scratch) / "run"
        start = pretrained.network_path(START)
        train_network(config, out, data_root, Extras(False, start), progress)
        checkpoint = out / "model.safetensors"
        network = api.convert(checkpoint, bits=8, steps=steps, data_root=data_root).network
    test = load(config.data.name, "test", data_root, IMAGES)
    pixels = levels(network.input, test.pixels)
    request = RunRequest(steps, trace=True)
    trace = network.with_decoding("mean:4").prepare().run(pixels, request)
    counts = counts_of(trace)
    if network.lateral is None:
        raise ValueError("a circuit without lateral weights")
    sent = (counts > 0).sum((0, 1)) / len(counts)
    shown = (pixels.astype(np.int64) != network.input.zero_point).mean(0)
    return {
        "block": block,
        "r2": float(r2_per_image(test.pixels, trace.reconstruction).mean()),
        "operations": activity(network, pixels, counts).synaptic_operations,
        "image_messages": float(shown @ groups_reached(network.feedforward.matrix, CORE)),
        "lateral_messages": float(sent @ groups_reached(network.lateral.matrix, CORE)),
    }


def main(
    data_root: Annotated[Path | None, typer.Option(envvar="IPVAE_SNN_DATA")] = None,
    refused: Refused = None,
) -> None:
    """Measure, write the results and print the table of docs/training.md."""
    rows = [measured(block, data_root) for block in BLOCKS]
    result = {
        "command": "python -m benchmarks.sparsity_blocks",
        "date": date.today().isoformat(),
        "machine": machine(),
        "iterations": ITERATIONS,
        "images": IMAGES,
        "core": CORE,
        "rows": rows,
    }
    write_text(RESULTS / "sparsity_blocks.json", json.dumps(result, indent=1) + "\n")
    head = ["block", "R2, mean of 4", "synaptic operations", "messages, image", "lateral"]
    body = [
        [
            f"{row['block']}",
            f"{row['r2']:.4f}",
            f"{row['operations']:,.0f}",
            f"{row['image_messages']:,.0f}",
            f"{row['lateral_messages']:,.0f}",
        ]
        for row in rows
    ]
    typer.echo(table(head, body))


if __name__ == "__main__":
    typer.run(main)
