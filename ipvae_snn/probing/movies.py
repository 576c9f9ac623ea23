"""Movies that are shown to a network, and the responses of chosen neurons."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np

from ipvae_snn.arrays import Float32, Float64, Int64
from ipvae_snn.errors import ConfigError, DataError
from ipvae_snn.image_shape import n_pixels
from ipvae_snn.ir.prng import MAX_STEPS
from ipvae_snn.probing.recorder import Latents, Recorder, responses, unit
from ipvae_snn.probing.stimuli import pixels
from ipvae_snn.progress import Progress, ignore

# Steps without light before a stimulus: potentials fall from their start, where every neuron spikes
# in every step, to rest.
BLANK_STEPS: Final = 128
CHUNK_BYTES: Final = 1 << 27  # of the results of movies that run together
PER_COUNT: Final = 8  # bytes of a count and a potential
RUNAWAY: Final = 5000  # response of a neuron in a step; images that a network knows give hundreds


@dataclass(frozen=True)
class Movies:
    """C movies, one per condition, each shown `trials` times after a blank.

    light (C, F, P): F frames as of `stimuli`; each is shown for `steps` steps.
    """

    light: Annotated[Float32, "C F P"]
    steps: int
    trials: int = 1

    @property
    def blank_frames(self) -> int:
        """Frames without light before the first one: at least BLANK_STEPS steps."""
        return -(-BLANK_STEPS // self.steps)

    @property
    def onset(self) -> int:
        """Number of steps before the first frame with light."""
        return self.blank_frames * self.steps

    @property
    def all_steps(self) -> int:
        """Steps of a movie, its blank included."""
        return (self.blank_frames + len(self.light[0])) * self.steps


@dataclass(frozen=True)
class Responses:
    """Responses (C, trials, T, k) of k neurons per condition, from the first step with light.

    They are spike counts, or in percent (`recorder.responses`). blank (C, trials, k): mean per step
    in the second half of the blank.
    """

    values: Annotated[Latents, "C trials T k"]
    blank: Annotated[Float64, "C trials k"]

    @property
    def sustained(self) -> Annotated[Float64, "C trials k"]:
        """Mean response per step in the second half of the steps with light."""
        late = self.values[:, :, self.values.shape[2] // 2 :]
        return np.asarray(late.mean(axis=2, dtype=np.float64))


def record(
    recorder: Recorder,
    movies: Movies,
    kept: Annotated[Int64, "C k"],
    seed: int,
    what: str,
    progress: Progress = ignore,
    first: int = 0,
) -> Responses:
    """Show the movies and return the responses of the neurons `kept` of each condition.

    Trial r of condition c draws under the key first + c * trials + r. what: the work's name for
    `progress`, which receives steps of single movies. Raises ConfigError for more steps than a run
    may have, DataError where inference runs away.
    """
    conditions, k = kept.shape
    steps, trials = movies.all_steps, movies.trials
    if steps > MAX_STEPS:
        raise ConfigError(
            f"{movies.steps} steps of {movies.light.shape[1]} frames make a movie of {steps} "
            f"steps, but at most {MAX_STEPS} are possible; give fewer --steps"
        )
    onset, count = movies.onset, conditions * trials
    kind = np.int32 if recorder.per_latent is None else np.float32
    values = np.empty((count, steps - onset, k), kind)
    blank = np.empty((count, k), np.float64)
    progress(what, 0, count * steps)
    for part in _parts(recorder, movies, count):
        shown = np.arange(part.start, part.stop) // trials
        frames = _frames(recorder, movies, shown)
        latents = recorder.latents(frames, movies.steps, seed, first + part.start)
        every = responses(recorder, latents)
        _require_stable(recorder, every, what)
        own = np.take_along_axis(every, kept[shown][:, None, :], axis=2)
        values[part] = own[:, onset:]
        blank[part] = own[:, onset // 2 : onset].mean(axis=1, dtype=np.float64)
        progress(what, part.stop * steps, count * steps)
    shape = (conditions, trials)
    return Responses(values.reshape(*shape, steps - onset, k), blank.reshape(*shape, k))


def _parts(recorder: Recorder, movies: Movies, count: int) -> Iterator[slice]:
    frames = movies.blank_frames + movies.light.shape[1]
    each = PER_COUNT * movies.all_steps * recorder.n_neurons
    each += 2 * 4 * frames * n_pixels(recorder.image_shape)
    size = max(1, CHUNK_BYTES // each)
    yield slice(0, 1)  # alone, since a run that runs away is slow
    for first in range(1, count, size):
        yield slice(first, min(first + size, count))


def _require_stable(recorder: Recorder, every: Annotated[Latents, "N T K"], what: str) -> None:
    most = float(every.max())
    if not most <= RUNAWAY:  # nor NaN
        raise DataError(
            f"{what}: inference runs away, a neuron's response is {most:g} {unit(recorder)}, "
            f"beyond {RUNAWAY}; the network knows no such images; leave this stimulus out "
            "(--stimulus), or probe a network of photographs"
        )


def _frames(recorder: Recorder, movies: Movies, shown: Int64) -> Annotated[Float32, "N F M"]:
    light = movies.light[shown]
    dark = np.zeros((len(light), movies.blank_frames, light.shape[2]), np.float32)
    return pixels(np.concatenate([dark, light], axis=1), recorder.image_shape, recorder.input_kind)
