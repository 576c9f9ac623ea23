"""Finding and creating the Lava environment, with simulated interpreters; the real one last."""

import json
import os
import sys
import threading
from pathlib import Path

import pytest

from ipvae_snn.errors import BackendError, BackendUnavailableError
from ipvae_snn.hw.lava import environment, installation, probing
from ipvae_snn.hw.lava.bundle.simulator import child
from ipvae_snn.hw.lava.bundle.simulator.ending import owned_processes
from ipvae_snn.hw.lava.guard import run_guarded

# A simulated Python 3.10: answers the two probes, "creates" an environment by copying itself there
# and "installs" lava by a file. FAULT names the step that fails.
PRETENDED = """#!/bin/sh
PATH=/usr/bin:/bin
echo "$*" | head -c 400 >> {log}; echo >> {log}; echo "in $PWD: $*" | head -c 400 >> {log}.cwd
[ "{fault}" = place ] && [ "$(basename "$(dirname "$(dirname "$0")")")" = lava ] && exit 1
case "$*" in
  *ensurepip*) echo "3 10" ;;
  *lava.proc*) [ -f "$(dirname "$0")/../lava" ] || exit 1
               echo '{{"python": "3.10.99", "lava-nc": "0.10.0", "numpy": "1.26.4"}}' ;;
  "-I -m venv"*) {slow}; mkdir -p "$4/bin" && cp "$0" "$4/bin/python"
               echo "#!$4/bin/python" > "$4/bin/pip"; echo "command = $4" > "$4/pyvenv.cfg" ;;
  *pip*)       if [ "{fault}" = pip ]; then echo "no room" >&2; exit 7; fi
               [ "{fault}" = import ] || touch "$(dirname "$0")/../lava" ;;
esac
"""
OTHER = "#!/bin/sh\necho 'pyenv: python3.10: command not found' >&2\nexit 127\n"


