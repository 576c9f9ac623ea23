"""The keyed draws as random numbers: goodness of fit, independence, and the same everywhere.

All draws are fixed by their keys, so a test here passes always or never. The limit on a p-value
is 1e-4: over the hundred checks below, the luck of the keys would fail a good generator once in a
hundred choices of SEED, and the first choice passed.
"""

import hashlib
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import chi2, poisson

from ipvae_snn.ir import interpreter
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.prng import UNIFORM_BITS, uniforms
from ipvae_snn.ir.sampler import SamplerTables, spike_counts
from ipvae_snn.ir.trace import RunRequest

TABLES = SamplerTables()
BITS = 12
SEED, N, K = 20_261_123, 512, 1024  # half a million draws a set
LIMIT = 1e-4
FIRST = UNIFORM_BITS - 4  # a shift that leaves the upper four bits


def p_value(observed: np.ndarray, expected: np.ndarray) -> float:
    """Return Pearson's: the probability of a chi-square above the one observed."""
    assert expected.min() >= 5
    statistic = ((observed - expected) ** 2 / expected).sum()
    return float(chi2.sf(statistic, observed.size - 1))


def draws(seed: int = SEED, first: int = 0, step: int = 0, part: int = 0) -> np.ndarray:
    """Return uniforms (N, K) of one seed, step and part."""
    return uniforms(seed, first + np.arange(N), step, K, part).astype(np.int64)


def counts_at(octaves: float, seed: int = SEED, step: int = 0, first: int = 0) -> np.ndarray:
    """Return spike counts (N, K) drawn at one potential."""
    potential = np.full((N, K), round(octaves * (1 << BITS)), dtype=np.int64)
    return spike_counts(
        potential, lambda part: draws(seed, first, step, part), BITS, 1 << 15, TABLES
    )


@pytest.mark.parametrize("octaves", [-10, -6, -2.5, 0, 1.3, 3, 3.001, 4, 5.5, 7])
def test_counts_are_distributed_as_poisson(octaves: float) -> None:
    """Chi-square against the true law, 524,288 draws; classes of at least 20 expected ones."""
    rate = 2.0 ** (round(octaves * 4096) / 4096)
    z = counts_at(octaves).ravel()
    law = poisson.pmf(np.arange(int(rate + 12 * rate**0.5) + 12), rate) * z.size
    low = int(np.argmax(np.cumsum(law) >= 20))
    high = len(law) - 1 - int(np.argmax(np.cumsum(law[::-1]) >= 20))
    assert high > low
    classes = np.bincount(np.clip(z, low, high) - low, minlength=high - low + 1)
    expected = poisson.pmf(np.arange(low, high + 1), rate) * z.size
    expected[0] = poisson.cdf(low, rate) * z.size
    expected[-1] = poisson.sf(high - 1, rate) * z.size
    assert p_value(classes, expected) > LIMIT


@pytest.mark.parametrize("shift", [0, 8, 16, FIRST - 4])
def test_every_group_of_eight_bits_is_uniform(shift: int) -> None:
    """The lowest bits too: each uniform is used to its last bit."""
    result = np.bincount(((draws() >> shift) & 255).ravel(), minlength=256)
    assert p_value(result, np.full(256, N * K / 256)) > LIMIT


NEIGHBOURS: dict[str, Callable[[Callable[..., np.ndarray]], tuple[np.ndarray, np.ndarray]]] = {
    "neurons of one block, 2i and 2i + 1": lambda d: (d()[:, 0::2], d()[:, 1::2]),
    "neurons of two blocks, 2i + 1 and 2i + 2": lambda d: (d()[:, 1:-1:2], d()[:, 2::2]),
    "steps": lambda d: (d(step=0), d(step=1)),
    "distant steps": lambda d: (d(step=3), d(step=(1 << 20) - 1)),
    "images": lambda d: (d(first=0), d(first=1)),
    "distant images": lambda d: (d(first=0), d(first=1 << 31)),
    "seeds": lambda d: (d(seed=SEED), d(seed=SEED + 1)),
    "first seeds": lambda d: (d(seed=0), d(seed=1)),
    "seed and image exchanged": lambda d: (d(seed=7, first=8), d(seed=8, first=7)),
}


