"""A bundle's own checks: every rule of a network, whatever the SHA-256 beside it says."""

import hashlib
import json
import os
import re
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from graphs import networks
from hand_made import chain, convolved, lca, relayed
from hypothesis import given, settings

from ipvae_snn.errors import FileFormatError
from ipvae_snn.export.lava.bundle import stride_of
from ipvae_snn.hw.lava.bundle.simulator import bundle_io
from ipvae_snn.ir.files import to_scalars
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
        ("tables.fine", lambda a: a + 1, "tables are not the specified ones"),
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


def part(program, name):
    """Return the scalars of a population or connection."""
    return next(p for p in (*program["populations"], *program["connections"]) if p["name"] == name)


def rename(program, old, new):
    """Give a population or connection another name, but not its tensors."""
    part(program, old)["name"] = new


def decoded(program, decoding, steps, version=4):
    """Give a program a decoding."""
    program["version"] = version
    program["decoder"] |= {"decoding": decoding, "decoding_steps": steps}


GRAPH_FAULTS = {
    "a decoding of version 3": (
        chain,
        lambda a, p: decoded(p, "mean", 3, version=3),
        "a decoding, which no network of version 3 has",
    ),
    "an unknown decoding": (
        chain,
        lambda a, p: decoded(p, "mode", 1),
        "decoding 'mode' is not known",
    ),
    "a mean of no steps": (
        chain,
        lambda a, p: decoded(p, "mean", 0),
        r"decoding_steps 0 is not in 1..4096",
    ),
    "a mean of half a step": (
        chain,
        lambda a, p: decoded(p, "mean", 1.5),
        "decoding_steps is '1.5', not a whole number",
    ),
    "a map of two steps": (
        chain,
        lambda a, p: decoded(p, "map", 2),
        r"decoding_steps 2 is not in 1..1",
    ),
    "rates of LCA neurons": (
        lca,
        lambda a, p: decoded(p, "map", 1),
        "cannot decode rates of code, whose neurons have none",
    ),
    "version 4 without a decoding": (
        chain,
        lambda a, p: p.update(version=4),
        "decoding",
    ),
    "a name twice": (convolved, lambda a, p: rename(p, "lateral", "up"), "have the same name"),
    "a reserved name": (convolved, lambda a, p: rename(p, "up", "image"), "'image' is no name"),
    "a name with a line": (lca, lambda a, p: rename(p, "drive", "a\nb"), "is no name of a"),
    "an end that is none": (
        convolved,
        lambda a, p: part(p, "up").update(target="nerves"),
        "up leads to no population",
    ),
    "a start that is none": (
        convolved,
        lambda a, p: part(p, "up").update(source="nerves"),
        "up comes from no population",
    ),
    "from accumulators": (
        convolved,
        lambda a, p: part(p, "up").update(source="scores"),
        "up comes from scores, whose neurons send nothing",
    ),
    "a circle": (
        relayed,
        lambda a, p: part(p, "back").update(source="late"),
        "late, early form a circle without delay",
    ),
    "a decoder of nothing": (
        relayed,
        lambda a, p: p["decoder"].update(source="late"),
        "the decoder reads 'late'",
    ),
    "residuals for other pixels": (
        relayed,
        lambda a, p: part(p, "early")["constants"].update(size=5),
        "early has 5 neurons for 6 pixels",
    ),
    "an unknown kind": (
        lca,
        lambda a, p: part(p, "code").update(kind="fish"),
        "neurons of kind 'fish' are not known here; known ones are poisson, lca",
    ),
    "weights of an unknown kind": (
        lca,
        lambda a, p: part(p, "drive")["weights"].update(kind=["dense"]),
        "weights of kind .* are not known here",
    ),
    "a constant too many": (
        lca,
        lambda a, p: part(p, "code")["constants"].update(speed=1),
        "constants of code: 'speed' is not known",
    ),
    "a constant too few": (
        lca,
        lambda a, p: part(p, "code")["constants"].pop("leak_shift"),
        "constants of code: leak_shift is missing",
    ),
    "a leak of nothing": (
        lca,
        lambda a, p: part(p, "code")["constants"].update(leak_shift=0),
        "leak_shift 0 is not in 1..15",
    ),
    "thresholds below 0": (
        lca,
        lambda a, p: a.update({"code.threshold": a["code.threshold"] - 1000}),
        "code.threshold -.* is not in 0",
    ),
    "two labels": (
        convolved,
        lambda a, p: a.update({"scores.label": a["scores.label"] * 0}),
        "scores.label: two are the same",
    ),
    "a grid of other neurons": (
        convolved,
        lambda a, p: part(p, "grid").update(grid=[2, 2, 2]),
        r"grid has 12 neurons, which are not its grid \[2, 2, 2\]",
    ),
    "kernels beyond the edge": (
        convolved,
        lambda a, p: part(p, "up")["weights"]["constants"].update(stride=2, padding=0, height=9),
        "up: kernels of 4 pixels at stride 2 and padding 0 do not end at the edge of 9",
    ),
    "a stride of 0": (
        convolved,
        lambda a, p: part(p, "up")["weights"]["constants"].update(stride=0),
        "up: a convolution with a size outside",
    ),
    "a matrix that no memory holds": (
        convolved,
        lambda a, p: part(p, "up")["weights"]["constants"].update(padding=3001),
        "up: .* weights as a matrix, but at most 67108864 fit",
    ),
    "rows that do not add up": (
        lca,
        lambda a, p: a.update({"drive.starts": a["drive.starts"] + 1}),
        "drive.starts do not divide",
    ),
    "columns out of order": (
        lca,
        lambda a, p: a.update({"compete.columns": a["compete.columns"][::-1].copy()}),
        "compete.columns do not rise",
    ),
    "columns beyond the sources": (
        lca,
        lambda a, p: a.update({"drive.columns": a["drive.columns"] + 6}),
        "drive.columns .* is not in 0..5",
    ),
    "own weights of Poisson neurons": (
        convolved,
        lambda a, p: a.update({"lateral.kernel": a["lateral.kernel"] * 0 + 1}),
        "the lateral diagonal is not 0",
    ),
    "too large a sum": (
        lca,
        lambda a, p: part(p, "code")["constants"].update(max_payload=10**5),
        "max_payload 100000 is not in 1..32767",
    ),
    "a current beyond 24 bits": (
        convolved,
        lambda a, p: a.update({"scores.bias": a["scores.bias"] * 0 + (1 << 23) - 1}),
        "the largest input current",
    ),
}


