"""Layers in larger models that are saved, loaded, copied, pickled, moved and cast."""

import copy
import io
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import snntorch as snn
import torch
from circuits import replace
from safetensors.torch import save_file, save_model
from torch import Tensor, nn

from ipvae_snn.errors import FileFormatError
from ipvae_snn.frameworks.layers import FloatLayer, IntegerLayer, Layer, first_keys, make_layer
from ipvae_snn.frameworks.norse_cell import IterativePoissonCell
from ipvae_snn.frameworks.snntorch_neuron import IterativePoisson
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.files import save_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest

Networks = Callable[..., IntegerNetwork]
Pixels = Callable[..., np.ndarray]

STEPS, SEED = 12, 5

# A fresh process: for each file it builds the model from another network, loads the state, and
# prints every count.
FRESH = """
import json, sys, torch
from safetensors.torch import load_file, load_model
from torch import nn
kind, folder, pixels, steps, seed = sys.argv[1:]
if kind == "snntorch":
    from ipvae_snn.frameworks.snntorch_neuron import IterativePoisson as Neuron
else:
    from ipvae_snn.frameworks.norse_cell import IterativePoissonCell as Neuron
load = {
    "state.pt": lambda model, path: model.load_state_dict(torch.load(path, weights_only=True)),
    "model.safetensors": load_model,
    "file.safetensors": lambda model, path: model.load_state_dict(load_file(path)),
}
images = torch.tensor(json.loads(pixels), dtype=torch.uint8)
for name in load:
    layer = Neuron(folder + "/other.safetensors", seed=int(seed))
    model = nn.ModuleDict({"body": nn.Sequential(layer, nn.Linear(7, 2))})
    load[name](model, folder + "/" + name)
    carried, counts = (), []
    for _ in range(int(steps)):
        spikes, *carried = layer(images, *carried)
        counts.append(spikes.int().tolist())
    print(json.dumps(counts))
"""


def model_of(layer: nn.Module) -> nn.Module:
    """A larger model with the layer inside."""
    return nn.ModuleDict({"body": nn.Sequential(layer, nn.Linear(7, 2))})


def shown(layer: nn.Module, pixels: Tensor, steps: int = STEPS) -> Tensor:
    """Counts (T, N, K) of a presentation from its first step, whichever the framework."""
    carried: tuple[object, ...] = ()
    if isinstance(layer, IterativePoisson):
        layer.reset_mem()
    counts = []
    for _ in range(steps):
        spikes, *rest = layer(pixels, *carried)
        carried = tuple(rest)
        counts.append(spikes)
    return torch.stack(counts)


def wanted(network: IntegerNetwork, pixels: np.ndarray) -> list[object]:
    """The interpreter's counts (T, N, K)."""
    trace = interpreter.run(network, pixels, RunRequest(STEPS, SEED, trace=True))
    assert trace.counts is not None
    result: list[object] = trace.counts.transpose(1, 0, 2).tolist()
    return result


@pytest.mark.parametrize("kind", ["snntorch", "norse"])
def test_a_fresh_process_gets_the_network_that_was_saved(
    network_factory: Networks, pixels_factory: Pixels, tmp_path: Path, kind: str
) -> None:
    """Though it builds its layer from another network of the same sizes."""
    first, other = network_factory(seed=0), network_factory(seed=1)
    pixels = pixels_factory(first, 3)
    assert wanted(first, pixels) != wanted(other, pixels)
    neuron = {"snntorch": IterativePoisson, "norse": IterativePoissonCell}[kind]
    model = model_of(neuron(first, seed=SEED))
    torch.save(model.state_dict(), tmp_path / "state.pt")
    save_model(model, str(tmp_path / "model.safetensors"))
    save_file(model.state_dict(), tmp_path / "file.safetensors")
    save_network(other, tmp_path / "other.safetensors")
    arguments = (kind, tmp_path, json.dumps(pixels.tolist()), STEPS, SEED)
    command = [sys.executable, "-c", FRESH, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=200)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line) for line in done.stdout.splitlines()] == 3 * [wanted(first, pixels)]


