"""Comparison with integer networks that equal the float network exactly or but for one fault."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from circuits import replace
from exact_pair import (
    LN2,
    UNIT,
    K,
    N,
    make_float,
    make_integer,
    make_pair,
    matrix,
    scaled,
    with_bias_fault,
)

from ipvae_snn.backends import compiled
from ipvae_snn.comparison import paired_runs
from ipvae_snn.comparison.attribution import attribute, runs
from ipvae_snn.comparison.figures import bits
from ipvae_snn.comparison.measure import marks, measure, recorded_steps
from ipvae_snn.comparison.one_step import one_step
from ipvae_snn.comparison.paired_runs import Pair
from ipvae_snn.comparison.sums import free_energy_of
from ipvae_snn.comparison.variants import Variant, last_step, variants
from ipvae_snn.errors import ConversionError, DataError
from ipvae_snn.inference import reference
from ipvae_snn.ir import circuit_steps, interpreter
from ipvae_snn.ir.circuit_steps import integrate, sample
from ipvae_snn.ir.decoding import decoding_of
from ipvae_snn.ir.float_sampler import poisson_from_uniforms
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest
from ipvae_snn.ir.units import pixel_values, real_network
from ipvae_snn.metrics.histograms import BINS, histograms, total_variation, wasserstein
from ipvae_snn.metrics.quality import r2_per_image
from ipvae_snn.metrics.seeds import over_seeds
from ipvae_snn.models.stored_dictionary import DenseMatrix

Network = Callable[..., IntegerNetwork]


@pytest.mark.parametrize("two_layer", [False, True])
def test_an_exact_integer_network_shows_no_difference(two_layer: bool) -> None:
    pair = make_pair(make_integer(two_layer))
    result = measure(pair, 20, (0, 7, 9))
    for figures in result.curve.values():
        for name, value in figures.items():
            assert value.seeds["delta"].mean == pytest.approx(0.0, abs=1e-4), name
    assert result.curve[20]["zeros"].seeds["delta"].mean == 0.0
    assert result.curve[20]["spikes"].seeds["float"].mean > 1.0
    for matched in (result.free, result.single):
        assert matched.equal.mean == matched.equal_active.mean == 1.0
        assert (matched.by_step == 1.0).all()
    for error in (result.free_error, result.single_error):
        assert error.bits.mean < -5.0  # less than 1/32 unit: rounding of float32 parameters
    assert result.distances.total_variation.mean == result.distances.wasserstein.mean == 0.0
    assert result.distances.floor_total_variation is not None
    assert result.distances.floor_total_variation > 0.0
    assert result.divergence.share == 0.0
    assert result.divergence.first is result.divergence.median_step is None
    assert sum(result.saturations.values()) == 0


def test_a_networks_updates_are_compared_with_steps_one_by_one() -> None:
    pair = make_pair(make_integer())
    several = replace(pair, network=replace(pair.network, updates_per_step=4))
    assert several.network.updates_per_step == 1
    one, other = (measure(p, 12, (0,)) for p in (pair, several))
    assert one.free.by_step.tolist() == other.free.by_step.tolist()
    r2 = [result.curve[12]["r2"].seeds["float"].mean for result in (one, other)]
    assert r2[0] == r2[1]
    result, expected = (attribute(p, 12, (0,)).largest for p in (several, pair))
    assert result.error.mean == expected.error.mean
    with pytest.raises(ConversionError, match=r"4 updates per step with a leak of 0\.3 back to"):
        replace(pair, network=replace(pair.network, updates_per_step=4, leak=0.3))


@pytest.mark.parametrize("two_layer", [False, True])
def test_a_wrong_bias_is_found_in_its_tensor_and_neuron(two_layer: bool) -> None:
    """One step moves neuron 3 by 295 units too far and no other: log2(295) = 8.2 bits."""
    pair = make_pair(with_bias_fault(make_integer(two_layer)), 40)
    result = measure(pair, 16, (0, 1))
    single = result.single_error.by_neuron
    assert single[3] == pytest.approx(np.log2(295), abs=0.01)
    assert (np.delete(single, 3) < -3.0).all()
    rms = 295 / np.sqrt(K)
    assert result.single_error.bits.mean == pytest.approx(np.log2(rms), abs=0.01)
    assert result.single_error.nats.mean == pytest.approx(rms * UNIT, rel=1e-3)
    effects = attribute(pair, 16, (0, 1))
    causes = {cause.name: cause for cause in effects.causes}
    assert effects.largest.name == "bias"
    assert effects.largest.worst_neuron == 3
    assert effects.largest.error.mean > 0.05
    for name, cause in causes.items():
        if name not in ("bias", "weights_and_bias", "together"):
            assert cause.bits < -3.0, name
            assert cause.r2.mean == pytest.approx(0.0, abs=1e-4), name
    whole = result.curve[16]
    for name in ("weights_and_bias", "together"):
        assert causes[name].r2.mean == pytest.approx(whole["r2"].seeds["delta"].mean, abs=1e-4)
        assert causes[name].zeros.mean == whole["zeros"].seeds["delta"].mean
        assert causes[name].bits == pytest.approx(result.free_error.by_step[-1], abs=0.01)


def test_lateral_weights_of_two_bits_are_found() -> None:
    """Weights -1, 0, 1 at one scale for all: 32 x 16 units per spike."""
    network = make_integer()
    assert network.lateral is not None
    coarse = np.clip(np.rint(network.lateral.matrix / 16), -1, 1)
    effects = attribute(make_pair(replace(network, lateral=scaled(coarse, 9))), 16, (0,))
    assert effects.largest.name == "lateral"
    # Without the others' inhibition, inhibited neurons are wrong; self-inhibition is as it was.
    by_name = {cause.name: cause for cause in effects.causes}
    assert by_name["self_inhibition"].bits < -3.0


FAULTS: dict[str, Callable[[IntegerNetwork], IntegerNetwork]] = {
    "feedforward": lambda p: replace(p, feedforward=scaled(np.rint(p.feedforward.matrix / 2), 2)),
    "self_inhibition": lambda p: replace(
        p, neurons=replace(p.neurons, self_inhibition=p.neurons.self_inhibition + 500)
    ),
    "initial_state": lambda p: replace(
        p, neurons=replace(p.neurons, initial_state=p.neurons.initial_state - 3000)
    ),
    "clamps": lambda p: replace(p, neurons=replace(p.neurons, excitation_max=20)),
    "prediction": lambda p: replace(
        p,
        residual=replace(
            p.residual, prediction=scaled(np.rint(p.residual.prediction.matrix / 3), 5)
        ),
    ),
    "residual": lambda p: replace(p, residual=replace(p.residual, limit=40)),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "two_layer"),
    [
        *((name, False) for name in ("feedforward", "self_inhibition", "initial_state", "clamps")),
        *((name, True) for name in ("feedforward", "self_inhibition", "prediction", "residual")),
    ],
)
def test_every_fault_is_found_in_its_own_place(name: str, two_layer: bool) -> None:
    """All changes together give the integer network's counts and states."""
    network = FAULTS[name](make_integer(two_layer))
    pair = make_pair(network)
    assert attribute(pair, 12, (2,)).largest.name == name
    counts, states = last_step(pair, variants(pair)["together"], slice(0, N), 12, 2)
    whole = interpreter.run(network, pair.pixels, RunRequest(12, 2, trace=True))
    assert whole.counts is not None
    np.testing.assert_array_equal(counts, whole.counts[:, -1])
    np.testing.assert_allclose(states, whole.state * UNIT, rtol=0, atol=1e-9)


