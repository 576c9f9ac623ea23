"""The benchmark of decoders: it trains every case, and the page is that of its JSON."""

import json

import pytest

from benchmarks.decoders import CASES, PAGE, RESULT, config_of, measured, with_results
from ipvae_snn.config.settings import DictionaryKind
from ipvae_snn.data import load


def test_the_page_is_that_of_the_result() -> None:
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    text = PAGE.read_text(encoding="utf-8")
    assert with_results(text, result) == text
    assert [(one["kind"], one["decoder"]) for one in result["runs"]] == list(CASES)


@pytest.mark.parametrize("case", [CASES[2], CASES[-1]])
def test_a_case_trains(case: tuple[str, DictionaryKind]) -> None:
    images, held_out = load("digits", "train"), load("digits", "test", limit=20)
    result = measured(config_of(*case, iterations=4), images, held_out)
    assert (result["kind"], result["decoder"]) == case
    assert -2.0 < result["r2"] < 1.0
    low, median, high = result["seconds"]
    assert 0.0 < low <= median <= high
