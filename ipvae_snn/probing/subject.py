"""A network under study: its recorder, its features, and the choices of a probe."""

from dataclasses import dataclass

import numpy as np

from ipvae_snn.arrays import Float32, Float64, Int64
from ipvae_snn.image_shape import ImageShape
from ipvae_snn.probing.features import Features
from ipvae_snn.probing.movies import Movies, Responses, record
from ipvae_snn.probing.recorder import Recorder, unit
from ipvae_snn.probing.stimuli import Waves
from ipvae_snn.progress import Progress, ignore


@dataclass(frozen=True)
class Subject:
    """Recorder and the chosen features (n of them), steps of a stimulus, and the seed of draws."""

    recorder: Recorder
    features: Features
    steps: int
    seed: int = 0

    def __len__(self) -> int:
        """Return the number n of chosen neurons."""
        return len(self.features)

    @property
    def shape(self) -> ImageShape:
        """Shape of an image."""
        return self.recorder.image_shape

    @property
    def unit(self) -> str:
        """The unit of responses, in words."""
        return unit(self.recorder)

    @property
    def waves(self) -> Waves:
        """The gratings that the Gabor functions of the chosen neurons answer most."""
        return Waves.preferred(self.features.gabors)

    def own(self, light: Float32, trials: int, what: str, progress: Progress = ignore) -> Responses:
        """Show each neuron its own still images, light (n * C, P), and record that neuron alone.

        Returns the responses of one neuron to n * C conditions.
        """
        kept = self.repeated(len(light) // len(self))[:, None]
        movies = Movies(light[:, None], self.steps, trials)
        return record(self.recorder, movies, kept, self.seed, what, progress)

    def repeated(self, times: int) -> Int64:
        """Return every chosen neuron `times` times."""
        return np.repeat(self.features.neurons, times)


def tiled(values: Float64, count: int) -> Float64:
    """Return values (C,) once per neuron: (count * C,)."""
    return np.tile(values, count)
