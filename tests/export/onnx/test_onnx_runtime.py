"""ONNX Runtime is imported in one place, and gathers no telemetry for the toolkit."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ipvae_snn.export.onnx import onnx_runtime

ROOT = Path(__file__).parents[3]
# Runs a model, as a user of the back end does, and reports the variable.
PROGRAM = """
import os
from onnx import TensorProto, helper
from ipvae_snn.export.onnx.backend import runtime
import numpy as np
ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
graph = helper.make_graph([helper.make_node("Identity", "x", "y")], "g", ends[:1], ends[1:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
print(runtime(model.SerializeToString())({"x": np.ones(1, np.float32)})["y"][0])
print(os.environ["ORT_DISABLE_TELEMETRY"])
"""


def run(home: Path, **variables: str) -> list[str]:
    """Run PROGRAM in another process with its own home folder; return its lines."""
    suppressing = {onnx_runtime.TELEMETRY_VARIABLE, "CI", "GITHUB_ACTIONS", "TF_BUILD"}
    rest = {name: value for name, value in os.environ.items() if name not in suppressing}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**rest, "HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache"), **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_a_run_leaves_no_telemetry(tmp_path: Path) -> None:
    assert run(tmp_path) == ["1.0", "1"]
    # Where telemetry is on, ONNX Runtime writes a device's identifier and a data base here.
    assert not list(tmp_path.rglob("*onnxruntime*"))


def test_a_user_s_choice_stays(tmp_path: Path) -> None:
    assert run(tmp_path, ORT_DISABLE_TELEMETRY="true") == ["1.0", "true"]


def imports(path: Path) -> set[str]:
    """Return the top-level packages that a file imports, anywhere in it."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    plain = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    named = {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in plain | named}


@pytest.mark.parametrize("folder", ["ipvae_snn", "export", "hw", "benchmarks", "docs"])
def test_one_file_imports_onnx_runtime(folder: str) -> None:
    paths = [path for path in (ROOT / folder).rglob("*.py") if "onnxruntime" in imports(path)]
    assert paths == ([Path(onnx_runtime.__file__)] if folder == "export" else [])
