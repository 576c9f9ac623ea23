"""JSON output for the terminal and for files."""

import json
import math
from pathlib import Path
from typing import Any

import typer

from ipvae_snn.storage.atomic import write_text


def emit_json(value: dict[str, Any]) -> None:
    """Print one JSON object; numbers that are not finite become null, as JSON requires."""
    typer.echo(json.dumps(finite(value), indent=2))


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write one JSON object to a file atomically, with null as in `emit_json`."""
    write_text(path, json.dumps(finite(value), indent=2) + "\n")


def finite(value: Any) -> Any:
    """Return plain data with None in place of every number that is not finite."""
    match value:
        case dict():
            return {str(key): finite(item) for key, item in value.items()}
        case list() | tuple():
            return [finite(item) for item in value]
        case float():
            return value if math.isfinite(value) else None
        case _:
            return value
