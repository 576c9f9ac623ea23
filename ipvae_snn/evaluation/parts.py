"""What an evaluation asks for, and what each part of its images gives."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from ipvae_snn.arrays import Float32, Float64
from ipvae_snn.config.settings import KlForm
from ipvae_snn.errors import ConfigError
from ipvae_snn.ir.decoding import MAX_DECODING_STEPS
from ipvae_snn.ir.prng import MAX_SEED, MAX_STEPS

MEAN_STEPS: Final = 4  # of the mean of counts that is decoded

Report = Callable[[int], None]


@dataclass(frozen=True)
class EvaluationRequest:
    """Settings of an evaluation: `steps` T >= 1, the seed of all noise, and the reported KL form.

    training_steps: the horizon that the network was trained with; figures are recorded there too.
    threads: CPU threads; they change no figure. mean_steps: number of last steps whose mean is
    decoded.
    """

    steps: int
    seed: int = 0
    kl: KlForm = "code"
    training_steps: int = 16
    threads: int = 1
    mean_steps: int = MEAN_STEPS

    def __post_init__(self) -> None:
        """Raise ConfigError for values out of range."""
        for name, value, low, high in (
            ("steps", self.steps, 1, MAX_STEPS - 1),
            ("seed", self.seed, 0, MAX_SEED),
            ("threads", self.threads, 1, 1024),
            ("mean_steps", self.mean_steps, 1, MAX_DECODING_STEPS),
        ):
            if not low <= value <= high:
                raise ConfigError(f"evaluation: {name} is {value}; give {low} to {high}")


def recorded_steps(steps: int, training_steps: int) -> tuple[int, ...]:
    """Return 0, the powers of 2 up to `steps`, training_steps if within them, and `steps`."""
    powers = {1 << i for i in range(steps.bit_length())}
    return tuple(sorted(t for t in {0, steps, training_steps} | powers if t <= steps))


class Part(NamedTuple):
    """Images from `first` on of a set: pixels (n, M), of which `shown` keep reconstructions."""

    first: int
    pixels: Float32
    shown: int


class PartFigures(NamedTuple):
    """What a part gives: figures (n,) by recorded step, and what `Evaluated` joins.

    rates (n, K): after all steps. samples, maps: reconstructions (shown, M) by recorded step. peak,
    largest, spikes (n,): largest potential and rate at any step, and spikes of all steps, NaN where
    latents are no counts.
    """

    figures: list[dict[str, Float64]]
    samples: list[Float32]
    maps: list[Float32]
    rates: Float32
    peak: Float64
    largest: Float64
    spikes: Float64


class PartRunner(Protocol):
    """Runs parts of a set of images; the same wherever it runs."""

    @property
    def request(self) -> EvaluationRequest:
        """What is asked for."""

    def run(self, part: Part, report: Report) -> PartFigures:
        """Run the images; report: receives image-steps."""
