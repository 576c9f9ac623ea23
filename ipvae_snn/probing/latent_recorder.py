"""Record the latents of any other model of the family, in float: spike counts or graded values."""

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Annotated, final

import numpy as np
import torch

from ipvae_snn.arrays import Float32, Float64
from ipvae_snn.errors import DataError
from ipvae_snn.models.cpu_threads import cpu_threads
from ipvae_snn.models.family import MEMBERS
from ipvae_snn.models.latent_module import Inferring, inferring, keyed_draw
from ipvae_snn.models.latent_network import LatentNetwork
from ipvae_snn.models.likelihood import drive_at
from ipvae_snn.models.protocol import advance, first_state, inference
from ipvae_snn.models.stored_dictionary import StoredDictionary
from ipvae_snn.probing.dictionary_recorder import DictionaryRecorder
from ipvae_snn.probing.recorder import Latents, in_percent


@final
@dataclass(frozen=True)
class LatentRecorder(DictionaryRecorder[LatentNetwork]):
    """A model run with torch on one thread.

    A model whose inference is one pass of an encoder encodes every frame, and draws anew in every
    step. One whose encoder gives the first state sees the first frame with it.
    """

    def __post_init__(self) -> None:
        """Raise DataError for a decoder whose features do not add up."""
        if self.network.dictionary is None:
            raise DataError(
                f"the decoder is {self.network.config.model.dictionary}, whose features do not add "
                "up to an image, so that a neuron has no stimulus of its own; probe a model with a "
                "linear one (model.dictionary=dense)"
            )

    @property
    def what(self) -> str:
        """The kind of network, in words."""
        return f"float {self.network.name}"

    @property
    def dictionary(self) -> StoredDictionary:
        """The decoder."""
        dictionary = self.network.dictionary
        assert dictionary is not None  # checked at construction
        return dictionary

    @cached_property
    def per_latent(self) -> Annotated[Float64, "K"] | None:
        """Responses per graded latent; None for spike counts."""
        return None if self.network.counts else in_percent(self)

    @cached_property
    def _inferring(self) -> Inferring:
        return inferring(self.network)

    def latents(
        self, frames: Annotated[Float32, "N F M"], steps: int, seed: int, first: int
    ) -> Annotated[Latents, "N F*steps K"]:
        """Return the latents while every frame is shown for `steps` steps.

        Draws are keyed by the seed, first and the step, for all rows together.
        """
        with torch.no_grad(), cpu_threads(1):
            return self._latents(frames, steps, (seed, first))

    def _latents(
        self, frames: Annotated[Float32, "N F M"], steps: int, key: tuple[int, int]
    ) -> Annotated[Latents, "N F*steps K"]:
        network, (model, decoder) = self.network, self._inferring
        n, count = frames.shape[:2]
        shown = torch.from_numpy(np.ascontiguousarray(frames, np.float32)).transpose(0, 1)
        likelihood = inference(decoder, shown)
        encoded = MEMBERS[network.config.model.kind].one_step
        kind = np.int32 if network.counts else np.float32
        sent = np.empty((n, count * steps, network.n_neurons), kind)
        state = first_state(model, decoder, shown[0])
        for frame in range(count):
            if encoded and frame > 0:
                state = first_state(model, decoder, shown[frame])
            drive = partial(drive_at, likelihood, frame)
            for step in range(frame * steps, (frame + 1) * steps):
                z, state = advance(model, state, keyed_draw(model, *key, step), drive)
                sent[:, step] = z.numpy()
        return sent