@pytest.mark.parametrize("circuit", ["one-layer", "two-layer"])
def test_either_circuit_comes_back_whole(
    network_factory: Networks, two_layer_factory: Networks, pixels_factory: Pixels, circuit: str
) -> None:
    factory = {"one-layer": network_factory, "two-layer": two_layer_factory}[circuit]
    first, other = factory(seed=0), factory(seed=3)
    layer = make_layer(other, "integer", False, "relaxed", 0.1)
    result = layer.load_state_dict(IntegerLayer(first).state_dict())
    assert (result.missing_keys, result.unexpected_keys) == ([], [])
    loaded = layer.integer.network  # type: ignore[union-attr]  # an IntegerLayer's
    assert loaded.provenance == first.provenance
    pixels = pixels_factory(first, 4)
    model = IterativePoisson(other, seed=SEED)
    model.layer.load_state_dict(layer.state_dict())
    assert shown(model, torch.tensor(pixels)).tolist() == wanted(first, pixels)


def test_what_an_image_is_held_as_is_made_anew_for_a_loaded_network(
    network_factory: Networks, pixels_factory: Pixels
) -> None:
    first, other = network_factory(seed=0), network_factory(seed=1)
    pixels = pixels_factory(first, 3)
    neuron = IterativePoisson(other, seed=SEED)
    shown(neuron, torch.tensor(pixels))
    neuron.load_state_dict(IterativePoisson(first).state_dict())
    assert shown(neuron, torch.tensor(pixels)).tolist() == wanted(first, pixels)


def test_a_state_dict_is_a_copy(network: IntegerNetwork, pixels_factory: Pixels) -> None:
    pixels = pixels_factory(network, 3)
    neuron = IterativePoisson(network, seed=SEED)
    state = neuron.state_dict()
    other = IterativePoisson(network, seed=SEED)
    other.load_state_dict(state)
    for tensor in state.values():
        tensor.zero_()
    for each in (neuron, other):
        assert shown(each, torch.tensor(pixels)).tolist() == wanted(network, pixels)


def test_missing_and_unexpected_keys_are_torch_s_own(network_factory: Networks) -> None:
    first, other = network_factory(seed=0), network_factory(seed=1)
    model = nn.Sequential(IntegerLayer(other))
    state = nn.Sequential(IntegerLayer(first)).state_dict()
    short = {key: value for key, value in state.items() if "lateral.shift" not in key}
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) .*"0.integer.lateral.shift"\.'):
        model.load_state_dict(short)
    result = model.load_state_dict(short, strict=False)
    assert result.missing_keys == ["0.integer.lateral.shift"]
    assert model[0].integer.network is other  # never a mixture of two
    long = {**state, "0.integer.colour": torch.zeros(1)}
    with pytest.raises(RuntimeError, match=r'Unexpected key\(s\) .*"0.integer.colour"\.'):
        model.load_state_dict(long)
    result = model.load_state_dict({}, strict=False)
    assert sorted(result.missing_keys) == sorted(state)


@pytest.mark.parametrize("strict", [True, False])
def test_a_network_of_another_build_is_refused_in_one_line(
    network_factory: Networks, two_layer: IntegerNetwork, strict: bool
) -> None:
    mine = network_factory()
    for theirs, what in (
        (network_factory(neurons=8), "12 pixels and 8 neurons, one-layer"),
        (network_factory(width=4), "16 pixels and 7 neurons, one-layer"),
        (two_layer, "12 pixels and 7 neurons, two-layer"),
    ):
        layer = IntegerLayer(mine)
        message = (
            f"integer.network: the state dict holds a network of {what}, but the layer was built "
            "for 12 pixels and 7 neurons, one-layer; build the layer from a network of the same "
            "sizes and circuit"
        )
        with pytest.raises(RuntimeError) as caught:
            layer.load_state_dict(IntegerLayer(theirs).state_dict(), strict=strict)
        assert [line.strip() for line in str(caught.value).splitlines()[1:]] == [message]
        assert layer.integer.network is mine


def as_tensor(text: str) -> Tensor:
    return torch.tensor(list(text.encode()), dtype=torch.uint8)


