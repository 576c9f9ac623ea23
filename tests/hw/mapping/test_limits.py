"""The checks against a chip's limits: each passed, failed and not public, with its message."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from circuits import replace

from ipvae_snn.errors import ConfigError, DataError, FileFormatError, FitError
from ipvae_snn.hw.chips.profile import ChipProfile, load_profile
from ipvae_snn.hw.cost.activity import activity
from ipvae_snn.hw.mapping.events import assumed, counted, from_trace
from ipvae_snn.hw.mapping.limits import Check
from ipvae_snn.hw.mapping.mapping import check_and_place, require_fit
from ipvae_snn.hw.mapping.state import population_state, signed_bits
from ipvae_snn.ir.circuits import NEURONS, RESIDUAL
from ipvae_snn.ir.graph import IMAGE
from ipvae_snn.ir.interpreter import run
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest
from ipvae_snn.ir.weights import Dense

Factory = Callable[..., IntegerNetwork]


def generic(**limits: int | None) -> ChipProfile:
    """Return the generic profile with some limits changed; None is not public."""
    base = load_profile("generic")
    changed = {
        key: replace(base.limits[key], low=value, high=value) for key, value in limits.items()
    }
    return replace(base, limits={**base.limits, **changed})


def checks_of(
    network: IntegerNetwork,
    profile: ChipProfile,
    input_as: str = "spikes",
    chips: int | None = None,
) -> dict[str, Check]:
    """Return the checks by name and subject."""
    result = check_and_place(network, profile, input_as, assumed(network), chips)  # type: ignore[arg-type]
    return {f"{check.name}: {check.subject}": check for check in result.checks}


@pytest.mark.parametrize(
    ("low", "high", "bits"),
    [(0, 0, 1), (0, 1, 2), (-1, 0, 1), (-2, 1, 2), (-127, 127, 8), (-128, 127, 8), (0, 255, 9)],
)
def test_signed_bits_by_hand(low: int, high: int, bits: int) -> None:
    """Two's complement: b bits hold -2**(b-1)..2**(b-1)-1."""
    assert signed_bits(low, high) == bits


def test_a_lively_network_fits_a_generous_chip(network: IntegerNetwork) -> None:
    """Nothing fails, and everything is public there."""
    assert {check.verdict for check in checks_of(network, load_profile("generic")).values()} == {
        "pass"
    }


def test_what_loihi_2_does_not_publish_is_not_guessed(network: IntegerNetwork) -> None:
    """Neither passed nor failed, and without a maximum."""
    unknown = {
        name: check
        for name, check in checks_of(network, load_profile("loihi2")).items()
        if check.verdict == "not public"
    }
    assert {check.name for check in unknown.values()} == {
        "keyed_noise",
        "noise_bits",
        "accumulator_bits",
        "axons_in_per_core",
        "axons_out_per_core",
    }
    assert all(check.maximum is None and check.source == "" for check in unknown.values())


