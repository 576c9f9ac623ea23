"""Print the figures of docs/loihi2.md: instructions and errors of the pseudo-microcode.

    python docs/examples/microcode_figures.py [net.safetensors ...]

For your own networks it also prints the bits that their constants need; a word has 24. It takes two
seconds. Nothing is simulated: the sampler's law is computed from its probabilities.
"""

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from microcode import (
    UNIT,
    Int64,
    Machine,
    exp2_negative,
    integrate,
    next_probability,
    part_count,
    part_probability,
    part_rate,
    residual,
    scale,
    threefry,
)
from scipy.stats import poisson

from ipvae_snn.ir import fixed_point, sampler
from ipvae_snn.ir.files import load_network
from ipvae_snn.ir.fixed_point import (
    ACCUMULATOR_BITS,
    LOG2E,
    LOG2E_BITS,
    MULTIPLIER_BITS,
    STATE_BITS,
)
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.neurons.poisson import MAX_COUNT_LIMIT
from ipvae_snn.ir.parts import Synapses
from ipvae_snn.ir.sampler import MAX_PART_COUNT, SPLIT_OCTAVES, SamplerTables


def law(v: Int64, fraction_bits: int, split: int) -> npt.NDArray[np.float64]:
    """Return the exact law (n, counts) of one part at potentials v (n,), up to `split` octaves.

    As in the integer network, the probability that the floors leave over goes to the last count
    that can occur.
    """
    m = Machine()
    rate, _ = part_rate(m, v, fraction_bits, split)
    probability = part_probability(m, rate, split)
    columns = [probability]
    k = 0
    while probability.any():
        k += 1
        probability = next_probability(m, probability, rate, k, split)
        columns.append(probability)
    table = np.stack(columns, axis=1)
    possible = np.cumprod(table > 0, axis=1).astype(bool)
    table = np.where(possible, table, 0)
    last = possible.sum(axis=1) - 1
    table[np.arange(len(v)), last] += (1 << UNIT) - table.sum(axis=1)
    return table / (1 << UNIT)


def distances(fraction_bits: int, split: int) -> dict[str, float]:
    """Return the largest distances to Poisson over every potential of -12 to `split` octaves."""
    v = np.arange(-12 << fraction_bits, (split << fraction_bits) + 1, dtype=np.int64)
    found = law(v, fraction_bits, split)
    true_rate = np.exp2(v / (1 << fraction_bits))
    counts = np.arange(found.shape[1])
    true = poisson.pmf(counts, true_rate[:, np.newaxis])
    beyond = poisson.sf(counts[-1], true_rate)
    mean = found @ counts / true_rate - 1.0
    quick = true_rate >= 2.0**-4
    return {
        "largest count": int(counts[-1]) - 1,
        "total variation": float((np.abs(found - true).sum(axis=1) + beyond).max() / 2),
        "mean": float(np.abs(mean).max()),
        "mean above 1/16": float(np.abs(mean[quick]).max()),
    }


def operations() -> dict[str, Counter[str]]:
    """Return the instructions that each operation executes for one neuron, by mnemonic."""
    one, half = np.array([1], dtype=np.int64), np.array([1 << (UNIT - 1)], dtype=np.int64)
    silent, sure = np.array([0], dtype=np.int64), np.array([(1 << UNIT) - 1], dtype=np.int64)

    def count_of(uniform: Int64, most: int) -> Callable[[Machine], object]:
        return lambda m: part_count(m, half, uniform, 0, most)

    sequences: dict[str, Callable[[Machine], object]] = {
        "scale a sum": lambda m: scale(m, one, one, 12),
        "integrate, one-layer": lambda m: integrate(
            m, one, one, one, one, one, 7, (-9, 9), (-9, 9)
        ),
        "integrate, two-layer": lambda m: integrate(
            m, one, one, one, one, one, 7, (-9, 9), (-9, 9), (one, one)
        ),
        "residual": lambda m: residual(m, one, one, 300),
        "rate of a part": lambda m: part_rate(m, one, 12, 0),
        "P(0) and count 0 of a part": count_of(silent, 1),
        "uniforms, keyed": lambda m: threefry(m, (0, 0), one, one),
    }
    counts: dict[str, Counter[str]] = {}
    for name, execute in sequences.items():
        machine = Machine()
        execute(machine)
        counts[name] = machine.counts
    two, three = Machine(), Machine()
    part_count(two, half, sure, 0, 2)
    part_count(three, half, sure, 0, 3)
    counts["every further count"] = three.counts - two.counts
    return counts


