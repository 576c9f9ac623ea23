"""`export --target snntorch|norse`: folders that load, run and check themselves."""

import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ipvae_snn.export.frameworks import bundle
from ipvae_snn.export.frameworks.bundle import FRAMEWORKS, write_framework_bundle
from ipvae_snn.ir.files import load_network, save_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.parts import InputCode
from ipvae_snn.storage.atomic import atomic_folder

Run = Callable[..., tuple[int, str, str]]
TARGETS = ("snntorch", "norse")


def script(folder: Path, *options: object) -> subprocess.CompletedProcess[str]:
    """Run the folder's load.py as a user would, from elsewhere."""
    return subprocess.run(
        [sys.executable, str(folder / "load.py"), *map(str, options)],
        capture_output=True,
        encoding="utf-8",
        timeout=100,
    )


@pytest.mark.parametrize("target", TARGETS)
def test_an_export_checks_itself_loads_and_is_replaced(
    network: IntegerNetwork,
    run: Run,
    tmp_path: Path,
    target: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save_network(network, tmp_path / "net.safetensors")
    out = tmp_path / "out"
    checked = (), "checked against the reference, equal bit for bit"
    # the second replaces the first, and what Python left in it
    for options, state in (checked, (("--no-check",), "unchecked")):
        code, text, error = run(
            "export", tmp_path / "net.safetensors", "--target", target, "--out", out, *options
        )
        assert (code, error) == (0, "")
        assert " ".join(text.split()) == f"{out} written ({target}, {state})"
        assert sorted(p.name for p in out.iterdir()) == [
            "README.md",
            "load.py",
            "network.safetensors",
        ]
        (out / "__pycache__").mkdir()
    assert load_network(out / "network.safetensors").n_neurons == network.n_neurons
    np.save(tmp_path / "images.npy", np.full((2, 4, 3), 77, np.uint8))
    done = script(out, "--input", tmp_path / "images.npy", "--steps", 30, "--seed", 5)
    assert done.returncode == 0, done.stderr
    first, second, verdict = done.stdout.splitlines()
    assert first.startswith("image 0: ")
    assert second.endswith(" spikes of 7 neurons in 30 steps")
    assert verdict == "every spike count is the interpreter's"
    for wrong, message in (
        (("--steps", 0), "load.py: steps 0 are not in 1..1048576"),
        (("--seed", -1), "load.py: seed -1 is not in 0..4294967295"),
        (("--input", tmp_path / "none.npy"), "load.py: [Errno 2] No such file or directory: "),
    ):
        monkeypatch.setattr(sys, "argv", ["load.py", *map(str, wrong)])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(out / "load.py"), run_name="__main__")
        assert str(ended.value).startswith(message)


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_written_has_no_gaps(
    network_factory: Callable[..., IntegerNetwork], tmp_path: Path, target: str
) -> None:
    write_framework_bundle(network_factory(), tmp_path / "out", target)
    for name in ("load.py", "README.md"):
        text = (tmp_path / "out" / name).read_text(encoding="utf-8")
        assert "$" not in text
        assert FRAMEWORKS[target].framework in text
    compile((tmp_path / "out" / "load.py").read_text(encoding="utf-8"), "load.py", "exec")
    assert "so a spike of 1 is a pixel one standard deviation above the mean" in text
    assert "(p - 100) x 0.05" in text
    unit = bundle._explain_spike(InputCode((4, 3), "unit", 1 / 255, 0))
    assert unit == "is a white pixel and 0 a black one"


@pytest.mark.parametrize("target", TARGETS)
def test_an_export_that_is_wrong_does_not_appear(
    network: IntegerNetwork, run: Run, tmp_path: Path, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network file that is not the one of the script's constants would give other counts."""
    save_network(network, tmp_path / "net.safetensors")

    def altered(integer: IntegerNetwork, out: Path, name: str) -> None:
        with atomic_folder(out) as folder:
            write_framework_bundle(integer, folder, name)
            text = (folder / "load.py").read_text(encoding="utf-8")
            wrong = text.replace("load(seed=options.seed)", "load(seed=options.seed + 1)")
            assert wrong != text
            (folder / "load.py").write_text(wrong, encoding="utf-8")

    monkeypatch.setattr(bundle, "write_framework_bundle", altered)
    code, _, error = run(
        "export", tmp_path / "net.safetensors", "--target", target, "--out", tmp_path / "out"
    )
    assert code == 1
    message = (
        f"the {target} export is wrong: load.py: the layer and the interpreter differ; please "
        "report"
    )
    assert message in " ".join(error.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("target", "title"), [("snntorch", "snnTorch"), ("norse", "Norse")])
def test_without_the_package_it_says_what_to_install(
    network: IntegerNetwork,
    run: Run,
    tmp_path: Path,
    target: str,
    title: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save_network(network, tmp_path / "net.safetensors")
    arguments = ("export", tmp_path / "net.safetensors", "--target", target, "--out")
    monkeypatch.setitem(sys.modules, target, None)
    code, _, error = run(*arguments, tmp_path / "out")
    assert code == 1
    message = (
        f"the {target} export cannot be checked: {title} is not installed; pip install "
        "'ipvae-snn[frameworks]', or export with --no-check"
    )
    assert message in " ".join(error.split())
    assert not (tmp_path / "out").exists()
    code, text, _ = run(*arguments, tmp_path / "out", "--no-check")
    assert code == 0
    assert "unchecked" in text
    module = FRAMEWORKS[target].module
    hidden = f"import sys; sys.modules[{target!r}] = None; import ipvae_snn.frameworks.{module}"
    done = subprocess.run([sys.executable, "-c", hidden], capture_output=True, encoding="utf-8")
    assert done.stderr.splitlines()[-1] == (
        f"ImportError: {title} is not installed, and this layer is built on it; pip install "
        "'ipvae-snn[frameworks]'"
    )


@pytest.mark.parametrize("target", TARGETS)
def test_a_checkpoint_is_to_be_converted_first(run: Run, tmp_path: Path, target: str) -> None:
    code, _, error = run("export", "digits", "--target", target, "--out", tmp_path / "out")
    assert code == 1
    message = (
        "is a float checkpoint; the exported layer stores integers (and computes its floats from "
        "them): convert it first with `ipvae-snn convert`"
    )
    assert message in " ".join(error.split())


def test_a_foreign_folder_is_left_alone(network: IntegerNetwork, run: Run, tmp_path: Path) -> None:
    save_network(network, tmp_path / "net.safetensors")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("mine")
    code, _, error = run(
        "export", tmp_path / "net.safetensors", "--target", "norse", "--out", tmp_path / "out"
    )
    assert code == 1
    assert "holds 'thesis.tex', which no norse export wrote" in " ".join(error.split())
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["thesis.tex"]
