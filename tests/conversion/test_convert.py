"""Conversion: fidelity of the integers, proofs, and refused networks."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipvae_snn.comparison.agreement import agreement
from ipvae_snn.conversion.calibration import Calibration, calibrate
from ipvae_snn.conversion.circuits import target_of
from ipvae_snn.conversion.convert import convert
from ipvae_snn.conversion.quantise import as_multiplier, finer, quantise_rows
from ipvae_snn.conversion.settings import ConversionSettings
from ipvae_snn.errors import ConfigError, ConversionError, DataError
from ipvae_snn.inference.reference import run_float
from ipvae_snn.ir import circuit_steps, interpreter
from ipvae_snn.ir.bounds import worst_partial_sum
from ipvae_snn.ir.circuits import Circuit
from ipvae_snn.ir.encode import encode, input_code, levels
from ipvae_snn.ir.files import digest, to_arrays, to_scalars
from ipvae_snn.ir.fixed_point import signed_limit
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.models.stored_dictionary import DenseMatrix
from ipvae_snn.workflows.convert import settings_of

HEIGHT, WIDTH, NEURONS = 6, 5, 24


def toy_float(seed: int = 0, kind: str = "unit") -> FloatNetwork:
    """A small network with smooth positive features, as if trained; pixel 0 is always dark."""
    rng = np.random.default_rng(seed)
    m = HEIGHT * WIDTH
    phi = np.abs(rng.normal(0, 0.25, (m, NEURONS))) * (rng.random((m, NEURONS)) < 0.4)
    log_sigma = np.full(m, -1.0)
    log_sigma[0] = -6.0  # the learnt noise of a pixel that never changes
    phi[0] = 0.01
    return FloatNetwork(
        dictionary=DenseMatrix(phi.astype(np.float32)),
        log_sigma=log_sigma.astype(np.float32),
        u0=rng.uniform(-4, -2, NEURONS).astype(np.float32),
        log_bias=np.full(NEURONS, -2.0, np.float32),
        log_lr=-3.5,
        clip=10.0,
        floor=-8.0,
        input_kind=kind,
        image_shape=(HEIGHT, WIDTH),
        source="00" * 32,
        trained_on="toy",
    )  # type: ignore[arg-type]  # kind is a plain str here


def toy_images(n: int, seed: int = 1) -> np.ndarray:
    """Sparse combinations of the toy's own features, in [0, 1]."""
    rng = np.random.default_rng(seed)
    codes = rng.poisson(0.25, (n, NEURONS))
    images = codes @ toy_float().phi.T
    images[:, 0] = 0.0
    return np.clip(images, 0, 1).astype(np.float32)


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    """Calibration of the toy network on its own images."""
    return calibrate(toy_float(), toy_images(64), "toy", steps=32)


def test_calibration_finds_the_dead_pixel(calibration: Calibration) -> None:
    """Pixel 0 never changes, the others do."""
    assert calibration.active.tolist() == [False] + [True] * (HEIGHT * WIDTH - 1)
    assert calibration.images == 64
    assert calibration.clamped == 0
    assert calibration.largest_pixel <= 1


def test_integers_follow_the_float_network(calibration: Calibration) -> None:
    """8 bits, the same uniforms: nearly all counts are equal over 64 steps."""
    floats, pixels = toy_float(), toy_images(20, seed=2)
    network, _ = convert(floats, calibration, ConversionSettings())
    coded, saturated = encode(network.input, pixels, "unit", "toy")
    request = RunRequest(64, 3, trace=True)
    want = run_float(floats, pixels, request, pixel_mask=calibration.active)
    result = interpreter.run(network, coded, request)
    match = agreement(want, result, network)
    assert saturated == 0
    assert want.counts_sum.sum() > 1000
    assert match.equal > 0.97
    # Fewer bits must follow less closely, or the measure sees nothing.
    coarse, _ = convert(floats, calibration, ConversionSettings(3, 3))
    assert agreement(want, interpreter.run(coarse, coded, request), coarse).equal < match.equal


