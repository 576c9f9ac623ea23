"""A float network and the integer network that equals it exactly, for comparisons of both."""

import numpy as np
from circuits import circuit, replace

import small
from ipvae_snn.comparison.paired_runs import Pair
from ipvae_snn.ir.circuits import Residual
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.neurons import PoissonNeurons
from ipvae_snn.ir.parts import Decoder, InputCode, Synapses
from ipvae_snn.ir.units import pixel_values
from ipvae_snn.models.float_network import FloatNetwork

LN2 = float(np.log(2.0))
UNIT = LN2 / 4096  # 12 fraction bits
M, K, N = 6, 8, 5


def matrix() -> np.ndarray:
    """Whole numbers (M, K) that the dictionary is half of."""
    return np.random.default_rng(3).integers(-3, 4, (M, K))


def make_float() -> FloatNetwork:
    """A network whose numbers integers hold exactly: sigma 1, step size 2^-5 octaves.

    Phi = A / 2, so that G is A'A / 4. The clips lie too far away to matter.
    """
    first = np.random.default_rng(4).integers(-8192, 2048, K)
    return small.float_network(
        phi=(matrix() / 2).astype(np.float32),
        log_sigma=np.zeros(M, np.float32),
        u0=(first * UNIT).astype(np.float32),
        log_bias=np.full(K, np.log(0.25), np.float32),
        log_lr=float(np.log(LN2 / 32)),
        clip=40.0,
        image_shape=(2, 3),
    )


def scaled(weights: np.ndarray, power: int) -> Synapses:
    """Weights times 2**power, as an integer network holds a scale: 2**14 / 2**(14 - power)."""
    n = len(weights)
    return Synapses.dense(
        weights.astype(np.int8), np.full(n, 1 << 14, np.int32), np.full(n, 14 - power, np.int32)
    )


def make_integer(two_layer: bool = False) -> IntegerNetwork:
    """The same network. One unit of state and current is 2^-12 octaves, a payload 2^-5.

    Drive of a payload: 2^-5 2^-1 2^-5 A octaves = 2 A units; competition 2^-5 2^-2 A'A = 32 A'A;
    bias 2^-5 / 4 = 32 units; one spike predicts A / 2 = 16 A payloads.
    """
    A = matrix()
    gram = A.T @ A
    own = np.diagonal(gram).copy()
    initial = np.rint(make_float().u0 / UNIT).astype(np.int32)
    group = PoissonNeurons(
        bias=np.full(K, -32, np.int32),
        self_inhibition=np.zeros(K, np.int32) if two_layer else (32 * own).astype(np.int32),
        initial_state=initial,
        fraction_bits=12,
        extra_bits=0,
        state_min=round(-8.0 / UNIT),
        state_max=12 << 12,
        update_min=round(-8.0 / UNIT),
        excitation_max=12 << 12,
        max_count=255,
    )
    return circuit(
        input=InputCode((2, 3), "standardised", 2.0**-5, 128),
        feedforward=scaled(A.T, 1),
        lateral=None if two_layer else scaled(-(gram - np.diag(own)), 5),
        neurons=group,
        decoder=Decoder.dense(A.astype(np.int16), np.full(M, 0.5, np.float32)),
        residual=Residual(scaled(A, 4), 20000, (32 * own).astype(np.int32)) if two_layer else None,
    )


def make_pair(network: IntegerNetwork, n: int = N) -> Pair:
    pixels = np.random.default_rng(5).integers(0, 256, (n, M)).astype(np.uint8)
    images = pixel_values(network, pixels).astype(np.float32)
    return Pair(make_float(), network, images, pixels)


def with_bias_fault(network: IntegerNetwork, neuron: int = 3, units: int = 295) -> IntegerNetwork:
    """295 units of 2^-12 octaves are 0.05 nats per step."""
    bias = network.neurons.bias.copy()
    bias[neuron] += units
    return replace(network, neurons=replace(network.neurons, bias=bias))
