"""Operating points: the page agrees with its JSON, and every count agrees with its definition."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from benchmarks.operating_points import __main__ as benchmark
from benchmarks.operating_points import labels, patches, sanafe_check, stop_page
from benchmarks.operating_points.codes import MAP, MEAN, SAMPLE, codes_after, decoded
from benchmarks.operating_points.goals import goals
from benchmarks.operating_points.networks import Asked, figures
from benchmarks.operating_points.others import OnePass, float_code, pass_figures
from benchmarks.operating_points.page import page
from benchmarks.operating_points.pictures import microjoule, pictures
from benchmarks.operating_points.quantised import Layer, quantised
from benchmarks.operating_points.selection import Choice, cheapest, choices, families, front
from benchmarks.operating_points.stops import changes_of, steps_taken, stop_of, until
from ipvae_snn.data.base import ImageSet
from ipvae_snn.errors import BackendError
from ipvae_snn.hw.chips.profile import load_profile
from ipvae_snn.hw.cost.activity import activity
from ipvae_snn.ir.encode import encode
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.stop import Change
from ipvae_snn.ir.trace import RunRequest, counts_of, states_of
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
    assert benchmark.PAGE.read_text(encoding="utf-8") == page(result, check, labels.stored())
    assert "## Beside SANA-FE" not in page(result, None)


def test_the_page_of_patches_is_its_results() -> None:
    stored = json.loads(patches.RESULT.read_text(encoding="utf-8"))
    assert patches.PAGE.read_text(encoding="utf-8") == patches.page(stored)
    networks = {each["network"] for each in stored["points"] if each["kind"] == "network"}
    assert networks == {patches.DICTIONARY, *patches.NETWORKS}
    assert {each["kind"] for each in stored["points"]} == set(benchmark.KINDS)


def test_pictures_are_drawn(result: dict[str, Any], tmp_path: Path) -> None:
    pictures(result, tmp_path)
    for name in ("operating_points.png", "operating_points_energy.png"):
        assert (tmp_path / name).stat().st_size > 20_000


def test_every_point_has_every_figure(result: dict[str, Any]) -> None:
    """All kinds, on all data sets, with 1,000 images or all that there are; operations grow."""
    assert {point["kind"] for point in result["points"]} == set(benchmark.KINDS)
    for point in result["points"]:
        sets = [benchmark.DATA, *benchmark.OUT_OF_DISTRIBUTION]
        assert list(point["data"]) == (sets if point.get("bits", 8) == 8 else sets[:1])
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
        trace = network.prepare().run(pixels, RunRequest(int(row["steps"]), trace=True))
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


def test_counts_of_labels_are_means_of_the_later_steps(network: Any) -> None:
    images = small_images(7)
    pixels, _ = encode(network.input, images.pixels, images.kind, images.name)
    trace = network.prepare().run(pixels, RunRequest(labels.STEPS, trace=True))
    wanted = counts_of(trace)[:, labels.FIRST :].mean(1)
    assert np.allclose(labels.means(network, pixels), wanted)


def test_labels_of_all_images_enter_page_and_goals(result: dict[str, Any]) -> None:
    row = {"network": "net", "operations": 61_133.4, "accuracy": [0.97, 0.966, 0.973]}
    row |= {"fitted_on": 60_000, "judged_on": 10_000}
    read = {"command": "the command", "date": "2026-01-02", "steps": 16, "rows": [row]}
    shown = labels.section(read)
    assert "| net | 16 | 61,133 | 97.00 (96.60 to 97.30) | 60,000 | 10,000 |" in shown
    assert shown in page(result, None, read)
    line = "| labels, 96.4 % | <= 90,000 operations | 61,133 | net, 8 bits, 16 steps, fitted on all"
    assert line in goals(result["points"], "mnist", read)
    poor = read | {"rows": [row | {"accuracy": [0.95, 0.94, 0.96]}]}
    assert "net, 8 bits" not in goals(result["points"], "mnist", poor)


def test_stopped_rows_are_those_of_runs_with_the_stop(network: Any) -> None:
    """Steps, operations, and R2 by every decoding, as of `run --stop` and `energy --stop`."""
    images, targets = small_images(20), (0.3, 0.1)
    found = figures(network, {"small": images}, "small", Asked((1, 16), PROFILES, targets=targets))
    pixels, _ = encode(network.input, images.pixels, images.kind, images.name)
    rows = found["data"]["small"]["stopped"]
    assert [row["stop"] for row in rows] == list(targets)
    for row in rows:
        stop = stop_of(network, row["stop"])
        for name, one in decoded(network).items():
            request = RunRequest(16, trace=True, stop=stop)
            trace = one.prepare().run(pixels, request)
            taken = trace.steps_taken
            wanted = r2_per_image(images.pixels, trace.reconstruction).mean()
            assert row["r2"][name][0] == pytest.approx(wanted, rel=1e-5)
        assert row["steps"] == taken.mean()
        assert row["taken"] == (taken.min(), taken.max())
        assert taken.min() < taken.max()  # or the test would show little
        work = activity(network, pixels, trace.counts, taken)
        assert row["operations"] == pytest.approx(work.synaptic_operations)
        assert row["by_payload"] == pytest.approx(work.synaptic_operations_by_payload)
        assert row["largest"] == trace.counts.max()


@pytest.fixture
def traced(network: IntegerNetwork) -> tuple[IntegerNetwork, np.ndarray, list[Change]]:
    """Return a network, its counts of 8 steps, and their changes."""
    pixels, _ = encode(network.input, small_images(8).pixels, "standardised", "small")
    trace = network.prepare("reference").run(pixels, RunRequest(8, trace=True))
    return network, counts_of(trace), changes_of(network, counts_of(trace), states_of(trace))


# What the fixture gives is not changed.
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(one=st.floats(0, 2), other=st.floats(0, 2))
def test_a_larger_target_never_takes_more_steps(traced: Any, one: float, other: float) -> None:
    """And what is kept of the counts are those of the steps taken."""
    network, every, changes = traced
    fewer, more = (
        steps_taken(stop_of(network, nats), changes) for nats in sorted((one, other), reverse=True)
    )
    assert (fewer <= more).all()
    kept = until(every, fewer)
    for counts, whole, steps in zip(kept, every, fewer, strict=True):
        np.testing.assert_array_equal(counts[:steps], whole[:steps])
        assert not counts[steps:].any()


def test_the_section_on_stops_states_what_was_measured() -> None:
    def row(steps: float, r2: float, operations: float) -> dict[str, Any]:
        return {
            "steps": steps,
            "taken": (4, 9),
            "r2": {name: [r2, r2, r2] for name in (SAMPLE, MEAN, MAP)},
            "operations": operations,
            "by_payload": 3 * operations,
        }

    ends = [{"stop": 0.4, **row(5.5, 0.94, 10.0)}, {"stop": 0.2, **row(7.5, 0.96, 20.0)}]
    data = {"rows": [row(6, 0.95, 15.0), row(8, 0.97, 30.0)], "stopped": ends}
    point = {"kind": "network", "network": "x", "bits": 8, "sparsity": 0.0}
    coarse = {**point, "bits": 4, "data": {"a": {**data, "stopped": []}}}
    points = [{**point, "data": {"a": data, "b": data}}, coarse]
    text = stop_page.section(points, ["a", "b"], 0.95)
    # The least equal steps of at least the same R2: 6 for the first, 8 for the second.
    assert "| x, 8 bits | 0.4 | 5.5 (4 to 9) | 0.940 | 0.940 | 0.940 | 10 | 30 | 15 | 6 |" in text
    assert "| x, 8 bits | 0.2 | 7.5 (4 to 9) | 0.960 | 0.960 | 0.960 | 20 | 60 | 30 | 8 |" in text
    assert "| x, 8 bits | 0.2 | 7.5 | 0.960 (0.970) | 7.5 | 0.960 (0.970) |" in text
    assert "4 bits" not in text
    assert stop_page.chosen(ends, 0.99)["stop"] == 0.2  # none reaches it


def test_codes_by_hand(network: Any) -> None:
    """A potential of one octave is a rate of 2; the mean is of the last counts, four or fewer."""
    k, unit = network.n_neurons, 1 << network.neurons.fraction_bits
    counts = np.arange(6, dtype=np.int32)[None, :, None].repeat(k, axis=2)
    states = np.full((1, 6, k), unit, np.int32)
    counts, states = counts.repeat(2, axis=0), states.repeat(2, axis=0)
    codes = codes_after(decoded(network), counts, states, np.array([6, 2]))
    assert [set(code) for code in codes[SAMPLE]] == [{5}, {1}]
    assert [set(code) for code in codes[MEAN]] == [{(2 + 3 + 4 + 5) / 4}, {0.5}]
    assert (codes[MAP] == 2.0).all()


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