def test_a_conversion_stores_its_decoding(calibration: Calibration) -> None:
    """Nothing else of the network depends on it; the fitted read-out is the same."""
    plain, _ = convert(toy_float(), calibration, ConversionSettings())
    asked = settings_of(decode="mean:4")
    network, _ = convert(toy_float(), calibration, asked)
    assert (plain.version, network.version) == (3, 4)
    assert digest(network) != digest(plain)
    assert digest(network.with_decoding("sample")) == digest(plain)
    with pytest.raises(ConfigError, match="no decoding is called 'none'"):
        settings_of(decode="none")


@pytest.mark.parametrize("circuit", ["one-layer", "two-layer"])
@pytest.mark.parametrize("bits", [8, 4])
def test_the_drive_is_the_float_networks(
    calibration: Calibration, circuit: Circuit, bits: int
) -> None:
    """Compare the drives that the integers give with float, for the float run's images and counts.

    Nearly no mean error for any neuron (it is given back in the bias); the rest is rounding.
    """
    floats = toy_float()
    network, _ = convert(
        floats, calibration, ConversionSettings(bits, bits, circuit=circuit, fraction_bits=12)
    )
    target = target_of(floats, calibration.active, 12)
    z = np.rint(calibration.mean_counts).astype(np.int64)
    coded = levels(network.input, calibration.pixels)
    drive, _ = circuit_steps.drive(network, circuit_steps.held(network, coded), z)
    result = drive / 2.0**network.neurons.extra_bits
    x = (coded.astype(float) - network.input.zero_point) * network.input.scale
    soft = target.soft * (1 + z)
    wanted = x @ target.feedforward.T - z @ target.competition - target.threshold - soft
    error = result - wanted
    spread = (wanted - wanted.mean(axis=0)).std()
    assert np.sqrt((error**2).mean()) < {8: 0.01, 4: 0.2}[bits] * spread
    assert np.abs(error.mean(axis=0)).max() < {8: 0.01, 4: 0.15}[bits] * spread


def test_the_soft_clip_is_self_inhibition() -> None:
    """c - softplus(c - u) = u - log(1 + exp(u - c)), so exp(u - c): exp(-c) for each of exp(u)."""
    u, c = np.linspace(-5, 4, 50), 10.0
    lost = u - (c - np.logaddexp(0, c - u))
    np.testing.assert_allclose(lost, np.exp(u) * np.exp(-c), rtol=np.exp(4 - c))
    tight = replace(toy_float(), clip=5.0)
    seen = calibrate(tight, toy_images(64), "toy", steps=32)
    network, _ = convert(tight, seen, ConversionSettings())
    target = target_of(tight, seen.active, 12)
    unit = 2.0**network.neurons.extra_bits
    own = network.neurons.self_inhibition / unit - np.diagonal(target.competition)
    assert np.median(own) == pytest.approx(target.soft, rel=0.25)
    assert target.soft == pytest.approx(np.exp(-5) * np.log2(np.e) * 4096)


def test_report_tells_the_truth(calibration: Calibration) -> None:
    """Bounds, eigenvalues, margin and loop gain, recomputed from the network another way."""
    floats = toy_float()
    network, report = convert(floats, calibration, ConversionSettings(8, 5))
    bounds = {bound.name: bound for bound in report.bounds}
    assert network.lateral is not None
    sums = worst_partial_sum(network.lateral.weights, 0, network.neurons.max_count)
    assert bounds["lateral sum"].worst == sums.max() <= bounds["lateral sum"].limit == 8388607
    group = network.neurons
    nat = np.log2(np.e) * 2.0 ** (group.fraction_bits + group.extra_bits)
    scale = network.lateral.multiplier * 2.0 ** -network.lateral.shift.astype(float)
    integer = (np.diag(group.self_inhibition) - network.lateral.matrix * scale[:, None]) / nat
    symmetric = (integer + integer.T) / 2
    proof = report.certificate
    assert proof.smallest_eigenvalue == pytest.approx(np.linalg.eigvalsh(symmetric)[0], abs=1e-6)
    phi = floats.phi.astype(float) * calibration.active[:, None]
    step = np.exp(floats.log_lr)
    real = step * phi.T @ (phi * np.exp(-2 * floats.log_sigma.astype(float))[:, None])
    assert proof.float_eigenvalue == pytest.approx(np.linalg.eigvalsh(real)[0], abs=1e-9)
    root = np.sqrt(calibration.count_mean)
    gain = np.linalg.eigvalsh(root[:, None] * symmetric * root)[-1]
    assert proof.loop_gain == pytest.approx(gain, rel=1e-3)
    assert proof.energy_margin >= -1e-9
    assert proof.rate_bound <= proof.rate_bound_limit
    assert report.connections[1].bits_used_min <= 5
    assert report.pixels_left_out == 1
    assert report.as_json()["bounds"][0]["name"] == "feedforward sum"
    assert report.sampler.total_variation_16 < 1e-5