def executable(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def pretended(path: Path, log: Path, fault: str = "", slow: str = ":") -> Path:
    return executable(path, PRETENDED.format(log=log, fault=fault, slow=slow))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with no Python 3.10 at all, an empty home, and the environment's folder set."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PYENV_ROOT", raising=False)
    monkeypatch.delenv(environment.PYTHON_VARIABLE, raising=False)
    monkeypatch.setenv(environment.FOLDER_VARIABLE, str(tmp_path / "made" / "lava"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    return tmp_path


def test_without_python_3_10_the_message_says_how_to_get_one(machine: Path) -> None:
    assert environment.find() is None
    with pytest.raises(BackendUnavailableError) as caught:
        environment.setup(lambda line: None)
    assert str(caught.value) == (
        "lava: needs Python 3.10, found none; get a Python 3.10 by `pyenv install 3.10`, "
        "`uv python install 3.10` or, where the system has it, `apt install python3.10-venv`, "
        "then run `ipvae-snn lava setup`; or name an interpreter that has lava-nc in "
        "IPVAE_SNN_LAVA_PYTHON"
    )
    assert not (machine / "made").exists()
    assert environment.describe()["remedy"] == str(caught.value)


def test_require_says_what_to_run(machine: Path) -> None:
    with pytest.raises(BackendUnavailableError) as caught:
        environment.require()
    assert str(caught.value) == (
        f"lava: no environment with lava-nc 0.10.0 at {machine / 'made' / 'lava'}; "
        "make it by `ipvae-snn lava setup`"
    )


def test_a_shim_that_does_not_run_is_passed_over_for_pyenvs_newest(machine: Path) -> None:
    executable(machine / "bin" / "python3.10", OTHER)
    for version in ("3.10.2", "3.10.13", "3.9.18"):
        pretended(machine / ".pyenv/versions" / version / "bin/python", machine / "log")
    assert environment.find_python() == machine / ".pyenv/versions/3.10.13/bin/python"


def test_python_on_the_path_comes_first(machine: Path) -> None:
    pretended(machine / ".pyenv/versions/3.10.13/bin/python", machine / "log")
    first = pretended(machine / "bin" / "python3.10", machine / "log")
    assert environment.find_python() == first


def test_uv_is_asked_last(machine: Path) -> None:
    python = pretended(machine / "uv" / "python", machine / "log")
    executable(machine / "bin" / "uv", f"#!/bin/sh\necho {python}\n")
    assert environment.find_python() == python


def test_an_interpreter_of_another_version_is_refused(machine: Path) -> None:
    executable(machine / "bin" / "python3.10", "#!/bin/sh\necho 3 11\n")
    with pytest.raises(BackendUnavailableError, match=r"^lava: needs Python 3\.10, found none"):
        environment.find_python()


def test_setup_makes_it_once_and_find_sees_it(machine: Path) -> None:
    base = pretended(machine / "bin" / "python3.10", machine / "log")
    report = machine / "made" / "lava"
    said: list[str] = []
    first = environment.setup(said.append)
    assert first == environment.LavaEnvironment(report / "bin/python", "own")
    assert said == [
        f"making the Lava environment (about 300 MB) in {report} with {base}",
        "installing lava-nc 0.10.0 and its dependencies",
        f"Lava environment ready: {report / 'bin/python'}",
    ]
    log = (machine / "log").read_text()
    assert f"install --no-deps --require-hashes -r {installation.LOCK}" in log
    assert json.loads((report / installation.MARKER).read_text())["lava-nc"] == "0.10.0"
    assert environment.find() == environment.require() == environment.setup(said.append) == first
    assert (machine / "log").read_text().count("-m venv") == 1
    described = environment.describe()
    assert (described["state"], described["kind"], described["remedy"]) == ("ready", "own", None)
    assert described["versions"] == {"python": "3.10.99", "lava-nc": "0.10.0", "numpy": "1.26.4"}


def test_an_unfinished_environment_is_not_found_and_made_anew(machine: Path) -> None:
    pretended(machine / "bin" / "python3.10", machine / "log")
    environment.setup(lambda line: None)
    report = machine / "made" / "lava"
    (report / installation.MARKER).unlink()
    (report / "remains").touch()
    assert environment.find() is None
    environment.setup(lambda line: None)
    assert environment.find() is not None
    assert not (report / "remains").exists()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("pip", "failed with status 7: no room; correct that and run it again"),
        ("import", "lava-nc was installed, but "),
    ],
)
def test_a_failed_try_leaves_nothing(machine: Path, fault: str, message: str) -> None:
    pretended(machine / "bin" / "python3.10", machine / "log", fault=fault)
    with pytest.raises(BackendError) as caught:
        environment.setup(lambda line: None)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (machine / "made" / "lava").exists()
    assert environment.find() is None


def test_a_folder_of_someone_else_is_left_alone(machine: Path) -> None:
    pretended(machine / "bin" / "python3.10", machine / "log")
    report = machine / "made" / "lava"
    report.mkdir(parents=True)
    (report / "thesis.tex").write_text("all of it")
    with pytest.raises(BackendError) as caught:
        environment.setup(lambda line: None)
    assert str(caught.value) == (
        f"lava setup: {report} holds something else; choose a new folder with "
        "IPVAE_SNN_LAVA_ENV, or name an interpreter that has lava-nc in IPVAE_SNN_LAVA_PYTHON"
    )
    assert (report / "thesis.tex").read_text() == "all of it"


def test_a_place_that_cannot_be_written_is_one_clear_line(machine: Path) -> None:
    pretended(machine / "bin" / "python3.10", machine / "log")
    (machine / "made").write_text("a file where the folder should be")
    with pytest.raises(BackendError) as caught:
        environment.setup(lambda line: None)
    assert str(caught.value) == (
        f"lava setup: cannot write in {machine / 'made'}: File exists; "
        "choose another folder with IPVAE_SNN_LAVA_ENV"
    )


def test_two_set_ups_at_once_make_one(machine: Path) -> None:
    pretended(machine / "bin" / "python3.10", machine / "log", slow="sleep 0.5")
    said: list[str] = []
    threads = [threading.Thread(target=environment.setup, args=[said.append]) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report = machine / "made" / "lava"
    assert (machine / "log").read_text().count("-m venv") == 1
    assert f"another set-up is at work in {report}; waiting for it" in said
    assert said.count(f"Lava environment ready: {report / 'bin/python'}") == 2


def test_a_named_interpreter_is_used_and_a_bad_one_refused(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = pretended(machine / "mine" / "bin" / "python", machine / "log")
    monkeypatch.setenv(environment.PYTHON_VARIABLE, str(named))
    with pytest.raises(BackendUnavailableError) as caught:
        environment.find()
    assert str(caught.value) == (
        f"IPVAE_SNN_LAVA_PYTHON: {named} cannot import lava-nc; "
        "name a Python 3.10 that has lava-nc 0.10.0 and numpy < 2, or unset the variable"
    )
    assert environment.describe()["state"] == "broken"
    (machine / "mine" / "lava").touch()
    assert environment.find() == environment.LavaEnvironment(named, "own")


def test_the_running_interpreter_serves_if_it_has_lava(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    current = pretended(machine / "now" / "bin" / "python", machine / "log")
    (machine / "now" / "lava").touch()
    monkeypatch.setattr(sys, "executable", str(current))
    monkeypatch.setattr(environment, "PYTHON_VERSION", sys.version_info[:2])
    assert environment.find() == environment.LavaEnvironment(current, "current")


def test_the_default_place_is_the_users_data_folder(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(environment.FOLDER_VARIABLE)
    monkeypatch.setattr(environment.platformdirs, "user_data_path", lambda name: machine / name)
    assert environment.folder() == machine / "ipvae-snn" / "lava-0.10.0"


@pytest.mark.parametrize(
    "name",
    ["PYTHONPATH", "PYTHONHOME", "PYTHONSAFEPATH", "PYTHONWARNINGS", "VIRTUAL_ENV", "PIP_TARGET"],
)
def test_another_pythons_settings_are_kept_from_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "/somewhere")
    monkeypatch.setenv("PIP_INDEX_URL", "https://example.org/simple")
    cleaned = probing.clean_environment()
    assert name not in cleaned
    assert cleaned["PIP_INDEX_URL"] == "https://example.org/simple"
    assert cleaned["PATH"] == os.environ["PATH"]


# --- what works is never removed ---


def broken(machine: Path) -> Path:
    """An environment of `setup` that lost a package since; a new one can be made."""
    pretended(machine / "bin" / "python3.10", machine / "log")
    environment.setup(lambda line: None)
    made = machine / "made" / "lava"
    (made / "mine").touch()
    (made / "lava").unlink()
    assert environment.find() is None
    return made


@pytest.mark.parametrize("fault", ["pip", "import", "place"])
def test_a_failed_set_up_leaves_the_earlier_environment(machine: Path, fault: str) -> None:
    made = broken(machine)
    pretended(machine / "bin" / "python3.10", machine / "log", fault=fault)
    with pytest.raises(BackendError, match=r"^lava setup: "):
        environment.setup(lambda line: None)
    assert (made / "mine").exists()
    assert (made / installation.MARKER).is_file()
    assert sorted(path.name for path in made.parent.iterdir()) == [".lava.lock", "lava"]
    (made / "lava").touch()  # and it serves again once it is repaired
    assert environment.find() is not None


def test_a_new_environment_takes_the_place_of_a_broken_one(machine: Path) -> None:
    made = broken(machine)
    assert environment.setup(lambda line: None).python == made / "bin/python"
    assert not (made / "mine").exists()
    assert sorted(path.name for path in made.parent.iterdir()) == [".lava.lock", "lava"]
    # Made elsewhere, its scripts name the place where it lies now.
    assert (made / "bin/pip").read_text() == f"#!{made}/bin/python\n"
    assert (made / "pyvenv.cfg").read_text() == f"command = {made}\n"


def test_an_environment_behind_a_link_stays_behind_it(machine: Path) -> None:
    pretended(machine / "bin" / "python3.10", machine / "log")
    (machine / "big").mkdir()
    (machine / "big" / "lava").mkdir()
    (machine / "made").mkdir()
    (machine / "made" / "lava").symlink_to(machine / "big" / "lava")
    environment.setup(lambda line: None)
    assert (machine / "made" / "lava").is_symlink()
    assert (machine / "big" / "lava" / installation.MARKER).is_file()


def test_a_set_up_killed_between_two_renamings_is_undone(machine: Path) -> None:
    pretended(machine / "bin" / "python3.10", machine / "log")
    environment.setup(lambda line: None)
    made = machine / "made" / "lava"
    (made / "mine").touch()
    made.rename(made.with_name(".lava.before"))
    said: list[str] = []
    environment.setup(said.append)
    assert (made / "mine").exists()
    assert said == [f"Lava environment ready: {made / 'bin/python'}"]


def test_an_environment_that_is_slow_to_answer_is_not_made_anew(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = broken(machine)
    executable(made / "bin" / "python", "#!/bin/sh\nPATH=/usr/bin:/bin\nexec sleep 5\n")
    monkeypatch.setattr(probing, "PROBE_LIMIT_S", 0.1)
    # So short a limit is none for the search for a Python 3.10.
    monkeypatch.setattr(environment, "find_python", lambda: machine / "bin" / "python3.10")
    with pytest.raises(BackendError) as caught:
        environment.setup(lambda line: None)
    assert str(caught.value) == (
        f"lava setup: {made / 'bin/python'} gave no answer within 60 s; the machine may be too "
        f"busy: try again, or remove {made} to make it anew"
    )
    assert (made / "mine").exists()


# --- where the user stands changes nothing ---

IN_THE_WAY = ("queue.py", "types.py", "venv.py", "json.py", "numpy/__init__.py", "lava/__init__.py")


@pytest.fixture
def crowded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder, also on PYTHONPATH, with modules of the names of real ones."""
    folder = tmp_path / "job queue"
    for name in IN_THE_WAY:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"open({str(folder / 'imported')!r}, 'w')\n")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


def test_every_step_of_a_set_up_runs_elsewhere(machine: Path, crowded: Path) -> None:
    pretended(machine / "bin" / "python3.10", machine / "log")
    environment.setup(lambda line: None)
    lines = (machine / "log.cwd").read_text().splitlines()
    places = {line.partition("in ")[2].partition(": ")[0] for line in lines if line[:3] == "in "}
    assert places == {"/", str(machine / "made" / ".lava.new")}
    asked = [line for line in (machine / "log").read_text().splitlines() if line.startswith("-")]
    assert asked
    assert all(line.startswith("-I ") for line in asked)


def test_a_real_interpreter_imports_nothing_of_the_working_folder(crowded: Path) -> None:
    assert probing.probe(Path(sys.executable)).versions["python"] == sys.version.split()[0]
    assert not (crowded / "imported").exists()


def test_an_interpreter_may_be_named_relative_to_the_working_folder(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = pretended(machine / "mine" / "bin" / "python", machine / "log")
    (machine / "mine" / "lava").touch()
    monkeypatch.chdir(machine)
    monkeypatch.setenv(environment.PYTHON_VARIABLE, "mine/bin/python")
    assert environment.find() == environment.LavaEnvironment(named, "own")
    # A name is looked up on the PATH, as a shell does.
    (machine / "bin" / "lava-python").symlink_to(named)
    monkeypatch.setenv(environment.PYTHON_VARIABLE, "lava-python")
    (machine / "lava").touch()
    assert environment.find() == environment.LavaEnvironment(machine / "bin/lava-python", "own")


def test_the_constraints_pin_lava_and_a_numpy_it_works_with() -> None:
    constraints = installation.LOCK.with_name("constraints.txt").read_text()
    pins = dict(
        line.split("==") for line in constraints.splitlines() if line and not line.startswith("#")
    )
    entries = installation.LOCK.read_text().strip().split("\n    --hash=sha256:")
    assert len(entries) > len(pins)
    locked = [line.partition(" ")[0] for line in installation.LOCK.read_text().splitlines()]
    assert {line for line in locked if line} == {f"{name}=={pin}" for name, pin in pins.items()}
    assert pins["lava-nc"] == probing.LAVA_VERSION
    assert pins["numpy"].startswith("1.")


# --- with the real Lava ---

RUN_LAVA = f"""
import importlib.util, os, sys
spec = importlib.util.spec_from_file_location("guard_child", {child.__file__!r})
guard_child = importlib.util.module_from_spec(spec)
spec.loader.exec_module(guard_child)
assert guard_child.under_guard()
import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense
from lava.proc.lif.process import LIF
source, weights, target = LIF(shape=(3,), bias_mant=9), Dense(weights=np.eye(3)), LIF(shape=(3,))
source.s_out.connect(weights.s_in)
weights.a_out.connect(target.a_in)
source.run(condition=RunSteps(num_steps=5), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
lines = [line.split() for line in open("/proc/self/maps") if "/dev/shm/" in line]
mapped = {{line[5] for line in lines if line[-1] != "(deleted)"}}
print(*sorted(os.path.basename(path) for path in mapped), flush=True)
"""


@pytest.fixture(scope="module")
def lava() -> environment.LavaEnvironment:
    """The real environment of this machine."""
    result = environment.find()
    if result is None:
        pytest.skip("no Lava environment here: make it by `ipvae-snn lava setup`")
    return result


def run_lava(lava: environment.LavaEnvironment, then: str, limit_s: float) -> str:
    argv = [lava.python, "-c", RUN_LAVA + then]
    return run_guarded(argv, limit_s, env=probing.clean_environment()).stdout


def test_lava_runs_under_guard_and_its_shared_memory_is_marked(
    lava: environment.LavaEnvironment,
) -> None:
    mapped = run_lava(lava, "source.stop()\n", 60).split()
    assert len(mapped) > 5  # at least one per channel
    assert not [name for name in mapped if not name.startswith(f"ipvae_{os.getpid()}_")]
    assert not [name for name in mapped if (child.SHARED_MEMORY / name).exists()]


def test_a_lava_run_that_hangs_leaves_nothing(lava: environment.LavaEnvironment) -> None:
    """Never stopped: its ProcessModels wait for ever, their segments mapped."""
    hang = "print(os.getsid(0), file=sys.stderr, flush=True)\nimport time\ntime.sleep(600)\n"
    with pytest.raises(BackendError, match="still running at its limit of 6 s") as caught:
        run_lava(lava, hang, 6)
    session = str(caught.value).split("error output: ")[1].split(";")[0].split(" | ")[-1]
    assert owned_processes(int(session), token="none") == set()
    assert not list(child.SHARED_MEMORY.glob(f"*ipvae_{os.getpid()}_*"))


@pytest.mark.slow
def test_the_real_set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Needs a package registry or cache, and a Python 3.10."""
    try:
        environment.find_python()
    except BackendUnavailableError as error:
        pytest.skip(str(error))
    monkeypatch.delenv(environment.PYTHON_VARIABLE, raising=False)
    monkeypatch.setenv(environment.FOLDER_VARIABLE, str(tmp_path / "lava"))
    report = environment.setup(lambda line: None)
    result = probing.versions(report.python)
    assert result is not None
    assert result["lava-nc"] == "0.10.0"
