"""Chunks on a Dask cluster: bit for bit those of one process, also where a worker is lost."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ipvae_snn.data import load
from ipvae_snn.errors import BackendError, ConfigError, DataError
from ipvae_snn.evaluation import evaluate as evaluation
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.files import save_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.stop import Stop
from ipvae_snn.ir.trace import RunRequest, Trace
from ipvae_snn.models.float_network import load_float_network
from ipvae_snn.pretrained import network_path
from ipvae_snn.workflows import cluster
from ipvae_snn.workflows.cluster import ClusterChoice, cluster_of, connected
from ipvae_snn.workflows.evaluate_cluster import spread_on
from ipvae_snn.workflows.run_chunks import Chunk
from ipvae_snn.workflows.run_cluster import on_cluster
from ipvae_snn.workflows.run_figures import Shown

distributed = pytest.importorskip("distributed")

N = 37
REQUEST = RunRequest(6, seed=4, first_image=11, trace=True)
Run = Callable[..., tuple[int, str, str]]
Pixels = Callable[..., np.ndarray]


def chunks_of(levels: np.ndarray, size: int) -> Iterator[Chunk]:
    for first in range(0, len(levels), size):
        part = levels[first : first + size]
        yield Chunk(first, part, Shown(part, None, 0))


def check(levels: np.ndarray, done: list[tuple[Chunk, Trace]], expected: Trace) -> None:
    """Every chunk came once, and is that part of the reference's trace."""
    assert sorted(chunk.first for chunk, _ in done) == sorted({chunk.first for chunk, _ in done})
    assert sum(len(chunk.levels) for chunk, _ in done) == len(levels)
    for chunk, trace in done:
        rows = slice(chunk.first, chunk.first + len(chunk.levels))
        for name, array in expected.arrays().items():
            np.testing.assert_array_equal(trace.arrays()[name], array[rows])


@pytest.mark.parametrize("workers", [1, 2])
def test_neither_workers_nor_chunks_change_a_bit(
    network: IntegerNetwork, pixels_factory: Pixels, workers: int
) -> None:
    levels = pixels_factory(network, N)
    expected = interpreter.run(network, levels, REQUEST)
    with distributed.Client(
        n_workers=workers, threads_per_worker=1, processes=False, dashboard_address=None
    ) as client:
        for size in (1, 5, N):
            execute = on_cluster(client, network, "compiled", threads=1)
            check(levels, list(execute(chunks_of(levels, size), REQUEST, print)), expected)


def test_few_chunks_are_taken_ahead(network: IntegerNetwork, pixels_factory: Pixels) -> None:
    """Memory does not depend on the number of images."""
    levels, taken = pixels_factory(network, 30), []

    def counted() -> Iterator[Chunk]:
        for chunk in chunks_of(levels, 1):
            taken.append(chunk.first)
            yield chunk

    with distributed.Client(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
    ) as client:
        execute = on_cluster(client, network, "reference", threads=1)
        for done, _ in enumerate(execute(counted(), replace(REQUEST, trace=False), print)):
            assert len(taken) <= done + 2 * cluster.AHEAD