@pytest.mark.parametrize("fault", GRAPH_FAULTS)
def test_a_signed_but_wrong_graph_is_refused_by_its_rules(tmp_path, fault):
    make, damage, words = GRAPH_FAULTS[fault]
    write_plain(make(), tmp_path)
    bundle_io.read_network(tmp_path)  # before it is damaged
    found = dict(np.load(tmp_path / "network.npz"))
    signed(tmp_path, edit_program=lambda program: damage(found, program))
    signed(tmp_path, lambda arrays: arrays.update(found))
    with pytest.raises(bundle_io.InputError, match=words) as caught:
        bundle_io.read_network(tmp_path)
    assert str(caught.value).endswith("export the bundle again")
    assert len(str(caught.value).splitlines()) == 1
    if "memory" not in fault:
        with pytest.raises(FileFormatError):
            read_plain(tmp_path)


def test_nine_connections_to_a_population_are_more_than_lava_takes(tmp_path):
    network = lca()
    first = network.connection("forward")
    more = tuple(replace(first, name=f"more{i}") for i in range(7))
    write_plain(replace(network, connections=(*network.connections, *more)), tmp_path)
    with pytest.raises(bundle_io.InputError, match="more than 8 connections lead to code"):
        bundle_io.read_network(tmp_path)


@given(networks())
@settings(max_examples=40, deadline=None)
def test_any_graph_is_accepted_with_the_matrices_that_the_network_has(network):
    """Weights of every kind, expanded by other code than the toolkit's."""
    with tempfile.TemporaryDirectory() as folder:
        write_plain(network, Path(folder))
        stored = bundle_io.read_network(Path(folder))
        back = read_plain(Path(folder))
    assert to_scalars(back) == to_scalars(network)
    for one in network.connections:
        wanted = one.synapses.weights.dense()
        np.testing.assert_array_equal(stored.matrix(one.name), wanted, strict=True)
    wanted = network.decoder.weights.dense()
    np.testing.assert_array_equal(stored.matrix("decoder"), wanted, strict=True)
    assert stored.stride == stride_of(network)
    assert (stored.n_neurons, stored.n_scores) == (network.n_neurons, network.n_scores)


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
