"""Training: objective, schedules, validation, checkpoints and resume."""
