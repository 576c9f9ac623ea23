"""The photographs' benchmark: its page agrees with its JSON, and its pieces are photographs."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.photographs.__main__ import PAGE, RESULT, STARTS, with_results, write_pieces


def test_the_page_is_that_of_the_result() -> None:
    """Both are committed; sparse coding gives localised elements, and noise does not yet."""
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    text = PAGE.read_text(encoding="utf-8")
    assert with_results(text, result) == text
    networks = result["networks"]
    assert list(networks) == list(STARTS)
    assert networks["sparse-coding"]["gabor_share"] > 2 * networks["noise"]["gabor_share"]


def test_twelve_pieces(tmp_path: Path) -> None:
    """Of two photographs, as the page cuts them."""
    write_pieces(tmp_path)
    pieces = [np.asarray(Image.open(path)) for path in sorted(tmp_path.iterdir())]
    assert {piece.shape for piece in pieces} == {(213, 213, 3), (213, 213, 3)}
    assert len(pieces) == 12
