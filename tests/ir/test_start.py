"""A start: by hand, in any graph, over frames, in files, and where it makes no sense."""

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hand_made import chain, lca
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file
from started import started, with_start

from ipvae_snn.errors import FileFormatError, ProgramError
from ipvae_snn.ir import Connection, Dense, IntegerNetwork, PoissonNeurons, Synapses, interpreter
from ipvae_snn.ir.files import FORMAT, digest, load_network, save_network, to_arrays, to_scalars
from ipvae_snn.ir.graph import IMAGE
from ipvae_snn.ir.plain_files import read_plain, write_plain
from ipvae_snn.ir.start import START
from ipvae_snn.ir.trace import RunRequest, states_of


def by_hand() -> IntegerNetwork:
    """Return the chain of graphs with a start of its second population: 3 neurons, 12 pixels."""
    matrix = np.zeros((3, 12), np.int8)
    matrix[0, 0], matrix[0, 1], matrix[1, 2], matrix[2, 11] = 3, -2, 100, -100
    synapses = Synapses.dense(
        matrix, np.array([5, 1 << 10, 1 << 10], np.int32), np.array([3, 4, 4], np.int32)
    )
    made = chain()
    second = made.population("second")
    resting = np.array([7, -30, 40], np.int32)
    rest = replace(second.neurons, initial_state=resting)  # type: ignore[type-var]  # a dataclass
    populations = (made.populations[0], replace(second, neurons=rest))
    start = Connection(START, IMAGE, "second", synapses)
    return replace(made, populations=populations, start=start)


def test_first_potentials_by_hand() -> None:
    """The zero point is 117; pixels 120, 100, 255, 255 are payloads 3, -17, 138, 138.

    Neuron 0: 3 x 3 + 2 x 17 = 43; (43 x 5 + 4) >> 3 = 27; 7 + 27 = 34.
    Neuron 1: 100 x 138 = 13800; (13800 x 1024 + 8) >> 4 = 883200; above 4 octaves: 4096.
    Neuron 2: -13800 likewise: below -8 octaves: -8192.
    """
    network = by_hand()
    pixels = np.full((1, 12), 117, np.uint8)
    pixels[0, [0, 1, 2, 11]] = 120, 100, 255, 255
    states = interpreter.appear(network, pixels)
    assert states["second"].tolist() == [[34, 4096, -8192]]
    np.testing.assert_array_equal(states["first"], interpreter.initial(network, 1)["first"])
    blank = np.full((1, 12), 117, np.uint8)
    assert interpreter.appear(network, blank)["second"].tolist() == [[7, -30, 40]]


@settings(max_examples=40, deadline=None)
@given(network=started(), seed=st.integers(0, 2**32 - 1), frames=st.sampled_from((None, 2)))
def test_a_start_acts_once(network: IntegerNetwork, seed: int, frames: int | None) -> None:
    """As if the neurons' own initial potentials were those of the first frame, one image a run.

    By whole numbers of Python: they cannot wrap.
    """
    assert network.start is not None
    shape = (2, network.n_pixels) if frames is None else (2, frames, network.n_pixels)
    pixels = np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)
    trace = interpreter.run(network, pixels, RunRequest(3, seed, trace=True))
    target, synapses = network.population(network.start.target), network.start.synapses
    neurons = target.neurons
    assert isinstance(neurons, PoissonNeurons)
    for n in range(2):
        first = pixels[n].reshape(-1, network.n_pixels)[0].tolist()
        state = []
        for k in range(target.size):
            row = synapses.matrix[k].tolist()
            total = sum(w * (p - network.input.zero_point) for w, p in zip(row, first, strict=True))
            shift = int(synapses.shift[k])
            moved = (total * int(synapses.multiplier[k]) + 2 ** (shift - 1)) // 2**shift
            state.append(int(neurons.initial_state[k]) + moved)
        clipped = np.clip(state, neurons.state_min, neurons.state_max).astype(np.int32)
        own = replace(target, neurons=replace(neurons, initial_state=clipped))
        others = tuple(own if one.name == own.name else one for one in network.populations)
        same = replace(network, populations=others, start=None)
        request = RunRequest(3, seed, n, trace=True)
        np.testing.assert_array_equal(
            states_of(interpreter.run(same, pixels[n : n + 1], request)),
            states_of(trace)[n : n + 1],
        )


@settings(max_examples=20, deadline=None)
@given(network=started())
def test_files_hold_a_start(network: IntegerNetwork) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        save_network(network, folder / "net.safetensors")
        write_plain(network, folder)
        for result in (load_network(folder / "net.safetensors"), read_plain(folder)):
            assert digest(result) == digest(network)
            assert to_scalars(result) == to_scalars(network)
    assert network.version == 5
    assert digest(network) != digest(replace(network, start=None))
    plain = replace(network, start=None)
    assert "start" not in to_scalars(plain)
    assert not any(one.startswith("start.") for one in to_arrays(plain))
    assert network.n_bytes > plain.n_bytes


def test_a_start_of_an_older_version_is_refused(tmp_path: Path) -> None:
    """Readers of version 4 look at the version first, and so refuse a start."""
    path = tmp_path / "net.safetensors"
    save_network(by_hand(), path)
    with safe_open(path, framework="numpy") as handle:
        arrays = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118 (no __iter__)
        metadata = handle.metadata()
    assert (metadata["format"], metadata["version"]) == (FORMAT, "5")
    scalars = json.loads(metadata["program"])
    older = {**metadata, "version": "4", "program": json.dumps({**scalars, "version": 4})}
    save_file(arrays, path, older)
    words = "a network of version 4 has no start, but this one names one, which version 5 has"
    with pytest.raises(FileFormatError, match=words):
        load_network(path)
    without = {name: array for name, array in arrays.items() if name != "start.weights"}
    save_file(without, path, metadata)
    with pytest.raises(FileFormatError, match=r"missing or malformed part .*weights"):
        load_network(path)


def _start(source: str, target: str, matrix: np.ndarray, multiplier: int, shift: int) -> Connection:
    n = len(matrix)
    scale = np.full(n, multiplier, np.int32), np.full(n, shift, np.int32)
    return Connection(START, source, target, Synapses(Dense(matrix.astype(np.int8)), *scale))


def test_starts_that_a_network_cannot_have() -> None:
    made = chain()
    for start, words in (
        (
            _start("first", "second", np.ones((3, 5)), 1, 1),
            "comes from 'first', but only the image",
        ),
        (
            _start(IMAGE, "third", np.ones((3, 12)), 1, 1),
            "leads to 'third', which is no population",
        ),
        (_start(IMAGE, "second", np.ones((3, 11)), 1, 1), "has 11 sources and 3 targets, but"),
        (
            _start(IMAGE, "second", np.full((3, 12), 127), (1 << 15) - 1, 1),
            "change of neuron 0 can reach .* beyond the 24-bit 8388607; convert with smaller",
        ),
    ):
        with pytest.raises(ProgramError, match=words):
            replace(made, start=start)
    with pytest.raises(ProgramError, match=r"leads to 'code', .* of kind lca; only Poisson"):
        replace(lca(), start=_start(IMAGE, "code", np.ones((6, 9)), 1, 1))
    twice = replace(with_start(made).connections[0], name=START)
    with pytest.raises(ProgramError, match="two connections are called 'start'"):
        replace(with_start(made), connections=(twice, *made.connections[1:]))


def test_the_description_names_a_start() -> None:
    assert f"{START} 8 bits" in repr(by_hand())
