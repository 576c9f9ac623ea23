"""A bundle's own checks: every rule of a network, whatever the SHA-256 beside it says."""

import hashlib
import json
import os
import re

import numpy as np
import pytest

from ipvae_snn.errors import FileFormatError
from ipvae_snn.hw.lava.bundle.simulator import bundle_io
from ipvae_snn.ir.plain_files import read_plain, write_plain


@pytest.fixture
def bundle(network, tmp_path):
    folder = tmp_path / "bundle"
    folder.mkdir()
    write_plain(network, folder)
    return folder


def signed(folder, edit_arrays=lambda arrays: None, edit_program=lambda program: None):
    """Alter a written network, and its SHA-256 with it, as someone hostile would."""
    path = folder / "network.json"
    description = json.loads(path.read_text())
    arrays = dict(np.load(folder / "network.npz"))
    edit_arrays(arrays)
    edit_program(description["program"])
    np.savez(folder / "network.npz", **arrays)
    digest = hashlib.sha256((folder / "network.npz").read_bytes()).hexdigest()
    path.write_text(json.dumps(description | {"sha256": {"network.npz": digest}}))


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        (
            "feedforward.weights",
            lambda a: a[:, :3],
            "feedforward.weights are 7x3, but 7x12 are needed",
        ),
        ("feedforward.weights", lambda a: a.astype("i2"), "feedforward.weights is int16"),
        ("feedforward.shift", lambda a: a * 0, "feedforward.shift 0 is not in 1..40"),
        ("lateral.multiplier", lambda a: a - 10**6, "lateral.multiplier -.* is not in 0..32767"),
        ("lateral.weights", lambda a: a * 0 + 1, "the lateral diagonal is not 0"),
        (
            "neurons.bias",
            lambda a: a[:2],
            r"neurons.self_inhibition is int32\(7,\), but int32\(2,\)",
        ),
        ("neurons.bias", lambda a: a * 0 + 2**30, "the largest input current 107"),
        ("neurons.initial_state", lambda a: a + 10**6, "initial state .* is not in"),
        ("neurons.self_inhibition", lambda a: a - 10**8, "self-inhibition -.* is not in 0"),
        ("decoder.scale", lambda a: a * np.float32(np.nan), "decoder scales are not in 0"),
        ("tables.coarse", lambda a: a.astype("f8"), "tables.coarse is float64"),
        ("tables.fine", lambda a: a + 1, "tables are not those of version 3"),
    ],
)
def test_a_signed_but_wrong_network_is_refused_by_its_rules(network, tmp_path, name, change, words):
    write_plain(network, tmp_path)
    signed(tmp_path, lambda arrays: arrays.update({name: change(arrays[name])}))
    with pytest.raises(bundle_io.InputError, match=words) as caught:
        bundle_io.read_network(tmp_path)
    assert str(caught.value).endswith("export the bundle again")
    with pytest.raises(FileFormatError):
        read_plain(tmp_path)


@pytest.mark.parametrize(
    ("table", "name", "value", "words"),
    [
        ("input", "image_shape", [-4, -3], "height -4 is not in 1"),
        ("input", "image_shape", [12], "an image shape of 1 sizes"),
        ("input", "image_shape", [2, 2, 2], "images of 2x2x2 are not the 12 pixels"),
        ("input", "image_shape", [1, 1, 65], "channels 65 is not in 1..64"),
        ("input", "image_shape", [4, 4], "images of 4x4 are not the 12 pixels"),
        ("input", "scale", 1e300, r"input scale 1e\+300 is not in"),
        ("input", "scale", "0.5", "the input scale is not a number"),
        ("input", "kind", "x" * 10_000, "input kind 'x+' is not known"),
        ("input", "zero_point", True, "zero point is 'True', not a whole number"),
        ("neurons", "max_count", 10**6, "max_count 1000000 is not in 1..32768"),
        ("neurons", "fraction_bits", 60, "fraction_bits 60 is not in 4..16"),
        ("neurons", "state_max", 10**9, "state_max 1000000000 is not in"),
        ("neurons", "update_min", 0, "update_min 0 is not in"),
    ],
)
def test_signed_but_wrong_scalars_are_refused(network, tmp_path, table, name, value, words):
    write_plain(network, tmp_path)

    def edit(program):
        constants = program["populations"][0]["constants"]
        (constants if table == "neurons" else program[table]).update({name: value})

    signed(tmp_path, edit_program=edit)
    with pytest.raises(bundle_io.InputError, match=words) as caught:
        bundle_io.read_network(tmp_path)
    assert len(str(caught.value)) < 400
    with pytest.raises(FileFormatError):
        read_plain(tmp_path)


def test_files_of_a_bundle_that_are_no_files(network, bundle, tmp_path):
    """A pipe would hang, a deep text raised RecursionError, an item size of 0 ended by SIGFPE."""
    stored = bundle_io.read_network(bundle)
    pipe, empty = tmp_path / "pipe", tmp_path / "empty.npy"
    os.mkfifo(pipe)
    header = "{'descr': '|V0', 'fortran_order': False, 'shape': (2, 4, 3), }".ljust(117) + "\n"
    empty.write_bytes(b"\x93NUMPY\x01\x00\x76\x00" + header.encode())
    for path, words in ((pipe, "a folder, a pipe or a device"), (empty, "values of type '|V0'")):
        with pytest.raises(bundle_io.InputError, match=re.escape(words)):
            bundle_io.read_images(path, stored, None)
    for text in ("[" * 9000, '{"a":' * 9000 + "1" + "}" * 9000, "[]", "NaN", "9" * 5000):
        (bundle / "network.json").write_text(text)
        with pytest.raises(bundle_io.InputError, match=r"^.{1,399}; export the bundle again$"):
            bundle_io.read_network(bundle)
