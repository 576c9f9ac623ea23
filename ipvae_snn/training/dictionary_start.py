"""A dictionary to start from: online dictionary learning (Mairal et al. 2009), by scikit-learn.

From noise, the gradient of the free energy takes tens of thousands of iterations to reach
localised, oriented elements. Sparse coding with a positive code reaches them in seconds; training
then goes on from there.
"""

import warnings
from typing import Annotated, Final

import numpy as np
from sklearn.decomposition import MiniBatchDictionaryLearning
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from ipvae_snn.arrays import Float32
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