def test_loihi_1_says_exactly_why(network: IntegerNetwork) -> None:
    """Every reason in the one line of the error, and a placement marked as hypothetical."""
    result = check_and_place(network, load_profile("loihi1"), "spikes", assumed(network))
    assert result.placed is not None
    with pytest.raises(FitError) as caught:
        require_fit(result, "net")
    assert str(caught.value) == (
        "net does not fit loihi1: spike counts: needs graded spikes, since they reach 40; "
        "pixels: needs 9 bits, the chip has 1; "
        "Poisson neuron: needs a program of its own (multiply, shift, look up, compare); "
        "Poisson neuron: needs the exponential of its potential, in each step; "
        "sampler: needs uniforms keyed by (seed, image, step, neuron); "
        "sampler: needs 31 bits, the chip has 8 (remedies are listed with the checks)"
    )


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (
            {"weight_bits": 7},
            "feedforward weights: needs 8 bits (signed, the largest one), the chip has 7; convert "
            "with fewer --weight-bits",
        ),
        (
            {"payload_bits": 8},
            "pixels: needs 9 bits (signed, -100..155), the chip has 8; take a chip with wider "
            "payloads",
        ),
        (
            {"state_bytes_per_neuron": 21},
            "each neuron: needs 22 bytes (in whole bytes, bits: membrane potential 24, spike count "
            "last sent 6, initial potential 24, self-inhibition 24, input current 24, lateral "
            "multiplier 15, lateral shift 6, bias 24, feedforward multiplier 15, feedforward shift "
            "6), the chip has 21; take a chip with more state per neuron",
        ),
        (
            {"axons_in_per_core": 17},
            "neuron 0: needs 18 axons (sources with nonzero weight), the chip has 17; send the "
            "image with --source bias, convert with --sparsity, or train a smaller network",
        ),
        (
            {"synapse_words_per_core": 35},
            "neuron 0: needs 36 words (its synapses alone on a core), the chip has 35; send the "
            "image with --source bias, convert with --sparsity, or train a smaller network",
        ),
        (
            {"core_memory_bytes": 300, "synapse_memory_bytes": 299},
            "neuron 0: needs 310 bytes (its state and synapses alone on a core), the chip has 300; "
            "send the image with --source bias, convert with --sparsity, or train a smaller "
            "network",
        ),
    ],
)
def test_each_limit_broken_on_purpose(
    network_factory: Factory, limits: dict[str, int | None], message: str
) -> None:
    """Subject, value, maximum and remedy; 7 neurons, all weights at 12 pixels and 6 others.

    Fan-in 12 + 6 = 18; alone on a core 18 axons take 36 words, 288 bytes, and 22 of state
    (bytes: 3 + 1 + 3 + 3 + 3 + 2 + 1 + 3 + 2 + 1 = 22).
    """
    network = every_weight(network_factory())
    assert message in [
        check.describe()
        for check in checks_of(network, generic(**limits)).values()
        if check.verdict == "fail"
    ]


def every_weight(network: IntegerNetwork) -> IntegerNetwork:
    """Return the one-layer network with no weight of 0 but the lateral diagonal."""
    assert network.lateral is not None

    def lively(weights: np.ndarray) -> np.ndarray:
        return np.where(weights == 0, 1, weights).astype(np.int8)

    lateral = lively(network.lateral.matrix)
    np.fill_diagonal(lateral, 0)
    return replace(
        network,
        feedforward=replace(network.feedforward, weights=Dense(lively(network.feedforward.matrix))),
        lateral=replace(network.lateral, weights=Dense(lateral)),
    )


def test_a_neuron_too_large_for_any_core_is_not_placed(network_factory: Factory) -> None:
    """As a bias the image takes no axons, and then it is."""
    network = every_weight(network_factory())
    chip = generic(axons_in_per_core=17)
    assert check_and_place(network, chip, "spikes", assumed(network)).placed is None
    assert check_and_place(network, chip, "bias", assumed(network)).placed is not None


def test_too_few_chips(network: IntegerNetwork) -> None:
    """7 neurons, one per core, 3 cores per chip: 3 chips."""
    chip = generic(neurons_per_core=1, usable_cores_per_chip=3)
    result = checks_of(network, chip, chips=2)["usable_cores_per_chip: the network"]
    assert result.verdict == "fail"
    assert result.describe() == (
        "the network: needs 7 cores (2 chips were given), the chip has 6; give --chips 3, or "
        "convert with --sparsity"
    )
    assert checks_of(network, chip, chips=3)["usable_cores_per_chip: the network"].verdict == "pass"


def test_axons_out_that_no_split_can_keep(network: IntegerNetwork) -> None:
    """Each neuron on its own core sends to the 6 others."""
    chip = generic(neurons_per_core=1, axons_out_per_core=5)
    result = check_and_place(every_weight(network), chip, "bias", assumed(network))
    assert [check.brief() for check in result.failed] == ["core 0: needs 6 axons, the chip has 5"]
    assert result.placed is not None


def test_profiles_of_energies_alone_are_refused(network: IntegerNetwork) -> None:
    """There is nothing to check against."""
    with pytest.raises(ConfigError, match="profile truenorth has energies but no limits, so noth"):
        check_and_place(network, load_profile("truenorth"), "spikes", assumed(network))


