"""Every reader, on mutated files: it returns something usable, or raises one of our errors.

IPVAE_SNN_FUZZ_CASES sets the number of cases per file (120), IPVAE_SNN_FUZZ_SEED the seed (0). Each
case is written to one file in the test's folder, so that of a crash its input remains there.
"""

import hashlib
import json
import os
import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hand_made import convolved, lca

import mutations
from ipvae_snn.backends import torch_state
from ipvae_snn.config.toml import load_config
from ipvae_snn.data import load
from ipvae_snn.data.arrays import read_idx
from ipvae_snn.errors import IpvaeError
from ipvae_snn.hw.chips.profile import load_profile
from ipvae_snn.hw.lava.bundle.simulator import bundle_io
from ipvae_snn.inference.reference import dynamics, reconstruct, run_float, step
from ipvae_snn.ir.files import load_network
from ipvae_snn.ir.interpreter import run
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.plain_files import read_plain, write_plain
from ipvae_snn.ir.result_files import read_result
from ipvae_snn.ir.trace import RunRequest
from ipvae_snn.models.checkpoint import load_checkpoint_config
from ipvae_snn.models.float_network import load_float_network
from ipvae_snn.models.latent_module import inferring, load_checked
from ipvae_snn.models.likelihood import drive_at
from ipvae_snn.models.parameters import IterativePoissonVAE
from ipvae_snn.models.protocol import advance, first_state, inference
from ipvae_snn.training.run_folder import RunFolder
from ipvae_snn.training.state import load_state, require_fit

CASES = int(os.environ.get("IPVAE_SNN_FUZZ_CASES", "120"))
SEED = int(os.environ.get("IPVAE_SNN_FUZZ_SEED", "0"))
SLOWEST_S = 5.0  # a case takes milliseconds; this tells only that none hangs
LONGEST = 400
OURS = (IpvaeError, bundle_io.InputError)


class Reader(NamedTuple):
    """A reader of one sound file, with the mutations of its structure."""

    original: str
    read: Callable[[Path], object]
    mutate: mutations.Mutate


def run_integer(path: Path) -> None:
    network = load_network(path)
    trace = run(network, np.full((1, network.n_pixels), 90, np.uint8), RunRequest(1))
    assert np.isfinite(trace.reconstruction).all()


def run_checkpoint(path: Path) -> None:
    network = load_float_network(path)
    d = dynamics(network)
    for level in (0.0, 1.0, -5.0):
        drive = np.full((1, network.n_pixels), level) @ d.feed_forward
        u = d.u0[None]
        for _ in range(2):
            z = np.minimum(np.exp(u), 1e6).astype(np.int32)
            u = step(d, u, drive, z)
            assert np.isfinite(u).all()
            assert np.isfinite(reconstruct(network, z)).all()


def run_convolutional(path: Path) -> None:
    network = load_float_network(path)
    for level in (0.0, 1.0, -5.0):
        pixels = np.full((1, network.n_pixels), level, np.float32)
        run = run_float(network, pixels, RunRequest(2), threads=1)
        assert np.isfinite(run.state).all()
        assert np.isfinite(run.reconstruction).all()


def run_latent(path: Path) -> None:
    network = load_checked(path)
    model, decoder = inferring(network)
    with torch.no_grad():
        frames = torch.zeros(1, 2, network.n_pixels)
        state = first_state(model, decoder, frames[0])
        drive = partial(drive_at, inference(decoder, frames), 0)
        z, _ = advance(model, state, model.draws(torch.Generator().manual_seed(0)), drive)
    assert z.shape == (2, network.n_neurons)


def images(path: Path) -> None:
    assert np.isfinite(load(str(path)).pixels).all()


def cut_metrics(path: Path) -> None:
    RunFolder(path.parent).cut_metrics(3)


READERS = {
    "one-layer network": Reader("one-layer.safetensors", run_integer, mutations.safetensors),
    "two-layer network": Reader("two-layer.safetensors", run_integer, mutations.safetensors),
    "checkpoint": Reader("model.safetensors", run_checkpoint, mutations.safetensors),
    "convolutional checkpoint": Reader(
        "convolutional.safetensors", run_convolutional, mutations.safetensors
    ),
    "checkpoint of another model": Reader(
        "gaussian-dense.safetensors", run_latent, mutations.safetensors
    ),
    "nonlinear checkpoint": Reader("gaussian-mlp.safetensors", run_latent, mutations.safetensors),
    "checkpoint's config": Reader(
        "model.safetensors", load_checkpoint_config, mutations.safetensors
    ),
    "result": Reader("result.npz", read_result, mutations.npz),
    "npy images": Reader("images.npy", images, mutations.npy),
    "npz images": Reader("images.npz", images, mutations.npz),
    "idx images": Reader("images.idx", lambda path: read_idx(path, 3), mutations.any_bytes),
    "packed idx images": Reader("images.gz", lambda path: read_idx(path, 3), mutations.any_bytes),
    "config": Reader("config.toml", load_config, mutations.toml_text),
    "profile": Reader("profile.toml", lambda path: load_profile(str(path)), mutations.toml_text),
    "metrics": Reader(
        "metrics.jsonl",
        cut_metrics,
        lambda rng, data: mutations.json_text(rng, data.decode()).encode("utf-8", "replace"),
    ),
    "picture": Reader("picture.png", lambda path: images(path.parent), mutations.any_bytes),
}


def mutants(original: bytes, mutate: mutations.Mutate) -> list[bytes]:
    """Return the cases: of the structure, of any bytes, and of both."""
    result = []
    for index in range(CASES):
        rng = random.Random(f"{SEED} {index}")
        data = original
        for one in ((mutate,), (mutations.any_bytes,), (mutate, mutate))[index % 3]:
            try:
                data = one(rng, data)
            except (ValueError, LookupError, EOFError):  # the first mutation left no structure
                data = mutations.any_bytes(rng, data)
        result.append(data)
    return result


