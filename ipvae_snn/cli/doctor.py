"""`ipvae-snn doctor`: versions, environments, data sets, what works and how to mend the rest."""

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from ipvae_snn.cli.options import DataRootOption, JsonOption

PACKAGES: Final = ("numpy", "torch", "onnx", "onnxruntime", "safetensors", "scipy", "scikit-learn")
OPTIONAL: Final = ("snntorch", "norse", "lava-nc")


def doctor(data_root: DataRootOption = None, as_json: JsonOption = False) -> None:
    """Tell what works here and what to do about the rest."""
    from ipvae_snn.report.json_files import emit_json

    found = {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in (*PACKAGES, *OPTIONAL)},
        "backends": _backends(),
        "data": _data(str(data_root) if data_root else None),
    }
    if as_json:
        emit_json(found)
        return
    _show(found)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _backends() -> dict[str, dict[str, Any]]:
    from ipvae_snn.backends.registry import load_backend, registered
    from ipvae_snn.backends.torch_module import cuda_advice
    from ipvae_snn.errors import BackendUnavailableError
    from ipvae_snn.hw.lava.environment import describe

    states: dict[str, dict[str, Any]] = {}
    for name in sorted(registered()):
        try:
            load_backend(name)
            states[name] = {"works": True, "advice": ""}
        except BackendUnavailableError as error:
            states[name] = {"works": False, "advice": str(error)}
    advice = cuda_advice()
    states["torch-cuda"] = {"works": not advice, "advice": advice}
    lava = describe()
    for name in ("lava", "lava-fused"):
        states[name] = {**lava, "works": lava["state"] == "ready", "advice": lava["mend"]}
    return states


def _data(root: str | None) -> list[dict[str, Any]]:
    from pathlib import Path

    from ipvae_snn.data import load, names
    from ipvae_snn.errors import DataError

    rows = []
    for source in names():
        try:
            load(source.name, "test", Path(root) if root else None, limit=1, download=False)
            here, advice = True, ""
        except DataError as error:
            here, advice = False, str(error)
        rows.append(
            {
                "name": source.name,
                "summary": source.summary,
                "here": here,
                "citation": source.citation,
                "advice": advice,
            }
        )
    return rows


def _show(found: dict[str, Any]) -> None:
    from ipvae_snn.report.terminal import console, table

    screen = console()
    title = f"Python {found['python']}, {found['platform']}"
    packages = table(title, "package", "version", text=True)
    for name, number in found["packages"].items():
        missing = "not installed" + (" (optional)" if name in OPTIONAL else "")
        packages.add_row(name, number or missing)
    screen.print(packages)
    backends = table("Back ends", "name", "state", text=True)
    for name, state in found["backends"].items():
        text = "[green]works[/]" if state["works"] else f"[yellow]not here:[/] {state['advice']}"
        if "python" in state and state["works"]:
            text += f" in {state['python']}"
        backends.add_row(name, text)
    screen.print(backends)
    data = table("Data sets", "name", "test split", "what", text=True)
    for row in found["data"]:
        state = "[green]here[/]" if row["here"] else "[yellow]no files[/]"
        data.add_row(row["name"], state, row["summary"])
    screen.print(data)
    if not all(row["here"] for row in found["data"]):
        screen.print(
            "where a set has no files: name its folder with --data-root or IPVAE_SNN_DATA "
            "(`--json` tells which files are looked for)"
        )
