"""Layers of both frameworks: one step of the network, in integers or in trainable floats.

A layer keeps no state: potentials and keys of the noise are arguments and results.
"""

import json
from abc import ABC, abstractmethod
from dataclasses import asdict
from typing import NamedTuple, get_args

import torch
from torch import Tensor, nn

from ipvae_snn.backends.torch_module import IntegerTorch
from ipvae_snn.backends.torch_sampler import Keys
from ipvae_snn.errors import ConfigError, FileFormatError
from ipvae_snn.frameworks.float_dynamics import (
    Dynamics,
    FromCheckpoint,
    FromInteger,
    Gradient,
    draw,
)
from ipvae_snn.frameworks.inputs import flat, to_levels, to_values
from ipvae_snn.frameworks.networks import NO_START, Mode
from ipvae_snn.image_shape import image_shape
from ipvae_snn.ir.circuits import parts_of
from ipvae_snn.ir.encode import input_code
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.parts import InputCode
from ipvae_snn.ir.prng import MAX_SEED
from ipvae_snn.ir.start import refuse_start
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.models.networks import NetworkSource, load
from ipvae_snn.storage.source_files import MALFORMED, reason
from ipvae_snn.storage.text_values import parse_json_object


class Layer(nn.Module, ABC):
    """One step of a network of M pixels and K neurons for N rows."""

    n_pixels: int
    n_neurons: int

    @abstractmethod
    def initial(self, n_rows: int) -> Tensor:
        """Return the membrane potentials (n_rows, K) at which an image appears."""

    @abstractmethod
    def advance(self, input_: Tensor, v: Tensor, keys: Keys) -> tuple[Tensor, Tensor]:
        """Return (spike counts as floats, potentials after them), each (N, K).

        `input_` (N, ...) is the input of this step (see `inputs`), v (N, K) the potentials.
        """

    def __repr__(self) -> str:
        """Return one line with sizes, mode and settings of the mode."""
        return f"{type(self).__name__}({self.extra_repr()})"


class _Shown(NamedTuple):
    """An image's levels (N, M), and the values that the circuit of `network` keeps of them."""

    network: IntegerNetwork
    levels: Tensor
    held: Tensor


class IntegerLayer(Layer):
    """The integer network: bit for bit the reference's counts; no gradient.

    Potentials are int64, in units of 2^-fraction_bits octaves. `saturated` (N, 5) is the number of
    neurons of each row that saturated at the last step, by trace.SATURATIONS.
    """

    def __init__(self, network: IntegerNetwork) -> None:
        super().__init__()
        parts_of(network.populations, network.connections)  # ProgramError unless a circuit
        refuse_start(network.start, *NO_START)
        self.n_pixels, self.n_neurons = network.n_pixels, network.n_neurons
        self.integer = IntegerTorch(network)
        self._shown: _Shown | None = None
        self.saturated: Tensor | None = None

    def initial(self, n_rows: int) -> Tensor:
        """Return the potentials (n_rows, K) at which an image appears."""
        return self.integer.initial(n_rows)

    def advance(self, input_: Tensor, v: Tensor, keys: Keys) -> tuple[Tensor, Tensor]:
        """Return the reference's counts, as floats, and its next potentials."""
        levels = to_levels(self.integer.network.input, flat(input_, self.n_pixels))
        counts, after, self.saturated = self.integer.step(v, self._held(levels), keys)
        return counts.to(torch.get_default_dtype()), after

    def _held(self, levels: Tensor) -> Tensor:
        """Return the values that the circuit keeps of `levels`; cached until the levels change.

        They depend only on the levels. The cache therefore changes no result; it saves time if an
        image is shown for many steps.
        """
        shown, network = self._shown, self.integer.network
        if (
            shown is None
            or shown.network is not network  # another was loaded from a state dict
            or shown.levels.device != levels.device
            or not torch.equal(shown.levels, levels)
        ):
            # a copy: the caller may write its next image into the same tensor
            shown = self._shown = _Shown(network, levels.clone(), self.integer.held(levels))
        return shown.held

    def extra_repr(self) -> str:
        """Return sizes, mode, bits of the weights, and circuit."""
        network = self.integer.network
        return (
            f"{self.n_pixels}, {self.n_neurons}, mode='integer', bits={weight_bits(network)}, "
            f"circuit={network.circuit!r}"
        )


