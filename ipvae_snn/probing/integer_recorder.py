"""Record what the neurons of an integer network send: spike counts, or graded values."""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, final

import numpy as np

from ipvae_snn.arrays import Float32, Float64, Int32
from ipvae_snn.image_shape import ImageShape
from ipvae_snn.ir.encode import encode
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.parts import InputKind
from ipvae_snn.ir.session import Session
from ipvae_snn.ir.trace import RunRequest, counts_of
from ipvae_snn.probing.recorder import NAME, Latents, in_percent


@final
@dataclass(frozen=True)
class IntegerRecorder:
    """An integer network on its default back end; of several populations, the decoded one."""

    network: IntegerNetwork

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
    def per_latent(self) -> Annotated[Float64, "K"] | None:
        """Responses per latent of neurons that send graded values, without noise."""
        population = self.network.population(self.network.decoder.source)
        return None if population.neurons.draws else in_percent(self)

    @cached_property
    def _session(self) -> Session:
        return self.network.prepare()

    def latents(
        self, frames: Annotated[Float32, "N F M"], steps: int, seed: int, first: int
    ) -> Annotated[Int32, "N F*steps K"]:
        """Return what neurons send while every frame is shown for `steps` steps."""
        network, pixels = self.network, frames.reshape(-1, frames.shape[-1])
        levels, _ = encode(network.input, pixels, network.input.kind, NAME)
        request = RunRequest(steps, seed, first, trace=True)
        every = counts_of(self._session.run(levels.reshape(frames.shape), request))
        where = network.slices(network.computing)[network.decoder.source]
        return np.ascontiguousarray(every[:, :, where])

    def decode(self, latents: Annotated[Latents, "N K"]) -> Annotated[Float32, "N M"]:
        """Return the decoder applied to whole numbers."""
        return self.network.decoder.decode(latents.astype(np.int32))