def test_another_version_and_damage_are_refused(network: IntegerNetwork) -> None:
    layer = IntegerLayer(network)
    state = layer.state_dict()
    text = bytes(state["integer.description"].tolist()).decode()
    newer = text.replace('"version": 3}', '"version": 5}')  # the last one, outside "program"
    assert newer != text
    for key, value, message in (
        ("description", as_tensor(newer), "holds 'ipvae-snn/integer-network', version 5, not"),
        ("description", as_tensor(text[:-9]), "a missing or malformed part (Unterminated"),
        ("lateral.weights", state["integer.lateral.weights"].half(), "lateral"),
        (
            "tables.fine",
            state["integer.tables.fine"] + 1,
            "table 'fine' differs from the specified",
        ),
    ):
        tensor = (
            torch.tensor(list(value.encode()), dtype=torch.uint8)
            if isinstance(value, str)
            else value
        )
        with pytest.raises(RuntimeError) as caught:
            layer.load_state_dict({**state, f"integer.{key}": tensor})
        assert message in str(caught.value)
        assert layer.integer.network is network


def test_a_state_dict_holds_the_decoding(network: IntegerNetwork) -> None:
    """Version 4, into a layer that was built to decode samples."""
    layer, decoded = IntegerLayer(network), network.with_decoding("mean:3")
    layer.load_state_dict(IntegerLayer(decoded).state_dict())
    assert str(layer.integer.network.decoder.decoding) == "mean:3"
    added = torch.arange(7)[None] * 3
    one = layer.integer.reconstruct(added, torch.zeros_like(added), 3)
    assert torch.equal(one, layer.integer.decode(added // 3))


def test_a_state_dict_of_version_2_is_refused_in_one_line(two_layer: IntegerNetwork) -> None:
    """Its residual neurons held the loop's inhibition, under a name that is no longer used."""
    layer = IntegerLayer(two_layer)
    state = layer.state_dict()
    text = bytes(state["integer.description"].tolist()).decode()
    older = {"format": json.loads(text)["format"], "version": 2, "program": {}, "provenance": {}}
    state["integer.description"] = as_tensor(json.dumps(older))
    state["integer.residual.loop_inhibition"] = state.pop("integer.neurons.loop_inhibition")
    with pytest.raises(RuntimeError) as caught:
        layer.load_state_dict(state)
    (line,) = str(caught.value).splitlines()[1:]
    assert "holds 'ipvae-snn/integer-network', version 2, not" in line
    assert layer.integer.network is two_layer


@pytest.mark.parametrize("neuron", [IterativePoisson, IterativePoissonCell])
@pytest.mark.parametrize("mode", ["integer", "float"])
def test_copies_and_pickles_go_on_alike(
    network: IntegerNetwork, pixels_factory: Pixels, neuron: type[nn.Module], mode: str
) -> None:
    pixels = torch.tensor(pixels_factory(network, 3))
    layer = neuron(network, mode, seed=SEED).eval()
    shown(layer, pixels, 2)  # so that it holds an image
    whole = io.BytesIO()
    torch.save(model_of(layer), whole)
    whole.seek(0)
    unpickled = torch.load(whole, weights_only=False)["body"][0]
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), unpickled):
        torch.manual_seed(1)
        expected = shown(layer, pixels)
        torch.manual_seed(1)
        assert torch.equal(shown(other, pixels), expected)
        assert repr(other) == repr(layer)


CASTS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "half": lambda m: m.half(),
    "bfloat16": lambda m: m.bfloat16(),
    "to(float64)": lambda m: m.to(torch.float64),
    "type(float32)": lambda m: m.type(torch.float32),
    "to(cpu)": lambda m: m.to("cpu"),
}


@pytest.mark.parametrize("cast", CASTS)
@pytest.mark.parametrize("neuron", [IterativePoisson, IterativePoissonCell])
def test_casts_change_no_count_even_in_the_middle_of_an_image(
    network: IntegerNetwork, pixels_factory: Pixels, neuron: type[nn.Module], cast: str
) -> None:
    """type() casts whole numbers too, of every module but this one."""
    pixels = pixels_factory(network, 3)
    layer = neuron(network, seed=SEED)
    images, carried, counts = torch.tensor(pixels), (), []
    for step in range(STEPS):
        if step == STEPS // 2:
            CASTS[cast](model_of(layer))
            if neuron is IterativePoisson:
                carried = ()  # it keeps its state itself
        spikes, *carried = layer(images, *carried)
        counts.append(spikes)
    assert torch.stack(counts).tolist() == wanted(network, pixels)
    state = layer.state_dict()
    kept = {key: value.dtype for key, value in state.items() if "integer" in key}
    fresh = neuron(network).state_dict()
    assert kept == {key: fresh[key].dtype for key in kept}


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_float_mode_runs_in_the_type_that_it_is_cast_to(
    network: IntegerNetwork, dtype: torch.dtype
) -> None:
    layer = make_layer(network, "float", True, "straight-through", 0.1).to(dtype)
    v = layer.initial(3)
    for _ in range(4):
        z, v = layer.advance(torch.rand(3, 12), v, first_keys(torch.arange(3), 0))
    assert z.dtype == v.dtype == dtype
    z.sum().backward()
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def of_float_mode(source: IntegerNetwork | str) -> FloatLayer:
    layer = make_layer(source, "float", False, "relaxed", 0.1)
    assert isinstance(layer, FloatLayer)
    return layer


