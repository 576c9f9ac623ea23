"""docs/loihi2.md: its figures, its pseudo-microcode and its list of state agree with the code."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from circuits import replace

from ipvae_snn import data
from ipvae_snn.conversion.calibration import calibrate
from ipvae_snn.conversion.convert import convert
from ipvae_snn.conversion.settings import ConversionSettings
from ipvae_snn.ir import circuit_steps, fixed_point, interpreter
from ipvae_snn.ir.encode import encode
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.parts import Synapses
from ipvae_snn.ir.prng import threefry2x32
from ipvae_snn.ir.trace import RunRequest
from ipvae_snn.models.float_network import load_float_network
from ipvae_snn.pretrained import network_path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "loihi2.md"
PROCESSES = ROOT / "hw" / "lava" / "bundle" / "simulator" / "processes"
WORD_BYTES = 4


@pytest.fixture(scope="module")
def modules() -> Iterator[tuple[ModuleType, ModuleType]]:
    """The two files beside the page: pseudo-microcode and its figures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "docs" / "examples"))
        yield (
            importlib.import_module("microcode"),
            importlib.import_module("microcode_figures"),
        )


@pytest.fixture(scope="module")
def text() -> str:
    """The page."""
    return PAGE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def digits() -> IntegerNetwork:
    """The network that comes with the package, at 8 bits."""
    network = load_float_network(network_path("digits"))
    images = data.load("digits", "train", limit=256)
    return convert(
        network, calibrate(network, images.pixels, images.name, 64), ConversionSettings()
    )[0]


def flat(text: str) -> str:
    """Return text as one line."""
    return " ".join(text.split())


def test_the_page_holds_what_the_figures_print(
    modules: tuple[ModuleType, ModuleType], text: str
) -> None:
    """Every table, and the exponential's error."""
    _, figures = modules
    assert figures.operand_table() in text
    assert figures.instruction_table() in text
    assert figures.distance_table() in text
    assert f"at most {figures.exponential_error():.2f} units off" in flat(text)


def test_the_numbers_in_the_text(modules: tuple[ModuleType, ModuleType], text: str) -> None:
    """Instructions of a quiet neuron, with either uniforms; units at a rate of 2^-12."""
    micro, figures = modules
    counts = {name: sum(result.values()) for name, result in figures.operations().items()}
    quiet = sum(counts.values()) - counts["uniforms, keyed"] - counts["every further count"]
    quiet -= counts["integrate, two-layer"] + counts["residual"]
    assert 80 <= quiet <= 120
    assert "some hundred instructions per step" in flat(text)
    assert 550 <= quiet + counts["uniforms, keyed"] <= 650
    assert 1 << (micro.UNIT - 12) == 1024
    assert "rates near 2^-12 only, where it is 1,024 units" in flat(text)


def test_digits_needs_what_the_page_says(
    modules: tuple[ModuleType, ModuleType], digits: IntegerNetwork, text: str
) -> None:
    """And all of it fits a word."""
    micro, figures = modules
    needs = figures.fit(digits)
    assert all(bits <= micro.WORD for bits in needs.values())
    said = ", ".join(f"{name} {bits}" for name, bits in needs.items())
    assert f"The `digits` network at 8 bits needs: {said} bits." in flat(text)


def test_only_published_instructions_are_used(
    modules: tuple[ModuleType, ModuleType], text: str
) -> None:
    """Those listed on the page with their source."""
    _, figures = modules
    row = next(line for line in text.splitlines() if line.startswith("| instructions of"))
    published = set(re.findall(r"`([A-Z_]+)`", row))
    used = {mnemonic for counts in figures.operations().values() for mnemonic in counts}
    assert used <= published
    table = text[text.index("| operation | how |") :].split("\n\n")[0]
    assert set(re.findall(r"`([A-Z_]+)`", table)) <= published


