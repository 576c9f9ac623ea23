"""What the recorders of float networks share: their images, their neurons and their decoder."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

import numpy as np

from ipvae_snn.arrays import Float32
from ipvae_snn.image_shape import ImageShape
from ipvae_snn.ir.parts import InputKind
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.models.latent_network import LatentNetwork
from ipvae_snn.models.stored_dictionary import StoredDictionary
from ipvae_snn.probing.recorder import Latents

Net = TypeVar("Net", bound=FloatNetwork | LatentNetwork)


@dataclass(frozen=True)
class DictionaryRecorder(ABC, Generic[Net]):
    """A part of a `recorder.Recorder` of a network with a linear decoder."""

    network: Net

    @property
    @abstractmethod
    def dictionary(self) -> StoredDictionary:
        """The decoder."""

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
        population = self.dictionary.population
        return population if len(population) == 3 else ()

    def decode(self, latents: Annotated[Latents, "N K"]) -> Annotated[Float32, "N M"]:
        """Return phi z."""
        return np.asarray(self.dictionary.decode(latents.astype(np.float32)), np.float32)
