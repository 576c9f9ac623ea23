"""Record the spike counts of a float or an integer network while it sees movies."""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Final, Protocol, final

import numpy as np

from ipvae_snn.arrays import Float32, Int32, Int64
from ipvae_snn.errors import DataError
from ipvae_snn.image_shape import ImageShape
from ipvae_snn.inference import fast
from ipvae_snn.inference.fast import GramNetwork
from ipvae_snn.ir.encode import encode
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.parts import InputKind
from ipvae_snn.ir.session import Session
from ipvae_snn.ir.trace import RunRequest, counts_of
from ipvae_snn.kernels.threads import n_threads
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.models.networks import Network

NAME: Final = "stimuli"  # of the images in messages


class Recorder(Protocol):
    """A network of K neurons and M pixels, as an experimenter sees it."""

    @property
    def what(self) -> str:
        """The kind of network, in words."""

    @property
    def image_shape(self) -> ImageShape:
        """Shape of the M pixels of an image."""

    @property
    def input_kind(self) -> InputKind:
        """Kind of its pixels."""

    @property
    def n_neurons(self) -> int:
        """Number of neurons K that are recorded."""

    @property
    def grid(self) -> tuple[int, ...]:
        """(features, rows, columns) of convolutional neurons; empty for others."""

    def counts(
        self, frames: Annotated[Float32, "N F M"], steps: int, seed: int, first: int
    ) -> Annotated[Int32, "N F*steps K"]:
        """Return the spike counts while every frame is shown for `steps` steps.

        Potentials carry over from frame to frame. The draws of row n are keyed by the seed and
        first + n; the counts of a step are drawn before its frame changes the potentials. Raises
        DataError for pixels beyond the network's range.
        """

    def decode(self, counts: Annotated[Int32, "N K"]) -> Annotated[Float32, "N M"]:
        """Return the reconstruction of spike counts."""


@final
@dataclass(frozen=True)
class FloatRecorder:
    """A float network, run in float32; counts are those of a step's last update."""

    network: FloatNetwork

    @property
    def what(self) -> str:
        """The kind of network, in words."""
        return "float network"

    @property
    def image_shape(self) -> ImageShape:
        """Shape of an image."""
        return self.network.image_shape

    @property
    def input_kind(self) -> InputKind:
        """Kind of its pixels."""
        return self.network.input_kind

    @property
    def n_neurons(self) -> int:
        """Number of neurons K."""
        return self.network.n_neurons

    @property
    def grid(self) -> tuple[int, ...]:
        """(features, rows, columns) of convolutional neurons; empty for others."""
        population = self.network.dictionary.population
        return population if len(population) == 3 else ()

    @cached_property
    def _gram(self) -> GramNetwork:
        return fast.gram_network(self.network)

    def counts(
        self, frames: Annotated[Float32, "N F M"], steps: int, seed: int, first: int
    ) -> Annotated[Int32, "N F*steps K"]:
        """Return the spike counts while every frame is shown for `steps` steps."""
        c, kind, threads = self._gram, self.input_kind, n_threads()
        at = fast.start(c, np.ascontiguousarray(frames[:, 0]), kind, NAME, seed, first)
        parts = []
        for index in range(frames.shape[1]):
            if index > 0:
                at = fast.show(c, at, np.ascontiguousarray(frames[:, index]), kind, NAME)
            at = fast.advance(c, at, steps, threads, trace=True)
            parts.append(at.trace_counts)
        return np.concatenate(parts, axis=1)

    def decode(self, counts: Annotated[Int32, "N K"]) -> Annotated[Float32, "N M"]:
        """Return phi z."""
        return np.asarray(self.network.dictionary.decode(counts.astype(np.float32)), np.float32)


@final
@dataclass(frozen=True)
class IntegerRecorder:
    """An integer network on its default back end; of several populations, the decoded one."""

    network: IntegerNetwork

    def __post_init__(self) -> None:
        """Raise DataError for neurons that do not draw spike counts."""
        neurons = self.network.population(self.network.decoder.source).neurons
        if not neurons.draws:
            raise DataError(
                f"neurons of kind {neurons.kind} send graded values, but probes count spikes; give "
                "a network of Poisson neurons"
            )

    @property
    def what(self) -> str:
        """The kind of network, in words."""
        return "integer network"

    @property
    def image_shape(self) -> ImageShape:
        """Shape of an image."""
        return self.network.input.image_shape

    @property
    def input_kind(self) -> InputKind:
        """Kind of its pixels."""
        return self.network.input.kind

    @property
    def n_neurons(self) -> int:
        """Number of neurons of the decoded population."""
        return self.network.population(self.network.decoder.source).size

    @property
    def grid(self) -> tuple[int, ...]:
        """(features, rows, columns) of convolutional neurons; empty for others."""
        return self.network.population(self.network.decoder.source).grid

    @cached_property
    def _session(self) -> Session:
        return self.network.prepare()

    def counts(
        self, frames: Annotated[Float32, "N F M"], steps: int, seed: int, first: int
    ) -> Annotated[Int32, "N F*steps K"]:
        """Return the spike counts while every frame is shown for `steps` steps."""
        network, pixels = self.network, frames.reshape(-1, frames.shape[-1])
        levels, _ = encode(network.input, pixels, network.input.kind, NAME)
        request = RunRequest(steps, seed, first, trace=True)
        every = counts_of(self._session.run(levels.reshape(frames.shape), request))
        where = network.slices(network.computing)[network.decoder.source]
        return np.ascontiguousarray(every[:, :, where])

    def decode(self, counts: Annotated[Int32, "N K"]) -> Annotated[Float32, "N M"]:
        """Return the decoder applied to counts."""
        return self.network.decoder.decode(counts)


def recorder_of(network: Network) -> Recorder:
    """Return the recorder of a network; DataError for neurons that do not draw spike counts."""
    if isinstance(network, FloatNetwork):
        return FloatRecorder(network)
    return IntegerRecorder(network)


def decoded_alone(
    recorder: Recorder, neurons: Annotated[Int64, "n"], counts: Annotated[Int32, "n"] | int = 1
) -> Annotated[Float32, "n M"]:
    """Return what some neurons add to an image, each alone, by their counts."""
    spikes = np.zeros((len(neurons), recorder.n_neurons), np.int32)
    spikes[np.arange(len(neurons)), neurons] = counts
    return recorder.decode(spikes)
