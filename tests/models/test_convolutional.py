"""A convolutional dictionary equals the dense one that holds its kernels at every position."""

import re

import numpy as np
import pytest
import torch
from convolutions import positions, shared_parameters
from hypothesis import given, settings
from hypothesis import strategies as st

from ipvae_snn.errors import ConfigError, ConversionError, MemoryLimitError
from ipvae_snn.image_shape import ImageShape
from ipvae_snn.models import kernel_positions
from ipvae_snn.models.dictionary import DenseDictionary
from ipvae_snn.models.kernel_positions import KernelPositions
from ipvae_snn.models.protocol import negative_log_likelihood
from ipvae_snn.models.shared_kernels import SharedKernels
from ipvae_snn.models.stored_dictionary import DenseMatrix

SEEDS = st.integers(0, 1 << 30)


def stored(p: KernelPositions, seed: int) -> SharedKernels:
    shape = (p.features, *p.kernel, p.channels)
    return SharedKernels(np.random.default_rng(seed).normal(size=shape).astype(np.float32), p)


def explicit(d: SharedKernels) -> np.ndarray:
    """Return phi, entry by entry, by the definition of the positions."""
    p, (height, width) = d.positions, d.positions.kernel
    phi = np.zeros((p.n_pixels, p.n_neurons), np.float32)
    sides = (*p.image_shape[:2], p.channels)
    for f, r, c in np.ndindex(*p.population):
        neuron = (f * p.rows + r) * p.columns + c
        for i, j, channel in np.ndindex(height, width, p.channels):
            pixel = np.ravel_multi_index((p.stride * r + i, p.stride * c + j, channel), sides)
            phi[pixel, neuron] = d.kernels[f, i, j, channel]
    return phi


