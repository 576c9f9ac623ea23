"""Report of the neurons that saturated in a run, by kind, layer and step."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Final

import numpy as np

from ipvae_snn.arrays import Int64
from ipvae_snn.errors import SaturatedError
from ipvae_snn.ir.trace import SATURATIONS, Trace

NEURONS: Final = "neurons"
LAYERS: Final = MappingProxyType({"residual": "residual neurons"})  # NEURONS otherwise
MEANING: Final = MappingProxyType(
    {
        "count": "spike counts at the largest",
        "excitation": "excitation above its bound",
        "inhibition": "an update below its bound",
        "potential": "membrane potentials above their bound",
        "residual": "differences between image and prediction beyond the limit",
    }
)


@dataclass(frozen=True)
class Saturation:
    """Saturations of one kind: (image, step, neuron) triples, `total` of them.

    kind: one of trace.SATURATIONS. first_step is the earliest step and first_image the lowest row
    that saturates in it; both None where total is 0. by_step: total of each step that has any.
    """

    kind: str
    total: int
    first_image: int | None
    first_step: int | None
    by_step: dict[int, int]

    @property
    def layer(self) -> str:
        """Layer of the neurons that saturated."""
        return LAYERS.get(self.kind, NEURONS)

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {"layer": self.layer, **vars(self)}

    def describe(self) -> str:
        """Return kind, layer, number and first place; without a full stop."""
        return (
            f"{self.kind} of {self.layer} ({MEANING[self.kind]}) {self.total:,} times, first in "
            f"image {self.first_image}, step {self.first_step}"
        )


def saturations(trace: Trace) -> tuple[Saturation, ...] | None:
    """Return one entry for each of trace.SATURATIONS, or None if the run counted none of them."""
    if trace.saturated is None:
        return None
    return tuple(
        _saturation(kind, trace.saturated[:, :, index].astype(np.int64))
        for index, kind in enumerate(SATURATIONS)
    )


def _saturation(kind: str, hits: Annotated[Int64, "N T"]) -> Saturation:
    per_step = hits.sum(axis=0)
    steps = np.flatnonzero(per_step)
    first_step = int(steps[0]) if len(steps) else None
    first_image = None if first_step is None else int(np.flatnonzero(hits[:, first_step])[0])
    by_step = {int(step): int(per_step[step]) for step in steps}
    return Saturation(kind, int(per_step.sum()), first_image, first_step, by_step)


def summary(kinds: tuple[Saturation, ...]) -> str:
    """Return one line, such as `excitation 12 (neurons, from step 3)`; empty if none saturated."""
    return ", ".join(
        f"{one.kind} {one.total:,} ({one.layer}, from step {one.first_step})"
        for one in kinds
        if one.total
    )


def require_none(trace: Trace, subject: str) -> None:
    """Raise SaturatedError, with every kind that saturated, unless nothing did.

    The error is also raised where `subject`, the back end, does not count saturations.
    """
    refuse(saturations(trace), subject)


def refuse(kinds: tuple[Saturation, ...] | None, subject: str) -> None:
    """Raise SaturatedError as `require_none` does, for what a run saturated."""
    if kinds is None:
        raise SaturatedError(
            f"the back end {subject!r} does not count what saturates, so that --on-overflow error "
            "cannot be kept; use --backend reference"
        )
    worst = [one.describe() for one in kinds if one.total]
    if worst:
        raise SaturatedError(
            f"the run saturated: {'; '.join(worst)}; convert again, calibrated on images like "
            "these and as many steps, or run with --on-overflow saturate"
        )
