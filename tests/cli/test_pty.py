"""What a user sees on a real terminal: a line at once, a bar with the time left, the result."""

import os
import pty
import re
import select
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ipvae_snn.ir.files import save_network
from ipvae_snn.ir.network import IntegerNetwork

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
CODE = "from ipvae_snn.cli.app import main; main()"


def on_terminal(arguments: list[str], folder: Path, seconds: float) -> tuple[int, list[str]]:
    """Return the exit status of the command and the distinct lines that its terminal got."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.environ["COLUMNS"] = "120"
        os.execv(sys.executable, [sys.executable, "-c", CODE, *arguments])
    end, received = time.monotonic() + seconds, b""
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 0.2)[0]:
            continue
        try:
            received += os.read(terminal, 1 << 16)
        except OSError:  # Linux: the other end is closed
            break
    os.close(terminal)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    lines = re.split(r"[\r\n]+", ESCAPES.sub("", received.decode("utf-8", "replace")))
    return status, list(dict.fromkeys(line.strip() for line in lines if line.strip()))


@pytest.mark.slow
def test_a_run_shows_a_line_at_once_then_a_bar_then_its_result(
    network: IntegerNetwork, tmp_path: Path
) -> None:
    save_network(network, tmp_path / "net.safetensors")
    np.save(tmp_path / "images.npy", np.random.default_rng(0).standard_normal((60, 4, 3)))
    arguments = ["run", "net.safetensors", "--data", "images.npy", "--backend", "reference"]
    status, lines = on_terminal([*arguments, "--steps", "2000"], tmp_path, 120)
    assert status == 0
    assert lines[0].endswith("starting 0:00:00")
    bars = [line for line in lines if "reference: 60 images" in line and "%" in line]
    assert len({re.search(r"(\d+)%", line)[1] for line in bars}) > 1  # type: ignore[index]
    assert all(line.endswith("left") for line in bars)
    result = lines.index(bars[-1]) + 1
    assert lines[result].startswith("result.npz: 60 images of images.npy, 2000 steps on reference")