def test_updates_without_a_leak_become_steps_and_the_report_says_so(
    calibration: Calibration,
) -> None:
    several = replace(toy_float(), updates_per_step=4)
    seen = calibrate(several, toy_images(64), "toy", steps=32)
    assert np.array_equal(seen.mean_counts, calibration.mean_counts)
    network, report = convert(several, seen, ConversionSettings())
    single, _ = convert(toy_float(), calibration, ConversionSettings())
    assert network.provenance == {**single.provenance, "updates_per_step": "4"}
    assert_same_integers(network, single)
    assert report.calibration == (
        "64 images of toy, 32 steps; one step of the float network is 4 steps here"
    )


def assert_same_integers(one: IntegerNetwork, other: IntegerNetwork) -> None:
    assert to_scalars(one) == to_scalars(other)
    arrays = to_arrays(other)
    for name, array in to_arrays(one).items():
        np.testing.assert_array_equal(array, arrays[name])


def test_a_leak_between_updates_is_refused_with_the_remedy(calibration: Calibration) -> None:
    tied = replace(toy_float(), updates_per_step=4, leak=1.5)
    for attempt in (
        lambda: calibrate(tied, toy_images(64), "toy", steps=32),
        lambda: convert(tied, calibration, ConversionSettings()),
    ):
        with pytest.raises(ConversionError) as caught:
            attempt()
        assert str(caught.value) == (
            "the network takes 4 updates per step with a leak of 1.5 back to where the step began, "
            "but an integer network has steps of one update; train with model.leak=0 or "
            "model.updates_per_step=1"
        )


def test_a_leak_of_single_updates_changes_nothing(calibration: Calibration) -> None:
    network, _ = convert(replace(toy_float(), leak=1.5), calibration, ConversionSettings())
    plain, _ = convert(toy_float(), calibration, ConversionSettings())
    assert_same_integers(network, plain)


def test_the_read_out_makes_up_for_coarse_weights(calibration: Calibration) -> None:
    """The fitted decoder reconstructs better than the float dictionary from the same counts."""
    floats = toy_float()
    network, _ = convert(floats, calibration, ConversionSettings(2, 2))
    coded = levels(network.input, calibration.pixels)
    counts = interpreter.run(network, coded, RunRequest(32)).counts_sum
    wanted = calibration.mean_counts @ floats.phi.T
    fitted = (network.decoder.matrix.astype(float).T * network.decoder.scale).T
    errors = [np.sqrt(((counts / 32 @ d.T - wanted) ** 2).mean()) for d in (fitted, floats.phi)]
    assert errors[0] < 0.8 * errors[1]


def test_sparsity_sets_the_least_salient_weights_to_zero(calibration: Calibration) -> None:
    """At least the requested share is 0, and counts are still close to float."""
    floats = toy_float()
    network, _ = convert(floats, calibration, ConversionSettings(sparsity=0.6))
    assert network.lateral is not None
    off = ~np.eye(NEURONS, dtype=bool)
    assert (network.lateral.matrix[off] == 0).sum() >= round(0.6 * off.sum())
    with pytest.raises(ConversionError, match=r"a sparsity of 1\.0 is not possible; give a share"):
        ConversionSettings(sparsity=1.0)
    with pytest.raises(ConversionError, match="two-layer circuit has no lateral weights"):
        ConversionSettings(sparsity=0.5, circuit="two-layer")


def test_overshooting_competition_is_refused(calibration: Calibration) -> None:
    """Rates a hundred times as high make the loop gain pass 2."""
    busy = replace(calibration, mean_counts=100 * calibration.mean_counts)
    with pytest.raises(ConversionError, match="competition overshoots: the loop gain at"):
        convert(toy_float(), busy, ConversionSettings())


