"""What neurons of a network answer, as `ipvae-snn probe` measures it."""

from typing import Any, Final

import numpy as np

from ipvae_snn.errors import DataError
from ipvae_snn.metrics.estimates import share
from ipvae_snn.models.latent_module import load_any
from ipvae_snn.models.networks import NetworkSource
from ipvae_snn.probing import latency, masking, orientation
from ipvae_snn.probing.features import PROBED, Features, choose_features, features_of
from ipvae_snn.probing.probes import STEPS
from ipvae_snn.probing.recorder import Recorder
from ipvae_snn.probing.recorders import recorder_of
from ipvae_snn.probing.report import plain
from ipvae_snn.probing.subject import Subject
from ipvae_snn.progress import Progress
from ipvae_snn.workflows.probe import DEFAULT

Json = dict[str, Any]
SHOWN: Final = 16  # features of a picture
LEVELS: Final = 100  # to which the largest pixel of a feature is scaled there


def answers(source: NetworkSource, progress: Progress) -> Json:
    """Return the features of a network, and the answers of those that a Gabor function describes.

    r2: share of a Gabor function in every feature, sorted. fields: SHOWN features drawn at random
    among those that are not 0, in whole numbers up to LEVELS. recorded: number of neurons; where it
    is 0, left_out is the reason, and there are no answers.
    """
    recorder = recorder_of(load_any(source))
    found = features_of(recorder, progress)
    r2 = found.gabors.r2
    data = {
        "unit": "",
        "features": len(found),
        "r2": np.sort(np.maximum(r2, 0.0)).round(3).tolist(),
        "described": plain(share(int((r2 >= PROBED).sum()), len(found))),
        "side": recorder.image_shape[0],
        "fields": _fields(found),
        "recorded": 0,
    }
    try:
        picked = choose_features(found, DEFAULT.neurons, DEFAULT.seed)
    except DataError as error:
        return {**data, "left_out": str(error)}
    return {**data, **_answers(recorder, picked, progress)}


def _fields(found: Features) -> list[list[int]]:
    """Return the pictures of features drawn by a seed."""
    fields = found.fields.reshape(len(found), -1)
    largest = np.abs(fields).max(axis=1)
    known = np.flatnonzero(largest > 0)
    drawn = np.random.default_rng(DEFAULT.seed).permutation(known)[:SHOWN]
    scaled = np.rint(LEVELS * fields[drawn] / largest[drawn, None])
    pictures: list[list[int]] = scaled.astype(int).tolist()
    return pictures


def _answers(recorder: Recorder, picked: Features, progress: Progress) -> Json:
    subject = Subject(recorder, picked, STEPS, DEFAULT.seed)
    tuning = orientation.measure(subject, progress)
    strength = latency.measure(subject, progress)
    mask = masking.measure(subject, progress)
    figures = {**tuning.figures, **strength.figures, **mask.figures}
    return {
        "unit": subject.unit,
        "recorded": len(subject),
        "contrasts": strength.contrasts.tolist(),
        "latencies": plain(strength.latencies),
        "figures": {name: plain(value) for name, value in figures.items()},
    }
