"""Conversion: what the integers express, what is proved, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipvae_snn import interpreter
from ipvae_snn.calibrate import Calibration, calibrate
from ipvae_snn.compare import agreement
from ipvae_snn.convert import ConversionSettings, convert, gains
from ipvae_snn.encode import encode, input_code
from ipvae_snn.errors import ConversionError, DataError
from ipvae_snn.fixed_point import signed_limit
from ipvae_snn.float_inference import run_float
from ipvae_snn.float_network import FloatNetwork
from ipvae_snn.ir import worst_partial_sum
from ipvae_snn.quantise import as_multiplier, quantise_rows
from ipvae_snn.trace import RunRequest

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
        phi=phi.astype(np.float32), log_sigma=log_sigma.astype(np.float32),
        u0=rng.uniform(-4, -2, NEURONS).astype(np.float32),
        log_bias=np.full(NEURONS, -2.0, np.float32), log_lr=-3.5, clip=10.0, floor=-8.0,
        input_kind=kind, image_shape=(HEIGHT, WIDTH), source="00" * 32, trained_on="toy",
    )  # type: ignore[arg-type]  # kind is a plain str here  # fmt: skip


def toy_images(n: int, seed: int = 1) -> np.ndarray:
    """Sparse combinations of the toy's own features, in [0, 1]."""
    rng = np.random.default_rng(seed)
    codes = rng.poisson(0.25, (n, NEURONS))
    images = codes @ toy_float().phi.T
    images[:, 0] = 0.0
    return np.clip(images, 0, 1).astype(np.float32)


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    """The toy network watched on its own images."""
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
    program, _ = convert(floats, calibration, ConversionSettings())
    coded, saturated = encode(program.input, pixels, "unit", "toy")
    request = RunRequest(64, 3, trace=True)
    want = run_float(floats, pixels, request, pixel_mask=calibration.active)
    found = interpreter.run(program, coded, request)
    match = agreement(want, found, program)
    assert saturated == 0
    assert want.counts_sum.sum() > 1000
    assert match.equal > 0.97
    # Fewer bits must follow less closely, or the measure sees nothing.
    coarse, _ = convert(floats, calibration, ConversionSettings(3, 3))
    assert agreement(want, interpreter.run(coarse, coded, request), coarse).equal < match.equal


def test_the_drive_is_expressed_to_half_a_level(calibration: Calibration) -> None:
    """Every integer weight times its scale is the float gain within half a level (or clipped)."""
    floats = toy_float()
    program, _ = convert(floats, calibration, ConversionSettings())
    gain = gains(floats, calibration.active)
    group = program.neurons
    unit = gain.step * np.log2(np.e) * 2.0 ** (group.fraction_bits + group.extra_bits)
    for connection, real in (
        (program.feedforward, gain.feedforward * unit * program.input.scale),
        (program.lateral, -(gain.competition - np.diag(np.diag(gain.competition))) * unit),
    ):
        scale = connection.multiplier * 2.0 ** -connection.shift.astype(float)
        error = np.abs(connection.weights * scale[:, None] - real) / scale[:, None]
        inside = np.abs(connection.weights) < 127
        assert error[inside].max() <= 0.5 + 1e-9
        assert inside.mean() > 0.9
    want = np.rint(np.diag(gain.competition) * unit)
    np.testing.assert_array_equal(group.self_inhibition, want)


def test_report_tells_the_truth(calibration: Calibration) -> None:
    """Bounds, eigenvalues and loop gain, recomputed from the program another way."""
    floats = toy_float()
    program, report = convert(floats, calibration, ConversionSettings(8, 5))
    bounds = {bound.name: bound for bound in report.bounds}
    sums = worst_partial_sum(program.lateral.weights, 0, program.neurons.max_count)
    assert bounds["lateral sum"].worst == sums.max() <= bounds["lateral sum"].limit == 8388607
    gain = gains(floats, calibration.active)
    group = program.neurons
    unit = gain.step * np.log2(np.e) * 2.0 ** (group.fraction_bits + group.extra_bits)
    scale = program.lateral.multiplier * 2.0 ** -program.lateral.shift.astype(float)
    integer = np.diag(group.self_inhibition / unit) - program.lateral.weights * (
        scale[:, None] / unit
    )
    eigenvalues = np.linalg.eigvalsh((integer + integer.T) / 2)
    assert report.smallest_eigenvalue == pytest.approx(eigenvalues[0])
    assert report.float_eigenvalue == pytest.approx(np.linalg.eigvalsh(gain.competition)[0])
    assert report.connections[1].bits_used_min <= 5
    assert report.pixels_left_out == 1
    assert report.as_json()["bounds"][0]["name"] == "feedforward sum"


def test_standardised_input_uses_a_zero_point() -> None:
    """Zero contrast is payload 0, which is not sent."""
    images = (toy_images(32) - 0.3) * 3
    floats = toy_float(kind="standardised")
    measured = calibrate(floats, images, "toy", steps=8)
    program, _ = convert(floats, measured, ConversionSettings())
    assert program.input.zero_point == 128
    coded, _ = encode(program.input, np.zeros((1, HEIGHT * WIDTH), np.float32), "standardised", "x")
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
    """A step size a million times too large fits no scale or no held current."""
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


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(2, 8), st.integers(1, 32768))
def test_rows_never_pass_level_or_accumulator(seed: int, bits: int, high: int) -> None:
    """Whatever the rows and the largest count."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(0, 10.0 ** rng.integers(-4, 3), (4, 40)) * (rng.random((4, 40)) < 0.7)
    made = quantise_rows(rows, rng.random(40), bits, 0, high, "test")
    weights = made.connection.weights
    assert np.abs(weights.astype(int)).max() <= signed_limit(bits)
    assert worst_partial_sum(weights, 0, high).max() <= signed_limit(24)
    assert made.bits_used.max() <= bits


def test_a_row_of_zeros_stays_silent() -> None:
    """Scale 0 gives multiplier 0 and no weight."""
    made = quantise_rows(np.zeros((2, 3)), np.ones(3), 8, 0, 9, "test")
    assert not made.connection.weights.any()
    assert not made.connection.multiplier.any()


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
