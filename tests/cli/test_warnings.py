"""Warnings about a user's images are one line, once; all others stay as they were."""

import subprocess
import sys

import numpy as np

from ipvae_snn.cli import app
from ipvae_snn.errors import DataWarning
from ipvae_snn.kernels.checked_cache import COMPILING


def test_a_warning_is_one_line_once(capsys):
    others, shown = [], set()
    for _ in range(2):
        app._show_warning(lambda *now: others.append(now), shown, "dark", DataWarning, "a.py", 3)
    app._show_warning(lambda *now: others.append(now), shown, "other", UserWarning, "a.py", 3)
    assert capsys.readouterr().err == "ipvae-snn: warning: dark\n"
    assert others == [("other", UserWarning, "a.py", 3)]


def test_the_command_line_shows_it(tmp_path):
    np.save(tmp_path / "a.npy", np.full((2, 8, 8), 9000, np.uint16))
    command = [sys.executable, "-m", "ipvae_snn", "run", "digits", "--steps", "2"]
    done = subprocess.run(
        [*command, "--data", "a.npy"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    lines = [line for line in done.stderr.splitlines() if COMPILING not in line]
    assert lines == [
        "ipvae-snn: warning: a.npy: image 0: the largest value of all is 9000, and 65535 is taken "
        "as white; give --white 16383 (data.white) if they have fewer bits",
        "ipvae-snn: images: 2 of 8x8, levels 9000..9000 of 65535",
    ]