def test_pixels_without_weights_are_left_out_on_their_own_account() -> None:
    """Pixel 4 is away in feed-forward and competition alike: the other tensors are as they were."""
    A = matrix()
    A[4] = 0
    network, own = make_integer(), np.diagonal(A.T @ A)
    network = replace(
        network,
        feedforward=scaled(A.T, 1),
        lateral=scaled(-(A.T @ A - np.diag(own)), 5),
        neurons=replace(network.neurons, self_inhibition=(32 * own).astype(np.int32)),
    )
    pair = make_pair(network)
    effects = attribute(pair, 12, (0,))
    assert effects.largest.name == "left_out_pixels"
    by_name = {cause.name: cause for cause in effects.causes}
    assert all(by_name[name].bits < -3.0 for name in ("feedforward", "lateral", "self_inhibition"))
    assert list(variants(pair))[:3] == ["float", "base", "left_out_pixels"]
    assert runs(pair) == len(variants(pair)) - 2  # that run is base's, and the decoder's is, too


def test_divergence_is_located(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a search through both traces; cut into blocks of 2 images and 3 steps."""
    pair = make_pair(with_bias_fault(make_integer(), units=150), 7)
    monkeypatch.setattr(paired_runs, "IMAGES", 2)
    monkeypatch.setattr(paired_runs, "ENTRIES", 6 * K)
    result = measure(pair, 14, (5,))
    request = RunRequest(14, 5, trace=True)
    floats = reference.run_float(pair.network, pair.images, request)
    integers = interpreter.run(pair.integer, pair.pixels, request)
    assert floats.counts is not None
    assert integers.counts is not None
    unequal = floats.counts != integers.counts
    steps = [int(np.argmax(u.any(axis=1))) if u.any() else np.inf for u in unequal]
    step = min(steps)
    image = steps.index(step)
    neuron = int(np.argmax(unequal[image, step]))
    assert result.divergence.first is not None
    assert vars(result.divergence.first) == {
        "seed": 5,
        "image": image,
        "step": step,
        "neuron": neuron,
        "float_count": floats.counts[image, step, neuron],
        "integer_count": integers.counts[image, step, neuron],
    }
    assert 0.5 < np.isfinite(steps).mean() == pytest.approx(result.divergence.share)
    assert result.divergence.median_step == np.median(steps)
    assert result.free.equal.mean == pytest.approx(1.0 - unequal.mean())
    active = floats.counts != 0
    assert result.free.equal_active.mean == pytest.approx(1.0 - unequal[active].mean())
    assert result.free.by_step == pytest.approx(1.0 - unequal.mean(axis=(0, 2)))
    assert floats.states is not None
    assert integers.states is not None
    error = np.sqrt(((integers.states * UNIT - floats.states) ** 2).mean(axis=(0, 1)))
    assert result.free_error.by_neuron == pytest.approx(np.log2(error / UNIT))


def test_cuts_and_threads_change_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = make_pair(with_bias_fault(make_integer()), 7)
    whole = measure(pair, 10, (0, 1)).as_json()
    causes = attribute(pair, 10, (0, 1)).as_json()
    monkeypatch.setattr(paired_runs, "IMAGES", 3)
    monkeypatch.setattr(paired_runs, "ENTRIES", 1)
    done: list[int] = []
    cut = measure(pair, 10, (0, 1), threads=3, report=done.append).as_json()
    assert sum(done) == 7 * 10 * 2
    assert cut["histogram"] == whole["histogram"]
    assert cut["agreement"] == whole["agreement"]
    assert cut["divergence"] == whole["divergence"]
    for name in ("r2", "mse", "zeros", "free_energy", "spikes"):
        assert cut[name]["delta"] == pytest.approx(whole[name]["delta"], abs=1e-9)
    assert attribute(pair, 10, (0, 1), threads=2).as_json() == causes


@pytest.mark.parametrize("circuit", ["one-layer", "two-layer"])
def test_single_steps_are_the_interpreters(
    network_factory: Network, two_layer_factory: Network, circuit: str
) -> None:
    """States and counts that no run made, saturating ones among them."""
    network = (network_factory if circuit == "one-layer" else two_layer_factory)(2, neurons=9)
    rng = np.random.default_rng(6)
    group = network.neurons
    pixels = rng.integers(0, 256, (3, network.n_pixels)).astype(np.uint8)
    states = rng.integers(group.state_min, group.state_max + 1, (3, 4, 9)).astype(np.int32)
    counts = rng.integers(-30, 60, (3, 4, 9)).clip(0).astype(np.int32)
    prepared = compiled.prepare(network)
    start_state = compiled.start(prepared, pixels, 11, first_image=8)
    drawn, after = one_step(prepared, start_state, states, counts, 5, threads=2)
    shown = circuit_steps.held(network, pixels)
    for t in range(4):
        wide, given = states[:, t].astype(np.int64), np.minimum(counts[:, t], group.max_count)
        np.testing.assert_array_equal(
            drawn[:, t], sample(network, wide, 11, np.arange(8, 11), 5 + t)
        )
        moved, _ = integrate(network, wide, shown, given.astype(np.int64))
        np.testing.assert_array_equal(after[:, t], moved)


def plain_run(pair: Pair, variant: Variant, steps: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Run a variant in NumPy: the rules of docs/ir.md and of inference.reference.step."""
    d, network, unit = variant.dynamics, pair.integer, pair.unit
    group, layer = network.neurons, network.residual
    images = pixel_values(network, pair.pixels) if variant.levels else pair.images.astype(float)
    index = np.arange(len(images))
    u = np.tile(variant.initial_state, (len(images), 1))
    own = network.own_inhibition * unit / (1 << group.extra_bits)
    for t in range(steps):
        if variant.drawn:
            held = np.floor(u / unit + 0.5).clip(group.state_min, group.state_max)
            z = sample(network, held.astype(np.int64), seed, index, t)
        else:
            z = poisson_from_uniforms(np.exp(u), seed, index, t)
        drive = images @ d.feed_forward - z @ d.G
        if variant.residual:
            assert layer is not None
            assert variant.prediction is not None
            payload = np.floor((images - z @ variant.prediction.T) / network.input.scale + 0.5)
            sent = payload.clip(-layer.limit, layer.limit) * network.input.scale
            loop = np.diagonal(variant.prediction.T @ d.feed_forward)
            drive = sent @ d.feed_forward - z * (np.diagonal(d.G) - loop)
        du = d.step_size * (drive - d.bias)
        if variant.clamped:
            du = np.maximum(
                np.minimum(du, group.excitation_max * unit - own * z), group.update_min * unit
            )
            u = np.clip(u + du, group.state_min * unit, group.state_max * unit)
        else:
            u = reference.soft_clip(u + reference.soft_clip(du, d.clip, d.floor), d.clip, d.floor)
        if variant.rounded:
            u = np.floor(u / unit + 0.5) * unit
    return z, u


@pytest.mark.parametrize("two_layer", [False, True])
def test_compiled_variants_are_the_readable_ones(two_layer: bool) -> None:
    """Low clamps, a low clip and strong images, so that every rule acts."""
    network = FAULTS["feedforward"](with_bias_fault(make_integer(two_layer)))
    group = replace(network.neurons, excitation_max=400, update_min=-700, state_max=4 << 12)
    network = replace(network, neurons=group)
    if network.residual is not None:
        network = replace(network, residual=replace(network.residual, limit=90))
    pair = make_pair(network)
    pair = replace(pair, network=replace(pair.network, clip=3.0))
    ends = {}
    for name, variant in variants(pair).items():
        counts, states = last_step(pair, variant, slice(0, N), 9, 4, threads=2)
        wanted, potentials = plain_run(pair, variant, 9, 4)
        np.testing.assert_array_equal(counts, wanted, err_msg=name)
        np.testing.assert_allclose(states, potentials, rtol=0, atol=1e-9, err_msg=name)
        ends[name] = states
    for name in ("clamps", "state_rounding", *(["residual"] if two_layer else [])):
        assert np.abs(ends[name] - ends["float"]).max() > UNIT / 10, name


def test_a_network_in_real_numbers() -> None:
    """G, b, bias and u0 of the network follow from the integers."""
    d = reference.dynamics(make_float())
    means = real_network(make_integer(), d.step_size)
    assert means.lateral is not None
    assert means.lateral + np.diag(means.self_inhibition) == pytest.approx(d.G)
    assert means.feed_forward == pytest.approx(d.feed_forward)
    assert means.bias == pytest.approx(d.bias)
    assert means.initial_state == pytest.approx(d.u0)
    assert means.decoder == pytest.approx(make_float().phi)
    looped = real_network(make_integer(two_layer=True), d.step_size)
    assert looped.prediction == pytest.approx(make_float().phi)
    assert looped.lateral is None
    # Row 1 inhibits column 0 and not the reverse: rows are sources.
    network = make_integer()
    assert network.lateral is not None
    one_way = np.zeros((K, K))
    one_way[0, 1] = -2  # target 0, source 1
    given = real_network(replace(network, lateral=scaled(one_way, 5)), d.step_size).lateral
    assert given is not None
    assert given[1, 0] == pytest.approx(0.5)  # 64 units; 32 of them are a quarter
    assert np.count_nonzero(given) == 1


def test_figures_of_a_step_are_those_of_its_counts() -> None:
    pair = make_pair(with_bias_fault(make_integer()))
    result = measure(pair, 6, (3,))
    for step in (4, 6):
        floats = reference.run_float(pair.network, pair.images, RunRequest(step, 3))
        integers = interpreter.run(pair.integer, pair.pixels, RunRequest(step, 3))
        for side, trace in (("float", floats), ("integer", integers)):
            quality = r2_per_image(pair.images, trace.reconstruction).mean()
            assert result.curve[step]["r2"].seeds[side].mean == pytest.approx(quality)
            spikes = trace.spikes_per_step[:, -1].mean()
            assert result.curve[step]["spikes"].images[side].mean == pytest.approx(spikes)


@pytest.mark.parametrize("entries", [1, 10**6])
def test_decodings_of_a_step_are_those_of_a_run(
    entries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the last steps lie in one block of steps, or each in its own."""
    monkeypatch.setattr(paired_runs, "ENTRIES", entries)
    pair = make_pair(with_bias_fault(make_integer()).with_decoding("mean:3"))
    result = measure(pair, 6, (3,))
    for step in (1, 4, 6):
        request = RunRequest(step, 3)
        for name, text in (("r2_mean", "mean:3"), ("r2_map", "map")):
            floats = reference.run_float(
                pair.network, pair.images, request, decoding=decoding_of(text)
            )
            integers = interpreter.run(pair.integer.with_decoding(text), pair.pixels, request)
            for side, trace in (("float", floats), ("integer", integers)):
                quality = r2_per_image(pair.images, trace.reconstruction).mean()
                assert result.curve[step][name].seeds[side].mean == pytest.approx(quality)


def test_free_energy_by_hand() -> None:
    """One pixel, x = 1, x^ = 0.5, sigma = 1/2, u from 0 to ln 2.

    nll = 0.25 / (2 / 4) + ln(1/2) + ln(2 pi) / 2 = 0.725791; KL(2 || 1) = 2 ln 2 - 1 = 0.386294,
    and with the updated rate in front, 2 (1 + 2 (ln 2 - 1)) = 0.772589.
    """
    network = replace(
        make_float(),
        dictionary=DenseMatrix(np.ones((1, 1), np.float32)),
        image_shape=(1, 1),
        log_sigma=np.log(np.array([0.5], np.float32)),
    )
    given = (
        np.array([[1.0]], np.float32),
        np.array([[0.5]], np.float32),
        np.array([[LN2]]),
        np.array([[0.0]]),
    )
    assert free_energy_of(network, "exact")(*given) == pytest.approx([0.725791 + 0.386294])
    assert free_energy_of(network, "code")(*given) == pytest.approx([0.725791 + 0.772589])


def test_distances_by_hand() -> None:
    """Neuron 0: counts 0 0 1 3 against 0 1 1 3, so that a quarter moves by one; neuron 1 equal."""
    first = histograms(np.array([[0, 2], [0, 0], [1, 0], [3, 700]], np.int32))
    second = histograms(np.array([[0, 2], [1, 0], [1, 0], [3, 700]], np.int32))
    assert first.shape == (2, BINS)
    assert first[0, :4].tolist() == [2, 1, 0, 1]
    assert first[1, [0, 2, BINS - 1]].tolist() == [2, 1, 1]
    assert total_variation(first, second).tolist() == [0.25, 0.0]
    assert wasserstein(first, second).tolist() == [0.25, 0.0]
    far = histograms(np.array([[0], [0], [0], [8]], np.int32))
    none = histograms(np.zeros((4, 1), np.int32))
    assert total_variation(far, none).tolist() == [0.25]
    assert wasserstein(far, none).tolist() == [2.0]  # a quarter of the counts, 8 spikes away
    with pytest.raises(DataError, match=r"^a histogram is empty"):
        total_variation(np.zeros((1, BINS), np.int64), none)


def test_students_interval_by_hand() -> None:
    """t(2, 97.5 %) = 4.302653; 1, 2, 3 have a standard error of 1 / sqrt 3."""
    result = over_seeds([1.0, 2.0, 3.0])
    assert (result.mean, result.n) == (2.0, 3)
    assert result.high - 2.0 == pytest.approx(4.302653 / 3**0.5) == pytest.approx(2.0 - result.low)
    alone = over_seeds([0.5])
    assert alone.mean == 0.5
    assert np.isnan([alone.low, alone.high]).all()
    assert bits(np.array([0.0, 8 * UNIT]), UNIT).tolist() == [-np.inf, pytest.approx(3.0)]


def test_steps_that_are_recorded() -> None:
    assert marks(64) == (1, 4, 16, 64)
    assert marks(1) == recorded_steps(1) == (1,)
    assert marks(100) == (1, 4, 16, 64, 100)
    assert marks(1000) == (1, 4, 16, 64, 256, 1000)
    assert recorded_steps(17) == (1, 2, 3, 4, 6, 8, 11, 16, 17)
    long = recorded_steps(1000)
    assert set(marks(1000)) <= set(long)
    assert all(a < b for a, b in pairwise(long))
    assert len(long) < 25


def test_what_does_not_fit_is_refused() -> None:
    network = make_integer()
    pair = make_pair(network)
    with pytest.raises(DataError, match=r"^float images \(5, 6\) and 8-bit images \(4, 6\) differ"):
        replace(pair, pixels=pair.pixels[:4])
    small = replace(make_float(), dictionary=DenseMatrix(make_float().phi[:, :5]))
    with pytest.raises(
        DataError,
        match=r"^the float network has 6 pixels and 5 neurons, the integer one 6 and 8; give ",
    ):
        Pair(small, network, pair.images, pair.pixels)
    with pytest.raises(DataError, match=r"^steps 0 are not in 1\.\.1048576$"):
        measure(pair, 0, (0,))
    with pytest.raises(DataError, match=r"^seed -1 is not in"):
        attribute(pair, 4, (0, -1))
    with pytest.raises(DataError, match=r"^a comparison needs a seed"):
        measure(pair, 4, ())
