"""The back end "lava": an integer network in Lava's CPU simulator of Loihi."""

import shutil
import tempfile
import weakref
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from ipvae_snn.arrays import UInt8
from ipvae_snn.hw.lava.environment import require
from ipvae_snn.hw.lava.runner import bundle_sources, simulate_bundle
from ipvae_snn.hw.lava.simulation import LavaOptions, LavaRun, check_network
from ipvae_snn.ir.cut import cut
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.plain_files import write_bundle_files
from ipvae_snn.ir.session import Session
from ipvae_snn.ir.trace import RunRequest, Trace, check_request


@dataclass(frozen=True)
class LavaSession:
    """A network as a bundle in a folder, which goes when the session does.

    Lava itself keeps nothing: its processes start anew with every run.
    """

    network: IntegerNetwork
    options: LavaOptions

    @cached_property
    def bundle(self) -> Path:
        """The folder of the bundle."""
        folder = tempfile.mkdtemp(prefix="ipvae-snn-lava-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        write_bundle_files(self.network, Path(folder), bundle_sources())
        return Path(folder)

    def run(self, pixels: UInt8, request: RunRequest) -> Trace:
        """Run `pixels` (N, M) or (N, F, M) uint8 through the network in Lava; return its trace.

        Raises DataError if they do not fit, BackendUnavailableError without a Lava environment,
        BackendError if the run fails or passes its time limit. Lava takes all steps: what comes
        after a stop is dropped by the host.
        """
        return self.simulate(pixels, request).trace

    def simulate(self, pixels: UInt8, request: RunRequest) -> LavaRun:
        """Run as `run` does; return Lava's own figures too."""
        check_request(self.network, pixels, request)
        stops = request.stop is not None
        whole = replace(request, stop=None, trace=True) if stops else request
        check_request(self.network, pixels, whole)  # of a stop, counts of all steps fit too
        self.options.check(self.network)
        check_network(self.network)
        require()
        result = simulate_bundle(self.bundle, pixels, whole, self.options, temporary=True)
        if not stops:
            return result
        return replace(result, trace=cut(self.network, result.trace, request))


@dataclass(frozen=True)
class LavaBackend:
    """A back end that runs bundles with some options."""

    options: LavaOptions

    def prepare(self, network: IntegerNetwork) -> Session:
        """Return a session, which writes its bundle at the first run."""
        return LavaSession(network, self.options)


SEPARATE: Final = LavaBackend(LavaOptions())
FUSED: Final = LavaBackend(LavaOptions(fused=True))  # one operating-system process: faster


def run(network: IntegerNetwork, pixels: UInt8, request: RunRequest) -> Trace:
    """Run `pixels` once through the network in Lava; raises as `LavaSession.run` does."""
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
    return LavaSession(network, options).simulate(pixels, request)
