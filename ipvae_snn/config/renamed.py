"""Renamed settings: files and overrides with the old keys are read for one more version.

`train.inner_steps` is now `model.updates_per_step`. `train.leak` was a constant pull per update;
`model.leak` is multiplied by the learnt step size, so one cannot be translated into the other
before training.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ipvae_snn.errors import ConfigError

OLD_UPDATES: Final = "inner_steps"
NEW_UPDATES: Final = "updates_per_step"
OLD_LEAK: Final = "leak"


class OldDynamics(NamedTuple):
    """Dynamics in an old file's [train] table: updates per step and pull per update."""

    updates: int
    pull: float


def old_dynamics(table: Mapping[str, Any]) -> OldDynamics:
    """Return the dynamics of an old config's table, by default one update without a pull.

    Raises TypeError or ValueError where they are not numbers.
    """
    train = dict(table.get("train", {}))
    return OldDynamics(int(train.get(OLD_UPDATES, 1)), float(train.get(OLD_LEAK, 0.0)))


def renamed_key(table: str, name: str) -> tuple[str, str]:
    """Return the present table and name of a setting with this table and name."""
    return ("model", NEW_UPDATES) if (table, name) == ("train", OLD_UPDATES) else (table, name)


def translated(table: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return `table` with old keys under their new names; a value that is no table is unchanged.

    Raises ConfigError where an old and a new key differ, or where the old leak has an effect.
    """
    train, model = table.get("train", {}), table.get("model", {})
    if not (isinstance(train, Mapping) and isinstance(model, Mapping)):
        return dict(table)
    train, model = dict(train), dict(model)
    if OLD_UPDATES in train:
        updates = train.pop(OLD_UPDATES)
        if model.setdefault(NEW_UPDATES, updates) != updates:
            raise ConfigError(
                f"{source}: model.{NEW_UPDATES} is {model[NEW_UPDATES]}, but train.{OLD_UPDATES}, "
                f"its old name, is {updates}; leave the old one out"
            )
    if type(train.get(OLD_LEAK)) in (int, float):
        pull = train.pop(OLD_LEAK)
        # With one update per step the potential is where the step started: there is no pull.
        if pull != 0 and model.get(NEW_UPDATES, 1) != 1:
            raise ConfigError(
                f"{source}: train.{OLD_LEAK} is {pull}, a constant pull per update, which training "
                f"no longer has; set model.{OLD_LEAK} instead, which the learnt step size exp("
                "log_lr) multiplies (1 in the paper's code)"
            )
    return {**table, "model": model, "train": train}
