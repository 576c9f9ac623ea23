"""The integer network: its parts and rules, its interpreter (the reference), its files."""

from ipvae_snn.ir.bounds import scale_sum, worst_partial_sum
from ipvae_snn.ir.circuits import Circuit, Parts, Residual
from ipvae_snn.ir.graph import Connection, Population
from ipvae_snn.ir.network import VERSION, IntegerNetwork, circuit_network, with_parts
from ipvae_snn.ir.parts import Decoder, InputCode, NeuronGroup, ResidualNeurons, Synapses
from ipvae_snn.ir.weights import Dense, Weights

__all__ = [
    "VERSION",
    "Circuit",
    "Connection",
    "Decoder",
    "Dense",
    "InputCode",
    "IntegerNetwork",
    "NeuronGroup",
    "Parts",
    "Population",
    "Residual",
    "ResidualNeurons",
    "Synapses",
    "Weights",
    "circuit_network",
    "scale_sum",
    "with_parts",
    "worst_partial_sum",
]
