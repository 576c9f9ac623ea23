"""The statistics of patches: by hand on gratings, and the page that of its JSON."""

import json

import numpy as np
import pytest

from benchmarks.patch_statistics import CYCLES, PAGE, RESULT, SETS, WAYS, measured, with_results


def test_the_page_is_that_of_the_result() -> None:
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    text = PAGE.read_text(encoding="utf-8")
    assert with_results(text, result) == text
    assert list(result["sets"]) == list(SETS)
    assert all(list(ways) == list(WAYS) for ways in result["sets"].values())


def test_statistics_of_white_noise_and_of_two_contrasts() -> None:
    noise = np.random.default_rng(0).normal(size=(4000, 256)).astype(np.float32)
    found = measured(noise)
    assert found["kurtosis"] == pytest.approx(0, abs=0.03)
    assert found["along"] == pytest.approx(np.ones(len(CYCLES)), abs=0.05)
    assert found["oblique"] == pytest.approx(np.ones(len(CYCLES)), abs=0.05)
    # Half of the patches have 3 times the deviation: E x^4 / (E x^2)^2 = 3 (1 + 81) / 2 / 5^2 =
    # 4.92, so the excess is 1.92, and the quantiles of the variance are near 1 and 9.
    mixed = measured(noise * np.where(np.arange(4000) % 2, 3, 1)[:, None].astype(np.float32))
    assert mixed["kurtosis"] == pytest.approx(1.92, abs=0.1)
    assert mixed["variance"][0] < 1.1 < 8 < mixed["variance"][2]
