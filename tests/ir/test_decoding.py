"""Decodings: by hand, against exact rates, within frames, and in files."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hand_made import chain, lca
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file
from variants import with_counters

from ipvae_snn.errors import ConfigError, FileFormatError, ProgramError
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.decoding import MAP, MAX_DECODING_STEPS, SAMPLE, Decoding, decoding_of
from ipvae_snn.ir.files import digest, load_network, save_network, to_scalars
from ipvae_snn.ir.interpreter import Read
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.parts import Decoder
from ipvae_snn.ir.plain_files import read_plain, write_plain
from ipvae_snn.ir.sampler import MAX_PARTS_LOG2, SPLIT_OCTAVES, SamplerTables, spike_rates
from ipvae_snn.ir.trace import RunRequest, counts_of, states_of
from ipvae_snn.ir.weights import Dense, Sparse

MEAN = Decoding("mean", 3)


def by_hand(network: IntegerNetwork, decoding: Decoding) -> IntegerNetwork:
    """Return the network with a decoder of one weight in each of the first two pixels."""
    matrix = np.zeros((network.n_pixels, network.n_neurons), np.int16)
    matrix[0, 0], matrix[1, 1] = 7, -2
    scale = np.full(network.n_pixels, 0.5, np.float32)
    return replace(network, decoder=Decoder(Dense(matrix), scale, decoding=decoding))


def test_sample_and_mean_by_hand(network: IntegerNetwork) -> None:
    """Counts 10 and 4: 7 x 10 / 2 = 35; of three steps' 10 and 4, (70 / 3) / 2 and (-8 / 3) / 2."""
    added = np.zeros((1, network.n_neurons), np.int64)
    added[0, :2] = 10, 4
    state = np.zeros_like(added)
    sample = interpreter.reconstruct(by_hand(network, SAMPLE), Read(added, state, 1))
    assert sample[0, :3].tolist() == [35.0, -4.0, 0.0]
    mean = interpreter.reconstruct(by_hand(network, MEAN), Read(added, state, 3))
    half = np.float32(0.5)
    assert mean[0, 0] == np.float32(70) / np.float32(3) * half
    assert mean[0, 1] == np.float32(-8) / np.float32(3) * half
    assert mean.dtype == np.float32


def test_map_by_hand(network: IntegerNetwork) -> None:
    """At 0 octaves the rate is 1, at 3 it is 8, at 4 it is 16; at -12, a unit of 2^-12."""
    bits = network.neurons.fraction_bits
    wide = replace(network.neurons, state_min=-12 << bits, state_max=5 << bits, max_count=40)
    populations = (replace(network.populations[0], neurons=wide), *network.populations[1:])
    decoded = by_hand(replace(network, populations=populations), MAP)
    state = np.zeros((1, network.n_neurons), np.int64)
    counts = np.full_like(state, 99)  # no count is decoded
    for octaves, rate in ((0, 1.0), (3, 8.0), (4, 16.0), (-12, 2.0**-12)):
        state[0, :2] = octaves << bits
        result = interpreter.reconstruct(decoded, Read(counts, state, 0))
        assert result[0, :3].tolist() == [3.5 * rate, -rate, 0.0]


@given(st.integers(4, 16), st.data())
def test_rates_are_those_of_the_potentials(bits: int, data: st.DataObject) -> None:
    """Half a unit by rounding, and the floors of the sampler's exponential, 2^-29 of the rate."""
    top = (SPLIT_OCTAVES + MAX_PARTS_LOG2) << bits
    potential = data.draw(st.integers(-12 << bits, top))
    rate = spike_rates(np.array([potential]), bits, 1 << 15, SamplerTables())[0]
    exact = 2.0 ** (potential / (1 << bits)) * 4096
    assert abs(rate - exact) <= 0.5 + exact * 2.0**-26
    assert spike_rates(np.array([potential]), bits, 3, SamplerTables())[0] == min(rate, 3 << 12)


