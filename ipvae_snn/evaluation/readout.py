"""Linear read-outs: accuracy of logistic regression on the rates.

There are two: ours (`linear_readout`), with standardised rates and a penalty that suits them, and
the one of the paper's table (`paper_readout`), for figures that stand beside it.
"""

import warnings
from dataclasses import dataclass
from typing import Final

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from ipvae_snn.arrays import Float64, Floats, Int64
from ipvae_snn.metrics.estimates import Estimate, share

MAX_ITERATIONS: Final = 1000
# Inverse penalties C to choose from, the weakest penalty first, and the images that a choice needs.
STRENGTHS: Final = (1.0, 0.1, 0.01, 0.001)
MIN_TO_CHOOSE: Final = 500

Labels = Int64


@dataclass(frozen=True)
class Readout:
    """Accuracy of a classifier on the evaluated images (Wilson's interval).

    fitted_on: number of training images. converged: False if the solver stopped at its limit of
    iterations; a longer fit might then be better. c: inverse strength of the penalty.
    """

    accuracy: Estimate
    fitted_on: int
    converged: bool
    c: float = 1.0


@dataclass(frozen=True)
class Classifier:
    """A linear classifier: scores = weights (C, K) features + bias (C,), for labels (C,)."""

    weights: Float64
    bias: Float64
    labels: Labels
    converged: bool
    c: float

    def scores(self, features: Floats) -> Float64:
        """Return the scores (N, C) of features (N, K)."""
        return np.asarray(features @ self.weights.T + self.bias)


def unfit_reason(fitted: Labels | None, judged: Labels | None) -> str | None:
    """Return why these labels allow no read-out; None if they allow it."""
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
    """Fit multinomial logistic regression (L2) on standardised features and return its accuracy.

    Features are (N, K), standardised by their mean and deviation over the training images. C is
    chosen from STRENGTHS: a fit on nine tenths of the training images is scored on the rest. With
    fewer than MIN_TO_CHOOSE images, C is 1.
    """
    model, converged, c = _fitted(fitted_features, fitted_labels)
    hits = int((model.predict(features.astype(np.float64)) == labels).sum())
    return Readout(share(hits, len(labels)), len(fitted_labels), converged, c)


def paper_readout(
    fitted_features: Floats, fitted_labels: Labels, features: Floats, labels: Labels
) -> Readout:
    """Return the accuracy of scikit-learn's LogisticRegression() with its defaults.

    Features (N, K) are the rates exp(u) as they are, so that neurons of high rates weigh more; C is
    1 and the solver takes 100 iterations. Source: the public code of Vafaii, Galor & Yates (2025),
    `analysis/linear.py`, which fits all 60,000 training images of MNIST after 1,000 steps and
    judges the 10,000 test images.
    """
    model = LogisticRegression()
    converged = _fit(model, fitted_features, fitted_labels)
    hits = int((model.predict(features) == labels).sum())
    return Readout(share(hits, len(labels)), len(fitted_labels), converged, float(model.C))


def fit_classifier(features: Floats, labels: Labels) -> Classifier:
    """Fit as `linear_readout` does, and return the classifier of the features as they are."""
    model, converged, c = _fitted(features, labels)
    scaler, regression = model[0], model[1]
    weights = regression.coef_ / scaler.scale_
    bias = regression.intercept_ - weights @ scaler.mean_
    if len(weights) == 1:  # two classes share one row of opposite signs
        weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    return Classifier(weights, bias, np.asarray(regression.classes_, np.int64), converged, c)


def _fitted(features: Floats, labels: Labels) -> tuple[Pipeline, bool, float]:
    """Return a fitted model, whether its solver converged, and its C."""
    c = _chosen(features, labels)
    model = _model(c)
    return model, _fit(model, features.astype(np.float64), labels), c


def _fit(model: Pipeline | LogisticRegression, features: Floats, labels: Labels) -> bool:
    """Fit the model and return whether its solver converged within its iterations."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit(features, labels)
    return not any(issubclass(w.category, ConvergenceWarning) for w in caught)


def _model(c: float) -> Pipeline:
    return make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=MAX_ITERATIONS))


def _chosen(features: Floats, labels: Labels) -> float:
    """Return the C with the best accuracy on held-out images; of equals, the weakest penalty."""
    if len(labels) < MIN_TO_CHOOSE:
        return STRENGTHS[0]
    held = np.arange(len(labels)) % 10 == 9
    scores = []
    for c in STRENGTHS:
        model = _model(c)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the final fit reports it
            model.fit(features[~held].astype(np.float64), labels[~held])
        scores.append(model.score(features[held].astype(np.float64), labels[held]))
    return STRENGTHS[int(np.argmax(scores))]
