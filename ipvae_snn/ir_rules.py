"""The structural rules of an integer program (docs/ir.md, What a program holds), one by one."""

import numpy as np
import numpy.typing as npt

from ipvae_snn.errors import ProgramError
from ipvae_snn.fixed_point import ACCUMULATOR_BITS, MULTIPLIER_BITS, STATE_BITS, signed_limit
from ipvae_snn.ir import (
    MAX_COUNT_LIMIT,
    MAX_EXTRA_BITS,
    MAX_FRACTION_BITS,
    MAX_SHIFT,
    MIN_FRACTION_BITS,
    MIN_OCTAVES,
    VERSION,
    Connection,
    InputCode,
    IntegerNetwork,
    feedforward_range,
    worst_current,
    worst_partial_sum,
)
from ipvae_snn.sampler import MAX_PARTS_LOG2, SPLIT_OCTAVES, SamplerTables


def check(network: IntegerNetwork) -> None:
    """Check every rule; raise ProgramError with the first that is broken."""
    _check_shapes(network)
    _check_input(network.input)
    _check_neurons(network)
    _check_tables(network.tables)
    _check_accumulators(network)


def _require(holds: bool | np.bool_, message: str) -> None:
    if not holds:
        raise ProgramError(message)


def _check_shapes(network: IntegerNetwork) -> None:
    _require(
        network.version == VERSION,
        f"program version {network.version} is not {VERSION}, the one that this installation runs",
    )
    _require(network.feedforward.weights.ndim == 2, "feedforward weights must have two axes (K, M)")
    k, m = network.feedforward.weights.shape
    _require(k >= 1 and m >= 1, f"a program needs neurons and pixels, not {k} and {m}")
    height, width = network.input.image_shape
    _require(height * width == m, f"image shape {height}x{width} does not give {m} pixels")
    _require(
        (network.lateral is None) != (network.residual is None),
        "a program has either a lateral connection (one-layer) or residual neurons (two-layer)",
    )
    group = network.neurons
    wanted: list[tuple[str, npt.NDArray[np.generic], tuple[int, ...], type[np.generic]]] = [
        ("bias", group.bias, (k,), np.int32),
        ("self-inhibition", group.self_inhibition, (k,), np.int32),
        ("initial state", group.initial_state, (k,), np.int32),
        ("decoder weights", network.decoder.weights, (m, k), np.int16),
        ("decoder scale", network.decoder.scale, (m,), np.float32),
    ]
    if network.residual is not None:
        wanted.append(("loop inhibition", network.residual.loop_inhibition, (k,), np.int32))
    for name, connection, targets in _connections(network):
        wanted += [
            (f"{name} weights", connection.weights, (targets, _sources(name, k, m)), np.int8),
            (f"{name} multiplier", connection.multiplier, (targets,), np.int32),
            (f"{name} shift", connection.shift, (targets,), np.int32),
        ]
    for name, array, shape, dtype in wanted:
        _require(
            array.shape == shape and array.dtype == dtype,
            f"{name} is {array.dtype}{array.shape}, but K={k}, M={m} need {np.dtype(dtype)}{shape}",
        )
    for name, connection, _ in _connections(network):
        lowest = int(connection.weights.min())
        _require(lowest >= -127, f"{name} weights reach {lowest}; a symmetric int8 stops at -127")
        multiplier, shift = connection.multiplier, connection.shift
        _require(
            multiplier.min() >= 0 and multiplier.max() < 1 << MULTIPLIER_BITS,
            f"{name} multipliers {multiplier.min()}..{multiplier.max()} leave "
            f"0..{(1 << MULTIPLIER_BITS) - 1}",
        )
        _require(
            shift.min() >= 1 and shift.max() <= MAX_SHIFT,
            f"{name} shifts {shift.min()}..{shift.max()} leave 1..{MAX_SHIFT}",
        )
    _require(
        network.lateral is None or not np.diagonal(network.lateral.weights).any(),
        "the lateral diagonal must be 0: self-inhibition is the neuron's own",
    )
    _require(
        network.residual is None or 1 <= network.residual.limit <= signed_limit(ACCUMULATOR_BITS),
        f"the residual's limit is not in 1..{signed_limit(ACCUMULATOR_BITS)}",
    )
    _require(
        np.isfinite(network.decoder.scale).all() and (network.decoder.scale >= 0).all(),
        "decoder scales must be finite and not negative",
    )


