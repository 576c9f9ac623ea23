"""Health checks of training: early errors, each with a remedy."""

import math
from dataclasses import dataclass
from typing import Final

from ipvae_snn.config.settings import TrainConfig
from ipvae_snn.errors import TrainingError
from ipvae_snn.training.schedules import warm_up_iterations
from ipvae_snn.training.validation import Validation

# Above this share of silent neurons the code carries no information.
SILENT_ZEROS: Final = 0.999
# Mean rate, spikes per neuron and step: a thousand neurons with one spike per step.
SILENT_RATE: Final = 1e-3
# Nats per pixel and step. An untrained network has 1.4 on standardised pixels. Networks that learnt
# were above 5 only in single iterations, which do no harm with clipped gradients.
MAX_NLL: Final = 100.0
# Consecutive iterations above MAX_NLL after which training stops.
PATIENCE: Final = 25
# Iterations of a window, and how many of them may change nothing before the user is told.
WINDOW: Final = 100
MAX_SKIPPED: Final = 20


@dataclass(frozen=True)
class Step:
    """Figures of one iteration over all processes: means in nats per image, rates in spikes.

    messages, spikes: per image and step, 0 where the loss charges for neither.
    """

    loss: float
    nll: float
    kl: float
    rate: float
    max_rate: float
    gradient_norm: float
    messages: float = 0.0
    spikes: float = 0.0


def check(step: Step, n_pixels: int, iteration: int, settings: TrainConfig, bad: int = 0) -> int:
    """Return the number of consecutive iterations above MAX_NLL; `bad` before this one.

    Raises TrainingError if a figure is not finite, if the neurons fell silent, or at the 25th
    consecutive bad iteration.
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
            f"training ran away: {step.nll / n_pixels:.4g} nats per pixel at iteration {iteration} "
            f"(limit {MAX_NLL:g}; largest rate {step.max_rate:.4g}); lower train.learning_rate or "
            "train.grad_clip, raise train.temperature_end, or lengthen train.warm_up_fraction"
        )
    if step.rate < SILENT_RATE and iteration >= _settled(settings):
        raise _silent(f"{step.rate:.2g} spikes per neuron and step", f"{SILENT_RATE:g}", iteration)
    return bad


def skips(step: Step, grad_clip: float, settings: TrainConfig) -> bool:
    """Return whether an iteration changes nothing: its gradient is beyond grad_skip limits."""
    return not step.gradient_norm <= settings.grad_skip * grad_clip


class Skipped:
    """Counts the iterations that change nothing, window by window, and says so once."""

    def __init__(self) -> None:
        self.count, self.said = 0, False

    def warning(self, skipped: bool, step: Step, iteration: int, limit: float) -> str | None:
        """Return a line where more than MAX_SKIPPED of a window's iterations changed nothing.

        limit: of the gradient's norm in nats, beyond which an iteration changes nothing.
        """
        if iteration % WINDOW == 0:
            self.count = 0
        self.count += skipped
        if self.said or self.count <= MAX_SKIPPED:
            return None
        self.said = True
        return (
            f"{self.count} of the last {iteration % WINDOW + 1} iterations changed nothing: at "
            f"iteration {iteration} the gradient's norm is {step.gradient_norm:.3g}, beyond "
            f"train.grad_skip x train.grad_clip = {limit:.3g}; raise train.grad_clip, or lower "
            "model.clip or train.learning_rate"
        )


def check_validation(result: Validation, iteration: int, settings: TrainConfig) -> None:
    """Raise TrainingError if hardly any neuron spikes on the validation images."""
    if result.zeros > SILENT_ZEROS and iteration >= _settled(settings):
        raise _silent(f"{result.zeros:.2%} of the spike counts are zero", "99.9%", iteration)


def _settled(settings: TrainConfig) -> int:
    """Return the iteration from which silence is an error: warm-up and a tenth of the ramp."""
    ramp = settings.beta_ramp_fraction * settings.iterations
    return warm_up_iterations(settings) + math.ceil(0.1 * ramp)


def _silent(measured: str, limit: str, iteration: int) -> TrainingError:
    return TrainingError(
        f"training fell silent: {measured} at iteration {iteration} (limit {limit}); lengthen "
        "train.beta_ramp_fraction, lower train.beta or train.learning_rate, or start "
        "at higher rates (model.u0_low, model.u0_high)"
    )
