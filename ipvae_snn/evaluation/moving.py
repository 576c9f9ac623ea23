"""Evaluate a float network on sequences of frames, beside restarting it at every frame."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ipvae_snn.arrays import Float32, Float64
from ipvae_snn.config.settings import KlForm
from ipvae_snn.data.sequences import Sequences
from ipvae_snn.evaluation.evaluate import CHUNK, advance_to, mean_start
from ipvae_snn.evaluation.figures import StepFigures, decoded, gather, judge_of
from ipvae_snn.evaluation.parts import EvaluationRequest, Report
from ipvae_snn.inference import fast
from ipvae_snn.inference.fast import GramNetwork
from ipvae_snn.kernels.rows import Progress
from ipvae_snn.metrics import estimates
from ipvae_snn.metrics.estimates import Estimate
from ipvae_snn.models.float_network import FloatNetwork


@dataclass(frozen=True)
class FrameFigures:
    """Figures after the steps of each frame, in order, as means over sequences.

    r2: of one sample, mean over all frames. spikes_per_frame: spikes of all steps of a frame, mean
    over frames.
    """

    frames: tuple[StepFigures, ...]
    r2: Estimate
    spikes_per_frame: Estimate


@dataclass(frozen=True)
class MovingEvaluation:
    """Figures of one network on sequences of frames.

    steps: of each frame. carried: potentials carry over from frame to frame. restarted: they start
    anew at every frame, on the same random numbers. gain: R2 carried less R2 restarted, the mean
    over all frames but the first, over sequences. training: frames and motion that the network was
    trained on.
    """

    data: str
    citation: str
    sequences: int
    n_frames: int
    steps: int
    seed: int
    kl_form: KlForm
    training: str
    carried: FrameFigures
    restarted: FrameFigures
    gain: Estimate
    neurons: int

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


class Shown(NamedTuple):
    """Reconstructions (P, F, M) from one sample of the first P sequences."""

    carried: Float32
    restarted: Float32


@dataclass(frozen=True)
class EvaluatedMoving:
    """An evaluation, with rates (N, K) after the last frame, and reconstructions for pictures."""

    evaluation: MovingEvaluation
    rates: Float32
    shown: Shown


class _Frame(NamedTuple):
    """Figures of a chunk of sequences after a frame, and reconstructions (n, M)."""

    figures: dict[str, Float64]
    spikes: Float64
    sample: Float32


def evaluate_moving(
    network: FloatNetwork,
    sequences: Sequences,
    request: EvaluationRequest,
    *,
    shown: int = 0,
    report: Report = lambda image_steps: None,
) -> EvaluatedMoving:
    """Run sequences through the network for request.steps steps per frame, in two ways.

    Step t of frame f draws under the key of step f T + t in both, so that they differ by their
    potentials only. The first `shown` sequences keep their reconstructions. `report` receives the
    number of image-steps done since its last call. Raises DataError for images of another size.
    """
    c = fast.gram_network(network)
    judge = judge_of(network, request.kl)
    n, frames = len(sequences), sequences.frames
    rates = np.empty((n, network.n_neurons), np.float32)
    kept: list[list[list[_Frame]]] = [[[] for _ in range(frames)] for _ in range(2)]
    for first, pixels in _chunks(sequences.pixels):
        keep = max(0, shown - first)
        runs = _both(c, sequences, pixels, request, first, report)
        for index, (x, pair) in enumerate(runs):
            for way, (before, middle, p) in zip(kept, pair, strict=True):
                updates = (p.step - middle.step) * c.inner
                result = decoded(c.dictionary, p, fast.counts(c, p), middle.counts_sum, updates)
                spikes = (p.counts_sum - before).sum(axis=1).astype(np.float64)
                figures = judge(x, p, result)
                way[index].append(_Frame(figures, spikes, result.sample[:keep].copy()))
        np.exp(pair.carried.after.state, out=rates[first : first + len(pixels)])
    carried, restarted = (_gathered(way, request.steps) for way in kept)
    difference = _r2(kept[0]) - _r2(kept[1])
    gain = difference[1:].mean(axis=0) if frames > 1 else difference[0]
    images = sequences.images
    trained = network.trained_frames
    evaluation = MovingEvaluation(
        data=images.name,
        citation=images.citation,
        sequences=n,
        n_frames=frames,
        steps=request.steps,
        seed=request.seed,
        kl_form=request.kl,
        training=f"{trained} frames of {network.trained_motion}" if trained > 1 else "still images",
        carried=carried,
        restarted=restarted,
        gain=estimates.estimate(gain),
        neurons=network.n_neurons,
    )
    return EvaluatedMoving(evaluation, rates, Shown(_samples(kept[0]), _samples(kept[1])))


class _Run(NamedTuple):
    """Spike counts (n, K) summed before a frame, and the sequences after it.

    middle: within the frame, before the draws whose mean is decoded.
    """

    before: Any
    middle: Progress
    after: Progress


class _Pair(NamedTuple):
    carried: _Run
    restarted: _Run


def _both(
    c: GramNetwork,
    sequences: Sequences,
    pixels: Float32,
    request: EvaluationRequest,
    first: int,
    report: Report,
) -> Iterator[tuple[Float32, _Pair]]:
    """Yield each frame (n, M) of sequences (n, F, M) with the runs after it."""
    kind, name = sequences.images.kind, sequences.images.name
    carried: Progress | None = None
    for index in range(sequences.frames):
        x = np.ascontiguousarray(pixels[:, index])
        begin, end = index * request.steps, (index + 1) * request.steps
        rest = begin + mean_start(request.steps, request.mean_steps)
        fresh = replace(fast.start(c, x, kind, name, request.seed, first), step=begin)
        restarted = _through(c, fresh, rest, end, request, report)
        if carried is None:
            ran = restarted
        else:
            before = fast.show(c, carried, x, kind, name)
            ran = _through(c, before, rest, end, request, report)
        carried = ran.after
        yield x, _Pair(ran, restarted)


def _through(
    c: GramNetwork,
    before: Progress,
    rest: int,
    end: int,
    request: EvaluationRequest,
    report: Report,
) -> _Run:
    """Return the run of a frame, which rests at the step `rest`."""
    middle = advance_to(c, before, rest, request, report)
    return _Run(before.counts_sum, middle, advance_to(c, middle, end, request, report))


def _gathered(way: list[list[_Frame]], steps: int) -> FrameFigures:
    ends = tuple(steps * (index + 1) for index in range(len(way)))
    moments, _ = gather(ends, [[part.figures for part in parts] for parts in way])
    spikes = np.stack([np.concatenate([part.spikes for part in parts]) for parts in way])
    mean = [estimates.estimate(values.mean(axis=0)) for values in (_r2(way), spikes)]
    return FrameFigures(moments, *mean)


def _r2(way: list[list[_Frame]]) -> Float64:
    """Return R2 per frame and sequence, (F, N)."""
    return np.stack([np.concatenate([part.figures["r2"] for part in parts]) for parts in way])


def _samples(way: list[list[_Frame]]) -> Float32:
    return np.stack([np.concatenate([part.sample for part in parts]) for parts in way], axis=1)


def _chunks(pixels: Float32) -> Iterator[tuple[int, Float32]]:
    for first in range(0, len(pixels), CHUNK):
        yield first, pixels[first : first + CHUNK]
