"""A start: synapses that set the first potentials of an image, in one step (docs/ir.md, A start).

Amortised inference (a trained function of the image) gives the first potentials, and the ordinary
steps correct them (Marino, Yue & Mandt 2018, Iterative amortized inference, ICML).
"""

from typing import Final

from ipvae_snn.errors import BackendError
from ipvae_snn.ir.bounds import worst_partial_sum
from ipvae_snn.ir.fixed_point import ACCUMULATOR_BITS, STATE_BITS, signed_limit
from ipvae_snn.ir.graph import IMAGE, Connection, Population
from ipvae_snn.ir.rules import require

START: Final = "start"  # the name that `convert` gives it


def check_start(start: Connection, target: Population, payloads: tuple[int, int]) -> None:
    """Check that a start sets Poisson neurons' potentials from the image, within 24 bits.

    payloads: least and largest of a pixel. Raises ProgramError with the first rule broken.
    """
    require(
        start.source == IMAGE,
        f"the start {start.name!r} comes from {start.source!r}, but only the image can set first "
        "potentials",
    )
    require(
        target.neurons.draws,
        f"the start {start.name!r} leads to {target.name!r}, whose neurons are of kind "
        f"{target.neurons.kind}; only Poisson neurons have first potentials to set",
    )
    bound = worst_partial_sum(start.synapses.weights, *payloads)
    for kind, bits, values in (
        (f"the {start.name} sum of neuron", ACCUMULATOR_BITS, bound),
        ("the start's change of neuron", STATE_BITS, start.synapses.scaled(bound) + 1),
    ):
        worst, limit = int(values.argmax()), signed_limit(bits)
        require(
            values[worst] <= limit,
            f"{kind} {worst} can reach {values[worst]}, beyond the {bits}-bit {limit}; convert "
            "with smaller weights of the start",
        )


def refuse_start(start: object | None, subject: str, remedy: str) -> None:
    """Raise BackendError if there is a start, for what begins every image at the same potentials.

    subject: what cannot set them; remedy: what can.
    """
    if start is not None:
        raise BackendError(
            f"{subject} begin every image at the same potentials, but this network has a start, "
            f"which sets them from the image; {remedy}"
        )
