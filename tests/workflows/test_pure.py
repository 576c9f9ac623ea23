"""Workflows neither print nor import when called; a command imports one workflow and no more."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "ipvae_snn"
WORKFLOWS = sorted((PACKAGE / "workflows").glob("*.py"))
COMMANDS = ("bench", "demo", "doctor", "export", "inspect", "lava", "lava_run", "profiles", "run",
            "train", "verify")  # fmt: skip
EXTRAS = {"dask", "distributed"}  # optional: workflows run without, and they import for a second
Function = ast.FunctionDef | ast.AsyncFunctionDef


def imports(tree: ast.AST) -> list[str]:
    """Return the modules that are imported anywhere below `tree`."""
    result = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            result += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            result.append(node.module or "")
    return result


def functions(path: Path) -> list[Function]:
    """Return every function of a file."""
    return [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, Function)
    ]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_neither_prints_nor_imports_late(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert {name.partition(".")[0] for name in imports(tree)} & {"rich", "typer"} == set()
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert not [each for each in called if isinstance(each, ast.Name) and each.id == "print"]
    late = {name for function in functions(path) for name in imports(function)}
    assert late <= EXTRAS


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_imports_one_workflow(name: str) -> None:
    for function in functions(PACKAGE / "cli" / f"{name}.py"):
        late = imports(function)
        assert len(late) <= 1, function.name
        assert all(module.startswith("ipvae_snn.") for module in late)
