"""Record the spike counts of a float network of spiking neurons: the linear iP-VAE."""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, final

import numpy as np

from ipvae_snn.arrays import Float32, Int32
from ipvae_snn.inference import fast
from ipvae_snn.inference.fast import GramNetwork
from ipvae_snn.kernels.threads import n_threads
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.models.stored_dictionary import StoredDictionary
from ipvae_snn.probing.dictionary_recorder import DictionaryRecorder
from ipvae_snn.probing.recorder import NAME


@final
@dataclass(frozen=True)
class FloatRecorder(DictionaryRecorder[FloatNetwork]):
    """A float network, run in float32; counts are those of a step's last update."""

    @property
    def what(self) -> str:
        """The kind of network, in words."""
        return "float network"

    @property
    def dictionary(self) -> StoredDictionary:
        """The decoder."""
        return self.network.dictionary

    @property
    def per_latent(self) -> None:
        """None: latents are spike counts."""
        return None

    @cached_property
    def _gram(self) -> GramNetwork:
        return fast.gram_network(self.network)

    def latents(
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
