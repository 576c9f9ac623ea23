"""A start in Lava, both ways: equal to the interpreter; and bundles whose start breaks a rule."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hand_made import chain, relayed
from started import with_start

from ipvae_snn.errors import BackendError
from ipvae_snn.export.lava.bundle import fill_readme
from ipvae_snn.hw.cost.activity import activity
from ipvae_snn.hw.lava import backend, runner
from ipvae_snn.hw.lava.bundle.simulator import rules
from ipvae_snn.hw.lava.simulation import LavaOptions
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.equality import first_divergence
from ipvae_snn.ir.files import to_arrays, to_scalars
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.start import START
from ipvae_snn.ir.trace import RunRequest, counts_of

REQUEST = RunRequest(3, 3, 2, trace=True)


@pytest.mark.parametrize(
    ("make", "fused", "frames"),
    [
        pytest.param(chain, True, (), id="chain fused"),
        pytest.param(relayed, True, (2,), id="relayed moving fused"),
        pytest.param(relayed, False, (), id="relayed parts"),
        pytest.param(chain, False, (2,), id="chain moving parts", marks=pytest.mark.slow),
    ],
)
def test_lava_starts(
    lava_python: Path,
    make: Callable[[], IntegerNetwork],
    fused: bool,
    frames: tuple[int, ...],
) -> None:
    """Every array, and the start's operations: of the first frame alone."""
    network = with_start(make(), sparse=True)
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (2, *frames, network.n_pixels)).astype(np.uint8)
    expected = interpreter.run(network, pixels, REQUEST)
    result = backend.simulate(network, pixels, REQUEST, LavaOptions(fused=fused))
    assert first_divergence(expected, result.trace) is None
    assert network.start is not None
    first = pixels.reshape(2, -1, network.n_pixels)[:, 0]
    operations = (first != 117) @ network.start.synapses.weights.fan_out()
    np.testing.assert_array_equal(result.traffic[START][:, 1], operations)
    if not frames and not network.relays:  # each of two relays takes the pixels
        counted = activity(network, pixels, counts_of(expected)).synaptic_operations
        everything = sum(counts[:, 1].sum() for counts in result.traffic.values()) / 2
        assert counted == everything


def test_a_host_that_writes_currents_cannot_start(
    lava_python: Path, network: IntegerNetwork
) -> None:
    started = with_start(network)
    pixels = np.zeros((1, network.n_pixels), np.uint8)
    with pytest.raises(BackendError, match="--source bias: the network has a start"):
        backend.simulate(started, pixels, REQUEST, LavaOptions(source="bias", fused=True))


def test_the_readme_draws_a_start(network: IntegerNetwork) -> None:
    text = fill_readme(with_start(network), runner.bundle_sources()["README.md"])
    assert "image -> Dense (start) -> first potentials of neurons" in text


def _changed(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda scalars: scalars["start"].update({name: value})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda scalars: scalars.update(version=4), "a start, which no network of version 4 has"),
        (_changed("source", "first"), "the start start comes from 'first', not from the image"),
        (_changed("target", "nerves"), "start leads to no population"),
        (_changed("name", "up"), "have the same name"),
    ],
)
def test_a_bundle_checks_a_start(change: Callable[[dict[str, Any]], None], words: str) -> None:
    network = with_start(chain())
    arrays, scalars = to_arrays(network), to_scalars(network)
    rules.check(arrays, scalars)
    change(scalars)
    with pytest.raises(ValueError, match=words):
        rules.check(arrays, scalars)


def test_a_bundle_bounds_a_start() -> None:
    network = with_start(chain())
    arrays = {**to_arrays(network)}
    arrays["start.multiplier"] = np.full(3, (1 << 15) - 1, np.int32)
    arrays["start.shift"] = np.ones(3, np.int32)
    with pytest.raises(ValueError, match="the largest change by the start"):
        rules.check(arrays, to_scalars(network))
