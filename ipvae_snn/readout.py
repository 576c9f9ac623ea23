"""What a linear classifier reads from the rates: logistic regression and its accuracy."""

import warnings
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ipvae_snn.metrics import Estimate, share

MAX_ITERATIONS: Final = 1000

Floats = npt.NDArray[np.floating]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Readout:
    """Accuracy on the judged images (Wilson's interval) of a classifier fitted on others.

    fitted_on: images it was fitted on. converged: False where the solver stopped at its limit of
    iterations, so that a longer fit might do better.
    """

    accuracy: Estimate
    fitted_on: int
    converged: bool


def unfit_reason(fitted: Labels | None, judged: Labels | None) -> str | None:
    """Return why labels `fitted` and `judged` allow no read-out, or None where they do."""
    if fitted is None or judged is None:
        return "the data set has no labels"
    if len(np.unique(fitted)) < 2:
        return "the training images have one label only"
    if not np.isin(judged, fitted).any():
        return "no label of these images occurs in training"
    return None


def linear_readout(
    fitted_features: Floats, fitted_labels: Labels, features: Floats, labels: Labels
) -> Readout:
    """Fit multinomial logistic regression (L2, C = 1) on standardised features and judge it.

    Features are (N, K). Each feature is shifted and scaled by its mean and deviation over the
    images that are fitted.
    """
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=MAX_ITERATIONS))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit(fitted_features.astype(np.float64), fitted_labels)
    hits = int((model.predict(features.astype(np.float64)) == labels).sum())
    converged = not any(issubclass(w.category, ConvergenceWarning) for w in caught)
    return Readout(share(hits, len(labels)), len(fitted_labels), converged)
