"""The network in Lava: build it, and run all images in one supervised run.

An exported bundle contains a copy, so this module imports only modules of the bundle.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense

from . import bundle_io
from .bundle_io import Request, make_files
from .processes.accumulator import Accumulator, AccumulatorModel
from .processes.common import Rows
from .processes.fused import FusedModel
from .processes.host import HostInput, HostInputModel
from .processes.lca import Lca, LcaModel
from .processes.network import Network, NetworkModel
from .processes.neuron import Neuron, NeuronModel
from .processes.residual import Residual, ResidualModel
from .processes.source import ImageSource, ImageSourceModel
from .processes.synapses import SynapsesModel
from .results import collect
from .watch import Watch

# Explicit, since a run configuration selects floating-point models by default.
MODELS = {
    Accumulator: AccumulatorModel,
    Dense: SynapsesModel,
    HostInput: HostInputModel,
    ImageSource: ImageSourceModel,
    Lca: LcaModel,
    Network: NetworkModel,
    Neuron: NeuronModel,
    Residual: ResidualModel,
}


def run_configuration(fused: bool = False) -> Any:
    """Return the run configuration for the CPU: fixed point, with this package's models.

    fused: the network runs in one operating-system process; else its parts exchange messages.
    """
    models = {**MODELS, Network: FusedModel} if fused else MODELS
    return Loihi2SimCfg(select_tag="fixed_pt", exception_proc_model_map=models)


def connect(
    network: bundle_io.Network, request: Request, frames: int, scratch: Path, rows: Rows
) -> tuple[Any, Any]:
    """Build the network and the Process that presents images `rows`; return both."""
    values, reports = str(scratch / "values.npy"), str(scratch / "reports")
    steps = frames * request.steps
    options: dict[str, Any] = {"steps": steps, "frames": frames, "rows": rows, "reports": reports}
    timing: dict[str, Any] = {**options, "stride": network.stride}
    process = Network(
        network.arrays,
        network.scalars,
        **options,
        seed=request.seed,
        first_image=request.first_image,
        source=request.source,
        scheduled=True,
        record=str(scratch / "files"),
    )
    if request.source == "bias":
        host = HostInput(values=values, **timing)
        host.target.connect_var(process.held)
        return process, host
    source = ImageSource(
        images=values,
        zero_point=network.scalars["input"]["zero_point"],
        scheduled=True,
        **timing,
    )
    source.s_out.connect(process.image_in)
    return process, source


def simulate(
    network: bundle_io.Network,
    images: npt.NDArray[np.uint8],
    request: Request,
    scratch: Path,
    watch: Watch,
) -> dict[str, npt.NDArray[Any]]:
    """Run images (N, F, M) uint8 through the network in Lava; return the result's arrays by name.

    `scratch` is an empty folder for the memory-mapped arrays. `watch` supervises the run and ends
    this process if a Process fails or hangs. After any exception Lava's processes are still
    running, so the caller must end by os._exit (multiprocessing would wait for them at exit).
    """
    folder, reports = scratch / "files", scratch / "reports"
    folder.mkdir()
    reports.mkdir()
    files = make_files(folder, images.shape[:2], network, request)
    values = bundle_io.held_values(network, images) if request.source == "bias" else images
    np.save(scratch / "values.npy", values)
    if "traffic_image" in files:  # one message and one synapse per payload, then per change
        shown = images.astype(np.int32)
        first = np.count_nonzero(shown[:, 0] - network.scalars["input"]["zero_point"], axis=1)
        later = np.count_nonzero(np.diff(shown, axis=1), axis=(1, 2))
        files["traffic_image"][:] = (first + later)[:, np.newaxis]
    n = request.replicas
    (process, first), *others = [
        connect(network, request, images.shape[1], scratch, Rows(i, n)) for i in range(n)
    ]
    for _, other in others:
        first.link_out.connect(other.link_in)
    with watch.over(process, files["progress"], reports):
        process.create_runtime(run_cfg=run_configuration(request.fused))
        length = bundle_io.time_steps(request, network, images.shape[1])
        process.run(RunSteps(-(-len(images) // n) * length, blocking=False))
        watch.follow()
        process.wait()
        process.stop()
    return collect(network, files, len(images))
