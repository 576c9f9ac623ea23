"""The first use of compiled loops takes long: one line says so at once; later there is none."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ipvae_snn.ir.files import save_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.kernels import checked_cache, threads
from ipvae_snn.watcher import Watcher, current_watcher, watched


def run(folder: Path, cache: Path, *more: str) -> str:
    """Return the standard error of a run in a process of its own, with compiled code in `cache`.

    Without the line on the images that were read.
    """
    command = ("run", "net.safetensors", "--data", "images.npy", "--steps", "2", *more)
    done = subprocess.run(
        [sys.executable, "-m", "ipvae_snn", *command],
        cwd=folder,
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        timeout=250,
        check=True,
    )
    lines = done.stderr.splitlines(keepends=True)
    return "".join(line for line in lines if "images: 2 of 4x3" not in line)


@pytest.mark.slow
def test_the_first_run_says_that_it_compiles(network: IntegerNetwork, tmp_path: Path) -> None:
    save_network(network, tmp_path / "net.safetensors")
    images = np.random.default_rng(0).standard_normal((2, 4, 3)).astype(np.float32)
    np.save(tmp_path / "images.npy", images)
    for cache, more in (("one", ()), ("two", ("--threads", "2"))):
        said = [run(tmp_path, tmp_path / cache, *more) for _ in range(2)]
        assert said == [f"ipvae-snn: {checked_cache.COMPILING}\n", ""]
    assert run(tmp_path, tmp_path / "three", "-q") == ""


def test_the_watcher_hears_of_each_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also without a folder for it, when every start compiles."""
    from numba.core import config

    from ipvae_snn.kernels import cache, compiled

    def double(values: np.ndarray) -> None:
        values *= 2

    heard: list[str] = []
    cache.cache_folder.cache_clear()
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    with watched(Watcher(notice=heard.append)):
        compiled.kernel(double)(np.ones(2))
        compiled.kernel(double)(np.ones(2))
        assert heard == [checked_cache.COMPILING]
        monkeypatch.setattr(compiled, "cache_folder", lambda: None)
        compiled.kernel(double)(np.ones(2))
    cache.cache_folder.cache_clear()
    assert heard == [checked_cache.COMPILING, checked_cache.COMPILING_ALWAYS]


def test_threads_have_the_watcher_and_report_errors() -> None:
    mine = Watcher()
    seen: list[tuple[int, int, bool]] = []

    def part(first: int, last: int) -> None:
        seen.append((first, last, current_watcher() is mine))
        if last == 9:
            raise ValueError("of a thread")

    with watched(mine):
        threads.in_threads(part, 7, 3)
        assert sorted(seen) == [(0, 2, True), (2, 4, True), (4, 7, True)]
        with pytest.raises(ValueError, match="of a thread"):
            threads.in_threads(part, 9, 2)
