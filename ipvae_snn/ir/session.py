"""Interface of all back ends: a network is prepared once, and then runs any number of images.

A back end has `prepare(network) -> Session`, and a session `run(pixels, request) -> Trace`. What
does not depend on the images (weights by source, a loaded model, a module on a device) is kept by
the session. This module knows networks and traces by name only, so that a network can ask for its
own session (`IntegerNetwork.prepare`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ipvae_snn.arrays import UInt8

if TYPE_CHECKING:
    from ipvae_snn.ir.network import IntegerNetwork
    from ipvae_snn.ir.trace import RunRequest, Trace

    Run = Callable[[IntegerNetwork, UInt8, RunRequest], Trace]


class Session(Protocol):
    """A network as one back end has prepared it."""

    @property
    def network(self) -> IntegerNetwork:
        """The network that runs."""

    def run(self, pixels: UInt8, request: RunRequest) -> Trace:
        """Run `pixels` (N, M) or (N, F, M) uint8; return the trace.

        It calls `trace.check_request` first. No result depends on earlier runs of the session.
        """


class Backend(Protocol):
    """What an entry point of the group `ipvae_snn.backends` names."""

    def prepare(self, network: IntegerNetwork) -> Session:
        """Return the network, ready to run; raises as the back end does, or only when it runs."""


@dataclass(frozen=True)
class FromFunction:
    """Back end that keeps nothing between runs: a function (network, pixels, request) -> Trace."""

    function: Run

    def prepare(self, network: IntegerNetwork) -> Session:
        """Return a session that calls the function."""
        return _Calls(network, self.function)


@dataclass(frozen=True)
class _Calls:
    network: IntegerNetwork
    function: Run

    def run(self, pixels: UInt8, request: RunRequest) -> Trace:
        """Run the images by the function."""
        return self.function(self.network, pixels, request)