def test_an_error_on_a_worker_is_that_of_the_back_end(
    network: IntegerNetwork, pixels_factory: Pixels
) -> None:
    chunk = Chunk(0, pixels_factory(network, 2)[:, 1:], Shown(None, None, 0))
    with distributed.Client(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as client:
        execute = on_cluster(client, network, "compiled", threads=1)
        with pytest.raises(DataError, match="the network takes uint8 images of 4x3"):
            list(execute(iter([chunk]), REQUEST, print))


def test_images_stop_on_workers_as_in_one_process(
    network: IntegerNetwork, pixels_factory: Pixels
) -> None:
    levels, request = pixels_factory(network, N), replace(REQUEST, steps=20, stop=Stop(1000, 3))
    expected = interpreter.run(network, levels, request)
    assert expected.steps_taken is not None
    assert len(set(expected.steps_taken.tolist())) > 2  # or the test would show little
    with distributed.Client(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
    ) as client:
        execute = on_cluster(client, network, "compiled", threads=1)
        check(levels, list(execute(chunks_of(levels, 5), request, print)), expected)


@pytest.mark.slow
def test_a_lost_worker_costs_its_chunk_only(
    network: IntegerNetwork, pixels_factory: Pixels
) -> None:
    levels, request = pixels_factory(network, 60), replace(REQUEST, steps=60)
    expected = interpreter.run(network, levels, request)
    with connected(ClusterChoice(workers=2)) as client:
        processes = client.run(os.getpid)
        execute = on_cluster(client, network, "reference", threads=1)
        done = []
        for chunk, trace in execute(chunks_of(levels, 3), request, print):
            done.append((chunk, trace))
            if len(done) == 4:
                os.kill(min(processes.values()), signal.SIGKILL)
        assert client.run(os.getpid) != processes  # another took the place of the one that is lost
    check(levels, done, expected)


@pytest.mark.slow
def test_a_run_on_a_local_cluster(network: IntegerNetwork, tmp_path: Path, run: Run) -> None:
    save_network(network, tmp_path / "net.safetensors")
    np.save(tmp_path / "images.npy", np.random.default_rng(0).standard_normal((N, 4, 3)))
    common = ("run", tmp_path / "net.safetensors", "--data", tmp_path / "images.npy", "--steps", 5)
    assert run(*common, "--out", tmp_path / "one")[0] == 0
    cut = ("--chunk", 5, "--scheduler", "local", "--workers", 2)
    code, text, error = run(*common, "--out", tmp_path / "two", *cut)
    assert (code, error.count("error")) == (0, 0)
    assert "2 workers of local" in " ".join(text.split())
    for path in sorted((tmp_path / "one").glob("*.npy")):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


REFUSED = {
    "foo": (ClusterChoice("foo"), ConfigError, "--scheduler is 'foo'; give local, or an address a"),
    "workers": (ClusterChoice("tcp://a:1", 2), ConfigError, "--workers 2 is for --scheduler local"),
    "deaf": (ClusterChoice("tcp://127.0.0.1:9"), BackendError, "no Dask scheduler answers within "),
    "kind": (ClusterChoice("abc://127.0.0.1:9"), BackendError, "no Dask scheduler answers within "),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_cluster_is_one_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "WAIT_S", 0.3)
    choice, kind, said = REFUSED[name]
    with pytest.raises(kind, match=said), connected(choice):
        pass


def test_a_scheduler_without_workers_or_with_other_versions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=None) as empty:
        with pytest.raises(BackendError, match="has no workers; start some with `dask worker"):
            cluster._check_workers(distributed.Client(empty), "tcp://there:1")
        empty.scale(1)
        with distributed.Client(empty) as client:
            client.wait_for_workers(1)
            cluster._check_workers(client, "tcp://there:1")
            monkeypatch.setattr(cluster, "_version", lambda: "0.0.1")
            with pytest.raises(BackendError, match=r"has ipvae-snn 0\.0\.1, but this is"):
                cluster._check_workers(client, "tcp://there:1")


def test_without_dask_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with (
        pytest.raises(
            ConfigError, match=r"needs Dask \(.*\); install it with pip install 'ipvae-s"
        ),
        connected(ClusterChoice()),
    ):
        pass


def test_workers_alone_mean_a_local_cluster() -> None:
    assert cluster_of(None, None) is None
    assert cluster_of(None, 3) == ClusterChoice("local", 3)
    assert cluster_of("tcp://a:1", None) == ClusterChoice("tcp://a:1")


def test_an_evaluation_on_workers_is_that_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "CHUNK", 10)
    network = load_float_network(network_path("digits"))
    images, request = load("digits", "test", limit=35), evaluation.request_of(network, 6, 3)
    seen: list[int] = []
    expected = evaluation.evaluate(network, images, request, shown=12)
    rates = evaluation.final_rates(network, images, request)
    with distributed.Client(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
    ) as client:
        spread = spread_on(client)
        result = evaluation.evaluate(
            network, images, request, shown=12, report=seen.append, spread=spread
        )
        again = evaluation.final_rates(network, images, request, spread=spread)
    assert result.evaluation == expected.evaluation
    assert sum(seen) == 35 * 6
    np.testing.assert_array_equal(result.rates, expected.rates)
    np.testing.assert_array_equal(again, rates)
    for found, wanted in ((result.samples, expected.samples), (result.maps, expected.maps)):
        assert found.keys() == wanted.keys()
        for step, array in wanted.items():
            assert len(array) == 12
            np.testing.assert_array_equal(found[step], array)


@pytest.mark.slow
def test_evaluate_on_a_local_cluster(run: Run) -> None:
    common = ("evaluate", "digits", "--data", "digits", "--limit", 20, "--steps", 4, "--json")
    code, alone, _ = run(*common, "--readout-train", 60)
    assert code == 0
    code, text, _ = run(*common, "--readout-train", 60, "--workers", 2)
    assert code == 0
    figures, wanted = json.loads(text), json.loads(alone)
    for timed in ("seconds", "us_per_image_step"):
        assert figures.pop(timed) != wanted.pop(timed)
    assert figures == wanted
    code, _, error = run("evaluate", "digits", "--data", "digits", "--frames", 4, "--workers", 2)
    assert code == 1
    assert "--scheduler and --workers are for still images; leave them out" in error