@settings(deadline=None, max_examples=40)
@given(positions(), SEEDS)
def test_products_are_those_of_the_matrix(p: KernelPositions, seed: int) -> None:
    d, rng = stored(p, seed), np.random.default_rng(seed)
    phi = explicit(d)
    np.testing.assert_array_equal(d.dense(), phi)
    assert (phi != 0).any(axis=1).all()  # every pixel has a kernel
    dense = DenseMatrix(phi)
    assert (d.n_pixels, d.n_neurons) == (dense.n_pixels, dense.n_neurons)
    z, e = rng.poisson(0.5, (3, p.n_neurons)).astype(float), rng.normal(size=(3, p.n_pixels))
    np.testing.assert_allclose(d.decode(z), dense.decode(z), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(d.project(e), dense.project(e), rtol=1e-12, atol=1e-12)
    assert d.decode(z.astype(np.float32)).dtype == d.project(e.astype(np.float32)).dtype == "f4"
    precision = rng.random(p.n_pixels)
    np.testing.assert_allclose(d.strengths(precision), dense.strengths(precision), rtol=1e-5)


@settings(deadline=None, max_examples=40)
@given(positions(), SEEDS)
def test_competition_depends_on_the_distance_alone(p: KernelPositions, seed: int) -> None:
    d = stored(p, seed)
    precision = d.each_pixel(np.random.default_rng(seed).random(p.channels))
    by_distance = d.competition_by_distance(precision)
    assert by_distance is not None
    phi = d.dense().astype(float)
    G = (phi.T @ (phi * precision[:, None])).reshape(*p.population, *p.population)
    a, b = p.reach
    for f, r, c, g, s, e in np.ndindex(G.shape):
        near = abs(s - r) <= a and abs(e - c) <= b
        wanted = by_distance[f, a + s - r, b + e - c, g] if near else 0.0
        assert G[f, r, c, g, s, e] == pytest.approx(wanted, rel=1e-6, abs=1e-6)
    assert DenseMatrix(d.dense()).competition_by_distance(precision) is None


@settings(deadline=None, max_examples=30)
@given(positions(), SEEDS)
def test_torch_computes_the_same(p: KernelPositions, seed: int) -> None:
    q = shared_parameters(p, seed)
    d, dense = q.dictionary, expanded(q)
    generator = torch.Generator().manual_seed(seed)
    z = torch.rand(2, 3, p.n_neurons, generator=generator, dtype=torch.float64)
    x = torch.rand(2, 3, p.n_pixels, generator=generator, dtype=torch.float64)
    close = {"rtol": 1e-10, "atol": 1e-10}
    torch.testing.assert_close(d.decode(z), dense.decode(z), **close)
    torch.testing.assert_close(d.project(x), dense.project(x), **close)
    for gain in (0, 1 << 20):  # through the pixels, and by distance
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kernel_positions, "DISTANCE_GAIN", gain)
            assert d.in_gram_form == bool(gain)
            torch.testing.assert_close(d.competition()(z[0]), dense.competition()(z[0]), **close)
    assert d.grid == p.population[1:]
    by_distance, (a, b) = d.by_distance().detach().numpy(), p.reach
    G = dense.gram().detach().numpy().reshape(*p.population, *p.population)
    assert torch.equal(dense.by_distance().flatten(1), dense.gram())
    for r, c, s, e in np.ndindex(p.rows, p.columns, p.rows, p.columns):
        near = abs(s - r) <= a and abs(e - c) <= b
        wanted = by_distance[:, a + s - r, b + e - c] if near else 0.0
        np.testing.assert_allclose(G[:, r, c, :, s, e], wanted, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(d.power(x), dense.power(x), **close)
    torch.testing.assert_close(d.log_normaliser(), dense.log_normaliser(), **close)
    torch.testing.assert_close(
        negative_log_likelihood(d, x, z), negative_log_likelihood(dense, x, z), **close
    )


@pytest.mark.parametrize(
    ("shape", "kernel", "stride", "expected"),
    [
        ((28, 28), 12, 4, True),
        ((32, 32, 3), 8, 4, True),
        ((128, 128, 3), 16, 8, True),
        ((1024, 1024, 3), 16, 8, True),  # whatever the number of neurons
        ((32, 32), 8, 2, False),  # 7 x 7 distances of 64 features, and 2 x 64 pixels
        ((32, 32, 3), 8, 2, True),
        ((32, 32, 3), 8, 1, False),
    ],
)
def test_competition_goes_the_way_of_fewer_products(
    shape: ImageShape, kernel: int, stride: int, expected: bool
) -> None:
    assert KernelPositions(shape, 64, (kernel, kernel), stride).by_distance is expected


def expanded(q: object) -> DenseDictionary:
    """Return the dense dictionary of shared parameters, in double precision."""
    p = q.positions
    columns = [q.dictionary.decode(row) for row in torch.eye(p.n_neurons, dtype=torch.float64)]
    log_sigma = q.log_sigma.repeat(1, p.n_pixels // p.channels)
    return DenseDictionary(torch.stack(columns, 1), log_sigma)


@given(positions(), SEEDS)
def test_shared_values_are_spread_and_gathered(p: KernelPositions, seed: int) -> None:
    d, rng = stored(p, seed), np.random.default_rng(seed)
    features, channels = rng.normal(size=p.features), rng.normal(size=p.channels)
    np.testing.assert_array_equal(d.shared_neurons(d.each_neuron(features)), features)
    np.testing.assert_array_equal(d.shared_pixels(d.each_pixel(channels)), channels)
    assert (d.each_neuron(features).reshape(p.population)[-1] == features[-1]).all()
    for gather, values in (
        (d.shared_neurons, d.each_neuron(features)),
        (d.shared_pixels, d.each_pixel(channels)),
    ):
        if len(values) > len(gather(values)):
            values[-1] += 1
            with pytest.raises(ConversionError, match="but here they differ"):
                gather(values)


@pytest.mark.parametrize(
    ("kernel", "stride", "message"),
    [
        (
            11,
            4,
            "9 kernels of 11x11 pixels moved by 4 in 28x28 images do not end at the edges; set "
            "model.stride=1 or model.kernel=12",
        ),
        (12, 5, "moved by 5 in 28x28 images do not end at the edges; set model.stride=4 or "),
        (40, 4, "9 kernels of 40x40 pixels moved by 4 in 28x28 images do not end at the edges; "),
        (4, 6, "9 kernels of 4x4 pixels moved by 6 in 28x28 images do not end at the edges; set "),
        (0, 4, "features, kernel and stride must be 1 or more"),
    ],
)
def test_kernels_that_do_not_fit(kernel: int, stride: int, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        KernelPositions((28, 28), 9, (kernel, kernel), stride)


@given(st.integers(4, 40), st.integers(4, 40), st.integers(1, 12), st.integers(1, 12))
def test_every_remedy_fits(height: int, width: int, kernel: int, stride: int) -> None:
    said = ""
    try:
        KernelPositions((height, width), 2, (kernel, kernel), stride)
    except ConfigError as error:
        said = str(error)
    named = re.findall(r"model\.(stride|kernel)=(\d+)", said)
    assert not said or named or "use images with equal sides" in said
    for name, value in named:
        other = {"kernel": kernel, "stride": stride} | {name: int(value)}
        KernelPositions((height, width), 2, (other["kernel"],) * 2, other["stride"])


def test_sizes_beyond_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="at most 1048576 neurons and 16777216 pixels"):
        KernelPositions((1000, 1000), 4, (1, 1), 1)
    d = stored(KernelPositions((64, 64, 3), 64, (8, 8), 4), 0)
    monkeypatch.setenv("IPVAE_SNN_MEMORY", "16M")
    with pytest.raises(MemoryLimitError, match="a dense dictionary of 12288 pixels and 14400 neur"):
        d.dense()