def test_an_excitation_that_no_spike_can_hold_is_refused(calibration: Calibration) -> None:
    """A neuron that may receive ten nats per step cannot be held below a low cap."""
    wild = replace(calibration, excitation_max=10.0, log_rate_max=np.full(NEURONS, -3.0))
    with pytest.raises(ConversionError, match="below the rate cap"):
        convert(replace(toy_float(), clip=30.0), wild, ConversionSettings(fraction_bits=16))


def test_standardised_input_uses_a_zero_point() -> None:
    """Zero contrast is payload 0, which is not sent."""
    images = (toy_images(32) - 0.3) * 3
    floats = toy_float(kind="standardised")
    measured = calibrate(floats, images, "toy", steps=8)
    network, _ = convert(floats, measured, ConversionSettings())
    assert network.input.zero_point == 128
    coded, _ = encode(network.input, np.zeros((1, HEIGHT * WIDTH), np.float32), "standardised", "x")
    assert (coded == 128).all()


@pytest.mark.parametrize("bits", [1, 9, 0, -3])
def test_impossible_bits(bits: int) -> None:
    """Named with the limits."""
    with pytest.raises(ConversionError, match=f"lateral weights of {bits} bits are not possible"):
        ConversionSettings(8, bits)


def test_impossible_fraction_bits() -> None:
    """Named with the limits."""
    with pytest.raises(ConversionError, match="17 fraction bits are not possible; give 4 to 16"):
        ConversionSettings(fraction_bits=17)


def test_a_drive_beyond_24_bits_is_refused(calibration: Calibration) -> None:
    """A step size a million times too large fits no scale or no input current."""
    with pytest.raises(ConversionError, match="smaller step size"):
        convert(replace(toy_float(), log_lr=14.0), calibration, ConversionSettings())


def test_calibration_refuses_too_few_or_equal_images() -> None:
    """Eight different images are the least."""
    with pytest.raises(DataError, match="3 calibration images are too few; give 8 or more"):
        calibrate(toy_float(), toy_images(3), "toy", 4)
    same = np.repeat(toy_images(1), 9, axis=0)
    with pytest.raises(DataError, match="all calibration images are the same"):
        calibrate(toy_float(), same, "toy", 4)


@given(st.lists(st.floats(1e-7, 16000), min_size=1, max_size=9))
def test_multipliers_represent_scales_from_above(scales: list[float]) -> None:
    """multiplier / 2^shift is at least the scale and at most 2^-14 larger."""
    wanted = np.array(scales)
    multiplier, shift, represented = as_multiplier(wanted, "test")
    assert ((multiplier >= 1 << 14) & (multiplier < 1 << 15)).all()
    assert ((shift >= 1) & (shift <= 40)).all()
    assert (represented >= wanted * (1 - 1e-12)).all()
    assert (represented <= wanted * (1 + 2.0**-14) + 1e-12).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 8), st.integers(1, 32768))
