"""Evaluate a float network: figures by step, sparseness and run-aways, with intervals."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from ipvae_snn.arrays import Float32, Int64
from ipvae_snn.config.settings import KlForm
from ipvae_snn.data import ImageSet
from ipvae_snn.evaluation.figures import StepFigures, decoded, gather, judge_of
from ipvae_snn.evaluation.latent_run import LatentRun
from ipvae_snn.evaluation.parts import (
    MEAN_STEPS,
    EvaluationRequest,
    Part,
    PartFigures,
    PartRunner,
    Report,
    recorded_steps,
)
from ipvae_snn.inference import fast
from ipvae_snn.inference.fast import GramNetwork
from ipvae_snn.ir.parts import InputKind
from ipvae_snn.kernels.rows import Progress
from ipvae_snn.metrics import estimates, sparseness
from ipvae_snn.metrics.estimates import Estimate
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.models.latent_network import LatentNetwork

PIECE: Final = 32  # steps between two reports of progress
CHUNK: Final = 1000  # images at a time; each of five arrays takes 2 MB at K = 512
CLIP_MARGIN: Final = 1.0  # nats; this close to it, the clip determines the potential
# A neuron is silent if its rate is below one spike in 100 steps on every image.
SILENT_RATE: Final = 0.01
# The read-out's training images have other noise keys than the evaluated images.
TRAINING_KEY: Final = 1 << 31


@dataclass(frozen=True)
class Evaluation:
    """All figures of one network on one set of images.

    moments: figures by recorded step; the last is after all steps. spikes_per_image: over all
    steps. lifetime_sparseness (over neurons) and population_sparseness (over images) are those of
    the rates after the last step. silent_neurons: number of the `neurons` whose rate is then below
    SILENT_RATE for every image. reached_clip: share of images with a potential within 1 nat of the
    clip at any step. largest_rate: at any step, in spikes per step. worst_image: index of the
    image with worst_r2 after the last step.
    """

    data: str
    citation: str
    images: int
    steps: int
    seed: int
    kl_form: KlForm
    training_steps: int
    mean_steps: int
    moments: tuple[StepFigures, ...]
    spikes_per_image: Estimate
    lifetime_sparseness: Estimate
    population_sparseness: Estimate
    neurons: int
    silent_neurons: int
    reached_clip: Estimate
    largest_rate: float
    worst_image: int

    @property
    def last(self) -> StepFigures:
        """The figures after all steps."""
        return self.moments[-1]

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Evaluated:
    """An evaluation, with the rates and reconstructions that read-outs and pictures need.

    rates (N, K): after the last step, in spikes per step. samples, maps: reconstructions (P, M) of
    the first P images by recorded step, from one sample and from the rates.
    """

    evaluation: Evaluation
    rates: Float32
    samples: dict[int, Float32]
    maps: dict[int, Float32]


def request_of(
    network: FloatNetwork | LatentNetwork,
    steps: int,
    seed: int = 0,
    threads: int = 1,
    mean_steps: int = MEAN_STEPS,
) -> EvaluationRequest:
    """Return the request with the KL form and the horizon that the network was trained with."""
    return EvaluationRequest(steps, seed, network.kl, network.training_steps, threads, mean_steps)


@dataclass(frozen=True)
class PartRun:
    """Runs parts of a set of images of `kind`, called `name`; the same wherever it runs.

    key: of the first image's draws. judged: whether figures are computed, and not rates alone.
    """

    network: FloatNetwork
    request: EvaluationRequest
    kind: InputKind
    name: str
    key: int = 0
    judged: bool = True

    @cached_property
    def gram(self) -> GramNetwork:
        """The network in Gram form."""
        return fast.gram_network(self.network)

    def run(self, part: Part, report: Report) -> PartFigures:
        """Run the images; report: receives image-steps."""
        c, request = self.gram, self.request
        key = self.key + part.first
        p = fast.start(c, part.pixels, self.kind, self.name, request.seed, key)
        figures, samples, maps = [], [], []
        if self.judged:
            judge = judge_of(self.network, request.kl)
            for t, reached, before in self._recorded(p, report):
                p = reached
                updates = (t - mean_start(t, request.mean_steps)) * c.inner
                result = decoded(c.dictionary, p, fast.counts(c, p), before, updates)
                figures.append(judge(part.pixels, p, result))
                # Copies: a view would keep the whole array in memory.
                samples.append(result.sample[: part.shown].copy())
                maps.append(result.rates[: part.shown].copy())
        else:
            p = advance_to(c, p, request.steps, request, report)
        rates = np.exp(p.state).astype(np.float32, copy=False)
        peak = p.peak.max(axis=1).astype(np.float64)
        spikes = p.counts_sum.sum(axis=1).astype(np.float64)
        return PartFigures(figures, samples, maps, rates, peak, np.exp(peak), spikes)

    def _recorded(self, p: Progress, report: Report) -> Iterator[tuple[int, Progress, Int64]]:
        """Yield each recorded step, the images after it, and their counts_sum before its mean."""
        request = self.request
        recorded = recorded_steps(request.steps, request.training_steps)
        starts = {t: mean_start(t, request.mean_steps) for t in recorded}
        sums: dict[int, Int64] = {}
        for step in sorted({*recorded, *starts.values()}):
            p = advance_to(self.gram, p, step, request, report)
            if step in starts.values():
                sums[step] = p.counts_sum
            if step in starts:
                yield step, p, sums[starts[step]]
                later = [start for t, start in starts.items() if t > step]
                sums = {start: kept for start, kept in sums.items() if start in later}


def mean_start(step: int, mean_steps: int) -> int:
    """Return the step after which a mean's draws begin; they end with the draw after `step`."""
    return max(0, step - mean_steps + 1)


