"""Start and advance of every engine: traces, division into calls, nothing written in place."""

from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np
import pytest

import small
from ipvae_snn.backends import compiled
from ipvae_snn.errors import DataError
from ipvae_snn.inference import fast, reference
from ipvae_snn.ir.circuit_steps import held
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.kernels import rows
from ipvae_snn.kernels.rows import Engine, Progress
from ipvae_snn.models.float_network import FloatNetwork

N, M, K = 7, 12, 9


def float_network() -> FloatNetwork:
    rng = np.random.default_rng(0)
    return small.float_network(
        phi=rng.normal(0, 0.5, (M, K)).astype(np.float32),
        log_sigma=np.full(M, -0.3, np.float32),
        u0=rng.uniform(-1, 0, K).astype(np.float32),
        log_bias=np.full(K, -2, np.float32),
    )


@pytest.fixture(params=["integer", "integer-two-layer", "float64", "float64-leaky", "float32"])
def case(
    request: pytest.FixtureRequest,
    network_factory: Callable[..., IntegerNetwork],
    two_layer_factory: Callable[..., IntegerNetwork],
    pixels_factory: Callable[..., np.ndarray],
) -> tuple[Engine, np.ndarray]:
    """An engine with the drive of N images."""
    drive = np.random.default_rng(1).normal(0, 2, (N, K))
    if request.param == "float32":
        network = replace(float_network(), updates_per_step=2, leak=0.1)
        return fast.gram_network(network).engine, drive.astype(np.float32)
    if request.param.startswith("float64"):
        d = reference.dynamics(float_network())
        return reference.engine(
            replace(d, updates=2, leak=0.1) if "-" in request.param else d
        ), drive
    make = two_layer_factory if "-" in request.param else network_factory
    network = make()
    return compiled.prepare(network).engine, held(network, pixels_factory(network, N))


def arrays(progress: Progress) -> dict[str, np.ndarray]:
    return progress.rows._asdict()


def test_cuts_in_images_steps_and_threads_change_nothing(case: tuple[Engine, np.ndarray]) -> None:
    engine, drive = case
    whole = rows.advance(engine, rows.start(engine, drive, 3, 5), 8, trace=True)
    for first, last in ((0, 2), (2, N)):
        part, records = rows.start(engine, drive[first:last], 3, 5 + first), []
        for steps, threads in ((1, 3), (5, 1), (2, 2)):
            part = rows.advance(engine, part, steps, threads, trace=True)
            records.append(part.record)
        assert part.step == whole.step == 8
        for name, result in arrays(part).items():
            np.testing.assert_array_equal(result, arrays(whole)[name][first:last], name)
        for wanted, *result in zip(whole.record, *records, strict=True):
            np.testing.assert_array_equal(np.concatenate(result, axis=1), wanted[first:last])


def test_a_trace_is_what_single_steps_leave(case: tuple[Engine, np.ndarray]) -> None:
    engine, drive = case
    progress = rows.start(engine, drive)
    whole = rows.advance(engine, progress, 5, trace=True)
    sums = np.zeros_like(whole.counts_sum)
    for t in range(5):
        progress = rows.advance(engine, progress, 1)
        np.testing.assert_array_equal(progress.state, whole.trace_states[:, t])
        np.testing.assert_array_equal(progress.counts, whole.trace_counts[:, t])
        spikes = progress.counts_sum.sum(axis=1) - sums.sum(axis=1)
        np.testing.assert_array_equal(spikes, whole.spikes_per_step[:, t])
        sums = progress.counts_sum
    assert sums.sum() > 0
    assert progress.trace_counts.shape == (0, 1, len(engine.initial_state))


def test_what_is_handed_in_stays(case: tuple[Engine, np.ndarray]) -> None:
    engine, drive = case
    before = rows.advance(engine, rows.start(engine, drive), 2)
    kept = {name: array.copy() for name, array in arrays(before).items()}
    rows.advance(engine, before, 3)
    for name, array in arrays(before).items():
        np.testing.assert_array_equal(array, kept[name], name)
    assert {field.name for field in fields(before)} == {"step", "seed", "rows", "record"}


def test_no_order_of_the_drive_compiles_again(case: tuple[Engine, np.ndarray]) -> None:
    engine, drive = case
    expected = rows.advance(engine, rows.start(engine, drive), 2)
    kinds = len(engine.advance_rows.signatures)  # type: ignore[attr-defined] # numba's
    result = rows.advance(engine, rows.start(engine, np.asfortranarray(drive)), 2)
    np.testing.assert_array_equal(result.state, expected.state)
    assert len(engine.advance_rows.signatures) == kinds  # type: ignore[attr-defined] # numba's


def test_no_step_is_no_advance(case: tuple[Engine, np.ndarray]) -> None:
    engine, drive = case
    with pytest.raises(DataError, match=r"^0 steps from step 0 leave 1\.\."):
        rows.advance(engine, rows.start(engine, drive), 0)