@pytest.mark.parametrize("decoding", [SAMPLE, Decoding("mean", 2), Decoding("mean", 9), MAP])
@pytest.mark.parametrize("frames", [None, 3])
def test_a_run_decodes_the_end_of_every_frame(decoding: Decoding, frames: int | None) -> None:
    """By exact fractions from the kept counts and states; the decoder reads the second population.

    A mean of more steps than a frame has is that of all of its steps, and of no other frame's.
    """
    network, steps = chain().with_decoding(decoding), 4
    shape = (2, network.n_pixels) if frames is None else (2, frames, network.n_pixels)
    pixels = np.random.default_rng(2).integers(0, 256, shape).astype(np.uint8)
    trace = interpreter.run(network, pixels, RunRequest(steps, 5, trace=True))
    images = trace.reconstruction.reshape(2, frames or 1, -1)
    own = slice(5, 8)
    counts, states = counts_of(trace)[:, :, own], states_of(trace)[:, :, own]
    n = min(decoding.steps, steps)
    for frame in range(frames or 1):
        end = (frame + 1) * steps
        payload, divisor = counts[:, end - n : end].sum(axis=1), n
        if decoding == MAP:
            payload = spike_rates(states[:, end - 1].astype(np.int64), 10, 6, SamplerTables())
            divisor = 4096
        for image in range(2):
            for m in range(network.n_pixels):
                weights = network.decoder.matrix[m].tolist()
                total = sum(w * y for w, y in zip(weights, payload[image].tolist(), strict=True))
                once = np.float32(total) / np.float32(divisor)
                assert images[image, frame, m] == once * network.decoder.scale[m]
    assert images.any()


@pytest.mark.parametrize("back_end", ["reference", "compiled", "onnx"])
def test_accumulators_hold_what_a_mean_decodes(network: IntegerNetwork, back_end: str) -> None:
    """A chip keeps the sums itself: the host reads them twice, n steps apart (docs/ir.md)."""
    n, steps = 3, 8
    counting = with_counters(network).with_decoding(Decoding("mean", n))
    pixels = np.random.default_rng(4).integers(0, 256, (3, network.n_pixels)).astype(np.uint8)
    trace = counting.prepare(back_end).run(pixels, RunRequest(steps, 1))
    assert trace.scores is not None
    added = trace.scores[:, steps - 1] - trace.scores[:, steps - 1 - n]
    again = interpreter.reconstruct(counting, Read(added, trace.state, n))
    np.testing.assert_array_equal(again, trace.reconstruction, strict=True)
    assert added.any()


def test_no_decoding_changes_a_count(network: IntegerNetwork) -> None:
    """And the three differ in what they reconstruct."""
    pixels = np.random.default_rng(0).integers(0, 256, (3, network.n_pixels)).astype(np.uint8)
    request = RunRequest(6, trace=True)
    traces = [
        interpreter.run(network.with_decoding(one), pixels, request) for one in (SAMPLE, MEAN, MAP)
    ]
    for name, array in traces[0].arrays().items():
        for other in traces[1:]:
            equal = np.array_equal(array, other.arrays()[name])
            assert equal == (name != "reconstruction"), name


def test_a_decoding_that_a_network_cannot_have() -> None:
    """No rates of LCA neurons; no steps out of range; no other kind."""
    with pytest.raises(
        ProgramError, match=r"cannot decode rates \(map\) of 'code'.* lca have none"
    ):
        lca().with_decoding(MAP)
    lca().with_decoding(MEAN)
    for steps in (0, MAX_DECODING_STEPS + 1):
        with pytest.raises(ProgramError, match=r"decoding steps .* are not in 1\.\.4096, as mean"):
            Decoding("mean", steps)
    with pytest.raises(ProgramError, match=r"decoding steps 2 are not in 1\.\.1, as map"):
        Decoding("map", 2)
    with pytest.raises(ProgramError, match="decoding 'median' is not known here"):
        Decoding("median")  # type: ignore[arg-type]  # the fault


def test_sums_beyond_53_bits_are_refused(network_factory: Callable[..., IntegerNetwork]) -> None:
    """Of weights of 32,767 and payloads of 2^27, 2,048 sources have 53 bits, and 2,049 have 54."""
    for neurons, fits in ((2048, True), (2049, False)):
        plain = network_factory(height=1, width=2, neurons=neurons, max_count=1)
        lateral = plain.connection("lateral")
        silent = replace(lateral.synapses, weights=Sparse.of(np.zeros((neurons, neurons), np.int8)))
        most = replace(plain.neurons, max_count=1 << 15)
        full = np.full((2, neurons), 32767, np.int16)
        network = replace(
            plain,
            populations=(replace(plain.populations[0], neurons=most),),
            connections=(plain.connections[0], replace(lateral, synapses=silent)),
            decoder=replace(plain.decoder, weights=Dense(full)),
        )
        if fits:
            assert network.with_decoding(MAP).decoded_payload == 1 << 27
            continue
        with pytest.raises(ProgramError, match=r"the decoder's sum of pixel 0 .* beyond 53 bits"):
            network.with_decoding(MAP)


