"""Results read back: sound ones as they were written, all others refused in one line."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

import small
from ipvae_snn.errors import FileFormatError
from ipvae_snn.inference.reference import run_float
from ipvae_snn.ir.interpreter import run as interpret
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.result_files import read_result
from ipvae_snn.ir.trace import RunRequest

Arrays = dict[str, np.ndarray]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def arrays(network: IntegerNetwork, pixels_factory: Callable[..., np.ndarray]) -> Arrays:
    """Arrays of a run of 4 images, 6 steps, 7 neurons and 12 pixels."""
    trace = interpret(network, pixels_factory(network, 4), RunRequest(6, trace=True))
    return dict(trace.arrays())


def test_a_sound_result_comes_back(arrays: Arrays, tmp_path: Path) -> None:
    for kept in (arrays, {n: a for n, a in arrays.items() if n not in ("counts", "states")}):
        np.savez(tmp_path / "r.npz", **kept, seconds=np.array(1.5))
        result = read_result(tmp_path / "r.npz")
        assert result.keys() == kept.keys() | {"seconds"}
        for name, array in kept.items():
            np.testing.assert_array_equal(result[name], array)


def test_a_float_result_of_several_updates_per_step_comes_back(tmp_path: Path) -> None:
    """Its counts are those of the last update, and its sums those of all."""
    rng = np.random.default_rng(0)
    values = {name: rng.normal(size=shape) for name, shape in (("phi", (12, 5)), ("u0", (5,)))}
    float32 = {name: value.astype(np.float32) for name, value in values.items()}
    network = small.float_network(
        **float32,
        log_sigma=np.zeros(12, np.float32),
        log_bias=np.zeros(5, np.float32),
        updates_per_step=3,
    )
    trace = run_float(network, np.zeros((2, 12), np.float32), RunRequest(4, trace=True))
    assert trace.counts is not None
    assert not np.array_equal(trace.counts.sum(axis=1), trace.counts_sum)
    trace.save(tmp_path / "r.npz")
    assert read_result(tmp_path / "r.npz").keys() == trace.arrays().keys()


def with_nan(array: np.ndarray) -> np.ndarray:
    result = array.astype(np.float64)
    result.flat[0] = np.nan
    return result


SPOIL: Mapping[str, tuple[Callable[[Arrays], object], str]] = {
    "NaN": (
        lambda a: a.update(reconstruction=with_nan(a["reconstruction"])),
        "reconstruction holds values that are not finite",
    ),
    "NaN in counts": (
        lambda a: a.update(counts_sum=with_nan(a["counts_sum"])),
        "counts_sum holds float64, not whole numbers",
    ),
    "negative counts": (
        lambda a: a.update(counts_sum=a["counts_sum"] - 10**6),
        ", but counts are 0..",
    ),
    "enormous counts": (
        lambda a: a.update(counts_sum=a["counts_sum"] + (1 << 62)),
        ", but counts are 0..",
    ),
    "counts of text": (
        lambda a: a.update(spikes_per_step=a["spikes_per_step"].astype("U5")),
        "spikes_per_step holds <U5, not whole numbers",
    ),
    "a scalar": (
        lambda a: a.update(counts_sum=np.array(3)),
        "counts_sum has shape (), but it needs (N, K)",
    ),
    "one axis": (
        lambda a: a.update(spikes_per_step=a["spikes_per_step"][0]),
        "spikes_per_step has shape (6,), but it needs (N, T)",
    ),
    "other images": (
        lambda a: a.update(state=a["state"][:2]),
        "state has shape (2, 7), but it needs (N, K), none of them 0, with N=4, K=7",
    ),
    "other neurons": (
        lambda a: a.update(counts=a["counts"][..., :3]),
        "counts has shape (4, 6, 3), but it needs (N, T, K)",
    ),
    "no image": (
        lambda a: a.update({name: array[:0] for name, array in a.items()}),
        "counts_sum has shape (0, 7), but it needs",
    ),
    "altered counts": (
        lambda a: a["counts"].__setitem__((0, 0, 0), a["counts"][0, 0, 0] + 1),
        "its counts do not add up to each other",
    ),
    "altered sums": (
        lambda a: a["counts_sum"].__setitem__((0, 0), a["counts_sum"][0, 0] + 1),
        "its counts do not add up to each other",
    ),
    "nothing but images": (
        lambda a: [a.pop(name) for name in list(a) if name != "reconstruction"],
        "it has no counts_sum and no spikes_per_step; give what `ipvae-snn run` wrote",
    ),
}


@pytest.mark.parametrize("what", SPOIL)
def test_spoilt_results_are_refused(what: str, arrays: Arrays, tmp_path: Path) -> None:
    spoil, message = SPOIL[what]
    spoil(arrays)
    path = tmp_path / "r.npz"
    np.savez(path, **arrays)
    with pytest.raises(FileFormatError, match=re.escape(message)) as caught:
        read_result(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_the_command_line_refuses_them_too(arrays: Arrays, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "r.npz"
    np.savez(path, **arrays | {"\x1b[31m" + "n" * 5000: np.zeros(2)})
    code, out, error = run("inspect", path)
    assert (code, error) == (0, "")
    assert "\x1b" not in out
    assert r"\x1b[31mnnn" in out
    assert "n" * 200 not in out
    np.savez(path, **arrays | {"\x1b[31m[/bold]" + "n" * 5000: np.full(2, np.nan)})
    code, out, error = run("inspect", path, "--json")
    assert (code, out) == (1, "")
    assert error.count("\n") == 1
    assert "\x1b" not in error
    assert len(error) <= 400
