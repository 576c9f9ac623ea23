"""Messages to groups of neurons, and the page beside its results."""

import json
from pathlib import Path

import numpy as np

from benchmarks.recipe.__main__ import RESULTS
from benchmarks.sparsity_blocks import groups_reached

PAGE = Path(__file__).parents[2] / "docs" / "training.md"


def test_groups_reached_by_hand() -> None:
    weights = np.array([[0, 1, 0], [0, 2, 0], [3, 0, 0], [0, 4, 0], [0, 0, 0]])
    # Groups (0, 1), (2, 3) and (4,).
    assert groups_reached(weights, 2).tolist() == [1, 2, 0]
    assert groups_reached(weights, 5).tolist() == [1, 1, 0]
    assert groups_reached(weights, 1).tolist() == [1, 3, 0]


def test_the_page_has_the_results() -> None:
    result = json.loads((RESULTS / "sparsity_blocks.json").read_text(encoding="utf-8"))
    page = PAGE.read_text(encoding="utf-8")
    for row in result["rows"]:
        assert (
            f"| {row['block']} | {row['r2']:.4f} | {row['operations']:,.0f} | "
            f"{row['image_messages']:,.0f} | {row['lateral_messages']:,.0f} |"
        ) in page
