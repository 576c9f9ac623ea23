"""The back end "lava": an integer program in Lava's CPU simulator of Loihi."""

import tempfile
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from ipvae_snn.hw.lava.environment import require
from ipvae_snn.hw.lava.runner import bundle_sources, run_bundle
from ipvae_snn.interpreter import check_request
from ipvae_snn.ir import IntegerNetwork, lateral_of
from ipvae_snn.plain_files import write_bundle_files
from ipvae_snn.trace import RunRequest, Trace

SIMULATOR: Final = "the Lava simulator"


def run(network: IntegerNetwork, pixels: npt.NDArray[np.uint8], request: RunRequest) -> Trace:
    """Run `pixels` (N, M) uint8 through the program in Lava and return its trace.

    Raises DataError if they do not fit, BackendUnavailableError without a Lava environment,
    BackendError for a two-layer circuit, or if the run fails or takes far too long.
    """
    lateral_of(network, SIMULATOR)
    check_request(network, pixels, request)
    require()
    with tempfile.TemporaryDirectory(prefix="ipvae-snn-lava-") as folder:
        bundle = Path(folder)
        write_bundle_files(network, bundle, bundle_sources())
        return run_bundle(bundle, pixels, request)
