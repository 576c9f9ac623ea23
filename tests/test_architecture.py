"""Import rules: the table of docs/architecture.md, checked on every file of the project."""

import ast
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
HEAVY = (
    *("torch", "sklearn", "matplotlib", "onnx", "onnxruntime", "lava", "scipy"),
    *("snntorch", "norse"),
)


@dataclass(frozen=True)
class Rule:
    """Files (globs from the root, less `but`) may not import `banned`, less `allowed`.

    Module names stand for themselves and all below them. `at_top` looks only at what runs when
    the file is imported, not inside functions.
    """

    files: tuple[str, ...]
    banned: tuple[str, ...]
    reason: str
    but: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    at_top: bool = False


ALL_FILES = ("ipvae_snn/**/*.py", "hw/**/*.py", "export/**/*.py", "benchmarks/**/*.py")
# From bottom to top; a layer may import those before it, never those after it.
LAYERS = (
    ("ipvae_snn.errors", "ipvae_snn.arrays", "ipvae_snn.image_shape", "ipvae_snn.callable_module"),
    ("ipvae_snn.storage", "ipvae_snn.config", "ipvae_snn.metrics"),
    ("ipvae_snn.ir",),
    ("ipvae_snn.models", "ipvae_snn.data", "ipvae_snn.kernels", "ipvae_snn.pretrained"),
    ("ipvae_snn.inference", "ipvae_snn.backends", "ipvae_snn.training", "ipvae_snn.report"),
    (
        *("ipvae_snn.evaluation", "ipvae_snn.conversion", "ipvae_snn.comparison"),
        "ipvae_snn.probing",
    ),
    ("ipvae_snn.frameworks", "ipvae_snn.importers"),
    ("ipvae_snn.hw", "ipvae_snn.export"),
    ("ipvae_snn.workflows",),
    ("ipvae_snn.cli", "ipvae_snn.api", "benchmarks"),
)


def files_of(package: str) -> tuple[str, ...]:
    """Return the globs of a package's files; hw/ and export/ lie beside ipvae_snn/."""
    folder = package.removeprefix("ipvae_snn.") if "hw" in package or "export" in package else ""
    folder = folder or package.replace(".", "/")
    return (f"{folder}/**/*.py", f"{folder}.py")


def layer_rules() -> tuple[Rule, ...]:
    """Return one rule per package: it may not import the layers above it."""
    return tuple(
        Rule(files_of(package), above, "the arrows of docs/architecture.md point down")
        for level, packages in enumerate(LAYERS)
        for package in packages
        if (above := tuple(name for layer in LAYERS[level + 1 :] for name in layer))
    )


RULES = (
    *layer_rules(),
    Rule(
        ALL_FILES,
        ("lava",),
        "Lava runs on Python 3.10 only, so it stays behind hw/lava/",
        but=("hw/lava/**/*.py",),
    ),
    Rule(
        ALL_FILES,
        ("onnx", "onnxruntime"),
        "ONNX is one back end of several, so it stays behind export/",
        but=("export/**/*.py",),
    ),
    Rule(
        ALL_FILES,
        ("snntorch", "norse"),
        "snnTorch and Norse are optional, so they stay behind ipvae_snn/frameworks/",
        but=("ipvae_snn/frameworks/**/*.py",),
    ),
    Rule(
        ALL_FILES,
        ("ipvae_snn.frameworks",),
        "a module of frameworks/ fails where its framework is not installed: import it when used",
        but=("ipvae_snn/frameworks/**/*.py",),
        at_top=True,
    ),
    Rule(
        ALL_FILES,
        ("torchvision",),
        "it comes with Norse, and may fail beside a CPU build of torch",
    ),
    Rule(
        ("ipvae_snn/ir/**/*.py", "ipvae_snn/storage/**/*.py", "hw/**/*.py", "export/**/*.py"),
        ("torch", "snntorch", "norse"),
        "the integer network and what runs it are NumPy: an integer result may not rest on torch",
    ),
    Rule(
        ("hw/**/*.py",),
        ("ipvae_snn.export",),
        "hw/ and export/ stand side by side and know nothing of each other",
    ),
    Rule(
        ("export/**/*.py",),
        ("ipvae_snn.hw",),
        "hw/ and export/ stand side by side and know nothing of each other",
    ),
    Rule(
        ("hw/lava/bundle/**/*.py",),
        ("ipvae_snn", "torch", "scipy", "platformdirs", "typer", "rich", "safetensors"),
        "these files go into the bundle, which runs with Python 3.10, numpy and lava-nc alone",
        allowed=("ipvae_snn.hw.lava.bundle",),
    ),
    Rule(
        ("hw/lava/*.py",),
        ("lava",),
        "this file runs in every Python, outside of Lava's own environment",
        but=("hw/lava/stock_network.py", "hw/lava/stock_lca.py"),
    ),
    Rule(
        ("ipvae_snn/cli/**/*.py", "ipvae_snn/__init__.py"),
        HEAVY,
        "`ipvae-snn --help` answers in 0.3 s: the command that needs a heavy library imports it",
        at_top=True,
    ),
)


