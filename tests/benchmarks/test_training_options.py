"""The benchmarks of training options and of convolutional training: pages and small runs."""

import json
from pathlib import Path

import pytest

from benchmarks.training_options import __main__ as options
from benchmarks.training_options import page
from benchmarks.training_speed import convolutional
from ipvae_snn.data import load
from ipvae_snn.errors import ConfigError


def test_the_pages_are_those_of_the_results() -> None:
    for module, with_results in (
        (options, page.with_results),
        (convolutional, convolutional.with_results),
    ):
        result = json.loads(module.RESULT.read_text(encoding="utf-8"))
        text = page.PAGE.read_text(encoding="utf-8")
        assert with_results(text, result) == text


def test_options_change_the_settings_that_they_name() -> None:
    plain, two = (options.OPTIONS[name] for name in ("sigmoid 0.1", "cubic 0.4, two samples"))
    config = options.config_of("patches", two, seed=1, iterations=3)
    assert (config.train.relaxation, config.train.samples) == ("cubic", 2)
    assert (config.train.temperature_end, config.train.seed) == (0.4, 1)
    assert options.config_of("mnist", plain, 0).train.samples == 1
    longer = options.OPTIONS["cubic 0.4, 1.4 times the iterations"]
    assert options.config_of("patches", longer, 0, iterations=100).train.iterations == 140
    with pytest.raises(ConfigError, match=r"^there is no setting 'x'; known ones are patches, mn"):
        options.config_of("x", plain, 0)


@pytest.mark.slow
def test_a_run_has_what_the_table_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "STEPS", 8)
    config = options.config_of("patches", options.OPTIONS["cubic 0.4"], 0, iterations=20)
    images = load("natural", "train", limit=1000, n_patches=1000)
    result = json.loads(options.RESULT.read_text(encoding="utf-8"))["patches"]
    run = options.judged(config, options.Images(images, images.first(12)), tmp_path / "run")
    for name in result["runs"]:
        result["runs"][name] = [run]
    assert "| cubic 0.4 |" in page.section("patches", result)


def test_a_convolutional_iteration_is_measured() -> None:
    size = convolutional.Size(8, 8, (16, 16, 3), 4)
    measured = convolutional.measured(size, iterations=3)
    assert measured["neurons"] == 64 * 4
    assert 0 < measured["seconds"]["low"] <= measured["seconds"]["high"]
    assert 0 < measured["active"] < 1
    text = convolutional.section({**_frame(), "sizes": [measured]})
    assert "| 8x8x3, stride 8, in 16x16x3 | 256 | 4 |" in text
    assert max(len(line) for line in text.splitlines() if not line.startswith("|")) <= 99


def _frame() -> dict[str, object]:
    result = json.loads(convolutional.RESULT.read_text(encoding="utf-8"))
    return {key: value for key, value in result.items() if key != "sizes"}
