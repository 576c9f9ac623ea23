"""A network as an experimenter sees it: what its neurons send while it sees movies."""

from typing import Annotated, Final, Protocol

import numpy as np

from ipvae_snn.arrays import Float32, Float64, Int32, Int64
from ipvae_snn.image_shape import ImageShape, n_pixels
from ipvae_snn.ir.parts import InputKind
from ipvae_snn.probing.stimuli import grating_rms

NAME: Final = "stimuli"  # of the images in messages
CHUNK: Final = 64  # neurons that are decoded together
SPIKES: Final = "spikes per step"
PERCENT: Final = "% of contrast 1"

Latents = Int32 | Float32


class Recorder(Protocol):
    """A network of K neurons and M pixels whose features add up to an image.

    Its latents are spike counts, or graded values.
    """

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

    @property
    def per_latent(self) -> Annotated[Float64, "K"] | None:
        """Responses per graded latent, as `in_percent`; None where latents are spike counts."""

    def latents(
        self, frames: Annotated[Float32, "N F M"], steps: int, seed: int, first: int
    ) -> Annotated[Latents, "N F*steps K"]:
        """Return the latents while every frame is shown for `steps` steps.

        The state of inference carries over from frame to frame. Draws are keyed by the seed and
        first (of a spiking network those of row n by first + n); the latents of a step are drawn
        before its frame changes the state. Raises DataError for pixels beyond the network's range.
        """

    def decode(self, latents: Annotated[Latents, "N K"]) -> Annotated[Float32, "N M"]:
        """Return the reconstruction of latents."""


def unit(recorder: Recorder) -> str:
    """Return the unit of responses, in words."""
    return SPIKES if recorder.per_latent is None else PERCENT


def responses(recorder: Recorder, latents: Latents) -> Latents:
    """Return the responses (..., K) of latents (..., K): spike counts as they are.

    A graded latent's response is what it adds to the image, in percent of a grating of contrast 1.
    Of latents of both signs the positive part is recorded, as of a neuron that fires for one sign.
    """
    scale = recorder.per_latent
    if scale is None:
        return latents
    return np.maximum(latents, 0).astype(np.float32) * scale.astype(np.float32)


def in_percent(recorder: Recorder) -> Annotated[Float64, "K"]:
    """Return what a latent of 1 adds to an image, in percent of a grating of contrast 1.

    Both as the root of their summed squared pixels.
    """
    whole = grating_rms(recorder.input_kind) * np.sqrt(n_pixels(recorder.image_shape))
    return np.asarray(100.0 / whole * feature_norms(recorder))


def feature_norms(recorder: Recorder) -> Annotated[Float64, "K"]:
    """Return the norm of what a latent of 1 of each neuron adds to an image."""
    norms = []
    for first in range(0, recorder.n_neurons, CHUNK):
        some = np.arange(first, min(first + CHUNK, recorder.n_neurons))
        norms.append(np.linalg.norm(decoded_alone(recorder, some), axis=1))
    return np.concatenate(norms).astype(np.float64)


def decoded_alone(
    recorder: Recorder, neurons: Annotated[Int64, "n"], values: Annotated[Latents, "n"] | int = 1
) -> Annotated[Float32, "n M"]:
    """Return what some neurons add to an image, each alone, by their latents."""
    kind = np.asarray(values).dtype if isinstance(values, np.ndarray) else np.int32
    alone = np.zeros((len(neurons), recorder.n_neurons), kind)
    alone[np.arange(len(neurons)), neurons] = values
    return recorder.decode(alone)
