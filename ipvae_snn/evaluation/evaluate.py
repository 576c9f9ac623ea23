"""Evaluate a float network: figures by step, sparseness and run-aways, with intervals."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from ipvae_snn.arrays import Float32, Float64
from ipvae_snn.config.settings import KlForm
from ipvae_snn.data import ImageSet
from ipvae_snn.errors import ConfigError
from ipvae_snn.evaluation.figures import StepFigures, gather, judge_of
from ipvae_snn.inference import fast
from ipvae_snn.inference.fast import GramNetwork
from ipvae_snn.ir.prng import MAX_SEED, MAX_STEPS
from ipvae_snn.kernels.rows import Progress
from ipvae_snn.metrics import estimates, sparseness
from ipvae_snn.metrics.estimates import Estimate
from ipvae_snn.models.float_network import FloatNetwork

PIECE: Final = 32  # steps between two reports of progress
CHUNK: Final = 1000  # images at a time; each of five arrays takes 2 MB at K = 512
CLIP_MARGIN: Final = 1.0  # nats; this close to it, the clip determines the potential
# A neuron is silent if its rate is below one spike in 100 steps on every image.
SILENT_RATE: Final = 0.01
# The read-out's training images have other noise keys than the evaluated images.
TRAINING_KEY: Final = 1 << 31

Report = Callable[[int], None]


@dataclass(frozen=True)
class EvaluationRequest:
    """Settings of an evaluation: `steps` T >= 1, the seed of all noise, and the reported KL form.

    training_steps: the horizon that the network was trained with; figures are recorded there too.
    threads: CPU threads; they change no figure.
    """

    steps: int
    seed: int = 0
    kl: KlForm = "code"
    training_steps: int = 16
    threads: int = 1

    def __post_init__(self) -> None:
        """Raise ConfigError for values out of range."""
        for name, value, low, high in (
            ("steps", self.steps, 1, MAX_STEPS - 1),
            ("seed", self.seed, 0, MAX_SEED),
            ("threads", self.threads, 1, 1024),
        ):
            if not low <= value <= high:
                raise ConfigError(f"evaluation: {name} is {value}; give {low} to {high}")


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
    network: FloatNetwork, steps: int, seed: int = 0, threads: int = 1
) -> EvaluationRequest:
    """Return the request with the KL form and the horizon that the network was trained with."""
    return EvaluationRequest(steps, seed, network.kl, network.training_steps, threads)


def recorded_steps(steps: int, training_steps: int) -> tuple[int, ...]:
    """Return 0, the powers of 2 up to `steps`, training_steps if within them, and `steps`."""
    powers = {1 << i for i in range(steps.bit_length())}
    return tuple(sorted(t for t in {0, steps, training_steps} | powers if t <= steps))


def evaluate(
    network: FloatNetwork,
    images: ImageSet,
    request: EvaluationRequest,
    *,
    shown: int = 0,
    report: Report = lambda image_steps: None,
) -> Evaluated:
    """Run `images` through the network and compute its figures at every recorded step.

    The first `shown` images keep their reconstructions. `report` receives the number of image-steps
    done since its last call. Images are run CHUNK at a time, and no history is kept. Raises
    DataError for images of another size or kind.
    """
    c = fast.gram_network(network)
    judge = judge_of(network, request.kl)
    steps = recorded_steps(request.steps, request.training_steps)
    figures: list[list[dict[str, Float64]]] = [[] for _ in steps]
    samples: dict[int, list[Float32]] = {t: [] for t in steps}
    maps: dict[int, list[Float32]] = {t: [] for t in steps}
    rate = np.empty((len(images.pixels), network.n_neurons), np.float32)
    peaks, spikes = [], []
    for first, pixels in _chunks(images.pixels):
        p = fast.start(c, pixels, images.kind, images.name, request.seed, first)
        keep = max(0, shown - first)
        for index, t in enumerate(steps):
            p = advance_to(c, p, t, request, report)
            z = fast.counts(c, p)
            sample, mean = c.dictionary.decode(z), c.dictionary.decode(np.exp(p.state))
            figures[index].append(judge(pixels, p, z, sample, mean))
            # Copies: a view would keep the whole array in memory.
            samples[t].append(sample[:keep].copy())
            maps[t].append(mean[:keep].copy())
        np.exp(p.state, out=rate[first : first + len(p)])
        peaks.append(p.peak.max(axis=1))
        spikes.append(p.counts_sum.sum(axis=1))
    moments, worst = gather(steps, figures)
    peak = np.concatenate(peaks)
    evaluation = Evaluation(
        data=images.name,
        citation=images.citation,
        images=len(images),
        steps=request.steps,
        seed=request.seed,
        kl_form=request.kl,
        training_steps=request.training_steps,
        moments=moments,
        spikes_per_image=estimates.estimate(np.concatenate(spikes).astype(np.float64)),
        lifetime_sparseness=estimates.estimate(sparseness.lifetime(rate)),
        population_sparseness=estimates.estimate(sparseness.population(rate)),
        neurons=network.n_neurons,
        silent_neurons=int((rate.max(axis=0) < SILENT_RATE).sum()),
        reached_clip=estimates.share(int((peak > c.clip - CLIP_MARGIN).sum()), len(peak)),
        largest_rate=float(np.exp(np.float64(peak.max()))),
        worst_image=worst,
    )
    return Evaluated(
        evaluation,
        rate,
        {t: np.concatenate(parts) for t, parts in samples.items()},
        {t: np.concatenate(parts) for t, parts in maps.items()},
    )


def final_rates(
    network: FloatNetwork,
    images: ImageSet,
    request: EvaluationRequest,
    report: Report = lambda image_steps: None,
) -> Float32:
    """Return the rates (N, K) after all steps, for fitting a read-out on these images."""
    c = fast.gram_network(network)
    rates = np.empty((len(images.pixels), network.n_neurons), np.float32)
    for first, pixels in _chunks(images.pixels):
        key = TRAINING_KEY + first
        p = fast.start(c, pixels, images.kind, images.name, request.seed, key)
        state = advance_to(c, p, request.steps, request, report).state
        np.exp(state, out=rates[first : first + len(p)])
    return rates


def advance_to(
    c: GramNetwork, p: Progress, step: int, request: EvaluationRequest, report: Report
) -> Progress:
    """Return the images at `step`; the division into pieces changes no result."""
    while p.step < step:
        steps = min(PIECE, step - p.step)
        p = fast.advance(c, p, steps, request.threads)
        report(len(p) * steps)
    return p


def _chunks(pixels: Float32) -> Iterable[tuple[int, Float32]]:
    for first in range(0, len(pixels), CHUNK):
        yield first, pixels[first : first + CHUNK]
