"""Triton's kernels, interpreted on the CPU in a process of its own, against the reference."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from circuits import replace

from ipvae_snn.backends import triton_circuit
from ipvae_snn.errors import BackendError, BackendUnavailableError
from ipvae_snn.ir.decoding import MAP, Decoding
from ipvae_snn.ir.files import save_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest

# Triton reads its setting when it is imported, and other tests shall not run interpreted.
COMPARE = """
import sys
from pathlib import Path
import numpy as np
from ipvae_snn.backends import triton_circuit
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.files import load_network
from ipvae_snn.ir.trace import RunRequest

for file in sorted(Path(sys.argv[1]).glob("*.safetensors")):
    network = load_network(file)
    pixels = np.load(file.with_suffix(".npy"))
    for shown, trace in ((pixels, True), (pixels[:, 0], False)):
        request = RunRequest(2, seed=2**32 - 1, first_image=5, trace=trace)
        expected = interpreter.run(network, shown, request).arrays()
        result = triton_circuit.run(network, shown, request).arrays()
        assert result.keys() == expected.keys()
        for name, want in expected.items():
            assert result[name].dtype == want.dtype, name
            np.testing.assert_array_equal(result[name], want, err_msg=f"{file} {name}")
        assert expected["counts_sum"].any()
    print(file.stem, "equal")
"""

COMPILE = """
from triton import compile
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from ipvae_snn.backends import triton_kernels

def compiled(kernel, types, **given):
    types = {**types, **dict.fromkeys(given, "constexpr")}
    source = ASTSource(fn=kernel, signature=types, constexprs=given)
    return compile(source, target=GPUTarget("cuda", 90, 32)).asm

words = dict.fromkeys(("state", "counts"), "*i32")
longs = dict.fromkeys(("totals", "images", "hits", "tables"), "*i64")
numbers = {"seed": "i64", "step": "i32", "K": "i32", "max_count": "i32"}
one = compiled(triton_kernels.draw, {**words, **longs, **numbers}, bits=12, BLOCK=64)
more = {"held": "*i64", "hits": "*i64", "weights": "*i8", "neurons": "*i64", "N": "i32", "K": "i32"}
types = {**words, **more, "limits": "*i64"}
two = compiled(triton_kernels.update, types, extra=7, DIGITS=2, ROWS=16, BLOCK=64)
for each in (one, two):
    assert each["cubin"]
    print("mma" in each["ptx"])
"""


def test_kernels_equal_the_interpreter(
    network_factory: Callable[..., IntegerNetwork], tmp_path: Path
) -> None:
    """A small network; one whose potentials rest high, in many parts; one of several blocks."""
    pytest.importorskip("triton")
    small = network_factory()
    group, rng = small.neurons, np.random.default_rng(0)
    bits = group.fraction_bits
    high = replace(
        small,
        neurons=replace(
            group,
            state_max=7 << bits,
            initial_state=rng.integers(0, 7 << bits, small.n_neurons).astype(np.int32),
            max_count=300,
        ),
    )
    large = network_factory(neurons=70)
    large = large.with_decoding(Decoding("mean", 5))  # of more steps than there are
    high = high.with_decoding(MAP)
    for name, network in {"small": small, "high": high, "large": large}.items():
        save_network(network, tmp_path / f"{name}.safetensors")
        n = 17 if name == "small" else 1  # more than a block of images
        pixels = rng.integers(0, 256, (n, 2, network.n_pixels)).astype(np.uint8)
        np.save(tmp_path / f"{name}.npy", pixels)
    command = [sys.executable, "-c", COMPARE, str(tmp_path)]
    interpreted = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(command, env=interpreted, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split("\n")[:-1] == ["high equal", "large equal", "small equal"]


def test_kernels_compile_for_a_gpu(tmp_path: Path) -> None:
    """To machine code of an H100, which needs none; sums are products of the tensor cores."""
    pytest.importorskip("triton")
    command = [sys.executable, "-c", COMPILE]
    plain = {**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(command, env=plain, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout == "False\nTrue\n"


def test_only_one_layer_circuits_run(two_layer: IntegerNetwork) -> None:
    with pytest.raises(BackendError, match="one-layer circuits whose weights are matrices"):
        triton_circuit.BACKEND.prepare(two_layer)


def test_what_is_missing_is_said(network: IntegerNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triton_circuit, "advice", lambda: "no CUDA device; use torch")
    pixels = np.zeros((1, network.n_pixels), np.uint8)
    with pytest.raises(BackendUnavailableError, match="triton: no CUDA device"):
        triton_circuit.run(network, pixels, RunRequest(1))
