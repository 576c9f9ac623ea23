"""Metadata of an ONNX model of an integer network: scales, limits, provenance, as text."""

from __future__ import annotations

import numpy as np

from ipvae_snn.arrays import Array
from ipvae_snn.image_shape import shape_text
from ipvae_snn.ir.graph import Connection
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.neurons import PoissonNeurons
from ipvae_snn.ir.trace import SATURATIONS


def metadata(network: IntegerNetwork) -> dict[str, str]:
    """Return the scales, limits and provenance of a network as text."""
    code = network.input
    return {
        "program_version": str(network.version),
        "circuit": network.circuit,
        "input_kind": code.kind,
        "input_shape": shape_text(code.image_shape),
        "input_scale": repr(float(code.scale)),
        "input_zero_point": str(code.zero_point),
        **_constants(network),
        **{f"{one.name}_scale": _extent(_units(network, one)) for one in network.connections},
        **({"labels": ", ".join(map(str, network.labels))} if network.n_scores else {}),
        "decoding": str(network.decoder.decoding),
        "decoder_scale": _extent(network.decoder.scale),
        "saturated": ", ".join(SATURATIONS),
        **{f"provenance.{name}": text for name, text in network.provenance.items()},
    }


def _constants(network: IntegerNetwork) -> dict[str, str]:
    """Return the constants that neurons share: a circuit's by their names, others by population."""
    if network.is_circuit:
        group = network.neurons
        limits = {f"{one.name}_limit": str(one.neurons.sends[1]) for one in network.relays}
        return {"state_unit": _octaves(group), **_texts(group.shared()), **limits}
    computing = ", ".join(
        f"{one.name} ({one.size} {one.neurons.kind})" for one in network.computing
    )
    return {
        "state_order": computing,
        **{
            f"{one.name}.{name}": text
            for one in network.populations
            for name, text in _texts(one.neurons.shared()).items()
        },
    }


def _texts(constants: dict[str, int]) -> dict[str, str]:
    return {name: str(value) for name, value in constants.items()}


def _octaves(group: PoissonNeurons) -> str:
    return f"2**-{group.fraction_bits} octaves (log2 of the rate)"


def _units(network: IntegerNetwork, connection: Connection) -> Array:
    """Return units of the target per unit of the sum, (targets,): octaves for Poisson neurons."""
    synapses = connection.synapses
    scale = np.asarray(synapses.multiplier * np.exp2(-synapses.shift.astype(np.float64)))
    shared = network.population(connection.target).neurons.shared()
    if "fraction_bits" not in shared:
        return scale
    return np.asarray(scale * 2.0 ** -(shared["fraction_bits"] + shared["extra_bits"]))


def _extent(values: Array) -> str:
    return f"{values.min():.9g} .. {values.max():.9g}"
