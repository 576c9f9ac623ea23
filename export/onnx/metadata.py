"""Metadata of an ONNX model of an integer network: scales, limits, provenance, as text."""

from __future__ import annotations

import numpy as np

from ipvae_snn.arrays import Array
from ipvae_snn.image_shape import shape_text
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.neurons import PoissonNeurons
from ipvae_snn.ir.parts import Synapses
from ipvae_snn.ir.trace import SATURATIONS


def metadata(network: IntegerNetwork) -> dict[str, str]:
    """Return the scales, limits and provenance of a network as text."""
    code, group = network.input, network.neurons
    return {
        "program_version": str(network.version),
        "circuit": network.circuit,
        "input_kind": code.kind,
        "input_shape": shape_text(code.image_shape),
        "input_scale": repr(float(code.scale)),
        "input_zero_point": str(code.zero_point),
        "state_unit": f"2**-{group.fraction_bits} octaves (log2 of the rate)",
        **{name: str(value) for name, value in group.shared().items()},
        "feedforward_scale": _extent(_octaves(network.feedforward, group)),
        **_circuit_metadata(network),
        "decoder_scale": _extent(network.decoder.scale),
        "saturated": ", ".join(SATURATIONS),
        **{f"provenance.{name}": text for name, text in network.provenance.items()},
    }


def _circuit_metadata(network: IntegerNetwork) -> dict[str, str]:
    texts = {}
    if network.lateral is not None:
        texts["lateral_scale"] = _extent(_octaves(network.lateral, network.neurons))
    if network.residual is not None:
        texts["prediction_scale"] = _extent(_scale(network.residual.prediction))
        texts["residual_limit"] = str(network.residual.limit)
    return texts


def _octaves(connection: Synapses, group: PoissonNeurons) -> Array:
    """Return octaves per unit of the synaptic sum, per neuron."""
    return np.asarray(_scale(connection) * 2.0 ** -(group.fraction_bits + group.extra_bits))


def _scale(connection: Synapses) -> Array:
    """Return units of the connection's target per unit of its sum."""
    return np.asarray(connection.multiplier * np.exp2(-connection.shift.astype(np.float64)))


def _extent(values: Array) -> str:
    return f"{values.min():.9g} .. {values.max():.9g}"