def test_rows_never_pass_level_or_accumulator(seed: int, bits: int, high: int) -> None:
    """Whatever the rows and the largest count."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(0, 10.0 ** rng.integers(-4, 3), (4, 40)) * (rng.random((4, 40)) < 0.7)
    report = quantise_rows(rows, np.diag(rng.random(40)), bits, 0, high, "test")
    weights = report.connection.weights
    assert np.abs(weights.dense().astype(int)).max() <= signed_limit(bits)
    assert worst_partial_sum(weights, 0, high).max() <= signed_limit(24)
    assert report.bits_used.max() <= bits


def test_a_row_of_zeros_stays_silent() -> None:
    """Scale 0 gives multiplier 0 and no weight."""
    report = quantise_rows(np.zeros((2, 3)), np.eye(3), 8, 0, 9, "test")
    assert not report.connection.matrix.any()
    assert not report.connection.multiplier.any()


def test_feedback_by_hand() -> None:
    """Of two payloads that always agree, the second compensates the rounding error of the first.

    Moments [[1, r], [r, 1]] with r = 1 - 1e-9 and damping d = .01: the second weight makes up for
    r / (1 + d) = .99 of the first's error. Row (7, 3.4, ...) at 4 bits has scale 1 (its peak is
    the level 7): columns 1 and 2 agree, 3.4 -> 3 loses .4, so 2.4 + .396 -> 3 in place of 2.
    """
    moments = np.eye(3)
    moments[1, 2] = moments[2, 1] = 1 - 1e-9
    report = quantise_rows(np.array([[7.0, 3.4, 2.4]]), moments, 4, 0, 1, "test")
    assert report.scale.tolist() == [1.0]
    assert report.connection.matrix.tolist() == [[7, 3, 3]]


def test_the_diagonal_takes_what_it_can() -> None:
    """Kept real numbers on the diagonal compensate their row's errors, and cost no level."""
    moments = np.full((3, 3), 0.9) + 0.1 * np.eye(3)
    moments[2, 2] += 0.0
    rows = np.array([[0.0, 7.0, 3.4], [7.0, 0.0, 3.4], [7.0, 3.4, 0.0]])
    kept = quantise_rows(rows, moments, 4, 0, 1, "test", keep_diagonal=True)
    plain = quantise_rows(rows, moments, 4, 0, 1, "test")
    assert not np.diagonal(kept.connection.matrix).any()
    assert (kept.kept[1:] != 0).any()
    assert kept.error.sum() < plain.error.sum()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 6))
def test_feedback_loses_less_than_nearest_rounding(seed: int, bits: int) -> None:
    """Under the payloads' moments, over many rows, at the same scales."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(20, 20)) * (0.7 ** np.arange(20))
    moments = mixing @ mixing.T / 20
    rows = rng.normal(size=(30, 20))
    report = quantise_rows(rows, moments, bits, 0, 1, "test")
    safe = report.scale[:, None]
    nearest = np.clip(np.rint(rows / safe), -signed_limit(bits), signed_limit(bits)) * safe

    def power(real: np.ndarray) -> float:
        return float(np.einsum("ij,jk,ik->", real - rows, moments, real - rows))

    assert power(report.real) < power(nearest)


def test_finer_units_are_the_same_weights() -> None:
    """Two bits finer: the sum is shifted down by two less."""
    report = quantise_rows(np.array([[0.5, -0.25]]), np.eye(2), 8, 0, 1, "test")
    finer_rows = finer(report, 2)
    assert (finer_rows.connection.shift == report.connection.shift - 2).all()
    np.testing.assert_allclose(finer_rows.real, 4 * report.real)


def test_encode_levels_and_refusals() -> None:
    """Nearest level, saturation counted, foreign sizes and kinds and scalings refused."""
    code = input_code("standardised", (1, 400), largest=2.0)
    pixels = np.zeros((1, 400), np.float32)
    pixels[0, :3] = [2.0, -2.1, 0.009]
    coded, saturated = encode(code, pixels, "standardised", "toy")
    assert coded[0, :4].tolist() == [255, 0, 129, 128]
    assert saturated == 1  # -2.1 is level -5.35 below 0
    with pytest.raises(DataError, match="toy: images of 399 pixels, but the network takes 1x400"):
        encode(code, pixels[:, 1:], "standardised", "toy")
    with pytest.raises(DataError, match="toy: unit pixels, but the network takes standardised"):
        encode(code, pixels, "unit", "toy")
    with pytest.raises(DataError, match=r"toy: 100\.0 % of the pixels lie outside"):
        encode(code, pixels + 9, "standardised", "toy")


def test_a_frame_that_stays_is_a_longer_calibration() -> None:
    """Potentials carry over: the same frame three times is one image for three times the steps."""
    network = toy_float()
    pixels = np.random.default_rng(4).random((12, network.n_pixels)).astype(np.float32)
    expected = calibrate(network, pixels, "noise", 12)
    result = calibrate(network, np.repeat(pixels[:, None], 3, axis=1), "noise", 4)
    assert result.images == 36
    np.testing.assert_allclose(
        result.mean_counts.reshape(12, 3, -1).mean(axis=1), expected.mean_counts
    )
    np.testing.assert_array_equal(result.log_rate_max, expected.log_rate_max)
    assert result.excitation_max == expected.excitation_max
    np.testing.assert_allclose(result.count_power, expected.count_power, rtol=1e-5)
