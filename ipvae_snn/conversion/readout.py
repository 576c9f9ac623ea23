"""A linear read-out on the chip: accumulators that add up the scores of classes.

A linear classifier of mean counts, score = W m + b, is T times the sum over T steps of W z + b. So
each step adds the weighted counts and the bias to an accumulator, and the largest one names the
class after any number of steps.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np

from ipvae_snn.arrays import Float64, Int64
from ipvae_snn.conversion.quantise import quantise_rows
from ipvae_snn.errors import ConversionError
from ipvae_snn.evaluation.readout import Classifier, fit_classifier
from ipvae_snn.ir.fixed_point import STATE_BITS, signed_limit
from ipvae_snn.ir.graph import Connection, Population
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.neurons import Accumulators
from ipvae_snn.ir.parts import NEURONS
from ipvae_snn.report.document import Table, table

CLASSES: Final = "classes"
READOUT: Final = "readout"
HELD_OUT: Final = 10  # every tenth image judges the read-out and is not fitted
# The largest score seen in a step may be added up this often before an accumulator is full.
STEPS_THAT_FIT: Final = 2048
MAX_CLASSES: Final = 1000


@dataclass(frozen=True)
class ReadoutReport:
    """A read-out: accuracies on held-out images, of real weights and of integers on equal counts.

    steps: of the runs that it was fitted on. c: inverse strength of the penalty. converged: False
    if the solver stopped at its limit of iterations.
    """

    classes: int
    fitted_on: int
    held_out: int
    steps: int
    bits: int
    accuracy_float: float
    accuracy_integer: float
    converged: bool
    c: float

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    def table(self) -> Table:
        """Return the figures as a table."""
        rows = [
            ("classes", str(self.classes)),
            ("images that it was fitted on", f"{self.fitted_on:,}"),
            ("held-out images", f"{self.held_out:,}"),
            ("right of them, real weights", _percent(self.accuracy_float)),
            ("right of them, integers", _percent(self.accuracy_integer)),
            ("penalty C", f"{self.c:g}{'' if self.converged else ' (solver stopped early)'}"),
        ]
        return table(f"Read-out after {self.steps} steps", ("", "value"), rows)


def attach_readout(
    network: IntegerNetwork, counts_sum: Int64, labels: Int64, steps: int, bits: int = 8
) -> tuple[IntegerNetwork, ReadoutReport]:
    """Return the network with accumulators for the classes in `labels` (N,), and a report.

    counts_sum (N, K): spike counts of the network's neurons, summed over `steps` steps. Raises
    ConversionError for images of one class, or of more than MAX_CLASSES.
    """
    found = np.unique(labels)
    if not 2 <= len(found) <= MAX_CLASSES:
        raise ConversionError(
            f"the images have {len(found)} classes, but a read-out needs 2 to {MAX_CLASSES}; give "
            "labelled images of several classes with --calibrate"
        )
    means = counts_sum / steps
    held = np.arange(len(labels)) % HELD_OUT == HELD_OUT - 1
    if len(np.unique(labels[~held])) < 2:
        held[:] = False
    classifier = fit_classifier(means[~held], labels[~held])
    population, connection = _integers(classifier, means[~held], bits)
    result = replace(
        network,
        populations=(*network.populations, population),
        connections=(*network.connections, connection),
    )
    judged = held if held.any() else ~held
    seen, truth, names = means[judged], labels[judged], classifier.labels
    weights, bias = _real(population, connection)
    report = ReadoutReport(
        classes=len(classifier.labels),
        fitted_on=int((~held).sum()),
        held_out=int(held.sum()),
        steps=steps,
        bits=bits,
        accuracy_float=_right(classifier.scores(seen), names, truth),
        accuracy_integer=_right(seen @ weights.T + bias, names, truth),
        converged=classifier.converged,
        c=classifier.c,
    )
    return result, report


def _integers(classifier: Classifier, means: Float64, bits: int) -> tuple[Population, Connection]:
    """Return accumulators and their synapses; errors of weights are compensated in the bias."""
    limit = signed_limit(STATE_BITS)
    largest = float(np.abs(classifier.scores(means)).max())
    unit = max(largest, 1e-12) * STEPS_THAT_FIT / limit
    centred = means - means.mean(axis=0)
    moments = centred.T @ centred / len(means)
    high = int(np.ceil(means.max())) + 1
    rows = quantise_rows(classifier.weights / unit, moments, bits, 0, high, READOUT)
    bias = classifier.bias / unit + (classifier.weights / unit - rows.real) @ means.mean(axis=0)
    neurons = Accumulators(
        np.rint(np.clip(bias, -limit, limit)).astype(np.int32), classifier.labels.astype(np.int32)
    )
    return Population(CLASSES, neurons), Connection(READOUT, NEURONS, CLASSES, rows.connection)


def _real(population: Population, connection: Connection) -> tuple[Float64, Float64]:
    """Return what the integers express, in units of an accumulator per step."""
    synapses = connection.synapses
    scale = synapses.multiplier * np.exp2(-synapses.shift.astype(np.float64))
    bias = population.neurons.per_neuron()["bias"].astype(np.float64)
    weights: Float64 = synapses.matrix.astype(np.float64) * scale[:, None]
    return weights, bias


def _right(scores: Float64, classes: Int64, labels: Int64) -> float:
    return float((classes[scores.argmax(axis=1)] == labels).mean())


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"
