"""The integer network: its parts and rules, its interpreter (the reference), its files."""

from ipvae_snn.ir.bounds import scale_sum, worst_partial_sum
from ipvae_snn.ir.network import VERSION, Circuit, IntegerNetwork
from ipvae_snn.ir.parts import Connection, Decoder, InputCode, NeuronGroup, Residual

__all__ = [
    "VERSION",
    "Circuit",
    "Connection",
    "Decoder",
    "InputCode",
    "IntegerNetwork",
    "NeuronGroup",
    "Residual",
    "scale_sum",
    "worst_partial_sum",
]
