"""Triton's interpreter runs the passes of a stack of networks, in a process of its own.

Triton reads whether it interprets when it is imported, and other tests import it to compile.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).with_name("interpreted_together.py")
COMPILE = """
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile

from ipvae_snn.training.together import gaussian_passes, poisson_passes

def compiled(kernel, **constants):
    names = kernel.arg_names
    types = {"seed_pointer": "*i64", "cutoff": "fp32"}
    signature = {
        name: "constexpr" if name in constants
        else types.get(name, "*fp32" if name.endswith("_pointer") else "i32")
        for name in names
    }
    values = {(names.index(name),): value for name, value in constants.items()}
    source = ASTSource(fn=kernel, signature=signature, constexprs=values)
    assert compile(source, target=GPUTarget("cuda", 90, 32)).asm["cubin"]

for first in (True, False):
    drawn = dict(IS_FIRST=first, IS_CUBIC=False, BLOCKS=64, SIZE=32)
    compiled(poisson_passes._forward, FLOOR=-8.0, **drawn)
    grown = dict(GROWTH=0.5, CHANGE_GROWTH=0.5, RECTIFIED=first, SIZE=256)
    compiled(gaussian_passes._forward, IS_FIRST=first, **grown)
    compiled(gaussian_passes._backward, **grown)
    compiled(poisson_passes._backward, FLOOR=-8.0, CODE_FORM=first, SIZE=256)
print("compiled")
"""


def test_passes_in_tritons_interpreter() -> None:
    pytest.importorskip("triton")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = subprocess.run(
        [*command, str(TESTS)],
        cwd=TESTS.parents[2],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "13 passed" in done.stdout, done.stdout


def test_passes_compile_for_a_gpu(tmp_path: Path) -> None:
    """To machine code of an H100, which needs none."""
    pytest.importorskip("triton")
    plain = {**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", COMPILE], env=plain, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout == "compiled\n"
