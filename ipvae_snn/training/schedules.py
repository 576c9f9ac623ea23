"""Schedules over the iterations: learning rate, beta, soft clip, temperature, steps."""

import math
from dataclasses import dataclass
from typing import Final

from ipvae_snn.config.settings import ModelConfig, TrainConfig

# With a shorter warm-up the rates explode (measured), so short runs use this many iterations.
MIN_WARM_UP: Final = 50


@dataclass(frozen=True)
class ScheduleValues:
    """The scheduled values of one iteration."""

    learning_rate: float
    grad_clip: float
    beta: float
    clip: float
    temperature: float
    steps: int
    message_price: float = 0.0
    spike_price: float = 0.0


def warm_up_iterations(config: TrainConfig) -> int:
    """Return the length of the warm-up: its fraction, but at least 50 or a quarter of the run."""
    wanted = math.ceil(config.warm_up_fraction * config.iterations)
    return max(wanted, min(MIN_WARM_UP, config.iterations // 4))


def schedule_values(model: ModelConfig, train: TrainConfig, iteration: int) -> ScheduleValues:
    """Return the scheduled values of `iteration` in 0 .. train.iterations - 1."""
    warm_up = warm_up_iterations(train)
    warming = iteration < warm_up
    if warming:
        rate = train.learning_rate * (iteration + 1) / warm_up
    else:
        progress = (iteration - warm_up) / max(1, train.iterations - warm_up)
        rate = train.learning_rate * 0.5 * (1.0 + math.cos(math.pi * progress))
    ramp = linear(iteration, train.beta_ramp_fraction * train.iterations)
    cooling = linear(iteration, train.temperature_fraction * train.iterations)
    clip_start = min(train.clip_start, model.clip)
    steps = unrolled_steps(train, iteration)
    return ScheduleValues(
        learning_rate=rate,
        grad_clip=train.grad_clip * (train.grad_clip_warm_up_factor if warming else 1.0),
        # Most of the KL arises on the way from u0, so its mean over T falls as 1 / T.
        beta=mix(train.beta_start, train.beta, ramp) * steps / train.steps,
        clip=mix(clip_start, model.clip, ramp),
        temperature=mix(train.temperature_start, train.temperature_end, cooling),
        steps=steps,
        message_price=ramp * train.message_price,
        spike_price=ramp * train.spike_price,
    )


def unrolled_steps(train: TrainConfig, iteration: int) -> int:
    """Return T at `iteration`: train.steps, or less while the curriculum increases it."""
    if not 0 < train.steps_start < train.steps:
        return train.steps
    doublings = math.ceil(math.log2(train.steps / train.steps_start))
    done = math.floor(doublings * linear(iteration, train.steps_fraction * train.iterations))
    return min(train.steps, train.steps_start << done)


def linear(iteration: int, length: float) -> float:
    """Return the share of a ramp of `length` iterations that is done, in [0, 1]."""
    return 1.0 if length <= 0 else min(1.0, iteration / length)


def mix(start: float, end: float, share: float) -> float:
    """Return the value `share` of the way from `start` to `end`, exactly `end` at 1."""
    return end if share >= 1.0 else start + share * (end - start)
