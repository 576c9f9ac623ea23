"""The integer network: its parts and rules, its interpreter (the reference), its files."""

from ipvae_snn.ir.bounds import scale_sum, worst_partial_sum
from ipvae_snn.ir.circuits import Circuit, Parts, Residual
from ipvae_snn.ir.graph import Connection, Population
from ipvae_snn.ir.network import VERSION, IntegerNetwork, circuit_network
from ipvae_snn.ir.neurons import Accumulators, LcaNeurons, PoissonNeurons, ResidualNeurons
from ipvae_snn.ir.parts import Decoder, InputCode, Synapses
from ipvae_snn.ir.weights import Convolution, Dense, Geometry, Sparse, Transposed, Weights

__all__ = [
    "VERSION",
    "Accumulators",
    "Circuit",
    "Connection",
    "Convolution",
    "Decoder",
    "Dense",
    "Geometry",
    "InputCode",
    "IntegerNetwork",
    "LcaNeurons",
    "Parts",
    "PoissonNeurons",
    "Population",
    "Residual",
    "ResidualNeurons",
    "Sparse",
    "Synapses",
    "Transposed",
    "Weights",
    "circuit_network",
    "scale_sum",
    "worst_partial_sum",
]
