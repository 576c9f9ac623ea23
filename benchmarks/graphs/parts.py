"""What the benchmark of graphs measures: each function returns plain data."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from sklearn.decomposition import sparse_encode

from ipvae_snn.arrays import Float64, Int64
from ipvae_snn.backends import compiled
from ipvae_snn.conversion.calibration import calibrate
from ipvae_snn.conversion.convert import convert
from ipvae_snn.conversion.lca import lca_network
from ipvae_snn.conversion.readout import attach_readout
from ipvae_snn.conversion.settings import ConversionSettings
from ipvae_snn.data.base import ImageSet, Split
from ipvae_snn.data.registry import load
from ipvae_snn.data.sequences import Moving, Sequences, drifting
from ipvae_snn.evaluation.evaluate import evaluate, request_of
from ipvae_snn.evaluation.readout import Classifier, fit_classifier
from ipvae_snn.inference.lca import Lca
from ipvae_snn.inference.reference import run_float
from ipvae_snn.ir.encode import encode, input_code, levels
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest, counts_of
from ipvae_snn.metrics.quality import r2
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.workflows.run_moving import Frames, restarted, run_sequences

MARKS: Final = (4, 16, 64)
LONG_MARKS: Final = (16, 64, 256)
CALIBRATION: Final = 1000
LONGEST_RESTART: Final = 256
PENALTIES: Final = (0.05, 0.1, 0.2, 0.5)


def integers_of(network: FloatNetwork, images: ImageSet) -> IntegerNetwork:
    """Return the 8-bit network, calibrated on the first images."""
    seen = images.first(CALIBRATION)
    return convert(network, calibrate(network, seen.pixels, seen.name, 48), ConversionSettings())[0]


def readout(network: FloatNetwork, train: ImageSet, test: ImageSet) -> dict[str, Any]:
    """Return the accuracy of read-outs after some steps: floats, and accumulators in integers."""
    integer = integers_of(network, train)
    steps = MARKS[-1]
    assert train.labels is not None
    assert test.labels is not None
    fitted, _ = encode(integer.input, train.pixels, train.kind, train.name)
    counts = compiled.run(integer, fitted, RunRequest(steps)).counts_sum
    integer, _ = attach_readout(integer, counts, train.labels, steps)
    judged, _ = encode(integer.input, test.pixels, test.kind, test.name)
    scores = compiled.run(integer, judged, RunRequest(steps)).scores
    assert scores is not None
    floats = run_float(network, train.pixels, RunRequest(steps)).counts_sum / steps
    classifier = fit_classifier(floats, train.labels)
    return {
        "fitted_on": len(train),
        "images": len(test),
        "steps": list(MARKS),
        "float": [_right(classifier, network, test, t) for t in MARKS],
        "integer": [
            float((integer.labels[scores[:, t - 1].argmax(axis=1)] == test.labels).mean())
            for t in MARKS
        ],
    }


def _right(classifier: Classifier, network: FloatNetwork, test: ImageSet, steps: int) -> float:
    means = run_float(network, test.pixels, RunRequest(steps)).counts_sum / steps
    named: Int64 = classifier.labels[classifier.scores(means).argmax(axis=1)]
    return float((named == test.labels).mean())


def slowed(sequences: Sequences, factor: int) -> Sequences:
    """Return sequences that take `factor` frames from each frame to the next, mixed linearly."""
    pixels = sequences.pixels
    _, frames, m = pixels.shape
    share = (np.arange(1, factor + 1) / factor).astype(np.float32)[:, None]
    between = [
        before[:, None] * (1 - share) + after[:, None] * share
        for before, after in pairwise(np.swapaxes(pixels, 0, 1))
    ]
    mixed = np.concatenate([pixels[:, :1], *between], axis=1)
    images = replace(sequences.images, pixels=mixed.reshape(-1, m), labels=None)
    return Sequences(images, factor * (frames - 1) + 1)


def online(
    integer: IntegerNetwork, images: ImageSet, shifts: int, slower: int, steps: int
) -> dict[str, Any]:
    """Return R2 and operations per frame of drifting images, and of restarting at equal R2.

    shifts: by a pixel, in `slower` frames each. Restarting takes the fewest steps whose mean R2,
    over all frames but the first, is that of carrying over or more; R2 is taken to rise up to
    there.
    """
    sequences = slowed(drifting(images, shifts + 1), slower)
    frames = sequences.frames
    carried = run_sequences(integer, sequences, Moving(frames, "drift"), RunRequest(steps))
    wanted = _later(carried.carried.r2)
    pixels, _ = encode(integer.input, sequences.images.pixels, sequences.images.kind, images.name)
    shown = pixels.reshape(len(sequences), frames, -1)

    def again(steps: int) -> Frames:
        return restarted(integer, sequences, shown, RunRequest(steps))

    least, needed, alone = 0, steps, carried.restarted
    while _later(alone.r2) < wanted and needed < LONGEST_RESTART:
        least, needed = needed, 2 * needed
        alone = again(needed)
    while needed - least > 1:
        middle = (least + needed) // 2
        other = again(middle)
        if _later(other.r2) < wanted:
            least = middle
        else:
            needed, alone = middle, other
    return {
        "data": images.name,
        "sequences": len(sequences),
        "frames": frames,
        "frames_per_pixel": slower,
        "steps": steps,
        "r2": wanted,
        "operations": _later(carried.carried.operations),
        "restart_same_steps_r2": _later(carried.restarted.r2),
        "restart_steps": needed,
        "restart_r2": _later(alone.r2),
        "restart_operations": _later(alone.operations),
    }


def _later(values: Float64) -> float:
    """Return the mean over all frames but the first, which nothing precedes."""
    return float(values[1:].mean())


def lca(network: FloatNetwork, train: ImageSet, test: ImageSet, steps: int) -> list[dict[str, Any]]:
    """Return cost and zeros of LCA in floats and in integers, and of the exact lasso."""
    rows = []
    for penalty in PENALTIES:
        dynamics = Lca.of(network.phi, penalty)
        largest = float(np.abs(train.pixels).max())
        code = input_code(network.input_kind, network.image_shape, largest)
        integer, report = lca_network(dynamics, train.pixels, code, steps)
        trace = compiled.run(integer, levels(code, test.pixels), RunRequest(steps, trace=True))
        sent = counts_of(trace)[:, -1].astype(np.float64) * report.code_unit
        floats, _ = dynamics.run(test.pixels, steps)
        exact = sparse_encode(
            test.pixels.astype(np.float64),
            dynamics.phi.T,
            algorithm="lasso_cd",
            alpha=penalty,
            positive=True,
            max_iter=20_000,
        )
        rows.append(
            {
                "penalty": penalty,
                "steps": steps,
                "images": len(test),
                **{
                    name: {
                        "cost": float(dynamics.cost(test.pixels, codes).mean()),
                        "zeros": float((codes == 0).mean()),
                    }
                    for name, codes in (("float", floats), ("integer", sent), ("lasso", exact))
                },
            }
        )
    return rows


def fidelity(network: FloatNetwork, train: ImageSet, test: ImageSet) -> dict[str, Any]:
    """Return R2 and zeros of a network in floats and in 8 bits on equal uniforms."""
    integer = integers_of(network, train)
    pixels, _ = encode(integer.input, test.pixels, test.kind, test.name)
    result: dict[str, Any] = {
        "images": len(test),
        "parameters": network.n_parameters,
        "neurons": network.n_neurons,
        "steps": list(LONG_MARKS),
    }
    for name in ("float", "integer"):
        result[name] = {"r2": [], "zeros": []}
    for t in LONG_MARKS:
        request = RunRequest(t)
        runs = {
            "float": run_float(network, test.pixels, replace(request, trace=True)),
            "integer": compiled.run(integer, pixels, replace(request, trace=True)),
        }
        for name, trace in runs.items():
            result[name]["r2"].append(r2(test.pixels, trace.reconstruction).mean)
            result[name]["zeros"].append(float((counts_of(trace)[:, -1] == 0).mean()))
    return result


def quality(network: FloatNetwork, test: ImageSet) -> dict[str, Any]:
    """Return R2 of a sample and of the MAP read-out, and zeros, of a network in floats."""
    evaluated = evaluate(network, test, request_of(network, LONG_MARKS[-1])).evaluation
    moments = {moment.step: moment for moment in evaluated.moments}
    chosen = [moments[step] for step in LONG_MARKS]
    return {
        "images": len(test),
        "parameters": network.n_parameters,
        "neurons": network.n_neurons,
        "steps": list(LONG_MARKS),
        "r2": [moment.r2.mean for moment in chosen],
        "r2_map": [moment.r2_map.mean for moment in chosen],
        "zeros": [moment.zeros.mean for moment in chosen],
    }


def images_of(
    name: str, split: str, root: Path | None, limit: int, colour: bool = False
) -> ImageSet:
    """Return the first images of a named set."""
    part: Split = "train" if split == "train" else "test"
    return load(name, part, root, limit, colour=colour)
