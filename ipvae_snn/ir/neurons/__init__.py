"""Kinds of neurons: what each holds, sends and integrates."""

from ipvae_snn.ir.neurons.accumulator import Accumulators
from ipvae_snn.ir.neurons.lca import LcaNeurons
from ipvae_snn.ir.neurons.poisson import PER_NEURON, PoissonNeurons
from ipvae_snn.ir.neurons.protocol import Neurons, Relaying, Role, Stateful
from ipvae_snn.ir.neurons.residual import ResidualNeurons

__all__ = [
    "PER_NEURON",
    "Accumulators",
    "LcaNeurons",
    "Neurons",
    "PoissonNeurons",
    "Relaying",
    "ResidualNeurons",
    "Role",
    "Stateful",
]
