"""Answers of commands, as JSON."""

import json
from collections.abc import Callable
from typing import Any

Run = Callable[..., tuple[int, str, str]]


def shown(run: Run, *arguments: object) -> dict[str, Any]:
    """Return what a command that succeeds prints with --json."""
    code, text, error = run(*arguments, "--json")
    assert code == 0, error
    result: dict[str, Any] = json.loads(text)
    return result