def test_state_words_by_hand(network: IntegerNetwork, two_layer: IntegerNetwork) -> None:
    """As a bias the host writes the input current; neither bias nor scale are stored for it."""
    names = {word.name for word in population_state(network, network.population(NEURONS), "spikes")}
    assert names - {
        word.name for word in population_state(network, network.population(NEURONS), "bias")
    } == {
        "bias",
        "feedforward multiplier",
        "feedforward shift",
    }
    assert "input current" not in {
        word.name for word in population_state(two_layer, two_layer.population(NEURONS), "spikes")
    }
    # Payloads -100..155 take 9 bits; 15 and 6 bits of scale: 2 + 2 + 1 bytes.
    assert [
        (word.bits, word.bytes)
        for word in population_state(two_layer, two_layer.population(RESIDUAL), "spikes")
    ] == [
        (9, 2),
        (15, 2),
        (6, 1),
    ]


@pytest.mark.parametrize("circuit", ["network", "two_layer"])
def test_counted_events_are_the_activity(
    circuit: str, request: pytest.FixtureRequest, pixels_factory: Callable[..., np.ndarray]
) -> None:
    """Messages of neurons and residuals together are what hw/cost/activity.py counts."""
    network: IntegerNetwork = request.getfixturevalue(circuit)
    pixels = pixels_factory(network, 5)
    counts = run(network, pixels, RunRequest(6, trace=True)).counts
    assert counts is not None
    whole = counted(network, [(pixels, counts)], "x")
    parts = counted(network, [(pixels[:2], counts[:2]), (pixels[2:], counts[2:])], "x")
    for name, events in whole.by_source.items():
        np.testing.assert_array_equal(events, parts.by_source[name])
    sent = sum(events.sum() for source, events in whole.by_source.items() if source != IMAGE)
    assert np.isclose(sent, activity(network, pixels, counts).messages)
    shown = np.count_nonzero(pixels != network.input.zero_point) / 5
    assert np.isclose(whole.by_source[IMAGE].sum(), shown)
    assert whole.description == "counted in 5 images of x, 6 steps"


def test_events_of_a_result_file(
    network: IntegerNetwork, pixels_factory: Callable[..., np.ndarray], tmp_path: Path
) -> None:
    """With counts they are counted; from sums they are at most min(sum, T) per neuron."""
    pixels = pixels_factory(network, 4)
    trace = run(network, pixels, RunRequest(6, trace=True))
    assert trace.counts is not None
    trace.save(tmp_path / "full.npz")
    full = from_trace(network, tmp_path / "full.npz")
    np.testing.assert_array_equal(full.by_source[NEURONS], (trace.counts > 0).sum(axis=(0, 1)) / 4)
    replace(trace, counts=None, states=None).save(tmp_path / "sums.npz")
    sums = from_trace(network, tmp_path / "sums.npz")
    np.testing.assert_array_equal(
        sums.by_source[NEURONS], np.minimum(trace.counts_sum, 6).mean(axis=0)
    )
    assert (sums.by_source[NEURONS] >= full.by_source[NEURONS]).all()
    assert sums.description.startswith("at most, from sums of counts (run with --trace to count)")


def test_results_that_do_not_belong(
    network: IntegerNetwork, network_factory: Factory, tmp_path: Path
) -> None:
    """Another network's, another kind of file, none at all."""
    other = network_factory(neurons=9)
    path = tmp_path / "r.npz"
    run(other, np.zeros((1, 12), np.uint8), RunRequest(2)).save(path)
    with pytest.raises(DataError, match="it has counts of 9 neurons, but the network has 7; give"):
        from_trace(network, path)
    with pytest.raises(FileFormatError, match="no such file; check the path"):
        from_trace(network, tmp_path / "absent.npz")
    path.write_text("no zip")
    with pytest.raises(FileFormatError, match=r"r\.npz: not a readable \.npz file \(File is"):
        from_trace(network, path)
    np.savez(path, counts_sum=np.zeros((1, 7)))
    with pytest.raises(FileFormatError, match="it has no spikes_per_step; give what"):
        from_trace(network, path)
    with pytest.raises(DataError, match="x gives no images to count events in"):
        counted(network, [], "x")
