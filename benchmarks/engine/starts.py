"""Seconds of whole commands and first results, each in a process of its own."""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

REPEATS: Final = 7
FIRST_RESULT: Final = """
import sys, ipvae_snn
ipvae_snn.run(sys.argv[1], "digits", steps=16, limit=100)
"""


def starts(network: Path, folder: Path) -> dict[str, Any]:
    """Return seconds of `ipvae-snn run` and of a first result from Python, caches made before."""
    options = ["--data", "digits", "--limit", "100", "--steps", "16"]
    out = ["--out", str(folder / "result.npz")]
    command = [sys.executable, "-m", "ipvae_snn", "run", str(network), *options, *out]
    return {
        "command": _seconds(command),
        "first_result": _seconds([sys.executable, "-c", FIRST_RESULT, str(network)]),
        "python_alone": _seconds([sys.executable, "-c", "import numba"]),
    }


def _seconds(command: list[str]) -> dict[str, float]:
    # With bytecode, as of an installed package: the first run, not timed, writes it.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    taken = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, env=environment)
        taken.append(time.perf_counter() - start)
    return {"median": statistics.median(taken), "low": min(taken), "high": max(taken)}