@pytest.mark.parametrize("circuit", ["one-layer", "two-layer"])
def test_the_steps_equal_the_interpreter(
    modules: tuple[ModuleType, ModuleType],
    network: IntegerNetwork,
    two_layer: IntegerNetwork,
    circuit: str,
) -> None:
    """Scaling, residual and integration in 24-bit words, over all counts that can occur."""
    micro, _ = modules
    integer = network if circuit == "one-layer" else two_layer
    tight = replace(integer.neurons, excitation_max=500, update_min=-2000)
    integer = replace(integer, neurons=tight)  # so that every clamp is reached
    machine = micro.Machine()
    rng = np.random.default_rng(2)
    group = integer.neurons
    counts = rng.integers(0, group.max_count + 1, (400, integer.n_neurons))
    counts[200:] = rng.poisson(0.7, (200, integer.n_neurons))  # fewer clamps are reached here
    state = rng.integers(group.state_min, group.state_max + 1, counts.shape)
    pixels = rng.integers(0, 256, (400, integer.n_pixels)).astype(np.uint8)
    shown = circuit_steps.held(integer, pixels)
    wanted, saturated = circuit_steps.integrate(integer, state, shown, counts)
    own = np.maximum(group.self_inhibition.astype(np.int64), 1)
    width = (group.excitation_max - group.update_min) << group.extra_bits
    loop = None
    if integer.residual is None:
        assert integer.lateral is not None
        received = shown + scaled(micro, machine, integer.lateral, counts)
    else:
        predicted = scaled(micro, machine, integer.residual.prediction, counts)
        error = micro.residual(machine, shown, predicted, integer.residual.limit)
        received = group.bias + scaled(micro, machine, integer.feedforward, error)
        inhibition = np.maximum(integer.residual.loop_inhibition.astype(np.int64), 1)
        loop = (integer.residual.loop_inhibition.astype(np.int64), -(-width // inhibition))
    result = micro.integrate(
        machine,
        state,
        received,
        counts,
        group.self_inhibition.astype(np.int64),
        -(-width // own),
        group.extra_bits,
        (group.update_min, group.excitation_max),
        (group.state_min, group.state_max),
        loop,
    )
    np.testing.assert_array_equal(result, wanted)
    assert (saturated[:, 1:4].sum(axis=0) > 0).all()  # every clamp was reached


def test_a_real_network_stays_within_words(
    modules: tuple[ModuleType, ModuleType], digits: IntegerNetwork
) -> None:
    """Every potential of 20 images over 32 steps, from the counts that the interpreter drew."""
    micro, _ = modules
    machine, group = micro.Machine(), digits.neurons
    images = data.load("digits", "test", limit=20)
    pixels, _ = encode(digits.input, images.pixels, images.kind, images.name)
    trace = interpreter.run(digits, pixels, RunRequest(32, 0, trace=True))
    assert trace.counts is not None
    assert trace.states is not None
    assert digits.lateral is not None
    payload = pixels.astype(np.int64) - digits.input.zero_point
    current = machine.add(scaled(micro, machine, digits.feedforward, payload), group.bias)
    own = group.self_inhibition.astype(np.int64)
    cap = -(-((group.excitation_max - group.update_min) << group.extra_bits) // np.maximum(own, 1))
    state = np.tile(group.initial_state.astype(np.int64), (len(pixels), 1))
    for step in range(32):
        counts = trace.counts[:, step].astype(np.int64)
        received = machine.add(current, scaled(micro, machine, digits.lateral, counts))
        state = micro.integrate(
            machine,
            state,
            received,
            counts,
            own,
            cap,
            group.extra_bits,
            (group.update_min, group.excitation_max),
            (group.state_min, group.state_max),
        )
        np.testing.assert_array_equal(state, trace.states[:, step])


def scaled(
    micro: ModuleType, machine: object, connection: Synapses, payload: np.ndarray
) -> np.ndarray:
    """Return the output of a connection, by the pseudo-microcode; one shift for all neurons."""
    largest = int(connection.shift.max())
    multiplier = connection.multiplier.astype(np.int64) << (largest - connection.shift)
    total = payload @ connection.matrix.astype(np.int64).T
    result: np.ndarray = micro.scale(machine, total, multiplier, largest)
    return result


def test_the_uniforms_are_threefry(modules: tuple[ModuleType, ModuleType]) -> None:
    """In 16-bit halves, word for word."""
    micro, _ = modules
    key = (0x13198A2E, 0x03707344)
    first = np.array([0x243F6A88, 0, 0xFFFFFFFF, 17], dtype=np.int64)
    second = np.array([0x85A308D3, 0, 0xFFFFFFFF, 5], dtype=np.int64)
    words = micro.threefry(micro.Machine(), key, first, second)
    keys = (np.array(key[0], np.uint32), np.array(key[1], np.uint32))
    wanted = threefry2x32(keys, (first.astype(np.uint32), second.astype(np.uint32)))
    for (low, high), word in zip(words, wanted, strict=True):
        np.testing.assert_array_equal((high << 16) | low, word.astype(np.int64))


def test_the_sampler_draws_from_its_law(modules: tuple[ModuleType, ModuleType]) -> None:
    """part_count at every 22-bit uniform gives the distribution behind the distances."""
    micro, figures = modules
    v = np.array([-4000], dtype=np.int64)
    uniforms = np.arange(0, 1 << micro.UNIT, dtype=np.int64)
    rate, halvings = micro.part_rate(micro.Machine(), np.full_like(uniforms, v[0]), 12, 0)
    assert (halvings == 0).all()
    counts = micro.part_count(micro.Machine(), rate, uniforms, 0, 20)
    law = figures.law(v, 12, 0)[0]
    result = np.bincount(counts, minlength=len(law)) / len(uniforms)
    np.testing.assert_array_equal(result[: len(law)], law)


def test_a_word_that_overflows_is_noticed(modules: tuple[ModuleType, ModuleType]) -> None:
    """No figure depends on the behaviour of a chip then."""
    micro, _ = modules
    top = np.array([(1 << 23) - 1], dtype=np.int64)
    with pytest.raises(OverflowError, match=r"^ADD: 8388608 does not fit 24 bits$"):
        micro.Machine().add(top, 1)


def test_the_rounding_is_the_programs(modules: tuple[ModuleType, ModuleType]) -> None:
    """Half up, for sums of either sign."""
    micro, _ = modules
    total = np.arange(-5000, 5001, dtype=np.int64)
    multiplier = np.full_like(total, 21000)
    np.testing.assert_array_equal(
        micro.scale(micro.Machine(), total, multiplier, 17),
        fixed_point.round_shift(total * multiplier, 17),
    )


@pytest.mark.parametrize("process", ["Neuron", "Residual"])
def test_every_var_is_in_the_state_table(process: str, text: str) -> None:
    """With its shape, and the bits that the model declares; read from the source."""
    tree = ast.parse((PROCESSES / process.lower() / "__init__.py").read_text(encoding="utf-8"))
    size = {"Neuron": "K", "Residual": "M"}[process]
    start = text.index(f"{process} (`hw/lava/bundle/simulator/processes/{process.lower()}/`):")
    rows = re.findall(r"^\| `(\w+)` \| \(([\w, ]+)\) \| (\d+) \|", text[start:], re.MULTILINE)
    table = {name: (shape, int(bits)) for name, shape, bits in first_table(rows)}
    assert table == dict(state_words(tree, process, size))


def first_table(rows: list[tuple[str, str, str]]) -> Iterator[tuple[str, str, str]]:
    """Yield rows until a name is repeated: then the next Process's table starts."""
    seen: set[str] = set()
    for row in rows:
        if row[0] in seen or (row[0] == "payload" and seen):
            return
        seen.add(row[0])
        yield row


def state_words(tree: ast.Module, process: str, size: str) -> Iterator[tuple[str, tuple[str, int]]]:
    """Yield name, shape and bits of every Var of a Process and its model."""
    yield from declared_constants(tree, size)
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    precision = {
        statement.target.id: keyword.value.value
        for statement in classes[f"{process}Model"].body
        if isinstance(statement, ast.AnnAssign)
        and isinstance(statement.target, ast.Name)
        and isinstance(statement.value, ast.Call)
        for keyword in statement.value.keywords
        if keyword.arg == "precision" and isinstance(keyword.value, ast.Constant)
    }
    for node in ast.walk(classes[process]):
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Call)
            and isinstance(node.value.func, ast.Name)
            and node.value.func.id in ("integer_var", "Var")
            and isinstance(node.targets[0], ast.Attribute)
        ):
            name = node.targets[0].attr
            shape = "1"
            if len(node.value.args) == 3:
                shape = ast.unparse(node.value.args[2]).strip("(),")
            shapes = {"shape": size, "each": f"C, {size}"}  # each: of every connection
            yield name, (shapes.get(shape, shape), int(str(precision[name])))


def declared_constants(tree: ast.Module, size: str) -> Iterator[tuple[str, tuple[str, int]]]:
    """Yield the same of the constants that a Process declares in its table CONSTANTS, if any."""
    for statement in tree.body:
        if not (isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Dict)):
            continue
        for key, value in zip(statement.value.keys, statement.value.values, strict=True):
            assert isinstance(key, ast.Constant)
            assert isinstance(value, ast.Call)
            bits, *shape = map(ast.literal_eval, value.args)
            one = shape[0] if shape else (1,)
            each = "C, " if value.keywords else ""
            yield key.value, (f"{each}{size}" if one is None else str(one[0]), bits)


def test_bytes_of_a_neuron(text: str) -> None:
    """The words in the tables, the caps, the count-down and the neuron's number."""

    def words(size: str) -> int:
        return len(re.findall(rf"^\| `\w+` \| \({size}\) ", text, re.MULTILINE))

    neuron = words("K") + 2 * words("C, K") + 2 + 1 + 1
    residual = words("M") + words("C, M") + 1 + 1
    assert f"a neuron of a one-layer circuit holds {WORD_BYTES * neuron} bytes" in flat(text)
    assert f"a residual neuron {WORD_BYTES * residual}." in flat(text)
    assert f"pixels are {512 + 28 * 28:,} bytes" in flat(text)
    assert (128 << 10) // (512 + 28 * 28) == 101
