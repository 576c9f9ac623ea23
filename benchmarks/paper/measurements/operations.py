"""Operations of a network's integer form, counted in a run; of others, what a run would need."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.paper.measurements.codes import Network, network_at
from ipvae_snn.conversion.calibration import calibrate
from ipvae_snn.conversion.convert import convert
from ipvae_snn.conversion.lca import lca_network
from ipvae_snn.conversion.settings import ConversionSettings
from ipvae_snn.data import ImageSet
from ipvae_snn.inference.lca import Lca
from ipvae_snn.ir.encode import input_code
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.workflows.energy import measured
from ipvae_snn.workflows.images import encoded

CALIBRATION_STEPS: Final = 48
ENCODER: Final = "encoder."
LCA: Final = "lca"


def operations_of(
    checkpoint: Path,
    penalty: float,
    images: ImageSet,
    calibration: ImageSet,
    marks: Sequence[int],
) -> dict[str, Any]:
    """Return R2 and operations per image of the integer network after the steps in `marks`.

    penalty: lambda, of LCA. Of networks that have no integer form, return what their operations
    follow from: pixels that are not 0, all pixels, neurons, and the encoder's weights.
    Reconstruction is not counted for any. Raises ConversionError where integers cannot express
    the network.
    """
    network = network_at(checkpoint)
    sizes = {
        "pixels": float((images.pixels != 0).sum(axis=1).mean()),
        "inputs": network.n_pixels,
        "neurons": network.n_neurons,
        "encoder": _encoder_weights(network),
    }
    integer = _integer(network, penalty, calibration, max(marks))
    if integer is None:
        return {**sizes, "runs": []}
    given = encoded(integer, images)
    runs = []
    for steps in marks:
        run = measured(integer, given, RunRequest(steps))
        runs.append(
            {
                "steps": steps,
                "r2": run.r2,
                "operations": run.activity.synaptic_operations,
                "messages": run.activity.messages,
            }
        )
    return {**sizes, "runs": runs}


def _integer(
    network: Network, penalty: float, images: ImageSet, steps: int
) -> IntegerNetwork | None:
    """Return the integer form, None if there is none."""
    if isinstance(network, FloatNetwork):
        calibration = calibrate(network, images.pixels, images.name, CALIBRATION_STEPS)
        return convert(network, calibration, ConversionSettings())[0]
    if network.config.model.kind != LCA or network.dictionary is None:
        return None
    lca = Lca.of(network.dictionary.dense(), penalty)
    code = input_code(network.input_kind, network.image_shape, float(np.abs(images.pixels).max()))
    return lca_network(lca, images.pixels, code, steps, name=images.name)[0]


def _encoder_weights(network: Network) -> int:
    """Return the number of weights of an encoder's dense layers, 0 without one."""
    if isinstance(network, FloatNetwork):
        return 0
    return sum(
        values.size
        for name, values in network.tensors.items()
        if name.startswith(ENCODER) and values.ndim == 2
    )
