"""What a command says of the user's images: what it read, how long it takes, and their white."""

import numpy as np
import pytest

import ipvae_snn as snn

# Values of 0 to 16 in 8 bits, as scikit-learn's digits have.
LEVELS = np.random.default_rng(0).integers(0, 17, (40, 8, 8)).astype(np.uint8)
NOTE = "ipvae-snn: images: 12 of 8x8, levels 0..16 of 16"
SHORT = ("--limit", 12, "--steps", 2)
COMPILED = ("--backends", "compiled")
COMMANDS = {
    "run": ("run", "net", "--data", "images", *SHORT),
    "run of a checkpoint": ("run", "digits", "--data", "images", *SHORT),
    "verify": ("verify", "net", "--data", "images", *SHORT, *COMPILED),
    "bench": ("bench", "net", "--checkpoint", "digits", "--data", "images", *SHORT, *COMPILED),
    "compare": ("compare", "digits", "net", "--data", "images", *SHORT, "--no-attribution"),
    "energy": ("energy", "net", "--data", "images", *SHORT),
    "map": ("map", "net", "--data", "images", *SHORT),
    "convert": ("convert", "digits", "--calibrate", "images", *SHORT),
}


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """Return the file of an integer network that remembers no white."""
    path = tmp_path_factory.mktemp("network") / "net.safetensors"
    snn.convert("digits", images=16, steps=2, out=path)
    return path


@pytest.fixture
def command(run, network, tmp_path, monkeypatch):
    """Return a function that runs a command on LEVELS and gives its status and stderr."""
    monkeypatch.chdir(tmp_path)
    np.save("images.npy", LEVELS)
    names = {"images": "images.npy", "net": network}

    def call(*arguments: object) -> tuple[int, str]:
        code, _, said = run(*(names.get(str(one), one) for one in arguments))
        return code, said

    return call


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_read(command, name):
    out = () if name == "verify" else ("--out", "made.out")
    code, said = command(*COMMANDS[name], "--white", 16, *out)
    assert (code, said.splitlines()) == (0, [NOTE])
    for form in ("--quiet", "--json"):
        again = command(*COMMANDS[name], "--white", 16, *out, form)
        assert again == (0, "")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_scale_that_is_not_known_is_refused_with_the_remedy(command, name):
    code, said = command(*COMMANDS[name])
    assert code == 1
    assert said.count("\n") == 1
    assert "or give --white 16 (data.white" in said


def test_evaluate_says_what_it_read_of_both_parts(command):
    arguments = ("evaluate", "digits", "--data", "images", "--steps", 2, "--white", 16)
    code, said = command(*arguments)
    assert (code, said) == (0, "ipvae-snn: test images: 4 of 8x8, levels 0..16 of 16\n")


def test_named_sets_have_their_scale(command):
    code, said = command("run", "digits", "--data", "digits", *SHORT, "--white", 16)
    assert (code, said) == (
        1,
        "ipvae-snn: error: digits: a named set, whose scale is known; leave out --white (16), "
        "which is for your own images\n",
    )


@pytest.mark.parametrize("white", [-1, "nan", "inf", 1e12])
def test_white_out_of_range(command, white):
    code, said = command("run", "digits", "--data", "images", *SHORT, "--white", white)
    assert code == 1
    assert said.startswith(f"ipvae-snn: error: --white is {float(white):g}; give a number from 0")
    assert said.count("\n") == 1
