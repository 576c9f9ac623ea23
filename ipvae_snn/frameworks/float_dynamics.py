"""Dynamics of the network in trainable floats, from a checkpoint or an integer network."""

import math
from abc import ABC, abstractmethod
from functools import partial
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from ipvae_snn.arrays import Float64
from ipvae_snn.errors import FileFormatError, brief
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.parts import Synapses
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.models.poisson import PoissonLatents
from ipvae_snn.models.poisson_samples import generator_draw, relaxed_poisson
from ipvae_snn.models.protocol import Dictionary, Draw, LatentSettings, advance, drive
from ipvae_snn.models.trainable import decoder
from ipvae_snn.storage.text_values import number, whole

Gradient = Literal["relaxed", "straight-through"]


def draw(u: Tensor, gradient: Literal["relaxed", "straight-through", "none"], t: float) -> Tensor:
    """Return spike counts at log rates `u` (nats, any shape), drawn from torch's own generator.

    "relaxed": soft counts of temperature t with their own derivative (`models.poisson_samples`).
    "straight-through": exact Poisson counts with the derivative of their mean, exp(u).
    "none": exact Poisson counts. Raises TrainingError where relaxed counts run away.
    """
    if gradient == "relaxed":
        return relaxed_poisson(u, t, generator_draw(u.shape, u, _generator(u.device)))
    rate = torch.exp(u)
    counts = torch.poisson(rate.detach())
    return counts if gradient == "none" else counts + (rate - rate.detach())