@dataclass(frozen=True)
class Import:
    """A module that a file imports, and the line where it does."""

    module: str
    line: int


def package_of(path: Path) -> str:
    """Return the import name of the package a file is in: hw/ and export/ lie in ipvae_snn."""
    parts = path.parent.parts
    return ".".join(("ipvae_snn", *parts) if parts[:1] in (("hw",), ("export",)) else parts)


def imports_of(source: str, package: str, at_top: bool = False) -> list[Import]:
    """Return what `source` imports, relative names resolved and `from a import b` as a.b."""
    result = []
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if at_top and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if at_top and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        waiting.extend(ast.iter_child_nodes(node))
        if isinstance(node, ast.Import):
            result += [Import(name.name, node.lineno) for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*(above if node.level else []), *filter(None, [node.module])])
            result += [Import(f"{base}.{name.name}", node.lineno) for name in node.names]
    return result


def package_files(package: str) -> list[Path]:
    return [path.relative_to(ROOT) for path in (ROOT / package).glob("**/*.py")]


def within(module: str, names: tuple[str, ...]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in names)


def breaches(root: Path, rules: tuple[Rule, ...]) -> list[str]:
    """Return one line for each import that breaks a rule."""
    result = []
    for rule in rules:
        files = {path for glob in rule.files for path in root.glob(glob)}
        for path in sorted(files - {path for glob in rule.but for path in root.glob(glob)}):
            here = path.relative_to(root)
            for used in imports_of(path.read_text("utf-8"), package_of(here), rule.at_top):
                if within(used.module, rule.banned) and not within(used.module, rule.allowed):
                    result.append(f"{here}:{used.line}: imports {used.module}: {rule.reason}")
    return result


def test_every_import_follows_the_rules() -> None:
    assert breaches(ROOT, RULES) == []


def test_every_folder_of_code_is_listed_as_a_package() -> None:
    """The wheel contains only what pyproject.toml lists, so a forgotten folder fails only there."""
    folders = {
        path.parent for package in ("ipvae_snn", "hw", "export") for path in package_files(package)
    }
    needed = {package_of(folder / "any.py") for folder in folders}
    with (ROOT / "pyproject.toml").open("rb") as handle:
        listed = tomllib.load(handle)["tool"]["setuptools"]["packages"]
    assert sorted(listed) == sorted(needed)


def test_the_rules_speak_of_files_that_are_there() -> None:
    empty = [rule for rule in RULES if not any(any(ROOT.glob(glob)) for glob in rule.files)]
    assert empty == []


def test_every_package_has_its_layer() -> None:
    placed = {name for layer in LAYERS for name in layer}
    folders = {p.parent.name for p in (ROOT / "ipvae_snn").glob("*/__init__.py")}
    assert {f"ipvae_snn.{name}" for name in folders} <= placed


