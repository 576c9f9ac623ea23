"""The mapping benchmark: its networks, one measured case, and the table in the page."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.mapping import __main__
from ipvae_snn.ir.files import save_network


@pytest.mark.parametrize("local", [True, False])
def test_synthetic_networks_are_sparse(local: bool) -> None:
    """About 1 % of the lateral weights; the same seed gives the same network."""
    network = __main__.synthetic(1024, local)
    assert network.lateral is not None
    share = np.count_nonzero(network.lateral.matrix) / 1024**2
    assert 0.005 < share < 0.012
    again = __main__.synthetic(1024, local)
    assert again.lateral is not None
    np.testing.assert_array_equal(network.lateral.matrix, again.lateral.matrix)


def test_a_case_is_measured_in_its_own_process(tmp_path: Path) -> None:
    """Time, memory and the mapping; the page gets one row and keeps the surrounding text."""
    file = tmp_path / "net.safetensors"
    save_network(__main__.synthetic(64, True), file)
    result = __main__.measure(__main__.Case("tiny", file, "loihi1", "bias"), tmp_path)
    assert result["seconds"] > 0.1
    assert 2e7 < result["peak_bytes"] < 2e9
    assert (result["fits"], result["cores"], result["least_cores"]) == (False, 1, 1)
    machine = {"cpu_cores": 2, "architecture": "x", "python": "3"}
    report = __main__.section({"command": "c", "date": "d", "machine": machine, "cases": [result]})
    page = f"before\n{__main__.START}\nold\n{__main__.END}\nafter\n"
    text = __main__.with_section(page, report)
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert "| tiny | loihi1 (hypothetical) | bias | 1 | 1 | 1 |" in text
    with pytest.raises(ValueError, match="has no place for the table"):
        __main__.with_section("nothing", report)


def test_the_page_has_a_place_for_the_table() -> None:
    """Or the benchmark would fail at its end."""
    assert "made by python" in __main__.with_section(
        __main__.PAGE.read_text("utf-8"), __main__.START
    )
