"""Every fault ends a Lava run soon, with a named cause; only finished images are kept."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.lava_faults.__main__ import LIMIT_S, PAGE, RESULT, first_line, inject, possible
from benchmarks.lava_faults.kinds import BY_NAME, KINDS
from benchmarks.lava_faults.page import page

# One fault for each way in which a run ends; the others are slow tests.
QUICK = (
    "neuron", "unreported", "init", "child-killed", "child-hangs", "sigterm", "sigkill",
    "sigkill-inner", "full-results", "other-lava", "toolkit-sigint", "toolkit-neuron",
)  # fmt: skip
OFTEN = ("neuron", "child-killed", "sigint", "sigkill", "manager-killed", "toolkit-child-killed")


def require_well(name: str, lava_python: Path) -> None:
    """Inject a fault; the run must name the cause, keep finished images, leave nothing, and end."""
    if not possible(BY_NAME[name]):
        pytest.skip("a small tmpfs needs root")
    outcome = inject(BY_NAME[name], lava_python)
    assert outcome.wrong == (), outcome.said
    assert outcome.seconds < LIMIT_S


@pytest.mark.parametrize("name", QUICK)
def test_a_fault_ends_the_run_with_its_cause(name: str, lava_python: Path) -> None:
    require_well(name, lava_python)


@pytest.mark.slow
@pytest.mark.parametrize("name", [kind.name for kind in KINDS if kind.name not in QUICK])
def test_every_other_fault_does_so_too(name: str, lava_python: Path) -> None:
    require_well(name, lava_python)


@pytest.mark.slow
@pytest.mark.parametrize("name", OFTEN)
def test_twenty_times_leave_nothing(name: str, lava_python: Path) -> None:
    for _ in range(20):  # each checks for its remains
        require_well(name, lava_python)


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    """The committed result."""
    loaded: dict[str, Any] = json.loads(RESULT.read_text())
    return loaded


def test_the_page_is_that_of_the_result(measured: dict[str, Any]) -> None:
    assert PAGE.read_text() == page(measured)


def test_every_kind_was_injected_twenty_times_without_a_leak(measured: dict[str, Any]) -> None:
    assert set(measured["kinds"]) == set(BY_NAME)
    assert measured["wrong"] == []
    for name, result in measured["kinds"].items():
        assert len(result["seconds"]) == measured["times"] >= 20, name
        assert max(result["seconds"]) < measured["limit_s"] == 5, name


def test_the_page_lists_what_went_wrong(measured: dict[str, Any]) -> None:
    assert "**1 did not pass**" in page({**measured, "wrong": ["neuron: left: x"]})


def test_a_messages_first_line_has_nothing_that_changes() -> None:
    said = "0/4 images\nrun.py: error: n (process 77) at /tmp/ipvae-abcdefgh/run; its\nmore\n"
    assert first_line(said) == "run.py: error: n (process 4242) at /tmp/run; its"
    assert first_line("nothing of ours") == ""
