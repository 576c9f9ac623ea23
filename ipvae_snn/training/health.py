"""Tell early that training went wrong, and what would mend it."""

import math
from dataclasses import dataclass
from typing import Final

from ipvae_snn.config.settings import TrainConfig
from ipvae_snn.errors import TrainingError
from ipvae_snn.training.schedules import warm_up_iterations
from ipvae_snn.training.validation import Validation

# Above this share of silent neurons the code carries nothing.
SILENT_ZEROS: Final = 0.999
# Mean rate, spikes a neuron and step: below it a thousand neurons fire once a step.
SILENT_RATE: Final = 1e-3
# Nats a pixel and step. An untrained network has 1.4 on standardised pixels, and none that
# learnt was ever above 5 but for single iterations, which clipped gradients survive.
MAX_NLL: Final = 100.0
# Iterations in a row that must be that bad before training is given up.
PATIENCE: Final = 25


@dataclass(frozen=True)
class Step:
    """What one iteration came to, over all processes: means in nats an image, rates in spikes."""

    loss: float
    nll: float
    kl: float
    rate: float
    max_rate: float
    gradient_norm: float


def check(step: Step, n_pixels: int, iteration: int, settings: TrainConfig, bad: int = 0) -> int:
    """Return how many iterations in a row were as bad as a run-away, `bad` before this one.

    Raises TrainingError if the step is not finite, has fallen silent, or is the 25th bad one.
    """
    if not (math.isfinite(step.loss) and math.isfinite(step.gradient_norm)):
        raise TrainingError(
            f"training ran away: loss {step.loss:.4g} and gradient norm {step.gradient_norm:.4g} "
            f"at iteration {iteration} must be finite; lower train.learning_rate, train.grad_clip "
            "or model.clip, or lengthen train.beta_ramp_fraction"
        )
    bad = bad + 1 if step.nll > MAX_NLL * n_pixels else 0
    if bad >= PATIENCE:
        raise TrainingError(
            f"training ran away: {step.nll / n_pixels:.4g} nats a pixel at iteration {iteration} "
            f"(limit {MAX_NLL:g}; largest rate {step.max_rate:.4g}); lower train.learning_rate or "
            "train.grad_clip, raise train.temperature_end, or lengthen train.warm_up_fraction"
        )
    if step.rate < SILENT_RATE and iteration >= _settled(settings):
        raise _silent(f"{step.rate:.2g} spikes a neuron and step", f"{SILENT_RATE:g}", iteration)
    return bad


def check_validation(result: Validation, iteration: int, settings: TrainConfig) -> None:
    """Raise TrainingError if hardly a neuron speaks on the validation images."""
    if result.zeros > SILENT_ZEROS and iteration >= _settled(settings):
        raise _silent(f"{result.zeros:.2%} of the spike counts are zero", "99.9%", iteration)


def _settled(settings: TrainConfig) -> int:
    """Return when a network that learns has left its start: warm-up and a tenth of the ramp."""
    ramp = settings.beta_ramp_fraction * settings.iterations
    return warm_up_iterations(settings) + math.ceil(0.1 * ramp)


def _silent(result: str, limit: str, iteration: int) -> TrainingError:
    return TrainingError(
        f"training fell silent: {result} at iteration {iteration} (limit {limit}); lengthen "
        "train.beta_ramp_fraction, lower train.beta or train.learning_rate, or start louder "
        "(model.u0_low, model.u0_high)"
    )
