"""The benchmark of large runs: its images, its watch on the bar, and a tiny run with all parts."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.streaming import __main__, images, terminal
from benchmarks.streaming.page import page


def test_images_depend_on_their_index_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "AT_ONCE", 7)
    images.write_images(tmp_path / "a.npy", 20)
    whole = np.load(tmp_path / "a.npy")
    assert whole.shape == (20, 28, 28)
    np.testing.assert_array_equal(whole[5:9], images.shifted(images.larger_digits(), 5, 9))
    assert len({one.tobytes() for one in whole}) == 20


def test_the_bar_of_the_run_is_read() -> None:
    bar = "compiled: 400 images, 8 steps ━━━━━━━━  17% 0:01:05 left".encode()
    found = terminal.LEFT.search(bar)
    assert found is not None
    assert found.groups() == (b"17", b"0", b"01", b"05")
    assert terminal.LEFT.search("looking through the images ━━ 17% 0:00:02 left".encode()) is None


@pytest.mark.slow
def test_a_tiny_run_has_all_parts(tmp_path: Path) -> None:
    measured = __main__.measure(tmp_path, 400, 4)
    assert measured["equal"] is True
    assert 0 < measured["whole"]["peak_bytes"] < 2**30
    json.dumps(measured)
    result = {
        **measured,
        "command": "x",
        "date": "today",
        "machine": {"cpu_cores": 2, "architecture": "a", "python": "3", "ipvae_snn": "0"},
        "images": 400,
        "pixels": 784,
        "neurons": 128,
        "steps": 8,
    }
    assert "is equal to the whole run's, byte for byte" in " ".join(page(result).split())