def test_float_mode_brings_the_clamps_and_the_input_range_back(network: IntegerNetwork) -> None:
    group, code = network.neurons, network.input
    changed = replace(
        network,
        neurons=replace(group, state_max=group.state_max - 4096, update_min=-4096),
        input=replace(code, scale=0.04, zero_point=90),
    )
    first, other = of_float_mode(changed), of_float_mode(network)
    assert first.dynamics.get_constants() != other.dynamics.get_constants()
    other.load_state_dict(first.state_dict())
    assert other.dynamics.get_constants() == first.dynamics.get_constants()
    assert other.code == first.code
    pixels = torch.randint(0, 256, (5, 12), dtype=torch.uint8)
    runs: list[Tensor] = []
    for layer in (first, other):
        torch.manual_seed(0)
        v, keys = layer.initial(5), first_keys(torch.arange(5), 0)
        for _ in range(6):
            _, v = layer.advance(pixels, v, keys)
        runs.append(v)
    assert torch.equal(*runs)


def test_float_mode_refuses_another_kind_of_network(network: IntegerNetwork) -> None:
    message = (
        "^the state dict's float network has clip, floor, updates_per_step, leak, but this layer's "
        "has excitation_max, update_min, state_min, state_max, residual_limit; build the layer "
        "from the same kind of network$"
    )
    with pytest.raises(FileFormatError, match=message):
        of_float_mode(network).load_state_dict(of_float_mode("digits").state_dict())
    state = of_float_mode(network).state_dict()
    state["_extra_state"] = torch.tensor([1], dtype=torch.uint8)
    with pytest.raises(FileFormatError, match=r"^the state dict's float network has a missing or"):
        of_float_mode(network).load_state_dict(state)


def test_compiled_by_torch_the_step_gives_the_same_counts(
    network: IntegerNetwork, pixels_factory: Pixels
) -> None:
    """With graph breaks where the sampler looks at its data; no code generator is needed."""
    pixels = pixels_factory(network, 3)
    neuron = IterativePoissonCell(network, seed=SEED)
    compiled = torch.compile(neuron, backend="eager")
    assert shown(compiled, torch.tensor(pixels)).tolist() == wanted(network, pixels)


def test_a_layer_has_one_line(network: IntegerNetwork, two_layer: IntegerNetwork) -> None:
    layers: list[tuple[Layer, str]] = [
        (IntegerLayer(network), "IntegerLayer(12, 7, mode='integer', bits=8, circuit='one-layer')"),
        (
            IntegerLayer(two_layer),
            "IntegerLayer(12, 7, mode='integer', bits=8, circuit='two-layer')",
        ),
        (
            of_float_mode("digits"),
            "FloatLayer(64, 128, mode='float', gradient='relaxed', learn_dictionary=False)",
        ),
    ]
    for layer, line in layers:
        assert repr(layer) == line


def test_a_neuron_of_snntorch_cannot_be_pickled_but_its_state_dict_is_enough(
    network: IntegerNetwork,
) -> None:
    """As docs/frameworks.md says; remove it there when snnTorch's surrogate gradients can."""
    model = nn.Sequential(IterativePoisson(network), snn.Leaky(beta=0.9))
    with pytest.raises((AttributeError, pickle.PicklingError), match=r"local object"):
        pickle.dumps(model)
    model.load_state_dict(pickle.loads(pickle.dumps(model.state_dict())))
