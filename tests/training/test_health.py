"""Failed training raises an error early, once, and with advice."""

from dataclasses import replace

import pytest

from ipvae_snn.config.settings import TrainConfig
from ipvae_snn.errors import TrainingError
from ipvae_snn.training.health import Skipped, Step, check, check_validation, skips
from ipvae_snn.training.validation import Validation

FINE = Step(loss=30.0, nll=20.0, kl=1.0, rate=0.2, max_rate=5.0, gradient_norm=10.0)
# 1,000 iterations: warm-up 50, and a tenth of the beta ramp of 300 after it.
SETTINGS = TrainConfig(iterations=1000, warm_up_fraction=0.05, beta_ramp_fraction=0.3)


def test_a_sound_step_passes() -> None:
    for iteration in (0, 500, 999):
        assert check(FINE, 16, iteration, SETTINGS) == 0


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (replace(FINE, loss=float("nan")), r"^training ran away: loss nan and gradient norm 10 "),
        (replace(FINE, gradient_norm=float("inf")), r"gradient norm inf at iteration 3 must be"),
    ],
)
def test_a_run_away_is_told_at_once(step: Step, message: str) -> None:
    with pytest.raises(TrainingError, match=message) as result:
        check(step, 16, 3, SETTINGS)
    assert "lower train.learning_rate" in str(result.value)


def test_single_bad_iterations_pass_and_many_in_a_row_do_not() -> None:
    wild = replace(FINE, nll=1601.0)
    bad = 0
    for _ in range(24):
        bad = check(wild, 16, 3, SETTINGS, bad)
    assert check(FINE, 16, 4, SETTINGS, bad) == 0
    with pytest.raises(TrainingError, match=r"^training ran away: 100\.1 nats per pixel at ite"):
        check(wild, 16, 5, SETTINGS, bad)


def test_silence_is_told_once_training_has_left_its_start() -> None:
    silent = replace(FINE, rate=0.0009)
    check(silent, 16, 79, SETTINGS)
    with pytest.raises(TrainingError, match=r"^training fell silent: 0\.0009 spikes .* lower tra"):
        check(silent, 16, 80, SETTINGS)
    result = Validation(0.0, 0.0, 1.0, 0.9995, 0.1, 20.0)
    check_validation(result, 79, SETTINGS)
    check_validation(replace(result, zeros=0.998), 999, SETTINGS)
    with pytest.raises(TrainingError, match=r"^training fell silent: 99\.95% of the spike counts"):
        check_validation(result, 80, SETTINGS)


def test_many_iterations_that_change_nothing_are_told_once() -> None:
    settings = replace(SETTINGS, grad_skip=30.0, grad_clip=10.0)
    wild = replace(FINE, gradient_norm=301.0)
    assert skips(wild, 10.0, settings)
    assert skips(replace(FINE, gradient_norm=float("nan")), 10.0, settings)
    assert not skips(replace(FINE, gradient_norm=300.0), 10.0, settings)
    skipped = Skipped()
    # 20 of a hundred are no news, in two windows one after another.
    for iteration in range(200):
        assert skipped.warning(iteration % 5 == 0, wild, iteration, 300.0) is None
    said = [skipped.warning(True, wild, iteration, 300.0) for iteration in range(200, 400)]
    lines = [line for line in said if line is not None]
    assert lines == [said[20]]
    assert lines[0].startswith("21 of the last 21 iterations changed nothing: at iteration 220 the")
    assert "norm is 301, beyond train.grad_skip x train.grad_clip = 300; raise" in lines[0]