@pytest.mark.parametrize("text", ["sample", "mean:1", "mean:4", "mean:4096", "map"])
def test_names_come_back(text: str) -> None:
    assert str(decoding_of(text)) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mean", "decoding 'mean' needs its number of last steps, 1 to 4096; give mean:4"),
        ("mean:0", "decoding 'mean:0' needs its number"),
        ("mean:4097", "decoding 'mean:4097' needs its number"),
        ("mean:-1", "decoding 'mean:-1' needs its number"),
        ("mean:²", "decoding 'mean:²' needs its number"),
        ("mean:99999999999", "decoding 'mean:99999999999' needs its number"),
        ("Map", r"no decoding is called 'Map' \(did you mean 'map'\?\); there are sample, mean:N"),
        ("map:3", "no decoding is called 'map:3'"),
        ("", "no decoding is called ''"),
    ],
)
def test_other_names_are_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=f"^{words}"):
        decoding_of(text)


@pytest.mark.parametrize("decoding", [SAMPLE, MEAN, MAP])
def test_files_hold_it(network: IntegerNetwork, decoding: Decoding, tmp_path: Path) -> None:
    """The digest tells decodings apart; networks that decode samples stay those of version 3."""
    decoded = network.with_decoding(decoding)
    path = tmp_path / "net.safetensors"
    save_network(decoded, path)
    with safe_open(path, framework="numpy") as handle:
        metadata = handle.metadata()
    version = "3" if decoding == SAMPLE else "4"
    assert (metadata["version"], json.loads(metadata["program"])["version"]) == (
        version,
        int(version),
    )
    assert load_network(path).decoder.decoding == decoding
    assert digest(load_network(path)) == digest(decoded)
    assert (digest(decoded) == digest(network)) == (decoding == SAMPLE)
    write_plain(decoded, tmp_path)
    assert read_plain(tmp_path).decoder.decoding == decoding


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown kind": ({"decoding": "mode"}, "decoding 'mode' is not known here"),
    "a kind that is no text": ({"decoding": ["map"]}, r"decoding \['map'\] is not known here"),
    "no steps": ({"decoding_steps": 0}, r"decoding steps 0 are not in 1\.\.4096"),
    "half a step": ({"decoding_steps": 1.5}, "decoding steps"),
    "steps of a map": ({"decoding": "map"}, r"decoding steps 3 are not in 1\.\.1"),
    "true steps": ({"decoding_steps": True}, "decoding steps"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_ones_in_files_are_refused(
    network: IntegerNetwork, tmp_path: Path, what: str
) -> None:
    changes, words = WRONG[what]
    program = to_scalars(network.with_decoding(MEAN))
    program["decoder"] |= changes
    with pytest.raises(FileFormatError, match=f"net.safetensors: .*{words}"):
        _load(network, program, tmp_path)


@pytest.mark.parametrize("name", ["decoding", "decoding_steps"])
def test_versions_and_decodings_belong_together(
    network: IntegerNetwork, tmp_path: Path, name: str
) -> None:
    """Version 3 has none, since its readers would decode a sample; version 4 has both numbers."""
    program = to_scalars(network.with_decoding(MEAN))
    with pytest.raises(FileFormatError, match="version 3 decodes samples, but this one's decoder"):
        _load(network, {**program, "version": 3}, tmp_path)
    del program["decoder"][name]
    with pytest.raises(FileFormatError, match="missing or malformed part"):
        _load(network, program, tmp_path)
    with pytest.raises(FileFormatError, match="network version 5 is not 3 or 4"):
        _load(network, {**program, "version": 5}, tmp_path)


def _load(network: IntegerNetwork, program: dict[str, Any], folder: Path) -> IntegerNetwork:
    """Load a file of the network with another program."""
    path = folder / "net.safetensors"
    save_network(network, path)
    with safe_open(path, framework="numpy") as handle:
        arrays = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118 (no __iter__)
        metadata = handle.metadata()
    save_file(arrays, path, metadata | {"version": "4", "program": json.dumps(program)})
    return load_network(path)