def independent(one: np.ndarray, other: np.ndarray, law: np.ndarray) -> None:
    """Check correlation and contingency of two sets of classes (n,), each of the law (classes,)."""
    one, other = one.ravel(), other.ravel()
    correlation = np.corrcoef(one, other)[0, 1]
    assert abs(correlation) * one.size**0.5 < 4  # standard errors: two-sided p = 6e-5
    table = np.bincount(one * len(law) + other, minlength=len(law) ** 2)
    assert p_value(table, np.outer(law, law).ravel() * one.size) > LIMIT


@pytest.mark.parametrize("pair", NEIGHBOURS)
def test_uniforms_are_independent(pair: str) -> None:
    """Sixteen classes by sixteen, of the upper four bits and of the lower four."""
    one, other = NEIGHBOURS[pair](draws)
    law = np.full(16, 1 / 16)
    independent(one >> FIRST, other >> FIRST, law)
    independent(one & 15, other & 15, law)
    independent(one >> FIRST, other & 15, law)


def test_uniforms_of_parts_are_independent() -> None:
    """Neighbouring parts, and the first and the last that a step can have."""
    law = np.full(16, 1 / 16)
    for first, second in ((0, 1), (1, 2), (0, 4095)):
        independent(draws(part=first) >> FIRST, draws(part=second) >> FIRST, law)


@pytest.mark.parametrize("pair", NEIGHBOURS)
def test_counts_are_independent(pair: str) -> None:
    """Counts 0, 1, 2 and more at rate 1; P = 1/e, 1/e, 1 - 2/e."""

    def drawn(**key: int) -> np.ndarray:
        return np.minimum(counts_at(0.0, **key), 2)

    one, other = NEIGHBOURS[pair](drawn)
    independent(one, other, np.array([1 / np.e, 1 / np.e, 1 - 2 / np.e]))


def test_one_neuron_is_independent_in_time() -> None:
    """Sixteen neurons, 16,384 steps each: no lag up to 64 steps correlates."""
    series = np.stack([uniforms(SEED, [5], step, 16)[0] for step in range(1 << 14)]) / 2.0**31
    centred = (series - 0.5) * 12**0.5
    for lag in range(1, 65):
        product = centred[lag:] * centred[:-lag]
        assert abs(product.mean()) * product.size**0.5 < 4.5  # p = 7e-6, for 64 lags


DIGEST = """
import hashlib, numpy as np
from ipvae_snn.ir.prng import uniforms
from ipvae_snn.ir.sampler import SamplerTables, spike_counts
v = np.linspace(-12 << 12, 9 << 12, 3 * 101).astype(np.int64).reshape(3, 101)
images = np.array([0, 77, 2**32 - 1])
z = spike_counts(v, lambda p: uniforms(9, images, 4, 101, p).astype(np.int64), 12, 999,
                 SamplerTables())
print(hashlib.sha256(z.astype("<i8").tobytes()).hexdigest())
"""


def test_two_processes_draw_the_same() -> None:
    """Fresh interpreters, with other hash seeds, give the counts of this one."""
    v = np.linspace(-12 << 12, 9 << 12, 303).astype(np.int64).reshape(3, 101)
    images = np.array([0, 77, 2**32 - 1])
    z = spike_counts(v, lambda p: uniforms(9, images, 4, 101, p).astype(np.int64), 12, 999, TABLES)
    expected = hashlib.sha256(z.astype("<i8").tobytes()).hexdigest()
    for hash_seed in ("1", "2"):
        result = subprocess.run(
            [sys.executable, "-c", DIGEST],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
            env={"PYTHONHASHSEED": hash_seed},
        )
        assert result.stdout.strip() == expected


@pytest.mark.parametrize("cuts", [[3], [1, 2, 6], [2, 3, 4, 5]])
def test_a_data_set_run_in_pieces_draws_the_same(
    network: IntegerNetwork, pixels_factory: Callable[..., np.ndarray], cuts: list[int]
) -> None:
    """Pieces of any size, each with its first image, join to the whole."""
    pixels = pixels_factory(network, 7)
    whole = interpreter.run(network, pixels, RunRequest(6, 3, 2**32 - 7, trace=True)).arrays()
    pieces = [
        interpreter.run(network, pixels[a:b], RunRequest(6, 3, 2**32 - 7 + a, trace=True)).arrays()
        for a, b in zip([0, *cuts], [*cuts, 7], strict=True)
    ]
    for name, value in whole.items():
        np.testing.assert_array_equal(np.concatenate([piece[name] for piece in pieces]), value)
