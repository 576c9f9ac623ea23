"""A dictionary to start from: online dictionary learning (Mairal et al. 2009), by scikit-learn.

From noise, the gradient of the free energy takes tens of thousands of iterations to reach
localised, oriented elements. Sparse coding with a positive code reaches them in seconds; training
then goes on from there.
"""

import warnings
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Final, NamedTuple

import numpy as np
from sklearn.decomposition import MiniBatchDictionaryLearning
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from ipvae_snn.arrays import Float32
from ipvae_snn.config.settings import Config, DictionaryKind
from ipvae_snn.image_shape import ImageShape, n_channels
from ipvae_snn.models.convolutional import positions_of
from ipvae_snn.watcher import current_watcher

BATCHES: Final = 200
BATCH_SIZE: Final = 100
# Weight of the code's L1 norm, for pixels of standard deviation 1. Of 1, 2 and 3, the last gave
# the most localised and oriented elements on whitened patches.
PENALTY: Final = 3.0


def sparse_dictionary(
    pixels: Annotated[Float32, "N M"], n_elements: int, deviation: float, seed: int
) -> Annotated[Float32, "M K"]:
    """Return K elements that code the images sparsely, with non-negative counts.

    deviation: root mean square of an element's pixels. Reports batches done to the watcher.
    """
    generator = np.random.default_rng(seed)
    # Each image once, as far as they go; again in the same order where there are fewer.
    order = np.resize(generator.permutation(len(pixels)), (BATCHES, BATCH_SIZE))
    learner = MiniBatchDictionaryLearning(
        n_elements,
        alpha=PENALTY * float(pixels.std()),
        batch_size=BATCH_SIZE,
        fit_algorithm="cd",
        positive_code=True,
        random_state=seed,
    )
    report = current_watcher().progress
    with warnings.catch_warnings(), threadpool_limits(1):
        # A code that is nearly converged serves as well here.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for done, batch in enumerate(order):
            report(done, BATCHES)
            learner.partial_fit(pixels[batch])
    elements = learner.components_
    size = np.sqrt(np.mean(elements**2, axis=1, keepdims=True))
    # An element that no image used is 0; noise lets training use it.
    noise = generator.standard_normal(elements.shape)
    scaled = np.where(size > 0, elements / np.where(size > 0, size, 1.0), noise)
    return np.ascontiguousarray((deviation * scaled).T, dtype=np.float32)


class Start(NamedTuple):
    """Name of the parameter that holds the weights, and weights(images (N, M), shape, config)."""

    name: str
    weights: Callable[[Float32, ImageShape, Config], Float32]


def _matrix(images: Float32, shape: ImageShape, config: Config) -> Float32:
    """Return elements for whole images, (M, K)."""
    model = config.model
    return sparse_dictionary(images, model.n_latents, model.phi_std, config.train.seed)


def _kernels(images: Float32, shape: ImageShape, config: Config) -> Float32:
    """Return elements for patches of the kernels' size, (F, height, width, C).

    One patch of every image, at one of the kernels' positions.
    """
    p, seed = positions_of(config.model, shape), config.train.seed
    generator = np.random.default_rng([seed, len(images)])
    # Enough images; the same one may give several patches.
    chosen = np.resize(generator.permutation(len(images)), BATCHES * BATCH_SIZE)
    tops = generator.integers(p.rows, size=len(chosen)) * p.stride
    lefts = generator.integers(p.columns, size=len(chosen)) * p.stride
    pixels = images.reshape(-1, *shape[:2], n_channels(shape))
    patches = [
        pixels[n, top : top + p.kernel[0], left : left + p.kernel[1]]
        for n, top, left in zip(chosen, tops, lefts, strict=True)
    ]
    flat = np.stack(patches).reshape(len(patches), -1)
    elements = sparse_dictionary(flat, p.features, config.model.phi_std, seed)
    return np.ascontiguousarray(elements.T).reshape(p.features, *p.kernel, p.channels)


STARTS: Final[Mapping[DictionaryKind, Start]] = MappingProxyType(
    {"dense": Start("phi", _matrix), "convolutional": Start("kernels", _kernels)}
)
