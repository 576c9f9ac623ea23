"""Version 2 of the integer network: two circuits, without a list of populations and connections.

Files of that version load; nothing is written in it any more.
"""

from collections.abc import Mapping
from typing import Any, Final

from ipvae_snn.arrays import AnyArray
from ipvae_snn.ir.circuits import FEEDFORWARD, LATERAL, PREDICTION, RESIDUAL
from ipvae_snn.ir.graph import IMAGE
from ipvae_snn.ir.neurons import PoissonNeurons, ResidualNeurons
from ipvae_snn.ir.parts import NEURONS

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