def read_one(read: Callable[[Path], object], path: Path, case: int) -> str:
    """Return the error's message, "" if there is none, after checking its form and the time."""
    start = time.monotonic()
    try:
        read(path)
        message = ""
    except OURS as error:
        message = str(error)
        assert message, f"case {case}: an empty message"
        assert message.isprintable(), f"case {case}: {message!r}"
        assert len(message) <= LONGEST, f"case {case}: {len(message)} characters"
    except Exception as error:
        raise AssertionError(
            f"seed {SEED}, case {case}: {type(error).__name__}: {error}"
        ) from error
    # The first reading may compile the loops.
    assert case < 0 or time.monotonic() - start < SLOWEST_S, f"case {case}"
    return message


@pytest.mark.parametrize("name", READERS)
def test_reader(name: str, originals: dict[str, bytes], tmp_path: Path) -> None:
    original, read, mutate = READERS[name]
    folder = tmp_path / "case"
    folder.mkdir()
    path = folder / original
    path.write_bytes(originals[original])
    assert read_one(read, path, -1) == ""
    refused = 0
    for case, data in enumerate(mutants(originals[original], mutate)):
        path.write_bytes(data)
        refused += read_one(read, path, case) != ""
    assert refused > 0 or name == "metrics"  # of which damaged lines are left out, not refused


def test_training_state(
    originals: dict[str, bytes], parameters: IterativePoissonVAE, tmp_path: Path
) -> None:
    path = tmp_path / "state.safetensors"
    named = dict(parameters.named_parameters())

    def read(path: Path) -> None:
        require_fit(load_state(path), named, path)

    for case, data in enumerate(mutants(originals["state.safetensors"], mutations.safetensors)):
        path.write_bytes(data)
        read_one(read, path, case)


def test_images_of_a_bundle(
    network: IntegerNetwork, originals: dict[str, bytes], tmp_path: Path
) -> None:
    path = tmp_path / "images.npy"
    write_plain(network, tmp_path)
    stored = bundle_io.read_network(tmp_path)

    def read(path: Path) -> None:
        bundle_io.held_values(stored, bundle_io.read_images(path, stored, None))

    for case, data in enumerate(mutants(originals["bytes.npy"], mutations.npy)):
        path.write_bytes(data)
        read_one(read, path, case)


GRAPHS: dict[str, Callable[[], IntegerNetwork]] = {"convolved": convolved, "lca": lca}


@pytest.mark.parametrize("circuit", ["network", "two_layer", *GRAPHS])
def test_bundle(circuit: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Both readers of a bundle refuse the same networks, also where the SHA-256 is right."""
    graph = GRAPHS.get(circuit)
    network: IntegerNetwork = graph() if graph else request.getfixturevalue(circuit)
    write_plain(network, tmp_path)
    scalars, arrays = tmp_path / "network.json", tmp_path / "network.npz"
    text, data = scalars.read_text(), arrays.read_bytes()
    program = json.dumps(json.loads(text)["program"])
    for case in range(CASES):
        rng = random.Random(f"{SEED} {case}")
        changed, new = data, program
        match case % 3:
            case 0:
                changed = mutations.npz(rng, data)
            case 1:
                new = mutations.json_text(rng, program)
            case _:
                changed = mutations.any_bytes(rng, data)
        arrays.write_bytes(changed)
        digest = hashlib.sha256(changed).hexdigest()
        rest = {**json.loads(text), "sha256": {"network.npz": digest}, "program": 0}
        head = json.dumps(rest).replace('"program": 0', f'"program": {new}')
        scalars.write_text(head, errors="surrogatepass")
        ours = read_one(read_plain, tmp_path, case)
        theirs = read_one(bundle_io.read_network, tmp_path, case)
        assert bool(ours) == bool(theirs), f"case {case}: {ours!r}, {theirs!r}"


def test_state_dict(network: IntegerNetwork) -> None:
    sound = torch_state.to_tensors(network, torch.device("cpu"))
    text = bytes(sound[torch_state.DESCRIPTION].tolist()).decode()
    for case in range(CASES):
        rng = random.Random(f"{SEED} {case}")
        tensors: dict[str, Any] = dict(sound)
        name = rng.choice(list(tensors))
        match case % 4:
            case 0:
                new = mutations.json_text(rng, text).encode("utf-8", "replace")
                tensors[torch_state.DESCRIPTION] = torch.tensor(list(new), dtype=torch.uint8)
            case 1:
                dtype = rng.choice((torch.bfloat16, torch.float64, torch.bool, torch.int64))
                tensors[name] = tensors[name].to(dtype)
            case 2:
                tensors[name] = tensors[name].flatten()[: rng.randrange(3)]
            case _:
                del tensors[name]
        read_one(partial(lambda given, _: torch_state.from_tensors(given), tensors), Path(), case)


def test_a_sound_file_of_another_kind(originals: dict[str, bytes], tmp_path: Path) -> None:
    """Each reader refuses each other kind of file."""
    readers = [reader for name, reader in READERS.items() if name not in ("metrics", "picture")]
    checkpoints = {"model.safetensors", "convolutional.safetensors"}
    others = {"gaussian-dense.safetensors", "gaussian-mlp.safetensors"}
    alike = [others, {"images.idx", "images.gz"}, {"images.npy", "bytes.npy"}, checkpoints]
    for reader in readers:
        path = tmp_path / reader.original
        for other, data in originals.items():
            same = other == path.name or {other, path.name} in alike or "layer" in other + path.name
            if not same:
                path.write_bytes(data)
                assert read_one(reader.read, path, -1), f"{other} as {path.name}"