# Runs parts in order, wherever it likes; yields what each gives.
Spread = Callable[[PartRunner, Iterable[Part], Report], Iterator[PartFigures]]


def runner(
    network: FloatNetwork | LatentNetwork,
    request: EvaluationRequest,
    images: ImageSet,
    key: int = 0,
    judged: bool = True,
) -> PartRunner:
    """Return what runs parts of `images` through the network."""
    rest = request, images.kind, images.name, key, judged
    if isinstance(network, LatentNetwork):
        return LatentRun(network, *rest)
    return PartRun(network, *rest)


def here(run: PartRunner, parts: Iterable[Part], report: Report) -> Iterator[PartFigures]:
    """Run parts one after another in this process."""
    for part in parts:
        yield run.run(part, report)


def evaluate(
    network: FloatNetwork | LatentNetwork,
    images: ImageSet,
    request: EvaluationRequest,
    *,
    shown: int = 0,
    report: Report = lambda image_steps: None,
    spread: Spread = here,
) -> Evaluated:
    """Run `images` through the network and compute its figures at every recorded step.

    The first `shown` images keep their reconstructions. `report` receives the number of image-steps
    done since its last call. Images are run CHUNK at a time by `spread`, and no history is kept.
    Raises DataError for images of another size or kind.
    """
    run = runner(network, request, images)
    clip = float(network.clip)
    steps = recorded_steps(request.steps, request.training_steps)
    rate, done = np.empty((len(images), network.n_neurons), np.float32), list[PartFigures]()
    for one in spread(run, _parts(images.pixels, shown), report):
        first = CHUNK * len(done)
        rate[first : first + len(one.rates)] = one.rates
        done.append(one._replace(rates=one.rates[:0]))  # not kept twice
    moments, worst = gather(steps, [[one.figures[i] for one in done] for i in range(len(steps))])
    peak = np.concatenate([one.peak for one in done])
    largest = max(float(one.largest.max()) for one in done)
    spikes = np.concatenate([one.spikes for one in done])
    size = np.abs(rate)  # of signed latents
    evaluation = Evaluation(
        data=images.name,
        citation=images.citation,
        images=len(images),
        steps=request.steps,
        seed=request.seed,
        kl_form=request.kl,
        training_steps=request.training_steps,
        mean_steps=request.mean_steps,
        moments=moments,
        spikes_per_image=estimates.estimate(spikes),
        lifetime_sparseness=estimates.estimate(sparseness.lifetime(size)),
        population_sparseness=estimates.estimate(sparseness.population(size)),
        neurons=network.n_neurons,
        silent_neurons=int((size.max(axis=0) < SILENT_RATE).sum()),
        reached_clip=estimates.share(int((peak > clip - CLIP_MARGIN).sum()), len(peak)),
        largest_rate=largest,
        worst_image=worst,
    )
    return Evaluated(
        evaluation,
        rate,
        {t: np.concatenate([one.samples[i] for one in done]) for i, t in enumerate(steps)},
        {t: np.concatenate([one.maps[i] for one in done]) for i, t in enumerate(steps)},
    )


def final_rates(
    network: FloatNetwork | LatentNetwork,
    images: ImageSet,
    request: EvaluationRequest,
    report: Report = lambda image_steps: None,
    spread: Spread = here,
) -> Float32:
    """Return the rates (N, K) after all steps, for fitting a read-out on these images."""
    run = runner(network, request, images, TRAINING_KEY, judged=False)
    parts = spread(run, _parts(images.pixels, 0), report)
    return np.concatenate([one.rates for one in parts])


def advance_to(
    c: GramNetwork, p: Progress, step: int, request: EvaluationRequest, report: Report
) -> Progress:
    """Return the images at `step`; the division into pieces changes no result."""
    while p.step < step:
        steps = min(PIECE, step - p.step)
        p = fast.advance(c, p, steps, request.threads)
        report(len(p) * steps)
    return p


def _parts(pixels: Float32, shown: int) -> Iterator[Part]:
    for first in range(0, len(pixels), CHUNK):
        yield Part(first, pixels[first : first + CHUNK], max(0, shown - first))