class FloatLayer(Layer):
    """The network in floats, with gradients of its input and of its weights.

    Potentials are in nats. In training mode counts are drawn with the chosen `gradient`; in
    evaluation mode they are exact Poisson counts. Both use torch's own generator, which
    `torch.manual_seed` sets; `keys` is not used.
    """

    def __init__(
        self, dynamics: Dynamics, code: InputCode | None, gradient: Gradient, temperature: float
    ) -> None:
        super().__init__()
        self.dynamics, self.code = dynamics, code
        self.n_pixels, self.n_neurons = dynamics.n_pixels, dynamics.n_neurons
        self.gradient, self.temperature = gradient, temperature

    def initial(self, n_rows: int) -> Tensor:
        """Return the potentials (n_rows, K) at which an image appears."""
        return self.dynamics.u0.repeat(n_rows, 1)

    def advance(self, input_: Tensor, v: Tensor, keys: Keys) -> tuple[Tensor, Tensor]:
        """Return counts and the next potentials, with their gradients."""
        x = to_values(self.code, flat(input_, self.n_pixels)).to(v.dtype)
        gradient = self.gradient if self.training else "none"
        return self.dynamics.step(v, x, lambda u: draw(u, gradient, self.temperature))

    def get_extra_state(self) -> Tensor:
        """Return the network's plain numbers for the state dict, as JSON in uint8."""
        code = None if self.code is None else asdict(self.code)
        held = {"constants": self.dynamics.get_constants(), "input": code}
        return torch.tensor(list(json.dumps(held).encode()), dtype=torch.uint8)

    def set_extra_state(self, state: Tensor) -> None:
        """Set the plain numbers from a state dict.

        Raises FileFormatError if they are malformed or not those of this layer's dynamics.
        """
        try:
            held = parse_json_object(bytes(state.tolist()).decode(), finite=False)
            code = held["input"]
            if code is not None:
                code = InputCode(**{**code, "image_shape": image_shape(code["image_shape"])})
            self.dynamics.set_constants(held["constants"])
        except MALFORMED as error:
            raise FileFormatError(
                f"the state dict's float network has a missing or malformed part ({reason(error)})"
                "; save it again"
            ) from error
        self.code = code

    def extra_repr(self) -> str:
        """Return sizes, mode, source of the gradient, and whether the weights are learnt."""
        learnt = any(True for _ in self.dynamics.parameters())
        return (
            f"{self.n_pixels}, {self.n_neurons}, mode='float', gradient={self.gradient!r}, "
            f"learn_dictionary={learnt}"
        )


def make_layer(
    source: NetworkSource,
    mode: Mode,
    learn_dictionary: bool,
    gradient: Gradient,
    temperature: float,
) -> Layer:
    """Return the layer for `source` (see `models.networks.load`) and `mode`.

    Raises ConfigError for an unknown mode or gradient, a temperature that is not above 0, a
    checkpoint in integer mode, or a dictionary that is to be learnt in integers; FileFormatError
    for a file that is no network.
    """
    for name, value, known in (
        ("mode", mode, get_args(Mode)),
        ("gradient", gradient, get_args(Gradient)),
    ):
        if value not in known:
            raise ConfigError(f"{name} {value!r} is not known; choose {' or '.join(known)}")
    if not temperature > 0:
        raise ConfigError(f"temperature {temperature} must be above 0; 0.1 is usual")
    if mode == "integer" and learn_dictionary:
        raise ConfigError('integers have no gradient: learn the dictionary with mode="float"')
    network = load(source)
    if isinstance(network, FloatNetwork):
        if mode == "integer":
            raise ConfigError(
                "a checkpoint is float: convert it by from_pretrained or `ipvae-snn convert`, or "
                'choose mode="float"'
            )
        refuse_start(network.start, *NO_START)
        code = input_code("unit", network.image_shape) if network.input_kind == "unit" else None
        dynamics: Dynamics = FromCheckpoint(network, learn_dictionary)
        return FloatLayer(dynamics, code, gradient, temperature)
    if mode == "integer":
        return IntegerLayer(network)
    refuse_start(network.start, *NO_START)
    dynamics = FromInteger(network, learn_dictionary)
    return FloatLayer(dynamics, network.input, gradient, temperature)


def weight_bits(network: IntegerNetwork) -> int:
    """Return the bits, sign included, that the largest weight of any connection needs."""
    return max(one.synapses.weight_bits for one in network.weighted)


def first_keys(images: Tensor, seed: int) -> Keys:
    """Return the keys (N,) of a presentation's first step for image indices (N,) int64.

    Raises ConfigError unless seed and indices are in 0..2^32 - 1.
    """
    if not 0 <= seed <= MAX_SEED:
        raise ConfigError(f"seed {seed} is not in 0..{MAX_SEED}")
    if len(images) and not 0 <= int(images.min()) <= int(images.max()) <= MAX_SEED:
        raise ConfigError(
            f"image indices {int(images.min())}..{int(images.max())} are not in 0..{MAX_SEED}"
        )
    return Keys(torch.full_like(images, seed), images, torch.zeros_like(images))
