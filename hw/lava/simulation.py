"""Options of a run in Lava, and its results beyond a trace."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from ipvae_snn.arrays import Array, Int32, Int64
from ipvae_snn.errors import DataError
from ipvae_snn.hw.lava.bundle.simulator.bundle_io import MAX_REPLICAS
from ipvae_snn.hw.lava.bundle.simulator.processes.graph import MAX_INPUTS
from ipvae_snn.hw.lava.bundle.simulator.processes.matrices import MAX_ENTRIES
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import Trace
from ipvae_snn.storage import memory

Source = Literal["spikes", "bias"]
ENTRY_BYTES: Final = 16  # of a weight in Lava's Processes, all copies
TRAFFIC: Final = "traffic_"  # prefix of the connections' arrays in a result


@dataclass(frozen=True)
class LavaOptions:
    """Options of the simulation; none of them changes a count.

    source: the image as graded "spikes", sent once, or as "bias": the host computes the input
    currents (or payloads) and writes them. fused: the network is one operating-system process
    instead of one per population and connection. replicas: copies that share the images. monitor:
    neurons whose counts and potentials are kept for every step.
    """

    source: Source = "spikes"
    fused: bool = False
    replicas: int = 1
    monitor: tuple[int, ...] = ()

    def check(self, network: IntegerNetwork) -> None:
        """Raise DataError if an option is outside its limits."""
        if not 1 <= self.replicas <= MAX_REPLICAS:
            raise DataError(f"replicas {self.replicas} are not in 1..{MAX_REPLICAS}")
        wrong = [one for one in self.monitor if not 0 <= one < network.n_neurons]
        if wrong:
            raise DataError(f"monitor: there is no neuron {wrong[0]} in 0..{network.n_neurons - 1}")

    def arguments(self) -> list[str]:
        """Return the options of a bundle's run.py."""
        arguments = ["--source", self.source, "--replicas", str(self.replicas)]
        arguments += ["--fused"] if self.fused else []
        arguments += ["--monitor", ",".join(map(str, self.monitor))] if self.monitor else []
        return arguments


@dataclass(frozen=True)
class Monitored:
    """Counts and potentials (after the update) of chosen neurons (C,), (N, T, C) int32."""

    neurons: Int64
    counts: Int32
    states: Int32


@dataclass(frozen=True)
class LavaRun:
    """A run's trace, and the simulator's traffic counts and time.

    traffic: by connection (N, 3): messages, synaptic operations (one per message and nonzero
    weight), and those by payload, per image. seconds: from the end of the first time step to
    the end of the last; time_steps: of all replicas together.
    """

    trace: Trace
    traffic: Mapping[str, Int64]
    monitored: Monitored | None
    seconds: float
    time_steps: int


def check_network(network: IntegerNetwork) -> None:
    """Raise DataError for a network that Lava's Processes do not hold, MemoryLimitError likewise.

    Lava's Dense takes a matrix, so shared and sparse weights are expanded.
    """
    advice = "use the back end reference or compiled"
    for one in network.weighted:
        targets, sources = one.synapses.n_targets, one.synapses.n_sources
        if targets * sources > MAX_ENTRIES:
            raise DataError(
                f"{one.name}: {targets} x {sources} weights as a matrix, but Lava takes "
                f"{MAX_ENTRIES} at most; {advice}"
            )
    for population in network.populations:
        inputs = sum(one.target == population.name for one in network.weighted)
        if inputs > MAX_INPUTS:
            raise DataError(
                f"{inputs} connections lead to {population.name}, but Lava takes {MAX_INPUTS} at "
                f"most; {advice}"
            )
    entries = sum(c.synapses.n_targets * c.synapses.n_sources for c in network.weighted)
    memory.require(ENTRY_BYTES * entries, "the weights as matrices, as Lava takes them", advice)


def lava_run(arrays: Mapping[str, Array], shape: tuple[int, ...]) -> LavaRun:
    """Return a bundle's result, arrays by name, as a run of pixels of `shape`."""
    fields = Trace.__dataclass_fields__.keys() & arrays.keys()
    # A bundle cannot tell moving images of one frame from still ones.
    arrays = {**arrays, "reconstruction": np.asarray(arrays["reconstruction"]).reshape(shape)}
    monitored = None
    if "monitor" in arrays:
        names = ("monitor", "monitor_counts", "monitor_states")
        monitored = Monitored(*(np.asarray(arrays[name]) for name in names))
    return LavaRun(
        trace=Trace(**{name: np.asarray(arrays[name]) for name in fields}),
        traffic={
            name.removeprefix(TRAFFIC): np.asarray(arrays[name])
            for name in arrays
            if name.startswith(TRAFFIC)
        },
        monitored=monitored,
        seconds=float(np.asarray(arrays["seconds"])),
        time_steps=int(np.asarray(arrays["time_steps"])),
    )
