"""Interpreters for Lava: wrong versions are named, whatever the origin of the interpreter."""

import json
import sys
from pathlib import Path

import pytest

from ipvae_snn.errors import BackendUnavailableError
from ipvae_snn.hw.lava import environment, installation
from ipvae_snn.hw.lava.probing import probe, versions

RIGHT = {"python": "3.10.13", "lava-nc": "0.10.0", "numpy": "1.26.4", "scipy": "1.15.3"}
WRONG = [
    ({"lava-nc": "0.9.0"}, "has lava-nc 0.9.0, but this needs 0.10.0"),
    ({"lava-nc": None}, "has no lava-nc"),
    ({"numpy": "2.1.0"}, "has numpy 2.1.0, but this needs numpy < 2"),
    ({"numpy": None}, "has no numpy"),
    ({"python": "3.11.7"}, "is Python 3.11.7, but lava-nc 0.10.0 needs 3.10"),
    (
        {"error": "ImportError: no module named scipy"},
        "cannot import lava-nc (ImportError: no module named scipy)",
    ),
    # The version is the reason for the error.
    (
        {"numpy": "2.1.0", "error": "AttributeError: np.float_"},
        "has numpy 2.1.0, but this needs numpy < 2",
    ),
]


def pretended(path: Path, changed: dict[str, str | None]) -> Path:
    """Make an interpreter that answers the probe with these versions; None is left out."""
    result = {name: value for name, value in {**RIGHT, **changed}.items() if value is not None}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\ncat <<END\n{json.dumps(result)}\nEND\n")
    path.chmod(0o755)
    return path


def test_the_right_versions_have_no_fault(tmp_path: Path) -> None:
    python = pretended(tmp_path / "python", {})
    assert probe(python).fault == ""
    assert versions(python) == RIGHT


@pytest.mark.parametrize(("changed", "fault"), WRONG)
def test_a_wrong_version_is_named(
    changed: dict[str, str | None], fault: str, tmp_path: Path
) -> None:
    python = pretended(tmp_path / "python", changed)
    assert probe(python).fault == fault
    assert versions(python) is None


@pytest.mark.parametrize(
    "text", ["#!/bin/sh\nexit 3\n", "#!/bin/sh\necho hello\n", "not a program"]
)
def test_what_does_not_answer_has_no_lava(text: str, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(text)
    python.chmod(0o755)
    assert probe(python).fault == "cannot import lava-nc"
    assert probe(tmp_path / "missing").fault == "cannot import lava-nc"


def test_the_real_probe_runs_in_an_interpreter_without_lava() -> None:
    result = probe(Path(sys.executable))
    assert result.versions["python"] == sys.version.split()[0]
    if sys.version_info[:2] != (3, 10):
        assert result.fault.startswith(f"is Python {result.versions['python']}, but lava-nc 0.10.0")


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without Lava, and the folder of its environment."""
    monkeypatch.delenv(environment.PYTHON_VARIABLE, raising=False)
    monkeypatch.setenv(environment.FOLDER_VARIABLE, str(tmp_path / "made"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    return tmp_path


def test_a_named_interpreter_of_a_wrong_version_is_refused(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = pretended(bare / "python", {"lava-nc": "0.9.0"})
    monkeypatch.setenv(environment.PYTHON_VARIABLE, str(python))
    message = (
        f"IPVAE_SNN_LAVA_PYTHON: {python} has lava-nc 0.9.0, but this needs 0.10.0; name a Python "
        "3.10 that has lava-nc 0.10.0 and numpy < 2, or unset the variable"
    )
    for ask in (environment.find, environment.require):
        with pytest.raises(BackendUnavailableError) as caught:
            ask()
        assert str(caught.value) == message
    with pytest.raises(BackendUnavailableError) as caught:
        environment.setup(lambda line: None)
    assert str(caught.value) == message
    described = environment.describe()
    assert (described["state"], described["remedy"]) == ("broken", message)


def test_an_environment_that_was_altered_is_named(bare: Path) -> None:
    python = pretended(bare / "made" / "bin" / "python", {"numpy": "2.1.0"})
    (bare / "made" / installation.MARKER).write_text("{}")
    assert environment.find() is None
    message = (
        f"lava: {python} has numpy 2.1.0, but this needs numpy < 2; make it anew by "
        "`ipvae-snn lava setup`"
    )
    with pytest.raises(BackendUnavailableError) as caught:
        environment.require()
    assert str(caught.value) == message
    assert environment.describe()["state"] == "broken"
    assert environment.describe()["remedy"] == message
