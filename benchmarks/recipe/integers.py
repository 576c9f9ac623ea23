"""A recipe's network as integers of 8 bits: quality and synaptic operations over a few steps."""

from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.report import table
from ipvae_snn import api
from ipvae_snn.data import load
from ipvae_snn.hw.cost.activity import activity
from ipvae_snn.ir.encode import levels
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest
from ipvae_snn.metrics import estimates, quality

BITS: Final = 8
IMAGES: Final = 1000
MARKS: Final = (4, 5, 6, 7, 8, 9, 10, 12, 16)
DECODINGS: Final = ("sample", "mean:4", "map")


def integer_figures(
    checkpoint: Path, data: str, data_root: Path | None, images: int = IMAGES
) -> dict[str, Any]:
    """Return the figures at each of MARKS: R2 of each decoding, and what the steps cost."""
    steps = max(MARKS)
    network = api.convert(checkpoint, bits=BITS, steps=steps, data_root=data_root).network
    test = load(data, "test", data_root, images)
    pixels = levels(network.input, test.pixels)
    counts = network.prepare().run(pixels, RunRequest(steps=steps, trace=True)).counts
    if counts is None:
        raise ValueError("a trace without counts")
    rows = [_at(network, mark, pixels, test.pixels, counts) for mark in MARKS]
    return {"bits": BITS, "images": len(pixels), "rows": rows}


def _at(network: IntegerNetwork, mark: int, pixels: Any, shown: Any, counts: Any) -> dict[str, Any]:
    r2 = {}
    for name in DECODINGS:
        trace = network.with_decoding(name).prepare().run(pixels, RunRequest(steps=mark))
        values = quality.r2_per_image(shown, trace.reconstruction)
        r2[name] = estimates.estimate(values).mean
    cost = activity(network, pixels, counts[:, :mark])
    return {
        "steps": mark,
        "r2": r2,
        "operations": cost.synaptic_operations,
        "by_payload": cost.synaptic_operations_by_payload,
        "messages": cost.messages,
        "spikes": cost.spikes,
        "largest_count": int(counts[:, :mark].max()),
        "largest_99_percent": float(np.percentile(counts[:, :mark].max(axis=(1, 2)), 99)),
    }


def integer_table(figures: dict[str, Any]) -> str:
    """Return the section of a card."""
    head = ["steps", "R2, one sample", "mean of 4", "MAP", "synaptic operations", "by payload"]
    head += ["messages", "largest count"]
    rows = [
        [
            str(row["steps"]),
            *(f"{row['r2'][name]:.4f}" for name in DECODINGS),
            f"{row['operations']:,.0f}",
            f"{row['by_payload']:,.0f}",
            f"{row['messages']:,.0f}",
            str(row["largest_count"]),
        ]
        for row in figures["rows"]
    ]
    return f"""## As integers of {figures["bits"]} bits

{figures["images"]:,} test images; operations and messages per image, over all steps so far.

{table(head, rows)}"""