@pytest.mark.parametrize(
    ("file", "code", "module"),
    [
        ("ipvae_snn/data/natural.py", "import lava.magma", "lava.magma"),
        ("ipvae_snn/training/train.py", "def f():\n    from onnx import checker", "onnx.checker"),
        ("hw/mapping/a.py", "import onnxruntime as ort", "onnxruntime"),
        ("ipvae_snn/comparison/a.py", "from ipvae_snn import hw", "ipvae_snn.hw"),
        ("ipvae_snn/comparison/a.py", "from .. import export", "ipvae_snn.export"),
        ("ipvae_snn/data/base.py", "from ..hw.chips import LOIHI", "ipvae_snn.hw.chips.LOIHI"),
        ("ipvae_snn/ir/parts.py", "from torch import nn", "torch.nn"),
        ("ipvae_snn/ir/network.py", "from ipvae_snn.models.a import B", "ipvae_snn.models.a.B"),
        ("hw/cost/energy.py", "import torch", "torch"),
        ("hw/lava/backend.py", "from ipvae_snn.export import bundle", "ipvae_snn.export.bundle"),
        ("hw/lava/backend.py", "from ...export import bundle", "ipvae_snn.export.bundle"),
        ("hw/lava/backend.py", "import lava", "lava"),
        (
            "hw/lava/bundle/simulator/processes/neuron.py",
            "from ipvae_snn.ir.prng import draw",
            "ipvae_snn.ir.prng.draw",
        ),
        (
            "hw/lava/bundle/simulator/circuit.py",
            "from ...guard import run_guarded",
            "ipvae_snn.hw.lava.guard.run_guarded",
        ),
        ("export/lava/bundle.py", "from ...hw.lava import guard", "ipvae_snn.hw.lava.guard"),
        ("ipvae_snn/cli/train.py", "try:\n    import torch\nexcept ImportError: pass", "torch"),
        ("ipvae_snn/models/a.py", "from snntorch import utils", "snntorch.utils"),
        ("benchmarks/layers.py", "def f():\n    import norse.torch", "norse.torch"),
        (
            "benchmarks/layers.py",
            "from ipvae_snn.frameworks import norse_cell",
            "ipvae_snn.frameworks.norse_cell",
        ),
        (
            "ipvae_snn/frameworks/data.py",
            "from torchvision import datasets",
            "torchvision.datasets",
        ),
    ],
)
def test_a_planted_breach_is_found(tmp_path: Path, file: str, code: str, module: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(code)
    result = breaches(tmp_path, RULES)
    assert result
    assert all(line.startswith(f"{file}:") and f" imports {module}: " in line for line in result)


@pytest.mark.parametrize(
    ("file", "code"),
    [
        (
            "hw/lava/bundle/simulator/processes/neuron.py",
            "from lava.magma.core import process\nimport numpy",
        ),
        (
            "hw/lava/bundle/simulator/processes/neuron.py",
            "from .noise import Noise\nfrom ..processes import b",
        ),
        (
            "hw/lava/bundle/simulator/circuit.py",
            "from .processes.neuron import N\nimport lava.proc",
        ),
        (
            "export/onnx/backend.py",
            "import onnx, onnxruntime\nfrom ipvae_snn.ir.parts import Program",
        ),
        ("ipvae_snn/ir/interpreter.py", "from ipvae_snn.ir import prng\nfrom .trace import Trace"),
        ("ipvae_snn/cli/train.py", "def train():\n    import torch\n    import ipvae_snn.hw"),
        ("ipvae_snn/lavatory.py", "import lavatory, onnxish, ipvae_snn.hware"),
        ("benchmarks/backends.py", "import torch\nfrom ipvae_snn.hw import energy"),
        ("ipvae_snn/frameworks/norse_cell.py", "import norse.torch, torch, ipvae_snn.ir.parts"),
        ("ipvae_snn/cli/run.py", "def f():\n    from ipvae_snn.frameworks import layers"),
    ],
)
def test_what_is_allowed_passes(tmp_path: Path, file: str, code: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(code)
    assert breaches(tmp_path, RULES) == []


LIGHT = [
    "ipvae_snn",
    "ipvae_snn.cli.app",
    *(
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for package in ("ir", "storage")
        for path in sorted((ROOT / "ipvae_snn" / package).glob("*.py"))
    ),
]


@pytest.mark.parametrize("module", LIGHT)
def test_importing_a_light_module_loads_nothing_heavy(module: str) -> None:
    """Transitively, in a fresh interpreter: a light file may not import one that is heavy."""
    code = f"import sys, {module}; print(*sorted({set(HEAVY)!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, encoding="utf-8", timeout=60
    )
    assert done.stdout.split() == []
