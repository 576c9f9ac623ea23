"""A circuit as version 2 of the integer network wrote it, to test that such files load."""

from typing import Any

from ipvae_snn.arrays import AnyArray
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.neurons import PER_NEURON


def circuit_arrays(network: IntegerNetwork) -> dict[str, AnyArray]:
    """Return the tensors of a circuit as version 2 names them."""
    parts = network.parts
    arrays: dict[str, AnyArray] = {}
    for connection in network.connections:
        synapses = connection.synapses
        arrays[f"{connection.name}.weights"] = synapses.matrix
        arrays[f"{connection.name}.multiplier"] = synapses.multiplier
        arrays[f"{connection.name}.shift"] = synapses.shift
    group = parts.neurons
    if group.loop_inhibition is not None:
        arrays["residual.loop_inhibition"] = group.loop_inhibition
    arrays |= {f"neurons.{name}": getattr(group, name) for name in PER_NEURON}
    return arrays | {
        "decoder.weights": network.decoder.matrix,
        "decoder.scale": network.decoder.scale,
        "tables.coarse": network.tables.coarse,
        "tables.fine": network.tables.fine,
        "tables.reciprocal": network.tables.reciprocal,
    }


def circuit_scalars(network: IntegerNetwork) -> dict[str, Any]:
    """Return the scalars of a circuit as version 2 names them."""
    parts = network.parts
    code = network.input
    return {
        "version": 2,
        "input": {
            "image_shape": list(code.image_shape),
            "kind": code.kind,
            "scale": code.scale,
            "zero_point": code.zero_point,
        },
        "neurons": parts.neurons.shared(),
        "residual_limit": parts.residual.limit if parts.residual else None,
    }
