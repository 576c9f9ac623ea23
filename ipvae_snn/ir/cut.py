"""A stop that the host makes: whole runs, cut after each image's last step.

Images do not depend on each other, so that what comes after an image's last step can be dropped.
A back end whose own steps cannot end early gives a stop's results in this way; it saves no time.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from ipvae_snn.arrays import UInt8
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.stop import Until
from ipvae_snn.ir.trace import RunRequest, Trace, counts_of, states_of

Run = Callable[[UInt8, RunRequest], Trace]
KEPT_BYTES: Final = 1 << 28  # of counts and states of whole runs at a time
BYTES: Final = 8  # of a count and a state


def run_and_cut(network: IntegerNetwork, pixels: UInt8, request: RunRequest, run: Run) -> Trace:
    """Return the trace of still images (N, M) with the stop of a checked request.

    run: takes all steps, of a request without a stop. It is called for a part of the images at a
    time, so that counts and states of all steps fit in memory.
    """
    assert request.stop is not None  # it is a run with a stop
    whole = replace(request, stop=None, trace=True)
    rows = max(1, KEPT_BYTES // (BYTES * request.steps * network.n_neurons))
    parts = []
    for start in range(0, len(pixels), rows):
        asked = replace(whole, first_image=request.first_image + start)
        trace = cut(
            network, pixels[start : start + rows], run(pixels[start : start + rows], asked), request
        )
        parts.append(trace)
    joined = {
        name: np.concatenate([part.arrays()[name] for part in parts]) for name in parts[0].arrays()
    }
    return Trace(**joined)


def cut(network: IntegerNetwork, pixels: UInt8, whole: Trace, request: RunRequest) -> Trace:
    """Return the trace of a run of pixels (N, M) with the request's stop from that of all steps.

    whole: of a run that kept its counts. Raises ValueError if the run kept no counts and states.
    """
    assert request.stop is not None  # it is a run with a stop
    counts, states = counts_of(whole), states_of(whole)
    n, steps, _ = counts.shape
    result = Trace.empty(network, (n, network.n_pixels), replace(request, trace=True))
    until = Until(slice(0, n), result, request, network)
    decoded = interpreter.reconstruction_of(network)
    started = interpreter.appear(network, pixels)
    before = interpreter.side_by_side(network.computing, started)
    for step in range(steps):
        running = until.running
        sent, after = counts[running, step], states[running, step]
        result.keep(running, step, sent, after)
        if whole.scores is not None:
            result.keep_scores(running, step, whole.scores[running, step])
        if whole.saturated is not None and result.saturated is not None:
            result.saturated[running, step] = whole.saturated[running, step]
        before = after[until.after_step(step, before, after, sent, decoded)]
    result.hold()
    if whole.saturated is None:
        result = replace(result, saturated=None)
    return result if request.trace else replace(result, counts=None, states=None)
