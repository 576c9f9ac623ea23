"""The back end "lava": an integer network in Lava's CPU simulator of Loihi."""

import tempfile
from pathlib import Path

from ipvae_snn.arrays import UInt8
from ipvae_snn.hw.lava.environment import require
from ipvae_snn.hw.lava.runner import bundle_sources, simulate_bundle
from ipvae_snn.hw.lava.simulation import LavaOptions, LavaRun, check_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.plain_files import write_bundle_files
from ipvae_snn.ir.trace import RunRequest, Trace, check_request


def run(network: IntegerNetwork, pixels: UInt8, request: RunRequest) -> Trace:
    """Run `pixels` (N, M) or (N, F, M) uint8 through the network in Lava and return its trace.

    Raises DataError if they do not fit, BackendUnavailableError without a Lava environment,
    BackendError if the run fails or passes its time limit.
    """
    return simulate(network, pixels, request, LavaOptions()).trace


def run_fused(network: IntegerNetwork, pixels: UInt8, request: RunRequest) -> Trace:
    """Run as `run` does, with the whole network in one operating-system process: faster."""
    return simulate(network, pixels, request, LavaOptions(fused=True)).trace


def simulate(
    network: IntegerNetwork,
    pixels: UInt8,
    request: RunRequest,
    options: LavaOptions,
) -> LavaRun:
    """Run `pixels` (N, M) or (N, F, M) uint8 with the given options; raises as `run` does."""
    check_request(network, pixels, request)
    options.check(network)
    check_network(network)
    require()
    with tempfile.TemporaryDirectory(prefix="ipvae-snn-lava-") as folder:
        bundle = Path(folder)
        write_bundle_files(network, bundle, bundle_sources())
        return simulate_bundle(bundle, pixels, request, options, temporary=True)
