"""Metrics of a run read back: complete records before the first damaged line."""

import json
import os
from pathlib import Path

import pytest

from ipvae_snn.errors import FileFormatError
from ipvae_snn.training.run_folder import RunFolder

RECORDS = [{"iteration": i, "kind": "train", "gradient_norm": float("inf")} for i in (1, 2, 3)]


@pytest.mark.parametrize(
    "line",
    [
        '{"iteration": 4',
        "[" * 9000,
        '{"iteration": ' + "9" * 5000 + "}",
        '{"iteration": "4"}',
        '{"iteration": 1e999}',
        '{"iteration": NaN}',
        '{"iteration": null}',
        "[4]",
        "{}",
        "\x00",
    ],
)
def test_records_end_at_a_damaged_line(tmp_path: Path, line: str) -> None:
    folder = RunFolder(tmp_path)
    for record in RECORDS:
        folder.append(record)
    with folder.metrics.open("a", encoding="utf-8") as handle:
        handle.write(f"{line}\n{json.dumps(RECORDS[0])}\n")
    assert folder.read_metrics() == RECORDS
    folder.cut_metrics(2)
    assert folder.metrics.read_text() == "".join(json.dumps(r) + "\n" for r in RECORDS[:2])


def test_a_pipe_in_place_of_the_metrics(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "metrics.jsonl")
    with pytest.raises(FileFormatError, match=r"metrics\.jsonl: a pipe or a device, not a file"):
        RunFolder(tmp_path).read_metrics()
