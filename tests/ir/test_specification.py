"""docs/ir.md is the specification: its tables must agree with the code."""

import re
from pathlib import Path
from typing import get_args

import pytest
from graphs import networks
from hypothesis import given, settings

from ipvae_snn.ir import decoding, files, fixed_point, network, parts, prng, sampler, trace
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.neurons import lca, poisson
from ipvae_snn.ir.neurons import registry as neuron_kinds
from ipvae_snn.ir.weights import registry as weight_kinds

PAGE = Path(__file__).parents[2] / "docs" / "ir.md"


def rows(first: str) -> list[list[str]]:
    """Return the rows of the table whose first heading is `first`."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {first} |"))
    result = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        result.append([cell.strip() for cell in line.strip("|").split("|")])
    return result


def test_constants_are_the_codes() -> None:
    """Every constant of the table, by name, from the module that holds it."""
    homes = (fixed_point, prng, sampler, network)
    table = rows("name")
    assert len(table) >= 13
    for name, value, _ in table:
        home = next(module for module in homes if hasattr(module, name))
        assert getattr(home, name) == int(value), name


def cells(text: str) -> list[str]:
    """Return the names of a cell, without what stands in brackets."""
    return [one.strip() for one in re.sub(r"\([^)]*\)", "", text).split(",") if one.strip()]


@given(networks())
@settings(max_examples=30, deadline=None)
def test_tensors_are_the_files(network: IntegerNetwork) -> None:
    """Name and type of every tensor of any graph stand on the page."""
    documented = {
        name: kind.partition(" ")[0] for names, kind, _ in rows("tensor") for name in cells(names)
    }
    for full, array in files.to_arrays(network).items():
        part, _, name = full.rpartition(".")
        wide = part == "decoder" and name in ("weights", "values", "kernel")
        assert array.dtype == ("int16" if wide else documented[name]), full


@given(networks())
@settings(max_examples=30, deadline=None)
def test_kinds_are_the_codes(network: IntegerNetwork) -> None:
    """Role and constants of every kind of neurons; tensors and numbers of every kind of weights."""
    neurons = {kind: cells for kind, *cells in rows("kind")}
    assert set(neurons) == set(neuron_kinds.KINDS)
    for one in network.populations:
        role, single, shared = neurons[one.neurons.kind]
        assert one.neurons.role == role
        assert set(one.neurons.per_neuron()) - {"loop_inhibition"} == set(cells(single)) - {
            "loop_inhibition"
        }
        assert list(one.neurons.shared()) == cells(shared)
    weights = {kind: cells for kind, *cells in rows("weights")}
    assert set(weights) == set(weight_kinds.KINDS)
    for given_weights in (
        *(one.synapses.weights for one in network.connections),
        network.decoder.weights,
    ):
        tensors, numbers = weights[given_weights.kind]
        assert list(given_weights.arrays()) == cells(tensors)
        assert list(given_weights.shared()) == cells(numbers)


def test_scalars_are_the_files(two_layer: IntegerNetwork) -> None:
    """Every scalar of a file stands on the page by name."""
    text = PAGE.read_text(encoding="utf-8")
    scalars = files.to_scalars(two_layer)
    names = {*scalars["input"], *scalars, *scalars["populations"][0]["constants"]}
    names |= {*scalars["connections"][0], *scalars["populations"][0], *scalars["decoder"]}
    names |= {*files.to_scalars(two_layer.with_decoding(decoding.MAP))["decoder"]}
    assert {name for name in names if f"`{name}`" not in text} == set()


def test_saturations_are_the_traces() -> None:
    """The kinds that the page names are those of the trace, in its order."""
    text = PAGE.read_text(encoding="utf-8").partition("`saturated[t]` counts")[2]
    assert tuple(re.findall(r"`(\w+)` \(", text))[:5] == trace.SATURATIONS


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (r"of each target, in 1\.\.(\d+) \|", parts.MAX_SHIFT),
        (r"`fraction_bits` \(4\.\.(\d+)\)", poisson.MAX_FRACTION_BITS),
        (r"`extra_bits` \(0\.\.(\d+)\)", poisson.MAX_EXTRA_BITS),
        (r"`leak_shift` \(1\.\.(\d+)\)", lca.MAX_LEAK_SHIFT),
        (r"`payload_shift` \(0\.\.(\d+)\)", lca.MAX_PAYLOAD_SHIFT),
        (r"# The integer network, version (\d+)", network.VERSION),
        (r"`3` where the decoding is `(\w+)`", str(decoding.SAMPLE)),
        (r"decoding_steps` is in 1\.\.(\d+)", decoding.MAX_DECODING_STEPS),
        (r"at least -(\d+) octaves", poisson.MIN_OCTAVES - sampler.SPLIT_OCTAVES),
        (r"`state_max` at most (\d+)", sampler.SPLIT_OCTAVES + sampler.MAX_PARTS_LOG2),
    ],
)
def test_limits_in_the_text(words: str, value: int | str) -> None:
    """Numbers in running text."""
    result = re.search(words, PAGE.read_text(encoding="utf-8"))
    assert result is not None, words
    assert next(group for group in result.groups() if group) == str(value)


def test_decodings_are_the_codes() -> None:
    """Each kind of decoding has a row."""
    assert tuple(kind for kind, *_ in rows("decoding")) == get_args(decoding.DecodingKind)


def test_generator_constants() -> None:
    """Parity and rotations as the page prints them."""
    text = PAGE.read_text(encoding="utf-8")
    assert f"0x{prng.PARITY:X}" in text
    assert ", ".join(map(str, prng.ROTATIONS[:-1])) in text
    assert f"Threefry-2x32 with {prng.ROUNDS} rounds" in text
