"""Typed access to a user's TOML table, with one-line errors: file, key, value, rule, remedy."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from ipvae_snn.choices import suggestion
from ipvae_snn.errors import ConfigError, brief


def refuse(place: str, value: str, rule: str, remedy: str) -> NoReturn:
    """Raise ConfigError: the place, the value, the rule, the remedy."""
    raise ConfigError(f"{place}: {value}, but {rule}; {remedy}")


@dataclass(frozen=True)
class Table:
    """One table of a TOML file: its file, the keys that lead to it, its values."""

    where: str
    path: str
    data: Mapping[str, Any]

    @property
    def place(self) -> str:
        """The file and the table, for messages."""
        return f"{self.where}: {self.path}" if self.path else self.where

    def at(self, key: str) -> str:
        """Return the file and a key of this table, for messages."""
        return f"{self.where}: {self.path}.{key}" if self.path else f"{self.where}: {key}"

    def only(self, *known: str) -> None:
        """Refuse an unknown key, and suggest the nearest known one."""
        for key in self.data:
            if key not in known:
                refuse(
                    self.at(key),
                    f"is not known{suggestion(key, known)}",
                    f"{self.path or 'a profile'} may have {', '.join(known)}",
                    "correct or remove it",
                )

    def table(self, key: str) -> "Table":
        """Return an inner table, empty if it is absent."""
        value = self.data.get(key, {})
        if not isinstance(value, dict):
            refuse(
                self.at(key),
                f"is {brief(value)}",
                "it must be a table",
                "write [table] or key = { value = ..., ... }",
            )
        return Table(self.where, f"{self.path}.{key}" if self.path else key, value)

    def text(self, key: str, default: str | None = None) -> str:
        """Return a non-empty string, or `default` if it is absent."""
        value = self.data.get(key, default)
        if value is None:
            refuse(self.at(key), "is missing", "it is needed", f'add {key} = "..."')
        if not isinstance(value, str) or not (value.strip() or value == default):
            refuse(self.at(key), brief(value), "it must be a text", f'write {key} = "..."')
        return value

    def number(self, key: str) -> float:
        """Return a finite, nonnegative number."""
        value = self.data[key]
        if isinstance(value, bool) or not isinstance(value, int | float):
            refuse(self.at(key), brief(value), "it must be a number", "write it without quotes")
        if not (math.isfinite(value) and value >= 0):
            refuse(
                self.at(key), brief(value), "it must be finite and not negative", "correct the sign"
            )
        return float(value)

    def flag(self, key: str, default: bool | None = None) -> bool:
        """Return true or false, or `default` if it is absent."""
        value = self.data.get(key, default)
        if not isinstance(value, bool):
            given = "is missing" if value is None else brief(value)
            refuse(self.at(key), given, "it must be true or false", f"write {key} = true or false")
        return value

    def choice(self, key: str, allowed: tuple[str, ...]) -> str:
        """Return one of the allowed words."""
        word = self.text(key)
        if word not in allowed:
            refuse(
                self.at(key),
                f"{word!r}{suggestion(word, allowed)}",
                f"it must be one of {', '.join(allowed)}",
                "choose one",
            )
        return word
