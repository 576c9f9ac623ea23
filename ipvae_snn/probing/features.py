"""Features of a network as Gabor functions, and the neurons that a probe records from."""

from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np

from ipvae_snn.arrays import Float32, Float64, Int64
from ipvae_snn.errors import DataError
from ipvae_snn.image_shape import n_channels
from ipvae_snn.metrics.estimates import Estimate, share
from ipvae_snn.metrics.gabor import Gabors, gabor_fit, joined
from ipvae_snn.probing.recorder import CHUNK, Recorder, decoded_alone
from ipvae_snn.progress import Progress, ignore

FITTING: Final = "fitting Gabor functions"
# An experimenter records from neurons whose stimulus is known: of their feature, a Gabor function
# explains this share.
PROBED: Final = 0.7


@dataclass(frozen=True)
class Features:
    """The E features of a network, and the Gabor function that describes each best.

    neurons (E,): the neuron of each feature; of a convolutional one, that at the middle position.
    fields (E, height, width): what a spike of that neuron adds to the image, summed over the
    channels, since all stimuli are grey. gabors: in the image's pixels.
    """

    neurons: Annotated[Int64, "E"]
    fields: Annotated[Float32, "E height width"]
    gabors: Gabors

    def __len__(self) -> int:
        """Return the number of features E."""
        return len(self.neurons)

    def chosen(self, index: Int64) -> "Features":
        """Return some of the features."""
        return Features(self.neurons[index], self.fields[index], self.gabors.at(index))

    @property
    def fitted(self) -> Estimate:
        """Share of the features of which a Gabor function explains at least WELL."""
        return share(int(self.gabors.fitted.sum()), len(self))

    @property
    def tuned(self) -> Estimate:
        """Share of the features whose Gabor function fits and prefers gratings to plain light."""
        return share(int(self.gabors.tuned.sum()), len(self))

    @property
    def asymmetry(self) -> Annotated[Float64, "E"]:
        """Phase folded to 0 (even: a stripe in the middle) to 90 degrees (odd: an edge)."""
        phase = np.abs(self.gabors.phase)
        return np.minimum(phase, 180.0 - phase)


def features_of(recorder: Recorder, progress: Progress = ignore) -> Features:
    """Return the features of a network with their Gabor functions; progress counts features."""
    neurons = _middle(recorder.grid) if recorder.grid else np.arange(recorder.n_neurons)
    progress(FITTING, 0, len(neurons))
    parts, gabors = [], list[Gabors]()
    for first in range(0, len(neurons), CHUNK):
        part = _fields(recorder, neurons[first : first + CHUNK])
        parts.append(part)
        for field in part:
            gabors.append(_fit(field))
            progress(FITTING, len(gabors), len(neurons))
    return Features(neurons, np.concatenate(parts), joined(gabors))


def choose_features(features: Features, count: int, seed: int) -> Features:
    """Return up to `count` tuned features of which PROBED is explained, at random, in order.

    Raises DataError if there is none.
    """
    gabors = features.gabors
    # In an order of all features, so that the choice for a network and for its integers is the same
    # but for features that are at the limit.
    order = np.random.default_rng(seed).permutation(len(features))
    picked = order[(gabors.tuned & (gabors.r2 >= PROBED))[order]][:count]
    if not picked.size:
        raise DataError(
            f"no feature has a Gabor function that explains {PROBED:.0%} of it and prefers "
            f"gratings to plain light (best: {gabors.r2.max():.0%}); give --stimulus gabor or "
            "sparsification, or a network of natural images"
        )
    return features.chosen(np.sort(picked))


def _middle(grid: tuple[int, ...]) -> Int64:
    """Return the neuron at the middle position of each feature."""
    features, rows, columns = grid
    return np.arange(features) * rows * columns + (rows // 2) * columns + columns // 2


def _fields(recorder: Recorder, neurons: Int64) -> Annotated[Float32, "n height width"]:
    shape = recorder.image_shape
    images = decoded_alone(recorder, neurons).reshape(-1, *shape[:2], n_channels(shape))
    return np.asarray(images.sum(axis=-1), np.float32)


def _fit(field: Annotated[Float32, "height width"]) -> Gabors:
    """Return the fit of the part that is not zero: pixels out of a kernel's reach say nothing."""
    rows, columns = (np.flatnonzero(field.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return gabor_fit(field)
    part = field[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return gabor_fit(part).moved(float(columns[0]), float(rows[0]))