def instruction_table() -> str:
    """Return the instructions of each operation, as Markdown."""
    lines = ["| operation | instructions | which |", "| --- | ---: | --- |"]
    for name, counts in operations().items():
        which = ", ".join(f"{n} {mnemonic}" for mnemonic, n in sorted(counts.items()))
        lines.append(f"| {name} | {sum(counts.values())} | {which} |")
    return "\n".join(lines)


def distance_table() -> str:
    """Return the 24-bit sampler's distance from Poisson, by the largest rate of a part."""
    lines = [
        "| rate of a part, at most | largest count | total variation | mean, relative | "
        "the same, rates above 1/16 |",
        "| ---: | ---: | ---: | ---: | ---: |",
    ]
    for split in range(4):
        found = distances(12, split)
        lines.append(
            f"| {1 << split} | {found['largest count']:.0f} | {found['total variation']:.1e} | "
            f"{found['mean']:.1e} | {found['mean above 1/16']:.1e} |"
        )
    return "\n".join(lines)


def operands() -> dict[str, tuple[int, int]]:
    """Return the largest factors of every product of the integer network (docs/ir.md), F = 12."""
    tables = SamplerTables()
    v = np.arange(-12 << 12, (SPLIT_OCTAVES << 12) + 1, dtype=np.int64)
    rate = sampler.part_rate(v, 12, tables)
    probability = fixed_point.exp2_negative(
        fixed_point.multiply_shift(rate, LOG2E, LOG2E_BITS), tables.coarse, tables.fine
    )
    scaled = largest_probability = 0
    for k in range(1, MAX_PART_COUNT + 1):
        largest_probability = max(largest_probability, int(probability.max()))
        product = fixed_point.multiply_shift(probability, rate, fixed_point.RATE_BITS)
        scaled = max(scaled, int(product.max()))
        probability = fixed_point.multiply_shift(
            product, tables.reciprocal[k], fixed_point.RECIPROCAL_BITS
        )
    sums, state = 1 << (ACCUMULATOR_BITS - 1), 1 << (STATE_BITS - 1)
    one = 1 << fixed_point.PROBABILITY_BITS
    return {
        "sum x multiplier": (sums - 1, (1 << MULTIPLIER_BITS) - 1),
        "self-inhibition x count": (state - 1, MAX_COUNT_LIMIT),
        "coarse x fine": (int(tables.coarse.max()), int(tables.fine.max())),
        "their product x rest": (one, one),
        "rate x log2 e": (int(rate.max()), LOG2E),
        "probability x rate": (largest_probability, int(rate.max())),
        "that x 1 / k": (scaled, int(tables.reciprocal.max())),
    }


def operand_table() -> str:
    """Return the widths of the integer network's products, as Markdown."""
    lines = ["| product | bits of the factors | bits of the product |", "| --- | ---: | ---: |"]
    for name, (a, b) in operands().items():
        lines.append(f"| {name} | {a.bit_length()}, {b.bit_length()} | {(a * b).bit_length()} |")
    return "\n".join(lines)


def fit(network: IntegerNetwork) -> dict[str, int]:
    """Return the bits, sign included, that a network's constants need in the pseudo-microcode.

    The constants: the multipliers of a connection, all at its largest shift, and the width of the
    clamps.
    """
    connections: dict[str, Synapses | None] = {
        "feedforward": network.feedforward,
        "lateral": network.lateral,
        "prediction": None if network.residual is None else network.residual.prediction,
    }
    bits = {
        f"{name} multiplier": int(common_multiplier(c).max()).bit_length() + 1
        for name, c in connections.items()
        if c is not None
    }
    group = network.neurons
    width = (group.excitation_max - group.update_min) << group.extra_bits
    return {**bits, "width of the clamps": width.bit_length() + 1}


def common_multiplier(connection: Synapses) -> Int64:
    """Return the multipliers of a connection whose neurons all use its largest shift."""
    missing = int(connection.shift.max()) - connection.shift.astype(np.int64)
    return connection.multiplier.astype(np.int64) << missing


def exponential_error() -> float:
    """Return the largest error of 2^-x, x in [0, 1), in units of 2^-UNIT, at all 2^UNIT inputs."""
    x = np.arange(1 << UNIT, dtype=np.int64)
    found = exp2_negative(Machine(), x, UNIT)
    return float(np.abs(found - np.exp2(UNIT - x / (1 << UNIT))).max())


if __name__ == "__main__":
    print(operand_table())
    print()
    print(instruction_table())
    print()
    print(distance_table())
    print(f"\n2^-x on [0, 1): at most {exponential_error():.2f} units of 2^-{UNIT} off")
    for path in sys.argv[1:]:
        needs = ", ".join(f"{name} {bits}" for name, bits in fit(load_network(Path(path))).items())
        print(f"{path}, bits: {needs}")
