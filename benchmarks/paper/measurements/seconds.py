"""Seconds of inference, by the number of steps."""

import statistics
import time
from typing import Any, Final

from benchmarks.paper.measurements.codes import Network
from ipvae_snn.data import ImageSet
from ipvae_snn.evaluation.evaluate import evaluate, final_rates, request_of
from ipvae_snn.evaluation.parts import recorded_steps

REPEATS: Final = 3
SMALLEST: Final = 4  # steps; fewer are hardly inference


def seconds_of(network: Network, images: ImageSet, steps: int) -> dict[str, Any]:
    """Return R2 and milliseconds per image for 4, 8, .. steps of all images at once, one thread.

    The median of three runs, after one that is not timed. The iP-VAE runs as compiled code, the
    others by torch.
    """
    last = evaluate(network, images, request_of(network, steps)).evaluation
    figures = {each.step: each for each in last.moments}
    marks = [each for each in recorded_steps(steps, 1) if each >= min(SMALLEST, steps)]
    rows = []
    for mark in marks:
        request = request_of(network, mark)
        final_rates(network, images, request)
        taken = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            final_rates(network, images, request)
            taken.append(time.perf_counter() - start)
        milliseconds = 1000.0 * statistics.median(taken) / len(images)
        reached = figures[mark]
        rows.append(
            {
                "steps": mark,
                "milliseconds": milliseconds,
                "r2": reached.r2.mean,
                "r2_map": reached.r2_map.mean,
            }
        )
    return {"images": len(images), "rows": rows}
