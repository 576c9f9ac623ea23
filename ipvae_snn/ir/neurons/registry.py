"""Kinds of neurons by name, and neurons built from what a file holds."""

from collections.abc import Mapping
from typing import Any, Final

from ipvae_snn.arrays import AnyArray
from ipvae_snn.errors import brief
from ipvae_snn.ir.neurons.accumulator import Accumulators
from ipvae_snn.ir.neurons.lca import LcaNeurons
from ipvae_snn.ir.neurons.poisson import PoissonNeurons
from ipvae_snn.ir.neurons.protocol import Neurons
from ipvae_snn.ir.neurons.residual import ResidualNeurons
from ipvae_snn.ir.rules import require

AnyNeurons = PoissonNeurons | ResidualNeurons | Accumulators | LcaNeurons
KINDS: Final[Mapping[str, type[AnyNeurons]]] = {
    one.kind: one for one in (PoissonNeurons, ResidualNeurons, Accumulators, LcaNeurons)
}


def neurons_of(kind: object, shared: Mapping[str, int], arrays: Mapping[str, AnyArray]) -> Neurons:
    """Return neurons of a kind with their constants by name.

    Raises ProgramError for an unknown kind or a broken rule, TypeError where a constant is missing
    or unknown.
    """
    require(
        isinstance(kind, str) and kind in KINDS,
        f"neurons of kind {brief(kind)} are not known here; known ones are {', '.join(KINDS)}",
    )
    constants: dict[str, Any] = {**shared, **arrays}
    return KINDS[str(kind)](**constants)
