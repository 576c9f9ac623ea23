"""No test of this folder sees the machine's own data."""

import pytest

from ipvae_snn.data import locate


@pytest.fixture(autouse=True)
def no_environment(monkeypatch, tmp_path):
    """Keep the machine's own data root, download switch and cache out of these tests."""
    monkeypatch.delenv("IPVAE_SNN_DATA", raising=False)
    monkeypatch.delenv("IPVAE_SNN_DOWNLOAD", raising=False)
    monkeypatch.setattr(locate, "cache_folder", lambda: tmp_path / "cache")
