"""Operating points: the page agrees with its JSON, and every count agrees with its definition."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from benchmarks.operating_points import __main__ as benchmark
from benchmarks.operating_points import sanafe_check
from benchmarks.operating_points.networks import MAP, MEAN, SAMPLE, Asked, codes_after, figures
from benchmarks.operating_points.others import OnePass, float_code, pass_figures
from benchmarks.operating_points.page import page
from benchmarks.operating_points.pictures import microjoule, pictures
from benchmarks.operating_points.quantised import Layer, quantised
from benchmarks.operating_points.selection import Choice, cheapest, choices, families, front
from ipvae_snn.data.base import ImageSet
from ipvae_snn.errors import BackendError
from ipvae_snn.hw.chips.profile import load_profile
from ipvae_snn.hw.cost.activity import activity
from ipvae_snn.ir.encode import encode
from ipvae_snn.ir.trace import RunRequest
from ipvae_snn.metrics.quality import r2_per_image

PROFILES = tuple(load_profile(name) for name in ("cpu-45nm", "loihi1-sanafe"))


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    """The committed result."""
    loaded: dict[str, Any] = json.loads(benchmark.RESULT.read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="module")
def check() -> dict[str, Any]:
    """The committed result of SANA-FE."""
    loaded: dict[str, Any] = json.loads(sanafe_check.RESULT.read_text(encoding="utf-8"))
    return loaded


def test_the_page_is_the_results(result: dict[str, Any], check: dict[str, Any]) -> None:
    assert benchmark.PAGE.read_text(encoding="utf-8") == page(result, check)
    assert "## Beside SANA-FE" not in page(result, None)


def test_pictures_are_drawn(result: dict[str, Any], tmp_path: Path) -> None:
    pictures(result, tmp_path)
    for name in ("operating_points.png", "operating_points_energy.png"):
        assert (tmp_path / name).stat().st_size > 20_000


def test_every_point_has_every_figure(result: dict[str, Any]) -> None:
    """All kinds, on all data sets, with 1,000 images or all that there are; operations grow."""
    assert {point["kind"] for point in result["points"]} == set(benchmark.KINDS)
    for point in result["points"]:
        assert list(point["data"]) == [benchmark.DATA, *benchmark.OUT_OF_DISTRIBUTION]
        assert point["data"][benchmark.DATA]["images"] == 1000
        for data in point["data"].values():
            costs = [row["operations"] for row in data["rows"]]
            assert costs == sorted(costs)
            for row in data["rows"]:
                assert row["input_operations"] <= row["operations"] <= row["by_payload"]
                assert all(low <= mean <= high for mean, low, high in row["r2"].values())


def test_sanafe_counts_the_same_operations(check: dict[str, Any]) -> None:
    """And it takes as many steps of the chip, where a count is one message."""
    for network in check["networks"]:
        for row in network["rows"]:
            ours, theirs = row["ours"], row["sanafe"]
            assert theirs["synaptic_operations"] == pytest.approx(ours["synaptic_operations"])
        first = network["rows"][0]
        assert first["sanafe"]["chip_steps"] == first["ours"]["chip_steps"]


def small_images(n: int, pixels: int = 12) -> ImageSet:
    """Return images of a kind that the small network takes."""
    values = np.random.default_rng(3).normal(size=(n, pixels)).astype(np.float32)
    return ImageSet("small", "test", values, (4, 3), "standardised", np.arange(n) % 2)


def test_a_network_is_measured_as_its_own_trace_says(network: Any) -> None:
    """R2 of the sample is that of the run; operations those of a run of so many steps."""
    images = small_images(20)
    found = figures(network, {"small": images}, "small", Asked((1, 3, 6), PROFILES))
    pixels, _ = encode(network.input, images.pixels, images.kind, images.name)
    for row in found["data"]["small"]["rows"]:
        trace = network.prepare().run(pixels, RunRequest(row["steps"], trace=True))
        wanted = r2_per_image(images.pixels, trace.reconstruction).mean()
        assert row["r2"][SAMPLE][0] == pytest.approx(wanted, rel=1e-5)
        work = activity(network, pixels, trace.counts)
        assert row["operations"] == work.synaptic_operations
        assert row["by_payload"] == work.synaptic_operations_by_payload
        assert row["largest"] == trace.counts.max()
        assert (
            row["energy_nj"]["loihi1-sanafe, as if graded"][0]
            < (row["energy_nj"]["loihi1-sanafe"][0])
        )
    assert found["accuracy"] == []
    assert found["synapses"] == sum(
        np.count_nonzero(c.synapses.weights.dense()) for c in network.connections
    )


def test_labels_are_read_out_of_codes(network: Any) -> None:
    images = small_images(40)
    found = figures(network, {"small": images}, "small", Asked((2, 4), PROFILES, (4,), images))
    assert [(each["steps"], each["code"]) for each in found["accuracy"]] == [(4, MEAN), (4, MAP)]


def test_codes_by_hand(network: Any) -> None:
    """A potential of one octave is a rate of 2; the mean is of the last four counts."""
    k, unit = network.n_neurons, 1 << network.neurons.fraction_bits
    counts = np.arange(6, dtype=np.int32)[None, :, None].repeat(k, axis=2)
    states = np.full((1, 6, k), unit, np.int32)
    codes = codes_after(network, counts, states, 6)
    assert (codes[SAMPLE] == 5).all()
    assert (codes[MEAN] == (2 + 3 + 4 + 5) / 4).all()
    assert (codes[MAP] == 2.0).all()
    assert (codes_after(network, counts, states, 2)[MEAN] == 0.5).all()


LAYERS = (
    Layer(np.array([[1.0, 0.0, -1.0], [0.5, 0.5, 0.0]]), np.array([0.0, -2.0]), True),
    Layer(np.array([[2.0, 1.0]]), np.array([0.25]), False),
)


def test_events_of_a_pass_by_hand() -> None:
    """Pixels 0 cost nothing, and neither does a hidden unit that is 0, as the second always is."""
    images = np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.5]], np.float32)
    integers = quantised(LAYERS, images)
    sent = integers.values(images)
    np.testing.assert_array_equal(sent[0], [[255, 0, 0], [255, 255, 128]])
    assert (sent[1][:, 1] == 0).all()
    work = integers.activity(sent)
    # First image: pixel 0 has two weights; second: two, one and one. Then one unit, one weight.
    assert work.input_operations == (2 + 4) / 2
    assert work.synaptic_operations == (2 + 4) / 2 + 1
    assert work.synaptic_operations_by_payload == (2 + 4) / 2 + sent[1].sum() / 2
    assert integers.synapses == 4 + 2
    assert work.dense_operations == 3 * 2 + 2


@given(
    images=hnp.arrays(np.float32, (6, 3), elements=st.integers(0, 255).map(lambda v: v / 255)),
    layers=st.tuples(
        hnp.arrays(np.float64, (2, 3), elements=st.floats(-2, 2)),
        hnp.arrays(np.float64, (4, 2), elements=st.floats(-2, 2)),
        st.booleans(),
    ),
)
def test_eight_bits_stay_near_floats(images: np.ndarray, layers: Any) -> None:
    """Within what rounding of weights, activations and code can cause, and within their limits."""
    first, second, rectified = layers
    both = (Layer(first, np.zeros(2), True), Layer(second, np.zeros(4), rectified))
    integers = quantised(both, images)
    sent = integers.values(images)
    for values, layer in zip(sent[1:], integers.layers, strict=True):
        assert (values >= layer.low).all()
        assert (values <= layer.high).all()
    codes = integers.code(images)
    floats = float_code(both, images)
    # Half a unit of each weight (1/254 of the largest), of each of two units, and of the code.
    hidden = np.abs(first).max() * 3 * (1 / 254 + 1 / 255)
    largest = np.abs(first).max() * 3
    bound = 2 * np.abs(second).max() * (hidden + largest * (1 / 254 + 1 / 510))
    np.testing.assert_allclose(codes, floats, atol=bound + np.abs(floats).max() / 127 + 1e-9)


def test_a_pass_has_its_figures() -> None:
    """A code that is the image itself: R2 near 1, and exactly 1 in floats."""
    pixels = np.random.default_rng(0).integers(0, 256, (20, 3)).astype(np.float32) / 255
    images = ImageSet("grey", "test", pixels, (1, 3), "unit")
    one = OnePass((Layer(np.eye(3), np.zeros(3), True),), np.eye(3), np.zeros(3))
    found = pass_figures(one, {"grey": images}, images, "grey", Asked((1,), PROFILES))
    (row,) = found["data"]["grey"]["rows"]
    assert row["r2"]["float"][0] == pytest.approx(1.0)
    assert 0.999 < row["r2"]["int8"][0] <= 1.0
    assert row["operations"] == np.count_nonzero(pixels) / 20
    assert microjoule(row, "cpu-45nm") == row["energy_nj"]["cpu-45nm, dense rows"][0] / 1000


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 20)), min_size=1, max_size=30))
def test_the_front_holds_the_cheapest_of_every_level(pairs: list[tuple[int, int]]) -> None:
    options = [Choice({}, "x", {"operations": c, "r2": {"x": [q]}}) for c, q in pairs]
    line = front(iter(options))
    for level in range(21):
        found = cheapest(iter(options), level)
        reaching = [each for each in line if each.r2 >= level]
        assert (found is None) == (not reaching)
        if found is not None:
            assert reaching[0].operations == found.operations


def test_families_hold_every_point_once(result: dict[str, Any]) -> None:
    groups = families(result["points"])
    assert sum(len(members) for members in groups.values()) == len(result["points"])
    assert {"PCA", "LCA", "encoder, code not negative"} <= set(groups)
    assert next(choices(groups["PCA"], "mnist")).readout == "int8"


@given(hnp.arrays(np.int32, (4, 5), elements=st.integers(0, 6)))
def test_binary_spikes_send_every_unit_of_a_count(counts: np.ndarray) -> None:
    graded, binary = (sanafe_check.sub_steps(counts, way) for way in sanafe_check.WAYS)
    assert len(graded) == len(counts)
    assert [len(step) for step in graded] == (counts > 0).sum(axis=1).tolist()
    assert len(binary) == sum(max(1, int(row.max())) for row in counts)
    sent = np.bincount(np.concatenate([np.array(step, int) for step in binary]), minlength=5)
    np.testing.assert_array_equal(sent, counts.sum(axis=0))


def test_a_python_without_sanafe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"ended with code 1: ModuleNotFoundError.*pip install"):
        sanafe_check.replay(Path(sys.executable), {})
    with pytest.raises(BackendError, match="none: cannot be run"):
        sanafe_check.replay(tmp_path / "none", {})
