"""docs/ir.md is the specification: its tables must agree with the code."""

import re
from pathlib import Path

import numpy as np
import pytest

from ipvae_snn.ir import files, fixed_point, network, parts, prng, sampler, trace
from ipvae_snn.ir.network import IntegerNetwork

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
    homes = (fixed_point, prng, sampler)
    table = rows("name")
    assert len(table) >= 13
    for name, value, _ in table:
        home = next(module for module in homes if hasattr(module, name))
        assert getattr(home, name) == int(value), name


def test_tensors_are_the_files(network: IntegerNetwork, two_layer: IntegerNetwork) -> None:
    """Names, types and shapes of every tensor in a file of either circuit, and no other."""
    k, m = network.n_neurons, network.n_pixels
    sizes = {"K": k, "M": m, "256": 256, "29": 29}
    documented, belongs = {}, {}
    for name, kind, meaning in rows("tensor"):
        belongs[name] = meaning.partition(":")[0]
        dtype, shape = re.fullmatch(r"(\w+) \(([^)]*)\)", kind).groups()  # type: ignore[union-attr]  # a row of another form must fail
        documented[name] = (np.dtype(dtype), tuple(sizes[s.strip()] for s in shape.split(",")))
    for integer, other in ((network, "two-layer"), (two_layer, "one-layer")):
        result = {n: (a.dtype, a.shape) for n, a in files.to_arrays(integer).items()}
        assert result == {n: kind for n, kind in documented.items() if belongs[n] != other}


def test_scalars_are_the_files(two_layer: IntegerNetwork) -> None:
    """Every scalar of a file stands on the page by name."""
    text = PAGE.read_text(encoding="utf-8")
    scalars = files.to_scalars(two_layer)
    names = {*scalars["input"], *scalars["neurons"], *scalars} - {"input", "neurons", "version"}
    assert {name for name in names if f"`{name}`" not in text} == set()


def test_saturations_are_the_traces() -> None:
    """The kinds that the page names are those of the trace, in its order."""
    text = PAGE.read_text(encoding="utf-8").partition("`saturated[t]` counts")[2]
    assert tuple(re.findall(r"`(\w+)` \(", text))[:5] == trace.SATURATIONS


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (r"in 1\.\.(\d+)\n|in 1\.\.(\d+) \|", parts.MAX_SHIFT),
        (r"`fraction_bits` \(4\.\.(\d+)\)", parts.MAX_FRACTION_BITS),
        (r"`extra_bits` \(0\.\.(\d+)\)", parts.MAX_EXTRA_BITS),
        (r"# The integer network, version (\d+)", network.VERSION),
        (r"at least -(\d+) octaves", parts.MIN_OCTAVES - sampler.SPLIT_OCTAVES),
        (r"`state_max` at most (\d+)", sampler.SPLIT_OCTAVES + sampler.MAX_PARTS_LOG2),
    ],
)
def test_limits_in_the_text(words: str, value: int) -> None:
    """Numbers in running text."""
    result = re.search(words, PAGE.read_text(encoding="utf-8"))
    assert result is not None, words
    assert int(next(group for group in result.groups() if group)) == value


def test_generator_constants() -> None:
    """Parity and rotations as the page prints them."""
    text = PAGE.read_text(encoding="utf-8")
    assert f"0x{prng.PARITY:X}" in text
    assert ", ".join(map(str, prng.ROTATIONS[:-1])) in text
    assert f"Threefry-2x32 with {prng.ROUNDS} rounds" in text