def _connections(network: IntegerNetwork) -> list[tuple[str, Connection, int]]:
    """Return the name, the connection and the number of targets of all that the circuit has."""
    found = [("feedforward", network.feedforward, network.n_neurons)]
    if network.lateral is not None:
        found.append(("lateral", network.lateral, network.n_neurons))
    if network.residual is not None:
        found.append(("prediction", network.residual.prediction, network.n_pixels))
    return found


def _sources(name: str, k: int, m: int) -> int:
    return m if name == "feedforward" else k


def _check_input(code: InputCode) -> None:
    _require(0 <= code.zero_point <= 255, f"zero point {code.zero_point} is not in 0..255")
    _require(
        np.isfinite(code.scale) and code.scale > 0,
        f"input scale {code.scale} must be finite and above 0",
    )
    _require(code.kind in ("unit", "standardised"), f"input kind {code.kind!r} is not known")


def _check_neurons(network: IntegerNetwork) -> None:
    group = network.neurons
    bits, limit = group.fraction_bits, signed_limit(STATE_BITS)
    _require(
        MIN_FRACTION_BITS <= bits <= MAX_FRACTION_BITS,
        f"fraction bits {bits} are not in {MIN_FRACTION_BITS}..{MAX_FRACTION_BITS}",
    )
    _require(
        0 <= group.extra_bits <= MAX_EXTRA_BITS,
        f"extra bits {group.extra_bits} are not in 0..{MAX_EXTRA_BITS}",
    )
    lowest = (SPLIT_OCTAVES - MIN_OCTAVES) << bits
    highest = (SPLIT_OCTAVES + MAX_PARTS_LOG2) << bits
    _require(
        lowest <= group.state_min < group.state_max <= min(highest, limit),
        f"state limits {group.state_min}..{group.state_max} leave {lowest}..{min(highest, limit)}",
    )
    widest = limit >> group.extra_bits
    _require(
        -widest <= group.update_min < 0 < group.excitation_max <= widest,
        f"update limits {group.update_min}..{group.excitation_max} leave -{widest}..{widest}, or "
        "0 is not between them",
    )
    _require(
        1 <= group.max_count <= MAX_COUNT_LIMIT,
        f"largest count {group.max_count} is not in 1..{MAX_COUNT_LIMIT}",
    )
    _require(
        group.initial_state.min() >= group.state_min
        and group.initial_state.max() <= group.state_max,
        f"initial states leave {group.state_min}..{group.state_max}",
    )
    _require(
        group.self_inhibition.min() >= 0 and network.own_inhibition.max() <= limit,
        f"self-inhibition, the loop's included, must lie in 0..{limit}",
    )
    _require(
        network.residual is None or network.residual.loop_inhibition.min() >= 0,
        "the loop's inhibition must not be negative",
    )


def _check_tables(tables: SamplerTables) -> None:
    wanted = SamplerTables()
    for name in ("coarse", "fine", "reciprocal"):
        found = getattr(tables, name)
        _require(
            np.array_equal(found, getattr(wanted, name)),
            f"table {name!r} differs from version {VERSION}'s; the file was altered",
        )


def _check_accumulators(network: IntegerNetwork) -> None:
    limit = signed_limit(ACCUMULATOR_BITS)
    for name, connection, _ in _connections(network):
        low, high = feedforward_range(network)
        if name != "feedforward":
            low, high = 0, network.neurons.max_count
        bound = worst_partial_sum(connection.weights, low, high)
        worst = int(bound.argmax())
        _require(
            bound[worst] <= limit,
            f"the {name} sum of neuron {worst} can reach {bound[worst]}, beyond the "
            f"{ACCUMULATOR_BITS}-bit accumulator's {limit}; convert with smaller weights or counts",
        )
    current = worst_current(network)
    worst = int(current.argmax())
    _require(
        current[worst] <= signed_limit(STATE_BITS),
        f"the held current of neuron {worst} can reach {current[worst]}, beyond the "
        f"{STATE_BITS}-bit {signed_limit(STATE_BITS)}; convert with fewer extra bits",
    )