class Dynamics(nn.Module, ABC):
    """Update of the membrane potential u (N, K), in nats, for M pixels and K neurons."""

    # Names of the attributes that are plain numbers; a state dict must hold them too.
    CONSTANTS: ClassVar[tuple[str, ...]]

    u0: Tensor
    n_pixels: int
    n_neurons: int

    def get_constants(self) -> dict[str, float]:
        """Return the plain numbers of the network by name, for JSON."""
        return {name: getattr(self, name) for name in self.CONSTANTS}

    def set_constants(self, values: dict[str, float]) -> None:
        """Set plain numbers by name; FileFormatError for names other than CONSTANTS.

        Raises ValueError for NaN, or a value of another type than the present one.
        """
        if set(values) != set(self.CONSTANTS):
            raise FileFormatError(
                f"the state dict's float network has {', '.join(values)}, but this layer's has "
                f"{', '.join(self.CONSTANTS)}; build the layer from the same kind of network"
            )
        for name, value in values.items():
            present = getattr(self, name)
            like = whole if type(present) is int else number
            if math.isnan(like(value, name)):  # an infinite limit is none
                raise ValueError(f"{name} is {brief(value)}, but this layer has {present}")
        for name, value in values.items():
            setattr(self, name, value)

    @abstractmethod
    def update(self, u: Tensor, x: Tensor, z: Tensor) -> Tensor:
        """Return the potentials (N, K) after float pixels x (N, M) and counts z (N, K)."""

    def step(self, u: Tensor, x: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """Return counts (N, K), drawn at potentials u (N, K) by `draw`, and the next potentials."""
        z = draw(u)
        return z, self.update(u, x, z)

    def _hold(self, name: str, tensor: Tensor, learnt: bool) -> None:
        """Keep `tensor` under `name`, as a parameter if it is to be learnt."""
        if learnt:
            self.register_parameter(name, nn.Parameter(tensor))
        else:
            self.register_buffer(name, tensor)


class FromCheckpoint(Dynamics):
    """Dynamics by the formulas of `models.poisson`, with a checkpoint's dictionary.

    Its weights are held under their name in the file: phi (M, K), or kernels (F, height, width, C),
    which stay shared when they are learnt; with phi, also feedforward and lateral if inference has
    weights of its own. A step has the network's updates per step and its leak.
    """

    CONSTANTS = ("clip", "floor", "updates_per_step", "leak")

    log_sigma: Tensor
    log_bias: Tensor
    log_lr: Tensor

    def __init__(self, network: FloatNetwork, learn_dictionary: bool) -> None:
        super().__init__()
        self.n_pixels, self.n_neurons = network.n_pixels, network.n_neurons
        self.clip, self.floor = network.clip, network.floor
        self.updates_per_step, self.leak = network.updates_per_step, network.leak
        self.dictionary = network.dictionary
        for name, weights in network.dictionary.tensors.items():
            self._hold(name, torch.tensor(weights), learn_dictionary)
        noise, u0, log_bias = network.stored["log_sigma"], network.u0, network.log_bias
        for name, values in (("log_sigma", noise), ("u0", u0), ("log_bias", log_bias)):
            self._hold(name, torch.tensor(values).unsqueeze(0), False)
        self._hold("log_lr", torch.tensor(network.log_lr), False)

    def update(self, u: Tensor, x: Tensor, z: Tensor) -> Tensor:
        """Return the potentials after the first update of a step, in which there is no leak."""
        model, dictionary = self._parts()
        return model.update(u, u, drive(dictionary, x, z), z)

    def step(self, u: Tensor, x: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """Return the last update's counts and the potentials after all updates of a step."""
        model, dictionary = self._parts()
        return advance(model, u, draw, partial(drive, dictionary, x))

    def _parts(self) -> tuple[PoissonLatents, Dictionary]:
        """Return model and dictionary of the present tensors, which may be learnt."""
        settings = LatentSettings(self.clip, self.floor, int(self.updates_per_step), self.leak)
        model = PoissonLatents(self.u0, self.log_bias, self.log_lr, settings)
        weights = {name: getattr(self, name) for name in self.dictionary.tensors}
        return model, decoder(self.dictionary, weights, self.log_sigma)


class FromInteger(Dynamics):
    """Dynamics by an integer network's weights in real numbers, with hard clamps.

    One-layer: du = x feedforward^T + bias - z competition^T. Two-layer: du = (x - z
    prediction^T) feedforward^T + bias. In nats per step, for pixels in their float range. The two
    matrices can be learnt, (K, M) and (K, K) or (M, K). After rounding to int8 they no longer
    determine the dictionary from which both were computed.
    """

    CONSTANTS = ("excitation_max", "update_min", "state_min", "state_max", "residual_limit")

    feedforward: Tensor
    bias: Tensor
    own: Tensor
    self_inhibition: Tensor

    def __init__(self, network: IntegerNetwork, learn_dictionary: bool) -> None:
        super().__init__()
        group, scale = network.neurons, network.input.scale
        self.n_pixels, self.n_neurons = network.n_pixels, network.n_neurons
        nat = math.log(2.0) / (1 << group.fraction_bits)  # one unit of the potential
        fine = nat / (1 << group.extra_bits)  # one unit of the current
        own = group.self_inhibition.astype(np.float64)
        weights = {"feedforward": _real(network.feedforward) * (fine / scale)}
        if network.lateral is not None:
            weights["competition"] = (np.diag(own) - _real(network.lateral)) * fine
        self.residual_limit = math.inf
        if network.residual is not None:
            weights["prediction"] = _real(network.residual.prediction) * scale
            self.residual_limit = network.residual.limit * scale
        for name, values in weights.items():
            self._hold(name, torch.tensor(values, dtype=torch.float32), learn_dictionary)
        vectors = (
            ("bias", group.bias * fine),
            ("own", network.own_inhibition * fine),
            ("self_inhibition", own * fine),
            ("u0", group.initial_state * nat),
        )
        for name, vector in vectors:
            self._hold(name, torch.tensor(vector, dtype=torch.float32).unsqueeze(0), False)
        self.second = next(name for name in weights if name != "feedforward")
        self.excitation_max, self.update_min = group.excitation_max * nat, group.update_min * nat
        self.state_min, self.state_max = group.state_min * nat, group.state_max * nat

    def update(self, u: Tensor, x: Tensor, z: Tensor) -> Tensor:
        """Return the potentials after one step of the formula above."""
        du = torch.minimum(self._drive(x, z), self.excitation_max - self.own * z)
        return (u + du.clamp(min=self.update_min)).clamp(self.state_min, self.state_max)

    def _drive(self, x: Tensor, z: Tensor) -> Tensor:
        weights: Tensor = getattr(self, self.second)
        back = z @ weights.T
        if self.second == "competition":
            return x @ self.feedforward.T + self.bias - back
        error = (x - back).clamp(-self.residual_limit, self.residual_limit)
        return error @ self.feedforward.T + self.bias - self.self_inhibition * z


def _real(connection: Synapses) -> Float64:
    """Return the weights (K, sources) in units of the input current."""
    scale = np.ldexp(connection.multiplier.astype(np.float64), -connection.shift)
    return connection.matrix.astype(np.float64) * scale[:, None]


def _generator(device: torch.device) -> torch.Generator:
    """Return torch's own generator of `device`, which torch.manual_seed sets."""
    if device.type != "cuda":
        return torch.default_generator
    index = torch.cuda.current_device() if device.index is None else device.index
    return torch.cuda.default_generators[index]
