"""The network in Lava: build it, run all images in one run, and notice when something breaks.

An exported bundle carries a copy, so nothing of ours is imported here but what goes with it.
"""

import time
from collections.abc import Callable
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.models import PyDenseModelBitAcc
from lava.proc.dense.process import Dense
from lava.utils.weightutils import SignMode

from .bundle_io import Network, Request, decode, make_files
from .processes.neuron import Neuron, NeuronModel
from .processes.recorder import Recorder, RecorderModel
from .processes.source import ImageSource, ImageSourceModel

POLL_S = 0.05
# Explicit, since a run configuration picks floating-point models where it is not told.
MODELS = {
    Dense: PyDenseModelBitAcc,
    ImageSource: ImageSourceModel,
    Neuron: NeuronModel,
    Recorder: RecorderModel,
}


class SimulationError(Exception):
    """A Process failed; the message is one line and the failing Process's traceback."""


def synapses(weights: npt.NDArray[np.int8], name: str) -> Any:
    """Return a stock Dense connection that computes weights (K, sources) @ payload exactly.

    In the mixed sign mode Dense drops the lowest of nine bits, so int8 weights enter doubled
    and the exponent -1 halves the sum, which is even.
    """
    return Dense(
        weights=2 * weights.astype(np.int32),
        weight_exp=-1,
        num_weight_bits=8,
        sign_mode=SignMode.MIXED,
        num_message_bits=24,
        name=name,
    )


def connect(network: Network, images: Path, request: Request, folder: Path, reports: Path) -> Any:
    """Build source -> feed-forward -> neurons <-> lateral, neurons -> recorder; return the last."""
    arrays = network.arrays
    source = ImageSource(
        images=str(images),
        zero_point=network.scalars["input"]["zero_point"],
        steps=request.steps,
        reports=str(reports),
    )
    feedforward = synapses(arrays["feedforward.weights"], "feedforward")
    lateral = synapses(arrays["lateral.weights"], "lateral")
    neurons = Neuron(
        bias=arrays["neurons.bias"],
        self_inhibition=arrays["neurons.self_inhibition"],
        initial_state=arrays["neurons.initial_state"],
        feedforward_multiplier=arrays["feedforward.multiplier"],
        feedforward_shift=arrays["feedforward.shift"],
        lateral_multiplier=arrays["lateral.multiplier"],
        lateral_shift=arrays["lateral.shift"],
        coarse=arrays["tables.coarse"],
        fine=arrays["tables.fine"],
        reciprocal=arrays["tables.reciprocal"],
        steps=request.steps,
        seed=request.seed,
        first_image=request.first_image,
        reports=str(reports),
        **network.scalars["neurons"],
    )
    recorder = Recorder(
        folder=str(folder), n_neurons=network.n_neurons, steps=request.steps, reports=str(reports)
    )
    source.s_out.connect(feedforward.s_in)
    feedforward.a_out.connect(neurons.a_in)
    neurons.s_out.connect(lateral.s_in)
    lateral.a_out.connect(neurons.l_in)
    neurons.s_out.connect(recorder.z_in)
    neurons.v_out.connect(recorder.v_in)
    return recorder


def simulate(
    network: Network,
    images: npt.NDArray[np.uint8],
    request: Request,
    scratch: Path,
    progress: Callable[[int], None],
) -> dict[str, npt.NDArray[Any]]:
    """Run images (N, M) uint8 through the network in Lava; return the result's arrays by name.

    `scratch` is an empty folder that the arrays lie in, mapped; `progress` is told the number of
    images done. Raises SimulationError if a Process fails: its processes then still live, so the
    caller must end them, and itself by os._exit (multiprocessing would wait for them at exit).
    """
    folder, reports, pixels = scratch / "files", scratch / "reports", scratch / "images.npy"
    folder.mkdir()
    reports.mkdir()
    np.save(pixels, images)
    files = make_files(folder, len(images), network, request)
    recorder = connect(network, pixels, request, folder, reports)
    recorder.create_runtime(
        run_cfg=Loihi2SimCfg(select_tag="fixed_pt", exception_proc_model_map=MODELS)
    )
    children = active_children()
    recorder.run(RunSteps(len(images) * (request.steps + 2), blocking=False))
    while (done := int(files["progress"][0])) < len(images):
        raise_failure(reports, children)
        progress(done)
        time.sleep(POLL_S)
    recorder.wait()
    raise_failure(reports, children)
    progress(done)
    recorder.stop()
    return {
        "counts_sum": files["counts_sum"],
        "state": files["state"],
        "spikes_per_step": files["spikes_per_step"],
        "reconstruction": decode(network, files["last_counts"]),
        **{name: files[name] for name in ("counts", "states") if request.trace},
    }


def raise_failure(reports: Path, children: list[Any]) -> None:
    """Raise SimulationError if a Process reported an error, or its operating-system process ended.

    Lava's own Processes (Dense) report nothing: their exception lies with the ended process.
    """
    for report in sorted(reports.glob("*.txt")):
        where, _, trace = report.read_text(encoding="utf-8").partition("\n")
        raise SimulationError(
            f"{where} {trace.strip().splitlines()[-1]}; its traceback follows\n{trace.rstrip()}"
        )
    for child in children:
        if child.exitcode is not None:
            found = getattr(child, "exception", None)
            trace = found[1].rstrip() if found else f"(no traceback; exit status {child.exitcode})"
            raise SimulationError(
                f"{child.name} ended in the middle of the run; its traceback follows\n{trace}"
            )
