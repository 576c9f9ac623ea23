"""Version 2 of the integer network: two circuits, without a list of populations and connections.

Files of that version load, and Lava's bundles are still written in it.
"""

from collections.abc import Mapping
from typing import Any, Final

from ipvae_snn.arrays import AnyArray
from ipvae_snn.ir.circuits import FEEDFORWARD, LATERAL, PREDICTION, RESIDUAL, Parts
from ipvae_snn.ir.graph import IMAGE
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.neurons import PER_NEURON, PoissonNeurons, ResidualNeurons
from ipvae_snn.ir.parts import NEURONS
from ipvae_snn.ir.rules import require

VERSION: Final = 2
_LOOP: Final = "loop_inhibition"
_DENSE: Final = {"kind": "dense", "constants": {}}


def modern(
    arrays: Mapping[str, AnyArray], scalars: dict[str, Any]
) -> tuple[dict[str, AnyArray], dict[str, Any]]:
    """Return a circuit's tensors and scalars as version 3 names them.

    Raises LookupError or TypeError where a part is missing or of another kind.
    """
    limit = scalars["residual_limit"]
    tensors = {
        name.replace(f"{RESIDUAL}.{_LOOP}", f"{NEURONS}.{_LOOP}"): array
        for name, array in arrays.items()
    }
    populations = [_population(NEURONS, PoissonNeurons.kind, scalars["neurons"])]
    if limit is None:
        ends = [(FEEDFORWARD, IMAGE, NEURONS), (LATERAL, NEURONS, NEURONS)]
    else:
        size = len(tensors[f"{PREDICTION}.multiplier"])
        constants = {"size": size, "limit": limit}
        populations.append(_population(RESIDUAL, ResidualNeurons.kind, constants))
        ends = [(FEEDFORWARD, RESIDUAL, NEURONS), (PREDICTION, NEURONS, RESIDUAL)]
    return tensors, {
        "version": VERSION + 1,
        "input": scalars["input"],
        "populations": populations,
        "connections": [
            {"name": name, "source": source, "target": target, "weights": _DENSE}
            for name, source, target in ends
        ],
        "decoder": {"source": NEURONS, "weights": _DENSE},
    }


def _population(name: str, kind: str, constants: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "kind": kind, "grid": [], "constants": constants}


def circuit_arrays(network: IntegerNetwork) -> dict[str, AnyArray]:
    """Return the tensors of a circuit as version 2 names them, its weights as matrices.

    Raises ProgramError for another graph, and for one with accumulators, which version 2 cannot
    say.
    """
    parts = _only_parts(network)
    arrays: dict[str, AnyArray] = {}
    for connection in network.connections:
        synapses = connection.synapses
        arrays[f"{connection.name}.weights"] = synapses.matrix
        arrays[f"{connection.name}.multiplier"] = synapses.multiplier
        arrays[f"{connection.name}.shift"] = synapses.shift
    group = parts.neurons
    if group.loop_inhibition is not None:
        arrays[f"{RESIDUAL}.{_LOOP}"] = group.loop_inhibition
    arrays |= {f"{NEURONS}.{name}": getattr(group, name) for name in PER_NEURON}
    return arrays | {
        "decoder.weights": network.decoder.matrix,
        "decoder.scale": network.decoder.scale,
        "tables.coarse": network.tables.coarse,
        "tables.fine": network.tables.fine,
        "tables.reciprocal": network.tables.reciprocal,
    }


def circuit_scalars(network: IntegerNetwork) -> dict[str, Any]:
    """Return the scalars of a circuit as version 2 names them; ProgramError as above."""
    parts = _only_parts(network)
    code = network.input
    return {
        "version": VERSION,
        "input": {
            "image_shape": list(code.image_shape),
            "kind": code.kind,
            "scale": code.scale,
            "zero_point": code.zero_point,
        },
        "neurons": parts.neurons.shared(),
        "residual_limit": parts.residual.limit if parts.residual else None,
    }


def _only_parts(network: IntegerNetwork) -> Parts:
    extra = ", ".join(one.name for one in network.accumulating)
    require(not extra, f"a bundle holds one circuit, without the accumulators {extra}")
    return network.parts
