"""The lower bound of the time of a step and an image: by hand, and from a mapping."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipvae_snn.hw.chips.profile import load_profile
from ipvae_snn.hw.cost.duration import least_time
from ipvae_snn.hw.mapping.events import assumed
from ipvae_snn.hw.mapping.mapping import as_json, check_and_place
from ipvae_snn.hw.mapping.report import document
from ipvae_snn.ir.network import IntegerNetwork

LOIHI1 = load_profile("loihi1")


def test_loihi_1_by_hand() -> None:
    """A barrier of 113 ns, and 164 updates of 5.3 ns, 64 times."""
    bound = least_time(LOIHI1, 164, barriers=64.0, steps=64)
    assert bound is not None
    assert bound.chip_step_ns == pytest.approx(113 + 164 * 5.3)
    assert bound.step_ns == pytest.approx(bound.chip_step_ns)
    assert bound.image_ns == pytest.approx(64 * bound.chip_step_ns)
    shown = bound.as_json()
    assert [item["count"] for item in shown["items"]] == [1, 164]
    assert all("Davies et al. 2018" in item["figure"]["source"] for item in shown["items"])


@given(st.integers(1, 4096), st.integers(1, 4096), st.floats(1, 1e6), st.integers(1, 1000))
def test_more_neurons_on_a_core_never_take_less(
    few: int, more: int, barriers: float, steps: int
) -> None:
    low, high = (least_time(LOIHI1, n, barriers, steps) for n in sorted((few, few + more)))
    assert low is not None
    assert high is not None
    assert low.image_ns < high.image_ns
    assert low.step_ns * steps == pytest.approx(low.image_ns)


def test_a_time_that_is_not_public_is_left_out() -> None:
    barrier = replace(LOIHI1, time={"barrier": LOIHI1.time["barrier"]})
    bound = least_time(barrier, 100, 2.0, 1)
    assert bound is not None
    assert (bound.chip_step_ns, bound.step_ns) == (113.0, 226.0)
    assert least_time(load_profile("loihi2"), 100, 2.0, 1) is None


@pytest.mark.parametrize(("profile", "public"), [("loihi1", True), ("loihi2", False)])
def test_a_mapping_reports_it(
    network: IntegerNetwork, two_layer: IntegerNetwork, profile: str, public: bool
) -> None:
    chip = load_profile(profile)
    for each in (network, two_layer):
        mapping = check_and_place(each, chip, "spikes", assumed(each, 5))
        bound = as_json(mapping)["placement"]["least_time"]
        shown = document(mapping, "net")
        rows = [row[0].text for block in shown.blocks for row in getattr(block, "rows", ())]
        assert (bound is not None) == public
        assert ("time per image, at least" in rows) == public
        assert ("time per step and per image" in rows) != public
        if bound is not None:
            assert mapping.placed is not None
            fullest = max(use.neurons for use in mapping.placed.uses)
            barriers = mapping.placed.traffic.barriers
            assert bound["image_ns"] == pytest.approx(barriers * (113 + 5.3 * fullest))
